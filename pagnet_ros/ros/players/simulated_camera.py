"""A camera for those who have none: a procedural RGB-D scene, published as a real camera would, with its truth.

Data flows from `simulated_frames` through the pace to `depth`, `color`, both camera_info topics, and `depth_truth`
(full resolution, only while somebody listens).

    ros2 run pagnet_ros simulated_camera --ros-args -p sensor:=kinect -p rate_hz:=30.0
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.recordings.prefetch import Prefetch
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.parameters import declare_and_read
from pagnet_ros.ros.players.clock import PlaybackClock
from pagnet_ros.ros.players.player import play_while_spinning, player_main
from pagnet_ros.ros.players.simulated_frames import (
    SimulatedCameraOptions,
    SimulatedFrame,
    SimulatedView,
    endless,
    loop_of_frames,
)
from pagnet_ros.ros.running import refuse_plain
from pagnet_ros.sensors import PinholeCamera
from pagnet_ros.system.start import start
from pagnet_ros.system.units import NS_PER_S

QUEUE_DEPTH = 5
LIVE_AHEAD = 2


class SimulatedCamera(Node):
    """Publishes a simulated RGB-D camera.

    Attributes:
        options: The parameters it was started with.
        published: Number of frames whose time came, dropped ones included.
    """

    def __init__(self, stop: threading.Event, **kwargs: Any) -> None:
        """Read the parameters and make the scene.

        Raises:
            ConfigError: Parameters that do not fit, all in one message.
        """
        super().__init__("simulated_camera", **kwargs)
        self.options = declare_and_read(self, SimulatedCameraOptions)
        self.published = 0
        self._stop = stop
        self._view = SimulatedView(self.options)
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._depth = self.create_publisher(Image, "depth", qos)
        self._depth_info = self.create_publisher(CameraInfo, "depth/camera_info", qos)
        self._color = self.create_publisher(Image, "color", qos)
        self._color_info = self.create_publisher(CameraInfo, "color/camera_info", qos)
        self._truth = self.create_publisher(Image, "depth_truth", qos)
        self._dice = np.random.default_rng(self.options.seed)
        self._last_ns = {"depth": 0, "color": 0}

    def play(self) -> None:
        """Publish until stopped."""
        clock = PlaybackClock(1.0, self._stop)
        period_s = 1.0 / self.options.rate_hz
        with Prefetch(self._frames(), size=lambda frame: 1, max_bytes=LIVE_AHEAD) as frames:
            first = next(iter(frames), None)
            clock.start(0)
            for k, frame in enumerate(itertools.chain([first] if first else [], frames)):
                if not clock.wait_until(round(k * period_s * NS_PER_S)):
                    return
                if self._is_plugged_in(k * period_s):
                    self._publish(frame)
                self.published += 1

    def _frames(self) -> Iterator[SimulatedFrame]:
        """Frames as they are rendered, or a loop rendered beforehand where that is too slow."""
        o, view = self.options, self._view
        seconds = view.seconds_per_frame()
        what = (
            f"{o.style} scene {o.seed}, colour {o.width}x{o.height}, {o.sensor} depth "
            f"{view.depth.width}x{view.depth.height} at {o.rate_hz:g} Hz"
        )
        if view.is_fast_enough(seconds):
            self.get_logger().info(f"{what}: rendered as it plays ({seconds * 1e3:.0f} ms a frame)")
            yield from endless(view, self._stop.is_set)
            return
        count = view.loop_length()
        self.get_logger().info(
            f"{what}: a frame takes {seconds * 1e3:.0f} ms, too long for the rate; rendering a loop of {count} frames "
            f"first, about {seconds * (count // 2 + 1):.0f} s"
        )
        loop = loop_of_frames(view, self._stop.is_set)
        if not self._stop.is_set():
            self.get_logger().info("playing")
        while loop and not self._stop.is_set():
            yield from loop

    def _is_plugged_in(self, time_s: float) -> bool:
        gone, back = self.options.unplug_after_s, self.options.replug_after_s
        if not gone or time_s < gone:
            return True
        return bool(back) and time_s >= gone + back

    def _publish(self, frame: SimulatedFrame) -> None:
        """Colour first: a depth image whose colour image is there is paired at once."""
        o = self.options
        now_ns = self.get_clock().now().nanoseconds
        depth_ns = self._stamp("depth", now_ns)
        color_ns = self._stamp("color", now_ns + round(o.color_offset_ms * 1e6))
        if not self._is_lost():
            self._color_info.publish(_info(self._view.color, color_ns, o.color_frame_id))
            self._color.publish(image_message(frame.rgb, color_ns, o.color_frame_id))
        if not self._is_lost():
            self._depth_info.publish(_info(self._view.depth, depth_ns, o.depth_frame_id))
            self._depth.publish(image_message(frame.depth, depth_ns, o.depth_frame_id))
        if self._truth.get_subscription_count() > 0:
            self._truth.publish(image_message(frame.truth_m, depth_ns, o.color_frame_id))

    def _stamp(self, stream: str, stamp_ns: int) -> int:
        """The stamp with its jitter; never before the one before."""
        jitter_ns = round(float(self._dice.uniform(-1.0, 1.0)) * self.options.jitter_ms * 1e6)
        self._last_ns[stream] = max(stamp_ns + jitter_ns, self._last_ns[stream] + 1)
        return self._last_ns[stream]

    def _is_lost(self) -> bool:
        return self.options.drop_rate > 0 and float(self._dice.random()) < self.options.drop_rate


def _info(camera: PinholeCamera, stamp_ns: int, frame_id: str) -> Any:
    return camera_info_message(camera.matrix, camera.width, camera.height, stamp_ns, frame_id)


def _run(arguments: list[str], stop: threading.Event) -> None:
    refuse_plain(arguments, "simulated_camera --ros-args -p rate_hz:=30.0")
    camera = SimulatedCamera(stop)
    try:
        play_while_spinning(camera, camera.play, stop)
    finally:
        camera.destroy_node()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `simulated_camera`."""
    return player_main(_run, arguments)


if __name__ == "__main__":
    raise SystemExit(start("pagnet_ros.ros.players.simulated_camera"))
