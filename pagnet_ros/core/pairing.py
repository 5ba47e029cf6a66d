"""Which colour frame belongs to which depth frame. Pure and clock-free: stamps in, pairs out.

The policy: the colour frame nearest in time within the slop (``<=``). A depth frame is used once; a colour frame may
serve several depth frames. Equal stamps match at once; any other match is decided when a colour frame at or after
the depth frame's stamp is in, because only then can no nearer one come. A stamp that goes backwards (a looped bag, a
restarted camera) clears from both queues what lies in its future, so stale frames never block new ones; depth
frames that waited there take the nearest colour frame at hand, because no nearer one will come.

Frames wait for a partner that comes late, for as long as the caller allows. That time is measured by the stamps of
their own stream, so what comes out depends only on the order of the messages: a replay gives the live node's pairs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from pagnet_ros.errors import ConfigError

D = TypeVar("D")
C = TypeVar("C")
T = TypeVar("T")

_Stamped = tuple[int, T]


@dataclass(frozen=True)
class Pair(Generic[D, C]):
    """A depth frame and the colour frame that belongs to it. Stamps in nanoseconds."""

    depth_stamp_ns: int
    color_stamp_ns: int
    depth: D
    color: C


@dataclass
class PairingCounts:
    """What happened so far, in frames.

    Attributes:
        depth_in: depth frames given.
        color_in: colour frames given.
        paired: depth frames that found their colour.
        depth_unmatched: depth frames dropped because no colour lay within the slop.
        color_unmatched: colour frames dropped without having served.
        duplicate: frames whose stamp equals the one before.
        backward_jumps: times a stamp went backwards.
        last_offset_ns: colour minus depth of the latest decision, matched or not; what to compare the slop with.
    """

    depth_in: int = 0
    color_in: int = 0
    paired: int = 0
    depth_unmatched: int = 0
    color_unmatched: int = 0
    duplicate: int = 0
    backward_jumps: int = 0
    last_offset_ns: int = 0


class NearestPairing(Generic[D, C]):
    """Nearest-stamp pairing of two streams. Not thread-safe: the caller locks, and acts on the result outside.

    Attributes:
        counts: what happened so far; kept over `clear`.
    """

    def __init__(self, slop_ns: int, queue_size: int | None = None, *, max_late_ns: int | None = None) -> None:
        """Create empty queues.

        Args:
            slop_ns: largest stamp difference of a pair, nanoseconds, at least 0, inclusive.
            queue_size: most frames kept per stream while waiting for the other, at least 1, which bounds the memory;
                None for any number, as for a recording that is read from disk.
            max_late_ns: how much later than its partner a frame may come, nanoseconds, at least 0; None for any time.

        Raises:
            ConfigError: a value out of range.
        """
        if slop_ns < 0 or (queue_size is not None and queue_size < 1) or (max_late_ns is not None and max_late_ns < 0):
            raise ConfigError(
                f"pairing: slop_ns={slop_ns}, queue_size={queue_size}, max_late_ns={max_late_ns}; expected >= 0, >= 1, "
                "and >= 0"
            )
        self.slop_ns = slop_ns
        self.max_late_ns = max_late_ns
        self._depth: deque[_Stamped[D]] = deque()
        self._color: deque[_Stamped[C]] = deque()
        self._queue_size = queue_size
        self._served: set[int] = set()
        self._last_depth_ns: int | None = None
        self._last_color_ns: int | None = None
        self._left_behind_ns: int | None = None
        self.counts = PairingCounts()

    def add_depth(self, stamp_ns: int, depth: D) -> list[Pair[D, C]]:
        """Take a depth frame; return the pairs this decides, oldest first."""
        self.counts.depth_in += 1
        pairs = []
        if self._last_depth_ns is not None and stamp_ns < self._last_depth_ns:
            if self._last_color_ns is not None and self._last_color_ns > stamp_ns + self.slop_ns:
                self._left_behind_ns = self._last_color_ns
            pairs = self._rewind(stamp_ns, stamp_ns + self.slop_ns)
        if stamp_ns == self._last_depth_ns:
            self.counts.duplicate += 1
            return pairs
        self._last_depth_ns = stamp_ns
        self._depth.append((stamp_ns, depth))
        while self._waits_too_long(self._depth):
            self._depth.popleft()
            self.counts.depth_unmatched += 1
        return pairs + self._decide()

    def add_color(self, stamp_ns: int, color: C) -> list[Pair[D, C]]:
        """Take a colour frame; return the pairs this decides, oldest first."""
        self.counts.color_in += 1
        left_behind_ns, self._left_behind_ns = self._left_behind_ns, None
        if left_behind_ns is not None and stamp_ns > left_behind_ns:
            # under way while depth jumped back; taken as news, it would call the new depth frames unmatched
            self.counts.color_unmatched += 1
            return []
        pairs = []
        if self._last_color_ns is not None and stamp_ns < self._last_color_ns:
            pairs = self._rewind(stamp_ns + self.slop_ns, stamp_ns)
        if stamp_ns == self._last_color_ns:
            self.counts.duplicate += 1
            return pairs
        self._last_color_ns = stamp_ns
        self._color.append((stamp_ns, color))
        while self._waits_too_long(self._color):
            self._drop_oldest_color()
        return pairs + self._decide()

    def flush(self) -> list[Pair[D, C]]:
        """Decide the depth frames that wait, oldest first: at the end of a recording no nearer colour frame comes."""
        pairs = [pair for stamp_ns, depth in self._depth for pair in self._settle(stamp_ns, depth)]
        self._depth.clear()
        return pairs

    def clear(self) -> None:
        """Forget all waiting frames and the last stamps, as after a clock jump."""
        self.counts.depth_unmatched += len(self._depth)
        self._depth.clear()
        while self._color:
            self._drop_oldest_color()
        self._last_depth_ns = self._last_color_ns = self._left_behind_ns = None

    def _waits_too_long(self, queue: deque[_Stamped[T]]) -> bool:
        """Whether the oldest frame has to give way to the newest: too old for a partner, or one too many."""
        if self._queue_size is not None and len(queue) > self._queue_size:
            return True
        waited_ns = queue[-1][0] - queue[0][0]
        return self.max_late_ns is not None and waited_ns > self.max_late_ns + self.slop_ns

    def _rewind(self, depth_until_ns: int, color_until_ns: int) -> list[Pair[D, C]]:
        """Clear what lies after the given stamps, because time went backwards to before it."""
        self.counts.backward_jumps += 1
        pairs = []
        for stamp_ns, depth in self._depth:
            if stamp_ns > depth_until_ns:
                pairs += self._settle(stamp_ns, depth)
        self._depth = deque(item for item in self._depth if item[0] <= depth_until_ns)
        kept = deque(item for item in self._color if item[0] <= color_until_ns)
        self._color = deque(item for item in self._color if item[0] > color_until_ns)
        while self._color:
            self._drop_oldest_color()
        self._color = kept
        self._last_depth_ns = self._depth[-1][0] if self._depth else None
        self._last_color_ns = self._color[-1][0] if self._color else None
        return pairs

    def _decide(self) -> list[Pair[D, C]]:
        pairs = []
        while self._depth and self._color and self._color[-1][0] >= self._depth[0][0]:
            stamp_ns, depth = self._depth.popleft()
            pairs += self._settle(stamp_ns, depth)
            while len(self._color) > 1 and self._color[1][0] <= stamp_ns:
                self._drop_oldest_color()
        return pairs

    def _settle(self, stamp_ns: int, depth: D) -> list[Pair[D, C]]:
        """Pair a depth frame with the nearest colour frame at hand, or count it as unmatched."""
        nearest = min(self._color, key=lambda item: abs(item[0] - stamp_ns), default=None)
        if nearest is not None:
            self.counts.last_offset_ns = nearest[0] - stamp_ns
        if nearest is None or abs(nearest[0] - stamp_ns) > self.slop_ns:
            self.counts.depth_unmatched += 1
            return []
        self._served.add(nearest[0])
        self.counts.paired += 1
        return [Pair(stamp_ns, nearest[0], depth, nearest[1])]

    def _drop_oldest_color(self) -> None:
        stamp_ns, _ = self._color.popleft()
        if stamp_ns in self._served:
            self._served.discard(stamp_ns)
        else:
            self.counts.color_unmatched += 1
