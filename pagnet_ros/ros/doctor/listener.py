"""A node that listens to the topics under examination and asks other nodes for parameters and states.

Callbacks only store times and a few messages; what the kept images say is worked out afterwards. Nothing is changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pagnet_ros.core.stamps import Arrival, ArrivalLog
from pagnet_ros.diagnosis.observation import CAMERA_INFO_TYPE, COMPRESSED_TYPE, IMAGE_TYPE
from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.ros.diagnostics import COLOR_TOPIC, DEPTH_TOPIC
from pagnet_ros.ros.running import spin

_KINDS: Final = {IMAGE_TYPE: Image, COMPRESSED_TYPE: CompressedImage, CAMERA_INFO_TYPE: CameraInfo}
_ANY: Final = QoSProfile(depth=30, reliability=ReliabilityPolicy.BEST_EFFORT)
"""As the node subscribes: best effort and volatile, which every publisher accepts."""
_LATCHED: Final = QoSProfile(depth=30, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_MOST: Final = 400_000
"""Arrivals kept of a topic: of an hour, the longest watch, at 100 Hz."""
_FIRST: Final = 6
_SPREAD: Final = 6
_PATIENCE_S: Final = 2.0
_VALUES: Final = {
    ParameterType.PARAMETER_BOOL: "bool_value",
    ParameterType.PARAMETER_INTEGER: "integer_value",
    ParameterType.PARAMETER_DOUBLE: "double_value",
    ParameterType.PARAMETER_STRING: "string_value",
    ParameterType.PARAMETER_STRING_ARRAY: "string_array_value",
}


@dataclass
class TopicLog:
    """What came on one topic."""

    arrivals: ArrivalLog = field(default_factory=lambda: ArrivalLog(_MOST))  # by a volatile best-effort subscription
    latched: int = 0  # how many came by a transient-local one
    first: list[Any] = field(default_factory=list)  # the first images, in a row
    later: deque[Any] = field(default_factory=lambda: deque(maxlen=_SPREAD))  # every fifth of those after them
    newest: Any = None


class Listener(Node):
    """Takes /clock and /diagnostics from the beginning; `listen` adds topics. Call from the thread that spins it."""

    def __init__(self, name: str, **node: Any) -> None:
        super().__init__(name, enable_rosout=True, **node)
        self.diagnostics: dict[str, tuple[int, str]] = {}
        self.takes: dict[str, tuple[str, str]] = {}  # depth and colour topics that a node's diagnostics name
        self.reprojecting: set[str] = set()  # nodes whose diagnostics say how long a reprojection of depth takes
        self._sim_ns: int | None = None
        self._spinner = SingleThreadedExecutor(context=self.context)
        self._spinner.add_node(self)
        self.create_subscription(Clock, "/clock", self._on_clock, _ANY)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Take messages for some seconds, or until something is true."""
        end = time.monotonic() + seconds
        spin(self._spinner, self.get_logger(), lambda: time.monotonic() >= end or until())

    def listen(self, topic: str, kind: str, *, latched: bool = False) -> TopicLog:
        """Subscribe to a topic by its absolute name.

        `latched` subscribes as transient local too. Only where a publisher offers that: the others would each log a
        warning about a subscriber they cannot serve.
        """
        log = TopicLog()

        def take(message: Any) -> None:
            log.arrivals.add(Arrival(time.monotonic_ns(), time.time_ns(), stamp_ns(message), self._sim_ns))
            log.newest = message
            if kind == CAMERA_INFO_TYPE:
                return
            if len(log.first) < _FIRST:
                log.first.append(message)
            elif len(log.arrivals) % 5 == 0:
                log.later.append(message)

        def take_latched(message: Any) -> None:
            log.latched += 1
            log.newest = log.newest or message

        self.create_subscription(_KINDS[kind], topic, take, _ANY)
        if latched:
            self.create_subscription(_KINDS[kind], topic, take_latched, _LATCHED)
        return log

    def parameters(self, nodes: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of each node's parameters that are set; none of a node that does not answer.

        Each is asked for by itself: a node that does not declare one of several gives none of them.
        """
        values: dict[str, dict[str, Any]] = {node: {} for node in nodes}
        with self._asking(GetParameters, {node: f"{node}/get_parameters" for node in nodes}) as answering:
            for name in names:
                answers = self._ask(answering, GetParameters.Request(names=[name]))
                for node in [*answering]:
                    if node not in answers:
                        del answering[node]  # it is not waited for again
                for node, answer in answers.items():
                    for value in answer.values:
                        if value.type in _VALUES:
                            values[node][name] = getattr(value, _VALUES[value.type])
        return values

    def states(self, nodes: Sequence[str]) -> dict[str, str]:
        """Name of the state of each node's lifecycle; empty of one that does not answer."""
        with self._asking(GetState, {node: f"{node}/get_state" for node in nodes}) as clients:
            answers = self._ask(clients, GetState.Request())
        return {node: str(answers[node].current_state.label) if node in answers else "" for node in nodes}

    def destroy_node(self) -> None:
        """Stop spinning first."""
        self._spinner.shutdown(timeout_sec=1.0)
        super().destroy_node()

    @contextmanager
    def _asking(self, kind: Any, services: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Clients of the services that are there, by node."""
        clients = {node: self.create_client(kind, service) for node, service in services.items()}
        try:
            self.spin(_PATIENCE_S, lambda: all(client.service_is_ready() for client in clients.values()))
            yield {node: client for node, client in clients.items() if client.service_is_ready()}
        finally:
            for client in clients.values():
                self.destroy_client(client)

    def _ask(self, clients: dict[str, Any], request: Any) -> dict[str, Any]:
        """The answers of those nodes that answer, which are all asked at once."""
        futures = {node: client.call_async(request) for node, client in clients.items()}
        self.spin(_PATIENCE_S, lambda: all(future.done() for future in futures.values()))
        return {node: future.result() for node, future in futures.items() if future.done()}

    def _on_clock(self, message: Any) -> None:
        self._sim_ns = int(message.clock.sec) * 1_000_000_000 + int(message.clock.nanosec)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = status.level
            number = level[0] if isinstance(level, bytes) else int(level)
            self.diagnostics[status.name] = (number, status.message)
            values = {entry.key: entry.value for entry in status.values}
            node = "/" + status.name.partition(":")[0]
            if {DEPTH_TOPIC, COLOR_TOPIC} <= set(values):
                self.takes[node] = (values[DEPTH_TOPIC], values[COLOR_TOPIC])
            if any(key.startswith("reproject ") for key in values):
                self.reprojecting.add(node)
