"""Plays a folder of depth and colour images as a camera would deliver them.

Data flows from the folder (decoded ahead in a thread) through the pace to `depth`, `color`, `color/camera_info` and,
where there is a better depth image, `depth_reference`.

    ros2 run pagnet_ros frame_player FOLDER --loop --downsample 4
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.errors import InputError, RecordingError
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame, open_frames
from pagnet_ros.recordings.prefetch import Prefetch
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.players.clock import PlaybackClock, clock_publisher
from pagnet_ros.ros.players.options import PlayerOptions, parse_options
from pagnet_ros.ros.players.process import finish_playing, play_while_spinning, player_main, wait_for_subscribers
from pagnet_ros.system.settings import setting
from pagnet_ros.system.units import NS_PER_S

__all__ = ["FramePlayer", "FramePlayerOptions", "main", "parse_arguments"]

QUEUE_DEPTH = 5
READ_AHEAD_BYTES = 64 << 20
KEPT_BYTES = 512 << 20


@dataclass(frozen=True)
class FramePlayerOptions(PlayerOptions):
    """How to play a folder."""

    downsample: int = setting(
        1, "make depth coarser by this whole factor; the recorded one goes to depth_reference", low=1, high=32
    )
    stamps: str = setting("now", "header stamps; recorded ones go backward in a loop", choices=("now", "recorded"))
    frame_id: str = setting(
        "camera_color_optical_frame", "optical frame of both cameras (depth is registered to colour)"
    )
    intrinsics: tuple[float, ...] = setting((), "fx fy cx cy in pixels, where the folder has none")

    def conflicts(self) -> Iterator[str]:
        """Two clocks that would disagree, and intrinsics of no camera."""
        k = self.intrinsics
        if self.clock_hz and self.stamps == "now":
            yield "clock with stamps now: stamps and /clock would disagree; use --stamps recorded"
        if k and (len(k) != 4 or min(k) <= 0.0):
            yield f"intrinsics {k!r}; expected fx fy cx cy in pixels"


class FramePlayer(Node):
    """Publishes a folder's frames.

    Attributes:
        published: Number of frames published so far.
    """

    def __init__(self, frames: FrameFolder, options: FramePlayerOptions, stop: threading.Event, **kwargs: Any) -> None:
        """Make the publishers.

        Args:
            frames: The folder.
            options: How to play it.
            stop: Ends playing when set.
            kwargs: For `rclpy.node.Node`.

        Raises:
            ConfigError: `/clock` is wanted and rosgraph_msgs is not installed.
        """
        super().__init__("frame_player", **kwargs)
        self.published = 0
        self._frames, self._options, self._stop = frames, options, stop
        self._kept: list[RecordedFrame] = []
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._depth = self.create_publisher(Image, "depth", qos)
        self._color = self.create_publisher(Image, "color", qos)
        self._info = self.create_publisher(CameraInfo, "color/camera_info", qos)
        has_reference = options.downsample > 1 or any(f.reference for f in frames.files)
        self._reference = self.create_publisher(Image, "depth_reference", qos) if has_reference else None
        on_tick = clock_publisher(self) if options.clock_hz else None
        self.clock = PlaybackClock(options.rate, stop, tick_hz=options.clock_hz, on_tick=on_tick)
        self._matrix = _matrix(options.intrinsics)
        if frames.intrinsics is None and self._matrix is None:
            self.get_logger().warning(
                f"{frames.path} has no camera-intrinsics.txt: color/camera_info says 'uncalibrated' (K is zero); "
                "give --intrinsics FX FY CX CY if you know them"
            )

    def play(self) -> None:
        """Play until the end (for ever with `loop`) or until stopped."""
        wait_for_subscribers(self, (self._depth, self._color), self._options.wait_s, self._stop)
        with Prefetch(self._passes(), size=_bytes, max_bytes=READ_AHEAD_BYTES) as prepared:
            prepared.wait_filled(timeout_s=0.5)
            self._play(iter(prepared))
        finish_playing(self, self.clock, (self._depth,), self._stop)

    def _play(self, prepared: Iterator[RecordedFrame | None]) -> None:
        origin_ns, start_ns = 0, self._frames.files[0].depth_stamp_ns
        end_ns = self._frames.files[-1].depth_stamp_ns + self._frames.period_ns
        for frame in prepared:
            if frame is None:
                if self.published and not self.clock.wait_until(end_ns):
                    return
                self.clock.start(start_ns)
                origin_ns = self.get_clock().now().nanoseconds
                continue
            if not self.clock.wait_until(frame.stamp_ns):
                return
            depth_ns, color_ns = frame.stamp_ns, frame.color_stamp_ns
            if self._options.stamps == "now":
                depth_ns, color_ns = (origin_ns + self.clock.elapsed_wall_ns(s) for s in (depth_ns, color_ns))
            self._publish(frame, depth_ns, color_ns)
            self.published += 1

    def _publish(self, frame: RecordedFrame, depth_ns: int, color_ns: int) -> None:
        """Colour first: a depth image whose colour image is there is paired at once."""
        frame_id = self._options.frame_id
        height, width = frame.rgb.shape[:2]
        matrix = frame.intrinsics if self._matrix is None else self._matrix
        self._info.publish(camera_info_message(matrix, width, height, color_ns, frame_id))
        self._color.publish(image_message(frame.rgb, color_ns, frame_id))
        self._depth.publish(image_message(frame.depth, depth_ns, frame_id))
        if self._reference is not None and frame.reference is not None:
            self._reference.publish(image_message(frame.reference, depth_ns, frame_id))

    def _passes(self) -> Iterator[RecordedFrame | None]:
        """Frames ready to publish, each pass beginning with None; a short folder is decoded once and kept."""
        keep = self._options.loop
        while not self._stop.is_set():
            yield None
            if len(self._kept) == len(self._frames):
                yield from self._kept
                continue
            kept_bytes = 0
            for frame in self._frames:
                ready = self._prepare(frame)
                kept_bytes += _bytes(ready)
                keep = keep and kept_bytes <= KEPT_BYTES
                if keep:
                    self._kept.append(ready)
                else:
                    self._kept.clear()
                yield ready
            if not self._options.loop:
                return

    def _prepare(self, frame: RecordedFrame) -> RecordedFrame:
        if self._options.downsample == 1:
            return frame
        try:
            return replace(frame, depth=coarse_depth(frame.depth, self._options.downsample), reference=frame.depth)
        except InputError as error:
            raise RecordingError(f"frame {frame.name} of {self._frames.path}: --downsample: {error}") from error


def _bytes(frame: RecordedFrame | None) -> int:
    if frame is None:
        return 0
    return frame.depth.nbytes + frame.rgb.nbytes + (0 if frame.reference is None else frame.reference.nbytes)


def _matrix(values: tuple[float, ...]) -> NDArray[np.float64] | None:
    if not values:
        return None
    fx, fy, cx, cy = values
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def parse_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, FramePlayerOptions]:
    """Command line (without ROS's part) to options."""
    parser = argparse.ArgumentParser(
        prog="frame_player",
        description="Play a folder of depth and colour images. Topics are renamed with --ros-args -r depth:=/to.",
    )
    parser.add_argument("folder", help="folder of frames (see docs: numbered, TUM, or name pairs)")
    parser.add_argument("--hz", type=float, help="frames per second where the folder has no stamps (default 30)")
    parser.add_argument(
        "--depth-unit",
        type=float,
        metavar="M",
        help="metres per count of 16-bit depth, where the folder does not prove it",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="frames whose name contains this")
    return parse_options(parser, arguments, FramePlayerOptions)


def _run(arguments: list[str], stop: threading.Event) -> None:
    given, options = parse_arguments(arguments)
    frames = open_frames(given.folder, hz=given.hz, only=given.only, depth_unit_m=given.depth_unit)
    player = FramePlayer(frames, options, stop)
    try:
        hz = NS_PER_S / frames.period_ns * options.rate
        for note in frames.notes:
            player.get_logger().warning(f"{frames.path}: {note}")
        player.get_logger().info(f"playing {len(frames)} frames of {frames.path} at {hz:.3g} Hz")
        play_while_spinning(player, player.play, stop)
    finally:
        player.destroy_node()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `frame_player`."""
    return player_main(_run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
