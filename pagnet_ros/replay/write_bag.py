"""The recording written back with the result added, as an mcap bag.

Every message of the source goes through untouched, byte for byte, with its type's definition; each
result follows the message that completed its pair. A folder of frames is written as the players publish it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pagnet_ros.errors import ConfigError, MessageError
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.recordings.bag_writer import BagOptions, MessageBuilder, frame_messages
from pagnet_ros.recordings.bags import BagMessage, BagTopic, require_rosbags
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.metrics import FrameTruth
from pagnet_ros.replay.run_options import MethodOutputs, Scores

IMAGE, CAMERA_INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
_NO_DIGEST = "RIHS01_" + "0" * 64


class BagCopy:
    """A bag in the making; an observer of the run, whose `on_message` is its tap, and a context manager.

    Attributes:
        left_out: topics that could not be copied, with the reason.
    """

    def __init__(self, path: Path, method: str, topics: dict[str, BagTopic], output: str = "/depth_hr") -> None:
        """Create the bag.

        Args:
            path: bag folder to make.
            method: whose depth is written.
            topics: those of the source; empty for a folder of frames.
            output: topic of the result; its calibration goes to ``<output>/camera_info``, as in the node.

        Raises:
            ConfigError: the source has a topic of one of these names, or `output` is no absolute name.
        """
        require_rosbags()
        from rosbags.rosbag2 import StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore

        self._output, self._info = output, f"{output}/camera_info"
        taken = [name for name in (self._output, self._info) if name in topics]
        if not output.startswith("/") or output.endswith("/") or " " in output:
            raise ConfigError(f"output topic {output!r}; expected an absolute name such as /depth_hr")
        if taken:
            raise ConfigError(f"{', '.join(taken)} is in the recording already; name another topic with --hr-topic")
        self.left_out: dict[str, str] = {}
        self._method, self._from_folder = method, not topics
        self._store: Any = get_typestore(Stores.ROS2_JAZZY)
        self._writer: Any = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Any] = {}
        self._writer.open()

    def __enter__(self) -> BagCopy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:  # after an error it is left as it is, to be removed
            self._writer.close()

    def on_message(self, message: BagMessage) -> None:
        """Copy one message of the source."""
        name = message.topic.name
        if name in self.left_out:
            return
        if name not in self._connections and not self._connect(message.topic):
            return
        self._writer.write(self._connections[name], message.stamp_ns, message.raw)

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: MethodOutputs, scores: Scores) -> None:
        """Add one result, calibration first, both with the depth image's stamp."""
        build = MessageBuilder(self._store, frame.frame_id or BagOptions.frame_id)
        if self._from_folder:
            recorded = RecordedFrame(
                frame.name, frame.depth_stamp_ns, frame.color_stamp_ns, frame.depth, frame.rgb, frame.intrinsics,
                frame.pose, frame.reference,
            )  # fmt: skip
            for topic, stamp_ns, message in frame_messages(recorded, build, BagOptions()):
                self._write(topic, message, stamp_ns)
        output = outputs.get(self._method)
        if output is None:
            return
        info = self._calibration(frame, build)
        if info is not None:
            self._write(self._info, info, frame.recorded_ns)
        self._write(self._output, build.depth(output.depth_m, frame.depth_stamp_ns), frame.recorded_ns)

    def _calibration(self, frame: ReplayFrame, build: MessageBuilder) -> Any:
        """The colour camera's calibration for the result; None where it is unknown."""
        height, width = frame.rgb.shape[:2]
        info = frame.camera_info
        if info is not None and info.width * height == info.height * width:
            try:
                fitted = camera_info_for(info, build.header(frame.depth_stamp_ns), height, width)
            except MessageError:
                return None
            for name in "krp":
                setattr(fitted, name, np.asarray(getattr(fitted, name), dtype=np.float64))
            return fitted
        if frame.intrinsics is None:
            return None
        return build.camera_info(frame.intrinsics, width, height, frame.depth_stamp_ns)

    def _write(self, topic: str, message: Any, recorded_ns: int) -> None:
        """Serialise and write a message of our own."""
        msgtype = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=self._store)
        self._writer.write(self._connections[topic], recorded_ns, self._store.serialize_cdr(message, msgtype))

    def _connect(self, topic: BagTopic) -> bool:
        """Announce a topic of the source, with the definition it was recorded with."""
        known = topic.msgtype in self._store.fielddefs
        if not topic.definition and not known:
            self.left_out[topic.name] = f"type {topic.msgtype} is unknown and the recording holds no definition of it"
            return False
        kept = {"msgdef": topic.definition, "rihs01": topic.digest or self._digest(topic.msgtype)}
        self._connections[topic.name] = self._writer.add_connection(
            topic.name,
            topic.msgtype,
            offered_qos_profiles=topic.qos,
            **(kept if topic.definition else {"typestore": self._store}),
        )
        return True

    def _digest(self, msgtype: str) -> str:
        """The type's hash where it is one of ROS's own; else a zero one, which players take as unknown."""
        return str(self._store.hash_rihs01(msgtype)) if msgtype in self._store.fielddefs else _NO_DIGEST
