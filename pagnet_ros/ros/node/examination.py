"""The doctor's rules on what the node itself receives, so that its diagnostics never say OK where the doctor would not.

Keeps the recent times of each input and facts of a few images; callbacks only store. Findings that the node notices by
itself, where they happen, are left to it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Final, Literal

from pagnet_ros.core.stamps import Arrival, ArrivalLog
from pagnet_ros.diagnosis import RULES, Finding, diagnose
from pagnet_ros.diagnosis.facts import camera_info_facts, image_facts
from pagnet_ros.diagnosis.machine import look_at_machine
from pagnet_ros.diagnosis.observation import (
    CAMERA_INFO_TYPE,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    ImageFacts,
    Machine,
    NodeFacts,
    Observation,
    Stream,
)
from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.ros.doctor.graph import Graph, full_name
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter

StreamName = Literal["depth", "color", "camera_info"]
_ROLES: Final[dict[StreamName, Literal["depth", "color", "color_info"]]] = {
    "depth": "depth",
    "color": "color",
    "camera_info": "color_info",
}
TOLD_BY_THE_NODE: Final = frozenset(
    {
        "backward_stamps",
        "camera_info_missing",
        "camera_info_other_size",
        "camera_info_uncalibrated",
        "channel_order_unknown",
        "depth_larger_than_color",
        "frame_ids_differ",
        "frozen_stamps",
        "malformed_image",
        "missing_module",
        "negative_depth",
        "never_pairs",
        "no_compiler",
        "no_publisher",
        "no_valid_depth",
        "shapes_differ",
        "silent_topic",
        "torch_without_gpu",
        "unknown_encoding",
        "wrong_type",
        "zero_stamp",
    }
)
"""What the node says where it happens (under this name or a narrower one), when a topic is silent, or at configure."""
_WINDOW_NS: Final = 10_000_000_000
_IMAGES: Final = 6


class Examination:
    """Looks at what came lately. To be called from the executor's thread."""

    def __init__(self, node: Any, topics: TopicNames, settings: NodeParameters, reporter: Reporter) -> None:
        """Begin with nothing received. Those of the node's parameters that `NodeFacts` has are read at each look."""
        self._node, self._reporter = node, reporter
        self._topics: dict[StreamName, str] = {
            "depth": topics.depth,
            "color": topics.color,
            "camera_info": topics.color_info,
        }
        self._depth_info_topic = topics.depth_info
        self._kinds: dict[StreamName, str] = {
            "depth": IMAGE_TYPE if settings.depth_transport == "raw" else COMPRESSED_TYPE,
            "color": IMAGE_TYPE if settings.color_transport == "raw" else COMPRESSED_TYPE,
            "camera_info": CAMERA_INFO_TYPE,
        }
        self._name = full_name(node.get_name(), node.get_namespace())
        self._graph = Graph(node)
        self.logs: dict[StreamName, ArrivalLog] = {stream: ArrivalLog() for stream in _ROLES}
        self._newest: dict[StreamName, Any] = {}
        self._images: dict[StreamName, deque[ImageFacts]] = {
            "depth": deque(maxlen=_IMAGES),
            "color": deque(maxlen=_IMAGES),
        }
        self.restart()

    def restart(self) -> None:
        """Count from now on, as after subscribing anew."""
        self.since_ns = time.monotonic_ns()

    def note(self, stream: StreamName, message: Any) -> None:
        """Note a message."""
        sim_ns = self._node.get_clock().now().nanoseconds if self._parameter("use_sim_time") else None
        self.logs[stream].add(Arrival(time.monotonic_ns(), time.time_ns(), stamp_ns(message), sim_ns))
        self._newest[stream] = message

    def ask(self, rules: Collection[str], streams: Collection[StreamName], seconds: float) -> None:
        """Apply some rules to streams that were silent for so long, and report what they find."""
        if not streams:
            return
        own = {publisher.topic_name for publisher in self._node.publishers}  # DDS tells of them later
        now_ns, with_process = time.monotonic_ns(), "silent_topic" in rules  # which looks through all of /proc
        found: dict[str, Any] = {_ROLES[stream]: self._stream(stream, now_ns, with_process) for stream in streams}
        for role, stream in found.items():
            there = self._graph.topics([stream.expected])
            candidates = tuple(topic for topic in there if topic != stream.topic and topic not in own)
            found[role] = replace(stream, candidates=candidates)
        machine, domain = Machine(uid=os.getuid()), self._node.context.get_domain_id()
        seen = Observation(seconds=seconds, nodes=(self._name,), machine=machine, domain=domain, **found)
        self._report(finding for name in rules for finding in RULES[name](seen))

    def look(self, *, images: bool = True, depth_info: Any = None) -> None:
        """Apply every rule to the last ten seconds, and report what it finds; without images, to the rest.

        `depth_info` is the newest camera_info of the depth camera, if any.
        """
        seen = self.observation(depth_info)
        seen = seen if images else replace(seen, depth=None, color=None)
        self._report(finding for finding in diagnose(seen) if finding.name not in TOLD_BY_THE_NODE)

    def observation(self, depth_info: Any = None) -> Observation:
        """What came within the last ten seconds, as the rules take it, and the depth camera's newest camera_info."""
        now_ns = time.monotonic_ns()
        since_ns = max(now_ns - _WINDOW_NS, self.since_ns)
        for stream, facts in self._images.items():
            message = self._newest.pop(stream, None)
            if message is not None:
                facts.append(image_facts(message, "depth" if stream == "depth" else "color", self._topics[stream]))
        namesakes = (node for node in self._graph.nodes() if node == self._name)
        return Observation(
            seconds=(now_ns - since_ns) / 1e9,
            depth=self._stream("depth", since_ns),
            color=self._stream("color", since_ns),
            depth_info=None if depth_info is None else self._depth_info(depth_info),
            color_info=self._stream("camera_info", since_ns),
            nodes=(self._name, *namesakes),
            consumers=(self._itself(),),
            clock_publishers=tuple(endpoint.node for endpoint in self._graph.publishers("/clock")),
            machine=look_at_machine(with_torch=False),
        )

    def _report(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            level: Literal["error", "warn"] = "error" if finding.severity == "error" else "warn"
            self._reporter.report(finding.name, finding.text, level, about=finding.about)

    def _stream(self, name: StreamName, since_ns: int, with_process: bool = True) -> Stream:
        stream = Stream(
            name=_ROLES[name],
            topic=self._topics[name],
            expected=self._kinds[name],
            publishers=self._graph.publishers(self._topics[name], with_process=with_process),
            arrivals=self.logs[name].since(since_ns),
        )
        if name != "camera_info":
            return replace(stream, images=tuple(self._images[name]))
        if name not in self._newest:
            return stream
        return replace(stream, info=camera_info_facts(self._newest[name], self._size("color")))

    def _depth_info(self, message: Any) -> Stream:
        """What the calibration says; how it comes is of no account: depth is seldom reprojected."""
        info = camera_info_facts(message, self._size("depth"))
        return Stream(name="depth_info", topic=self._depth_info_topic, expected=CAMERA_INFO_TYPE, info=info)

    def _size(self, stream: StreamName) -> tuple[int, int] | None:
        sizes = [(facts.width, facts.height) for facts in self._images[stream] if facts.width]
        return sizes[-1] if sizes else None

    def _itself(self) -> NodeFacts:
        return NodeFacts(
            name=self._name,
            state="active",
            use_sim_time=self._parameter("use_sim_time"),
            slop_ms=self._parameter("slop_ms"),
            max_late_ms=self._parameter("max_late_ms"),
            depth_unit_m=self._parameter("depth_unit_m"),
            max_depth_m=self._parameter("max_depth_m"),
            reproject=self._parameter("reproject"),
            has_pose=bool(self._parameter("depth_pose_xyz")),
        )

    def _parameter(self, name: str) -> Any:
        return self._node.get_parameter(name).value if self._node.has_parameter(name) else None
