"""How a process of one node runs: from a ready ROS to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

__all__ = ["run_node"]


def run_node(make_node: Callable[[], Any]) -> None:
    """Make a node and spin it until Ctrl-C or SIGTERM; then shut ROS down, which has to be initialised before."""
    node = None
    try:
        node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a signal has shut ROS down under a callback: no error of the node's
            raise
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
