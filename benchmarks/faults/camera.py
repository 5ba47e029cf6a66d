"""The simulated camera's frames, published by a process that does on demand what cameras do wrong.

Everything is a ROS parameter that may change at any time: ``size`` (of colour, a multiple of 160x120; depth is a
quarter of it), ``streams`` (both, depth, color or none), ``stamps`` and ``clock``, see `_stamps_ns` and `_clock_ns`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.ros.encode import camera_info_message, image_message, set_stamp
from pagnet_ros.ros.players.simulated_frames import (
    SimulatedCameraOptions,
    SimulatedFrame,
    SimulatedView,
    loop_of_frames,
)
from pagnet_ros.ros.qos import image_qos
from pagnet_ros.system.units import NS_PER_S

BASE, SCALE = (160, 120), 4
PARAMETERS = {"size": "160x120", "streams": "both", "stamps": "now", "clock": "none", "rate_hz": 30.0}
LOOP_S = 0.4
HOUR_NS = 3600 * NS_PER_S


class Camera:
    """Publishes one loop of simulated frames."""

    def __init__(self, node: Any) -> None:
        """Declare the parameters, make the publishers."""
        self._node, self._count, self._size = node, 0, ""
        self._messages: list[tuple[Any, Any, Any]] = []
        for name, value in PARAMETERS.items():
            node.declare_parameter(name, value)
        self._frames = _loop(self._value("rate_hz"))
        self._info = node.create_publisher(CameraInfo, "color/camera_info", image_qos("reliable"))
        self._color = node.create_publisher(Image, "color", image_qos("reliable"))
        self._depth = node.create_publisher(Image, "depth", image_qos("reliable"))
        self._clock = node.create_publisher(Clock, "clock", 10)
        node.create_timer(1.0 / self._value("rate_hz"), self.publish)

    def _value(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def publish(self) -> None:
        """One frame, and the clock."""
        if self._size != self._value("size"):
            self._size = self._value("size")
            self._messages = _messages(self._frames, self._size)
        self._count += 1
        now_ns = time.time_ns()
        if (clock_ns := _clock_ns(self._value("clock"), now_ns)) is not None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(clock_ns, NS_PER_S)
            self._clock.publish(message)
            now_ns = max(clock_ns, 1)
        depth_ns, color_ns = _stamps_ns(self._value("stamps"), now_ns, self._count)
        streams = self._value("streams")
        depth, color, info = self._messages[self._count % len(self._messages)]
        if streams in ("both", "color"):
            for publisher, message in ((self._info, info), (self._color, color)):
                set_stamp(message, color_ns, "camera")
                publisher.publish(message)
        if streams in ("both", "depth"):
            set_stamp(depth, depth_ns, "camera")
            self._depth.publish(depth)


def _loop(rate_hz: float) -> list[SimulatedFrame]:
    options = SimulatedCameraOptions(
        width=BASE[0], height=BASE[1], scale=SCALE, rate_hz=rate_hz, loop_s=LOOP_S, style="traps"
    )
    return loop_of_frames(SimulatedView(options), lambda: False)


def _messages(frames: list[SimulatedFrame], size: str) -> list[tuple[Any, Any, Any]]:
    """Depth, colour and calibration of each frame, enlarged to a multiple of the rendered size."""
    width, height = map(int, size.split("x"))
    times = width // BASE[0]
    matrix = np.array([[width, 0.0, width / 2], [0.0, width, height / 2], [0.0, 0.0, 1.0]])
    info = camera_info_message(matrix, width, height, 0, "camera")

    def enlarged(pixels: NDArray[Any]) -> Any:
        return image_message(pixels.repeat(times, axis=0).repeat(times, axis=1), 0, "camera")

    return [(enlarged(frame.depth), enlarged(frame.rgb), info) for frame in frames]


def _stamps_ns(kind: str, now_ns: int, count: int) -> tuple[int, int]:
    """Stamps of depth and colour: as they should be, or wrong in one way.

    Args:
        kind: ``now``; ``fro`` (to and fro by two seconds); ``apart`` (colour an hour behind); ``frozen``; ``zero``.
        now_ns: the time of the camera's clock.
        count: number of the frame.
    """
    if kind == "fro":
        now_ns += (-2 if count % 2 else 2) * NS_PER_S
    return {
        "apart": (now_ns, now_ns - HOUR_NS),
        "frozen": (HOUR_NS, now_ns),
        "zero": (0, now_ns),
    }.get(kind, (now_ns, now_ns))


def _clock_ns(kind: str, now_ns: int) -> int | None:
    """What ``/clock`` says: nothing (``none``), the time, an hour ago (``back``), or less than zero; ``paused``."""
    return {"run": now_ns, "back": now_ns - HOUR_NS, "paused": HOUR_NS, "negative": -5 * NS_PER_S}.get(kind)


def main() -> int:
    """Publish until a signal comes."""
    rclpy.init()
    node = rclpy.create_node("camera")
    camera = Camera(node)
    camera.publish()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
