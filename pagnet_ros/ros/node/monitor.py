"""Looks at the topics once a second and says why nothing comes, or less than there should.

Owns the questions a newcomer asks first: is the topic published at all, with the right type, does anything arrive, do
whole images arrive, do depth and colour ever pair, is there another node of this name? Reads the ROS graph and the
health counters; answers go to the reporter.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pagnet_ros.ros.node.inputs import Inputs
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from pagnet_ros.system.units import NS_PER_S

__all__ = ["TopicMonitor"]

_IMAGE: Final = "sensor_msgs/msg/Image"
_COMPRESSED: Final = "sensor_msgs/msg/CompressedImage"
_CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
_MAX_LISTED: Final = 8
_LOST_RATIO: Final = 2.0
_LEAST_INFO_HZ: Final = 2.0
"""camera_info this many times as frequent as its image, and no slower than this, tells that images get lost."""

_EXAMINE_EVERY: Final = 5
"""Checks until the doctor's rules are asked again, which takes some 10 ms."""


class _Stream(NamedTuple):
    name: str
    topic: str
    expected: str
    remap: str


class TopicMonitor:
    """Checks the inputs of an active node. `check` is called by a timer of the steady clock."""

    def __init__(self, node: Any, inputs: Inputs, settings: NodeParameters, health: Health, reporter: Reporter) -> None:
        """Start watching; silence is counted from now on."""
        self._node, self._inputs, self._health, self._reporter = node, inputs, health, reporter
        self._since_ns, self._checks = time.monotonic_ns(), 0
        topics = inputs.topics
        self._streams = (
            _Stream("depth", topics.depth, _IMAGE if settings.depth_transport == "raw" else _COMPRESSED, "depth"),
            _Stream("color", topics.color, _IMAGE if settings.color_transport == "raw" else _COMPRESSED, "color"),
            _Stream("camera_info", topics.color_info, _CAMERA_INFO, "color/camera_info"),
        )

    def restart(self) -> None:
        """Count silence from now on, as after subscribing anew."""
        self._since_ns = time.monotonic_ns()

    def check(self, settings: NodeParameters) -> None:
        """Look once, and report what is wrong.

        Args:
            settings: The node's present parameters.
        """
        now_ns = time.monotonic_ns()
        silence = self._health.silent_s(now_ns)
        watched_s = (now_ns - self._since_ns) / NS_PER_S
        flowing = self._inputs.receives_images
        for stream in self._streams:
            silent_s = _silent_s(silence, stream.name, watched_s)
            if silent_s < 1.0:
                continue
            wrong = self._other_types(stream)
            if wrong:
                self._report_wrong_type(stream, wrong)
            elif silent_s >= settings.topic_timeout_s and stream.name != "camera_info":
                self._report_silence(stream, silent_s)
            flowing &= stream.name == "camera_info"
        if flowing and _silent_s(silence, "pairs", watched_s) >= settings.topic_timeout_s:
            self._report_unpaired(settings)
        if flowing and watched_s >= settings.topic_timeout_s:
            self._report_lost_images(now_ns)
        self._report_namesakes()
        self._checks += 1
        if self._checks % _EXAMINE_EVERY == 0:
            self._inputs.examination.look()

    def _other_types(self, stream: _Stream) -> list[tuple[str, str]]:
        """Types other than the expected one under which the topic is published, each with a publisher's name."""
        endpoints = self._node.get_publishers_info_by_topic(stream.topic)
        if any(endpoint.topic_type == stream.expected for endpoint in endpoints):
            return []
        return [
            (e.topic_type, f"{e.node_namespace.rstrip('/')}/{e.node_name}")
            for e in endpoints
            if e.topic_type != stream.expected
        ]

    def _report_wrong_type(self, stream: _Stream, wrong: list[tuple[str, str]]) -> None:
        came, publisher = wrong[0]
        mend = f"Remap {stream.remap} to a topic of that type"
        if came == _COMPRESSED and stream.name in ("depth", "color"):
            transport = "compressedDepth" if stream.name == "depth" else "compressed"
            mend = f"Set {stream.name}_transport:={transport}, or remap {stream.remap} to the raw topic"
        elif came == _IMAGE and stream.expected == _COMPRESSED:
            mend = f"Set {stream.name}_transport:=raw"
        self._reporter.report(
            "wrong_type",
            f"{stream.topic} is published as {came} (by {publisher}); expected {stream.expected}. {mend}. "
            f"{self._candidates(stream.expected)}",
            "error",
            about=stream.topic,
        )

    def _report_silence(self, stream: _Stream, silent_s: float) -> None:
        head = f"no message on {stream.topic} for {silent_s:.0f} s"
        publishers = self._node.count_publishers(stream.topic)
        if publishers and not self._inputs.receives_images:
            return  # nobody wants it
        if publishers == 0:
            self._reporter.report(
                "no_publisher",
                f"{head}: nobody publishes it; expected {stream.expected}. {self._candidates(stream.expected)} "
                f"Remap with {stream.remap}:=<topic>, or start the camera",
                "error",
                about=stream.topic,
            )
        else:
            self._reporter.report(
                "silent_topic",
                f"{head}, though it has {publishers} publisher(s); expected a stream. Check that the camera streams; "
                "if it does, DDS loses its large images: start the driver with the DDS profile of config/dds, or make "
                "both ends reliable (input_reliability:=reliable)",
                "error",
                about=stream.topic,
            )

    def _report_unpaired(self, settings: NodeParameters) -> None:
        fault = self._inputs.pairing_fault()
        if fault is None:
            return
        if fault.cause == "frozen":
            self._reporter.report(
                "frozen_stamps", f"{fault.text}; expected the time of each exposure. {fault.mend}", "error"
            )
            return
        exact = settings.sync == "exact"
        expected = "equal stamps, as sync = exact asks for" if exact else f"within slop_ms = {settings.slop_ms:g}"
        mend = "Set sync:=nearest, which needs no equal stamps" if exact and fault.cause == "offset" else fault.mend
        text = f"depth and colour arrive but do not pair: {fault.text}; expected {expected}. {mend}"
        self._reporter.report("never_pairs", text, "error")

    def _report_lost_images(self, now_ns: int) -> None:
        rates_hz = self._health.rates_hz(now_ns)
        info_hz, color_hz = rates_hz.get("camera_info", 0.0), rates_hz.get("color", 0.0)
        if info_hz < max(_LEAST_INFO_HZ, _LOST_RATIO * color_hz):
            return
        _, color, info = self._streams
        self._reporter.report(
            "images_lost",
            f"{info.topic} arrives at {info_hz:.1f} Hz, its image {color.topic} at {color_hz:.1f} Hz; expected one "
            "rate for both. DDS loses large images: start the camera's driver with the DDS profile of config/dds, or "
            "make both ends reliable (input_reliability:=reliable)",
            about=color.topic,
        )

    def _report_namesakes(self) -> None:
        own = (self._node.get_name(), self._node.get_namespace())
        count = self._node.get_node_names_and_namespaces().count(own)
        if count > 1:
            self._reporter.report(
                "duplicate_node_names",
                f"{count} nodes are named {self._node.get_fully_qualified_name()}; expected one. Their parameters and "
                "lifecycle services answer for each other: give one another name (name:= of the launch file, "
                "-r __node:=...)",
            )

    def _candidates(self, expected: str) -> str:
        """Which topics of a type there are, for the user to choose from."""
        own = self._node.get_publisher_names_and_types_by_node(self._node.get_name(), self._node.get_namespace())
        mine = {name for name, _ in own}
        names = sorted(
            name
            for name, types in self._node.get_topic_names_and_types()
            if expected in types and name not in mine and self._node.count_publishers(name)
        )
        short = expected.rpartition("/")[2]
        if not names:
            return f"There is no {short} topic at all."
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        return f"These {short} topics exist: {', '.join(names[:_MAX_LISTED])}{more}."


def _silent_s(silence: Mapping[str, float], stream: str, watched_s: float) -> float:
    """Seconds since a stream's last frame, at most since the watch began."""
    return min(silence.get(stream, watched_s), watched_s)
