"""A node that watches the node: gathers inputs, outputs and truth by stamp, for the demo's line and picture.

Messages come in by subscription, are kept raw for a few seconds, and leave as `DemoFrame`, decoded on demand.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from pagnet_ros.messages.compressed import color_from_compressed, depth_from_compressed
from pagnet_ros.messages.image import color_from_image, depth_from_image, stamp_ns
from pagnet_ros.system.units import in_metres

KEPT_MESSAGES = 45
WINDOW_S = 3.0


@dataclass(frozen=True)
class DemoFrame:
    """One output and what belongs to it.

    Attributes:
        stamp_ns: stamp of the depth frame, nanoseconds.
        color: ``[H, W, 3]`` uint8, nearest in time.
        depth: the measured depth, ``[h, w]`` uint16 mm or float32 m.
        output: ``[H, W]`` float32 metres, NaN where unknown.
        truth: ``[H, W]`` metres, NaN where unknown, or None where none is published.
    """

    stamp_ns: int
    color: NDArray[np.uint8]
    depth: NDArray[np.uint16] | NDArray[np.float32]
    output: NDArray[np.float32]
    truth: NDArray[np.float32] | None


@dataclass(frozen=True)
class StreamState:
    """What the live line shows.

    Attributes:
        counts: messages so far, by stream: depth, color, output, truth.
        rate_in_hz: depth frames per second, lately.
        rate_out_hz: outputs per second, lately.
        age_ms: how old the newest output is now: time since its depth frame's stamp, milliseconds.
        latency_ms: stamp to arrival of the recent outputs, milliseconds, oldest first.
        diagnostics: the newest values on /diagnostics, by key.
    """

    counts: dict[str, int]
    rate_in_hz: float
    rate_out_hz: float
    age_ms: float
    latency_ms: list[float]
    diagnostics: dict[str, str]


class DemoRecorder(Node):
    """Subscribes to inputs, output and truth. Stamps have to be of the system's clock for ages to mean anything."""

    def __init__(self, topics: dict[str, str], *, compressed: frozenset[str] = frozenset(), **node: Any) -> None:
        """Subscribe to the topics of the streams depth, color, output and truth; those of `compressed` are so."""
        super().__init__("demo_recorder", **node)
        self._lock = threading.Lock()
        self._kept: dict[str, OrderedDict[int, Any]] = {stream: OrderedDict() for stream in topics}
        self._counts = dict.fromkeys(topics, 0)
        self._arrivals: dict[str, deque[float]] = {stream: deque(maxlen=512) for stream in topics}
        self._latency_ms: deque[tuple[float, float]] = deque(maxlen=512)
        self._compressed = compressed
        self._newest_stamp_ns = 0
        self._diagnostics: dict[str, str] = {}
        qos = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT, history=QoSHistoryPolicy.KEEP_LAST)
        for stream, topic in topics.items():
            kind = CompressedImage if stream in compressed else Image
            self.create_subscription(kind, topic, self._keeper(stream), qos)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._keep_diagnostics, 10)

    def _keep_diagnostics(self, message: Any) -> None:
        with self._lock:
            self._diagnostics = {entry.key: entry.value for status in message.status for entry in status.values}

    def _keeper(self, stream: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            stamp, now = stamp_ns(message), time.monotonic()
            with self._lock:
                kept = self._kept[stream]
                kept[stamp] = message
                while len(kept) > KEPT_MESSAGES:
                    kept.popitem(last=False)
                self._counts[stream] += 1
                self._arrivals[stream].append(now)
                if stream == "output":
                    self._newest_stamp_ns = stamp
                    self._latency_ms.append((now, (time.time_ns() - stamp) / 1e6))

        return keep

    def state(self) -> StreamState:
        """The state now."""
        now = time.monotonic()
        with self._lock:
            return StreamState(
                counts=dict(self._counts),
                rate_in_hz=_rate_hz(self._arrivals["depth"], now),
                rate_out_hz=_rate_hz(self._arrivals["output"], now),
                age_ms=(time.time_ns() - self._newest_stamp_ns) / 1e6 if self._newest_stamp_ns else float("nan"),
                latency_ms=[latency for _, latency in self._latency_ms],
                diagnostics=dict(self._diagnostics),
            )

    def newest_frame(self) -> DemoFrame | None:
        """The newest output whose inputs (and truth, where one is published) are at hand; None if there is none."""
        with self._lock:
            parts = self._newest_parts()
        if parts is None:
            return None
        stamp, depth, color, output, truth = parts
        decode_depth = depth_from_compressed if "depth" in self._compressed else depth_from_image
        decode_color = color_from_compressed if "color" in self._compressed else color_from_image
        return DemoFrame(
            stamp_ns=stamp,
            color=decode_color(color),
            depth=decode_depth(depth),
            output=in_metres(depth_from_image(output)),
            truth=None if truth is None else in_metres(depth_from_image(truth)),
        )

    def _newest_parts(self) -> tuple[int, Any, Any, Any, Any] | None:
        kept = self._kept
        for stamp in reversed(kept["output"]):
            if stamp not in kept["depth"] or not kept["color"]:
                continue
            if "truth" in kept and self._counts["truth"] and stamp not in kept["truth"]:
                continue
            color = kept["color"][min(kept["color"], key=lambda other: abs(other - stamp))]
            truth = kept["truth"].get(stamp) if "truth" in kept else None
            return stamp, kept["depth"][stamp], color, kept["output"][stamp], truth
        return None


def _rate_hz(arrivals: deque[float], now: float) -> float:
    recent = [t for t in arrivals if now - t <= WINDOW_S]
    return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0
