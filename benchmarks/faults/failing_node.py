"""The node with a device that fails while the file that FAILING names is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import rclpy

from pagnet_ros.errors import DeviceLostError
from pagnet_ros.ros.node.loading import load_upsampler
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.running import run_node


def _load(parameters: NodeParameters) -> Any:
    upsampler = load_upsampler(parameters)
    compute, flag = type(upsampler).__call__, Path(os.environ["FAILING"])

    class Failing(type(upsampler)):  # type: ignore[misc]
        def __call__(self, *arguments: Any) -> Any:
            if flag.exists():
                raise DeviceLostError("the device failed in the middle of a frame (on demand); expected it to compute")
            return compute(self, *arguments)

    upsampler.__class__ = Failing
    return upsampler


def main() -> int:
    """Run the node."""
    rclpy.init()
    run_node(lambda: PagnetNode(load=_load))
    return 0


if __name__ == "__main__":
    sys.exit(main())
