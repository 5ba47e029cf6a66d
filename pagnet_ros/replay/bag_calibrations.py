"""What a bag says of its two cameras: newest calibrations, decoded once, and where they stand, by /tf_static."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.frame_tree import FrameTree
from pagnet_ros.errors import InputError, RecordingError
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.recordings.cdr import TF
from pagnet_ros.recordings.joined import JoinedBags
from pagnet_ros.recordings.rgbd_topics import CAMERA_INFO, RgbdTopics
from pagnet_ros.replay.stats import ReplayStats
from pagnet_ros.runtime.aligner import Aligner

_TF_STATIC = "/tf_static"


class BagCalibrations:
    """Call `start` before the first message, then `add` each of the topics that it names. Use from one thread."""

    def __init__(
        self,
        bag: JoinedBags,
        topics: RgbdTopics,
        stats: ReplayStats,
        *,
        reproject: bool,
        pose: NDArray[np.float64] | None = None,
    ) -> None:
        """Create.

        Args:
            bag: an open bag.
            topics: its cameras.
            stats: told of calibrations that cannot be used.
            reproject: whether depth of another frame or shape is drawn for the colour camera.
            pose: ``[4, 4]`` to the colour camera's frame from the depth camera's, as set: depth is then drawn anew
                whatever the frames are; None for what the bag's /tf_static says.
        """
        self._bag, self._topics, self._stats, self._reproject, self._pose = bag, topics, stats, reproject, pose
        self._aligner = Aligner(
            (topics.depth, topics.depth_info or "the depth camera's topic"),
            (topics.color, topics.camera_info or "the colour camera's topic"),
        )
        self._newest: dict[str, BagMessage] = {}
        self._decoded: dict[str, tuple[bytes, Any]] = {}
        self._fitted: tuple[Any, tuple[int, int], NDArray[np.float64] | None] = (None, (0, 0), None)
        self._tree = FrameTree()

    def start(self) -> tuple[str, ...]:
        """Read the first of each calibration and all static transforms; the topics whose messages are wanted."""
        infos = tuple(
            topic
            for topic in (self._topics.camera_info, self._topics.depth_info)
            if topic and self._bag.topics[topic].msgtype == CAMERA_INFO
        )
        for topic in infos:
            if (first := self._bag.first(topic)) is not None:
                self._newest[topic] = first
        static = self._bag.topics.get(_TF_STATIC)
        if static is not None and static.msgtype == TF and len(infos) == 2:
            for message in self._bag.messages((_TF_STATIC,)):
                self._tree.add(self._bag.decode(message).transforms, static=True)
        return infos

    def add(self, message: BagMessage) -> None:
        """Take a calibration."""
        self._newest[message.topic.name] = message

    def color(self, height: int, width: int) -> tuple[Any, NDArray[np.float64] | None]:
        """The colour camera's calibration, and its matrix for an image of that size; None where there is none."""
        topic = self._topics.camera_info
        info = self._info(topic)
        if info is None:
            return None, None
        if self._fitted[0] is not info or self._fitted[1] != (height, width):
            matrix = None
            try:
                matrix = np.asarray(camera_info_for(info, info.header, height, width).k, np.float64).reshape(3, 3)
            except InputError as error:
                self._stats.report(getattr(error, "kind", "camera_info"), f"{topic}: {error}", "info")
            self._fitted = info, (height, width), matrix
        return (None, None) if self._fitted[2] is None else (info, self._fitted[2])

    def align(self, depth: NDArray[Any], color_size: tuple[int, int], frames: tuple[str, str]) -> NDArray[Any] | str:
        """Depth as the colour camera sees it, or why it is left as it is; see `Aligner`."""
        if not self._reproject:
            return ""
        infos = self._info(self._topics.depth_info), self._info(self._topics.camera_info)
        return self._aligner(depth, color_size, frames, infos, self._lookup, always=self._pose is not None)

    def _lookup(self, target: str, source: str) -> NDArray[np.float64] | str:
        if self._pose is not None:
            return self._pose
        found = self._tree.lookup(target, source)
        return f"{_TF_STATIC} has no transform from {source} to {target}" if found is None else found[0]

    def _info(self, topic: str | None) -> Any:
        """The newest calibration of a topic as an object; None where there is none that can be read."""
        message = self._newest.get(topic or "")
        if message is None or topic is None:
            return None
        content = message.raw[12:]  # without the stamp, which differs from message to message
        if topic not in self._decoded or self._decoded[topic][0] != content:
            info = None
            try:
                info = self._bag.decode(message)
            except RecordingError as error:
                self._stats.report("camera_info", f"{topic}: {error}", "info")
            self._decoded[topic] = content, info
        return self._decoded[topic][1]
