"""The node's benchmarks start nodes as the node's tests do."""

from tests.ros.conftest import ros_environment

__all__ = ["ros_environment"]
