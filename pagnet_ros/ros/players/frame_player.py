"""Plays a folder of depth and colour images as a camera would deliver them.

Data flows from the folder (decoded ahead in a thread) through the pace to `depth`, `color`, `color/camera_info` and,
where there is a better depth image, `depth_reference`.

    ros2 run pagnet_ros frame_player FOLDER --loop --downsample 4
"""

from __future__ import annotations

import argparse
import math
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.errors import InputError, RecordingError
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.players.frames_to_bag import add_folder, open_folder
from pagnet_ros.ros.players.player import (
    Item,
    Player,
    PlayerOptions,
    parse_options,
    play_while_spinning,
    player_main,
)
from pagnet_ros.system.settings import setting
from pagnet_ros.system.start import start
from pagnet_ros.system.units import NS_PER_S

QUEUE_DEPTH = 5
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
        if k and not (len(k) == 4 and min(k[:2]) > 0.0 and all(map(math.isfinite, k))):
            yield f"intrinsics {k!r}; expected fx fy cx cy in pixels"


class FramePlayer(Player[RecordedFrame]):
    """Publishes a folder's frames."""

    def __init__(self, frames: FrameFolder, options: FramePlayerOptions, stop: threading.Event, **kwargs: Any) -> None:
        """Make the publishers.

        Raises:
            ConfigError: `/clock` is wanted and rosgraph_msgs is not installed.
        """
        super().__init__("frame_player", options, stop, **kwargs)
        self._frames, self._options = frames, options
        self._begins_ns, self._gap_ns = frames.files[0].depth_stamp_ns, frames.period_ns
        self._kept: list[RecordedFrame] = []
        kinds: dict[str, Any] = {"depth": Image, "color": Image, "color/camera_info": CameraInfo}
        if options.downsample > 1 or any(f.reference for f in frames.files):
            kinds["depth_reference"] = Image
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._outputs = {topic: self.create_publisher(kind, topic, qos) for topic, kind in kinds.items()}
        self._matrix = _matrix(options.intrinsics)
        if frames.intrinsics is None and self._matrix is None:
            self.get_logger().warning(
                f"{frames.path} has no camera-intrinsics.txt: color/camera_info says 'uncalibrated' (K is zero); "
                "give --intrinsics FX FY CX CY if you know them"
            )

    def _awaited(self) -> tuple[Collection[Any], str]:
        return (self._outputs["depth"], self._outputs["color"]), ""

    def _publish(self, what: RecordedFrame) -> None:
        """Colour first: a depth image whose colour image is there is paired at once."""
        depth_ns, color_ns = what.stamp_ns, what.color_stamp_ns
        if self._options.stamps == "now":
            depth_ns, color_ns = self._moved(depth_ns), self._moved(color_ns)
        frame_id, out = self._options.frame_id, self._outputs
        height, width = what.rgb.shape[:2]
        matrix = what.intrinsics if self._matrix is None else self._matrix
        out["color/camera_info"].publish(camera_info_message(matrix, width, height, color_ns, frame_id))
        out["color"].publish(image_message(what.rgb, color_ns, frame_id))
        out["depth"].publish(image_message(what.depth, depth_ns, frame_id))
        if "depth_reference" in out and what.reference is not None:
            out["depth_reference"].publish(image_message(what.reference, depth_ns, frame_id))

    def _one_pass(self) -> Iterator[Item[RecordedFrame]]:
        """Frames ready to publish; a short folder is decoded once and kept."""
        if len(self._kept) == len(self._frames):
            yield from ((frame.stamp_ns, _bytes(frame), frame) for frame in self._kept)
            return
        keep, kept_bytes = self._options.loop, 0
        for frame in self._frames:
            ready = self._prepare(frame)
            kept_bytes += _bytes(ready)
            keep = keep and kept_bytes <= KEPT_BYTES
            if keep:
                self._kept.append(ready)
            else:
                self._kept.clear()
            yield ready.stamp_ns, _bytes(ready), ready

    def _prepare(self, frame: RecordedFrame) -> RecordedFrame:
        if self._options.downsample == 1:
            return frame
        try:
            return replace(frame, depth=coarse_depth(frame.depth, self._options.downsample), reference=frame.depth)
        except InputError as error:
            raise RecordingError(f"frame {frame.name} of {self._frames.path}: --downsample: {error}") from error


def _bytes(frame: RecordedFrame) -> int:
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
    add_folder(parser)
    return parse_options(parser, arguments, FramePlayerOptions)


def _run(arguments: list[str], stop: threading.Event) -> None:
    given, options = parse_arguments(arguments)
    frames = open_folder(given)
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
    raise SystemExit(start("pagnet_ros.ros.players.frame_player"))
