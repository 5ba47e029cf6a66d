"""A node that listens to the topics under examination and keeps times, and a few messages.

Callbacks only store; what the kept images say is worked out afterwards.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final, Literal

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pagnet_ros.diagnosis.log import StreamLog
from pagnet_ros.diagnosis.observation import COMPRESSED_TYPE
from pagnet_ros.messages.image import stamp_ns

__all__ = ["Ear", "Listener"]

_QUEUE: Final = 30
_FIRST: Final = 6
_SPREAD: Final = 6


class Ear:
    """What was heard on one topic.

    Attributes:
        log: the messages' times, by a volatile best-effort subscription.
        latched: how many came by a transient-local one.
        first: the first images, in a row.
        later: the newest of those heard after them, a few apart.
        newest: the newest message.
    """

    def __init__(self) -> None:
        self.log = StreamLog()
        self.latched = 0
        self.first: list[Any] = []
        self.later: deque[Any] = deque(maxlen=_SPREAD)
        self.newest: Any = None

    @property
    def kept(self) -> list[Any]:
        """The images that were kept, oldest first."""
        return [*self.first, *self.later]

    def keep(self, message: Any) -> None:
        """Keep an image if it is one of the first, else every fifth."""
        if len(self.first) < _FIRST:
            self.first.append(message)
        elif len(self.log) % 5 == 0:
            self.later.append(message)


class Listener(Node):
    """Subscribes as the node does: best effort and volatile, which every publisher accepts."""

    def __init__(self, name: str, **node: Any) -> None:
        """Begin deaf but for /clock and /diagnostics; `listen` and `listen_to_info` add topics.

        Args:
            name: of the node; hidden (beginning with an underscore) so that other tools do not show it.
            node: passed to rclpy's Node.
        """
        super().__init__(name, enable_rosout=True, **node)
        self.diagnostics: dict[str, tuple[int, str]] = {}
        self._sim_ns: int | None = None
        self.create_subscription(Clock, "/clock", self._on_clock, _qos(1))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_clock(self, message: Any) -> None:
        self._sim_ns = int(message.clock.sec) * 1_000_000_000 + int(message.clock.nanosec)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = status.level
            number = level[0] if isinstance(level, bytes) else int(level)
            self.diagnostics[status.name] = (number, status.message)

    def listen(self, topic: str, kind: str) -> Ear:
        """Listen to images.

        Args:
            topic: absolute name.
            kind: type of the messages.
        """
        ear = Ear()

        def take(message: Any) -> None:
            self._note(ear, message)
            ear.keep(message)

        self.create_subscription(CompressedImage if kind == COMPRESSED_TYPE else Image, topic, take, _qos(_QUEUE))
        return ear

    def listen_to_info(self, topic: str, *, latched: bool) -> Ear:
        """Listen to a camera_info.

        Args:
            topic: absolute name.
            latched: as a transient-local subscriber too. Only where a publisher offers that: the others would each log
            a
                warning about a subscriber they cannot serve.
        """
        ear = Ear()

        def take(message: Any) -> None:
            self._note(ear, message)
            ear.newest = message

        def take_latched(message: Any) -> None:
            ear.latched += 1
            ear.newest = ear.newest or message

        self.create_subscription(CameraInfo, topic, take, _qos(_QUEUE))
        if latched:
            self.create_subscription(CameraInfo, topic, take_latched, _qos(_QUEUE, latched=True))
        return ear

    def _note(self, ear: Ear, message: Any) -> None:
        ear.log.add(time.monotonic_ns(), time.time_ns(), stamp_ns(message), self._sim_ns)


def _qos(depth: int, *, latched: bool = False) -> QoSProfile:
    """Accepts every publisher; or, `latched`, those that keep messages for whoever comes later."""
    durability: Literal["TRANSIENT_LOCAL", "VOLATILE"] = "TRANSIENT_LOCAL" if latched else "VOLATILE"
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if latched else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy[durability],
    )
