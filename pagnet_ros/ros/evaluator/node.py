"""Scores what a running node publishes: records its inputs and its result, then replays the recording.

Metrics, report, JSON and CSV come from the replay, whose `--result` scores the recorded result. Executable: `evaluate`.

    ros2 run pagnet_ros evaluate --ros-args -r depth:=/camera/depth -r color:=/camera/color -p out:=out/live
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pagnet_ros.core.set_pose import NOT_TURNED
from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.recordings.bags import require_rosbags
from pagnet_ros.recordings.cdr import TF
from pagnet_ros.replay import cli as replay
from pagnet_ros.ros.doctor.graph import infos_by_name
from pagnet_ros.ros.names import resolve_topics
from pagnet_ros.ros.node.transforms import STATIC_TF_QOS, tf_type
from pagnet_ros.ros.parameters import declare_and_read, overrides
from pagnet_ros.ros.qos import image_qos, overriding_options, subscribe_latched
from pagnet_ros.ros.running import START_ERRORS, init_ros_alone, spin
from pagnet_ros.system.settings import Settings, setting
from pagnet_ros.system.start import start
from pagnet_ros.system.transport import prepare_process
from pagnet_ros.system.units import NS_PER_S


@dataclass(frozen=True)
class EvaluatorOptions(Settings):
    """Every parameter of the evaluator; besides these `metrics.<field of MetricSettings>`."""

    with_reference: bool = setting(False, "record `reference` too: better depth of the same view, of colour's size")
    baselines: tuple[str, ...] = setting(("bilinear", "bicubic"), "filters for comparison; none for none")
    out: str = setting("", "folder for the report, JSON and CSV; empty prints the table only")
    force: bool = setting(False, "replace results that are there")
    frames: int = setting(0, "end after so many results; 0 for never", low=0, high=2**31 - 1)
    idle_s: float = setting(
        0.0, "end after so much silence of all images, once some came, s; 0 for never", low=0, high=1e6
    )
    depth_transport: str = setting("raw", "how depth comes", choices=("raw", "compressedDepth", "compressed"))
    color_transport: str = setting("raw", "how colour comes", choices=("raw", "compressed"))
    input_reliability: str = setting(
        "best_effort", "best_effort accepts every publisher", choices=("best_effort", "reliable")
    )
    slop_ms: float = setting(20.0, "largest difference of the stamps of a pair, ms", low=0, high=10000)
    depth_unit_m: float = setting(0.001, "as the node's: metres per count of 16UC1 depth", low=1e-6, high=1)
    min_depth_m: float = setting(0.1, "as the node's: nearest depth that counts as measured, m", low=0, high=100)
    max_depth_m: float = setting(10.0, "as the node's: farthest depth that counts as measured, m", low=0, high=1000)
    registration: str = setting("none", "as the node's: how depth is moved to lie on colour: none, or X,Y in colour px")
    reproject: bool = setting(True, "as the node's: draw depth of another frame or shape as the colour camera sees it")
    depth_pose_xyz: str = setting("", "as the node's: where the depth camera is in the colour camera's frame: X,Y,Z, m")
    depth_pose_xyzw: str = setting(NOT_TURNED, "as the node's: how it is turned there: a quaternion X,Y,Z,W")


_METRICS: Final = "metrics."
_CHECK_S: Final = 0.1
_LEAST_FREE_BYTES: Final = 2**30


class Evaluator(Node):
    """Records inputs and result of the node to a bag until `ended`."""

    def __init__(self, folder: Path, **kwargs: Any) -> None:
        """Read the parameters, check them, and subscribe; `folder` is where the bag is made, and must not exist.

        Raises:
            ConfigError: parameters that do not fit.
            RecordingError: results are there already, and `force` is false.
        """
        super().__init__("evaluator", **kwargs)
        require_rosbags()
        from rosbags.rosbag2 import StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore

        self.ended = threading.Event()
        options = self.options = declare_and_read(self, EvaluatorOptions, others=(_METRICS,))
        self._metrics = {
            name: self.declare_parameter(name, given.value).value
            for name, given in overrides(self).items()
            if name.startswith(_METRICS)
        }
        self._folder, self._results, self._last_ns = folder, 0, 0
        names = resolve_topics(self, options.depth_transport, options.color_transport)
        self.topics = {"depth": names.depth, "color": names.color, "result": names.output}
        if options.with_reference:
            self.topics["reference"] = self.resolve_topic_name("reference")
        replay.check(self.words())
        self._writer: Any = Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._store = get_typestore(Stores.ROS2_JAZZY)
        transports = {"depth": options.depth_transport, "color": options.color_transport}
        packed = {stream for stream, transport in transports.items() if transport != "raw"}
        for stream, topic in self.topics.items():
            self._take(topic, topic, CompressedImage if stream in packed else Image, stream)
        images = {names.depth_info: names.depth, names.color_info: names.color}  # of one topic, colour's counts
        below = {info: infos_by_name(image)[1] for info, image in images.items()}  # where a replay looks
        self._missing = {info: self._take(info, topic, CameraInfo, info) for info, topic in below.items()}
        if (tf := tf_type()) is not None:
            record = self._recorder("/tf_static", TF, "/tf_static")
            self.create_subscription(tf, "/tf_static", record, STATIC_TF_QOS, raw=True)
        self.create_timer(_CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"recording {', '.join(self.topics.values())}; Ctrl-C ends it, then it is scored")

    def words(self) -> list[str]:
        """The command line of the replay that scores the recording."""
        options, topics = self.options, self.topics
        words = [str(self._folder), "--depth", topics["depth"], "--color", topics["color"]]
        words += ["--result", topics["result"], "--slop", str(options.slop_ms), "--baselines", *options.baselines]
        if options.with_reference:
            words += ["--mode", "reference", "--reference", topics["reference"]]
        else:
            words += ["--mode", "none"]
        for name, value in self._metrics.items():
            plain = list(value) if isinstance(value, list | tuple) or hasattr(value, "tolist") else value
            words += ["--metric", f"{name.removeprefix(_METRICS)}={plain}"]
        words += ["--depth-unit", str(options.depth_unit_m)]
        for limit in ("min_depth_m", "max_depth_m"):
            words += ["--option", f"{limit}={getattr(options, limit):f}"]
        words += [f"--registration={options.registration}"]
        if options.depth_pose_xyz or options.depth_pose_xyzw != NOT_TURNED:  # with =, as they may begin with a minus
            words += [f"--depth-pose-xyz={options.depth_pose_xyz}", f"--depth-pose-xyzw={options.depth_pose_xyzw}"]
        if not options.reproject:
            words += ["--no-reproject"]
        if options.out:
            words += ["--out", options.out, *(["--force"] if options.force else [])]
        return words

    def destroy_node(self) -> None:
        """Complete the bag before the node goes."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        super().destroy_node()

    def _take(self, topic: str, recorded: str, kind: Any, stream: str) -> Callable[[bytes], None]:
        """Record what comes on a topic of sensor_msgs, under a name; returns the callback."""
        record = self._recorder(recorded, f"sensor_msgs/msg/{kind.__name__}", stream)
        qos = image_qos(self.options.input_reliability, depth=50)
        overriding = overriding_options(self, topic, "subscription")
        self.create_subscription(kind, topic, record, qos, raw=True, qos_overriding_options=overriding)
        return record

    def _recorder(self, topic: str, kind: str, stream: str) -> Callable[[bytes], None]:
        return partial(self._record, stream, self._writer.add_connection(topic, kind, typestore=self._store))

    def _record(self, stream: str, connection: Any, message: bytes) -> None:
        if self._writer is None or self.ended.is_set():
            return
        self._writer.write(connection, time.time_ns(), message)
        self._missing.pop(stream, None)
        if stream in self.topics:
            self._last_ns = time.monotonic_ns()
        self._results += stream == "result"
        if 0 < self.options.frames <= self._results:
            self.ended.set()

    def _check(self) -> None:
        """Ask for calibrations sent before; end after silence, where that is asked for, and before the disk is full."""
        for topic, record in list(self._missing.items()):
            if subscribe_latched(self, CameraInfo, topic, record, raw=True) is not None:
                del self._missing[topic]
        idle_s = self.options.idle_s
        if idle_s and self._last_ns and time.monotonic_ns() - self._last_ns > idle_s * NS_PER_S:
            self.ended.set()
        if shutil.disk_usage(self._folder.parent).free < _LEAST_FREE_BYTES and not self.ended.is_set():
            self.get_logger().warning(
                f"less than 1 GiB is free at {self._folder.parent}; expected room for the recording, which ends here. "
                "Free some space there, or set TMPDIR"
            )
            self.ended.set()


def main(args: list[str] | None = None) -> int:
    """Record until Ctrl-C, SIGTERM, `frames` results or `idle_s` of silence; then score the recording.

    Args:
        args: command line with --ros-args; None for the process's own.

    Returns:
        Exit status: that of the replay; 1 with the reason on stderr where parameters do not fit; 130 where a signal
        came before anything was recorded.
    """
    prepare_process()  # for `ros2 run`; launch files have set it
    try:
        init_ros_alone("evaluate --ros-args -p out:=out/live", args)
    except ConfigError as error:
        sys.stderr.write(f"evaluate: {error}\n")
        return 1
    try:
        return _record_and_score()
    except OSError as error:
        sys.stderr.write(
            f"evaluate: the recording cannot be written: {error.strerror or error}; expected room for it in "
            f"{os.environ.get('TMPDIR', '/tmp')}: free some space there, or set TMPDIR\n"
        )
        return 1


def _record_and_score() -> int:
    with tempfile.TemporaryDirectory(prefix="evaluate-") as scratch:
        node: Evaluator | None = None
        try:
            node = Evaluator(Path(scratch) / "recording")
            _spin_until_ended(node)
            words = node.words()
        except START_ERRORS as error:
            sys.stderr.write(f"evaluate: {error}\n")
            return 2 if isinstance(error, RecordingError) else 1
        except Exception:
            if rclpy.ok():  # else a signal has shut ROS down while the node was made: no error of its own
                raise
            return replay.INTERRUPTED
        finally:
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
        return replay.main(words)


def _spin_until_ended(node: Evaluator) -> None:
    executor = SingleThreadedExecutor()
    # Else rclpy would end the spinning before Python raises KeyboardInterrupt, which then would come amid what follows.
    before = signal.signal(signal.SIGINT, lambda *_: node.ended.set())
    try:
        executor.add_node(node)
        spin(executor, node.get_logger(), until=node.ended.is_set)
    except ExternalShutdownException:
        return
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(start("pagnet_ros.ros.evaluator.node"))
