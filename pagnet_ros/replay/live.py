"""A running robot as the source of a replay: messages in as they come, frames out once their result is there.

Owns the queues between the two. Callbacks only store (`LiveSource.take`); the thread that evaluates pairs, waits for
the node's result of the same depth stamp, and decodes. What is evaluated is the result itself, as a method named
`depth_hr`, so the figures are those of an offline run. Works on any objects with the messages' fields: no ROS import.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import InputError
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.messages.image import MalformedMessageError, stamp_ns
from pagnet_ros.messages.pair import PairReader, read_depth
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.replay.frame import RawDepth, ReplayFrame
from pagnet_ros.replay.methods import MethodOutput
from pagnet_ros.replay.references import References
from pagnet_ros.replay.results import Pairing, Recording
from pagnet_ros.replay.tally import Tally
from pagnet_ros.system.units import in_metres

__all__ = ["RESULT", "LiveResult", "LiveSource"]

RESULT = "depth_hr"
WAITING_PAIRS = 32
"""Pairs that wait for their result; the node skips frames, so most of them may wait in vain."""

MessagePair = Pair[Any, Any]


class _Job(NamedTuple):
    """A pair whose result has come."""

    pair: MessagePair
    reference: Any
    result: Any


class LiveSource:
    """Frames of running topics; see `source.Source`. One thread iterates, any thread takes and closes."""

    def __init__(
        self, topics: Mapping[str, str], *, slop_ms: float = 20.0, queue_size: int = 10, backlog: int = 64
    ) -> None:
        """Begin empty.

        Args:
            topics: Name of each stream's topic, for reports: depth, color, depth_hr, and camera_info and reference
                where there are any.
            slop_ms: Largest stamp difference of a pair, milliseconds, as the node has it.
            queue_size: Images kept per stream while waiting for a partner, likewise.
            backlog: Most messages kept while a frame is evaluated; the oldest are dropped, and counted.
        """
        self.tally = Tally()
        self.recording = Recording(
            paths=(topics[RESULT],),
            kind="live",
            depth=topics["depth"],
            color=topics["color"],
            reference=topics.get("reference"),
            camera_info=topics.get("camera_info"),
        )
        self.expected = 1
        self.current: Any = None
        self._topics, self._slop_ms, self._queue_size, self._backlog = dict(topics), slop_ms, queue_size, backlog
        self._changed = threading.Condition()
        self._messages: deque[tuple[str, Any]] = deque()
        self._dropped = 0
        self._closed = False
        slop_ns = round(slop_ms * 1e6)
        self._pairing: NearestPairing[Any, Any] = NearestPairing(slop_ns, queue_size)
        self._references: References[Any, Any, Any] | None = None
        if "reference" in topics:
            self._references = References(slop_ns, queue_size)
        self._waiting: OrderedDict[int, tuple[MessagePair, Any]] = OrderedDict()
        self._results: OrderedDict[int, Any] = OrderedDict()
        self._info: Any = None
        self._reader = PairReader(topics["depth"], topics["color"], self.tally.report)
        self._number = 0

    def __enter__(self) -> LiveSource:
        """The source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the stream."""
        self.close()

    def take(self, stream: str, message: Any) -> None:
        """Store a message; what no longer fits makes room by dropping the oldest.

        Args:
            stream: "depth", "color", "camera_info", "reference" or `RESULT`.
            message: its message.
        """
        with self._changed:
            self._messages.append((stream, message))
            if len(self._messages) > self._backlog:
                self._messages.popleft()
                self._dropped += 1
            self._changed.notify()

    def close(self) -> None:
        """Let `frames` end once what has come is evaluated."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def pairing(self) -> Pairing:
        """How depth and colour came together so far."""
        return self.tally.pairing(self._slop_ms, self._queue_size, self._pairing.counts)

    @property
    def damage(self) -> tuple[str, ...]:
        """Messages that could not be evaluated because too many came meanwhile."""
        if not self._dropped:
            return ()
        return (
            f"{self._dropped} messages came while a frame was evaluated and were dropped; evaluate fewer baselines, or "
            "play slower",
        )

    def report_range(self, depth: RawDepth, min_depth_m: float, max_depth_m: float) -> None:
        """Note where much of a frame lies outside the range that is believed."""
        self._reader.report_range(depth, min_depth_m, max_depth_m)

    def frames(self, tap: Callable[[BagMessage], None] | None = None) -> Iterator[ReplayFrame]:
        """Frames with a result, in the order in which the results came, until `close`; `tap` sees nothing."""
        while (item := self._next()) is not None:
            for job in self._sort(*item):
                frame = self._read(job)
                if frame is not None:
                    self.current = job.result
                    yield frame
        for pair, reference in self._references.flush() if self._references else ():
            for job in self._match(pair, reference):
                frame = self._read(job)
                if frame is not None:
                    self.current = job.result
                    yield frame
        self._report_unanswered(len(self._waiting))

    def _next(self) -> tuple[str, Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed)
            return self._messages.popleft() if self._messages else None

    def _sort(self, stream: str, message: Any) -> list[_Job]:
        """What one message completes."""
        if stream == "camera_info":
            self._info = message
            return []
        stamp = stamp_ns(message)
        if stream == RESULT:
            return self._take_result(stamp, message)
        if not self.tally.take_stamp(stream, self._topics[stream], stamp):
            return []
        if stream == "reference":
            decided = self._references.add(stamp, message) if self._references else []
        else:
            pairs = (self._pairing.add_depth if stream == "depth" else self._pairing.add_color)(stamp, message)
            for pair in pairs:
                self.tally.take_pair(pair.depth_stamp_ns, pair.color_stamp_ns)
            decided = self._references.take(pairs) if self._references else [(pair, None) for pair in pairs]
        return [job for pair, reference in decided for job in self._match(pair, reference)]

    def _match(self, pair: MessagePair, reference: Any) -> list[_Job]:
        """A pair and its result, which may have come before or is waited for."""
        result = self._results.pop(pair.depth_stamp_ns, None)
        if result is not None:
            return [_Job(pair, reference, result)]
        self._waiting[pair.depth_stamp_ns] = pair, reference
        if len(self._waiting) > WAITING_PAIRS:
            self._waiting.popitem(last=False)
            self._report_unanswered(1)
        return []

    def _take_result(self, stamp: int, message: Any) -> list[_Job]:
        found = self._waiting.pop(stamp, None)
        if found is not None:
            return [_Job(*found, message)]
        self._results[stamp] = message
        if len(self._results) > self._queue_size:
            self._results.popitem(last=False)
            self.tally.report(
                "unpaired_result",
                f"{self._topics[RESULT]}: a result whose depth stamp belongs to no pair seen here; expected depth and "
                "colour on the topics that the node listens to",
            )
        return []

    def _report_unanswered(self, count: int) -> None:
        for _ in range(count):
            self.tally.report(
                "no_result", f"{self._topics[RESULT]}: no result for a pair; the node skips frames when busy", "info"
            )

    def _read(self, job: _Job) -> ReplayFrame | None:
        """Decode and check; None if the frame is refused."""
        started = time.perf_counter_ns()
        self._number += 1
        try:
            depth, rgb = self._reader.read(job.pair.depth, job.pair.color)
            better = None if job.reference is None else read_depth(job.reference, self._topics["reference"])
        except MalformedMessageError as error:
            self.tally.count("refused")
            self.tally.report(error.kind, str(error))
            return None
        return ReplayFrame(
            index=self._number - 1,
            depth_stamp_ns=job.pair.depth_stamp_ns,
            color_stamp_ns=job.pair.color_stamp_ns,
            depth=depth,
            rgb=rgb,
            reference=better,
            intrinsics=self._intrinsics(rgb.shape[0], rgb.shape[1]),
            camera_info=self._info,
            frame_id=str(job.pair.color.header.frame_id),
            recorded_ns=job.pair.depth_stamp_ns,
            decode_ms=(time.perf_counter_ns() - started) / 1e6,
        )

    def _intrinsics(self, height: int, width: int) -> NDArray[np.float64] | None:
        if self._info is None:
            return None
        try:
            fitted = camera_info_for(self._info, self._info.header, height, width)
        except InputError as error:
            self.tally.report(getattr(error, "kind", "camera_info"), str(error), "info")
            return None
        return np.asarray(fitted.k, dtype=np.float64).reshape(3, 3)


class LiveResult:
    """The node's published depth as a method of the evaluation."""

    name = RESULT
    kind = "network"

    def __init__(self, source: LiveSource, detail: Mapping[str, Any]) -> None:
        """Answer with what came on the source; `detail` says what is known of the node."""
        self._source, self._detail = source, dict(detail)

    @property
    def detail(self) -> Mapping[str, Any]:
        """What is known of the node."""
        return self._detail

    def warm_up(self, frame: ReplayFrame) -> None:
        """Nothing to load."""

    def __call__(self, frame: ReplayFrame, measured_m: NDArray[np.float32]) -> MethodOutput:
        """The result of the frame that the source handed out last.

        Raises:
            InputError: It cannot be decoded, or has not the colour image's size.
        """
        depth = read_depth(self._source.current, self.name)
        if depth.shape != frame.rgb.shape[:2]:
            (h, w), (height, width) = depth.shape, frame.rgb.shape[:2]
            raise InputError(
                f"{self.name} is {w} x {h}, colour {width} x {height}; expected one size: the node's result"
            )
        return MethodOutput(in_metres(depth))
