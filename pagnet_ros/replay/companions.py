"""Which message of another stream belongs to which pair of depth and colour. Pure: stamps in, decisions out."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class _Stamped(Protocol):
    @property
    def depth_stamp_ns(self) -> int: ...


J = TypeVar("J", bound=_Stamped)
C = TypeVar("C")


class Companions(Generic[J, C]):
    """Which message of another stream, a reference, a recorded result or a pose, belongs to which pair.

    A pair waits until a message at or after its depth stamp is in, because only then can no nearer one come, or until
    too many wait; it then takes the nearest within the slop, or none. Pairs leave in the order in which they came.
    """

    def __init__(self, slop_ns: int, queue_size: int, kept: int | None = None) -> None:
        """Create empty queues.

        Args:
            slop_ns: largest difference between the stamps of depth and companion, nanoseconds, inclusive.
            queue_size: most pairs that wait, and most companions kept.
            kept: most companions kept, where they come more often than pairs.
        """
        self._slop_ns, self._queue_size = slop_ns, queue_size
        self._latest_ns: int | None = None
        self._pairs: deque[J] = deque()
        self._companions: deque[tuple[int, C]] = deque(maxlen=kept or queue_size)

    def add_pairs(self, pairs: list[J]) -> list[tuple[J, C | None]]:
        """Take pairs; return those that are decided, oldest first."""
        decided = []
        for pair in pairs:
            if self._is_of_another_loop(pair.depth_stamp_ns):
                decided += self.flush()
                self._companions.clear()
            self._pairs.append(pair)
            self._latest_ns = pair.depth_stamp_ns
        return decided + self._decide()

    def _is_of_another_loop(self, stamp_ns: int) -> bool:
        """Whether time went back with this pair, and the companions at hand are still those from before."""
        if self._latest_ns is None or stamp_ns >= self._latest_ns or not self._companions:
            return False
        newest_ns = self._companions[-1][0]
        return abs(newest_ns - self._latest_ns) < abs(newest_ns - stamp_ns)

    def add(self, stamp_ns: int, companion: C) -> list[tuple[J, C | None]]:
        """Take a companion; return the pairs that this decides, oldest first."""
        decided = []
        if self._companions and stamp_ns < self._companions[-1][0]:  # time went back: nothing later fits what comes
            decided = self.flush()
            self._companions.clear()
        self._companions.append((stamp_ns, companion))
        return decided + self._decide()

    def flush(self) -> list[tuple[J, C | None]]:
        """Decide everything that waits, with what is at hand."""
        decided = [(pair, self._nearest(pair)) for pair in self._pairs]
        self._pairs.clear()
        return decided

    def _decide(self) -> list[tuple[J, C | None]]:
        decided = []
        while self._pairs and (
            len(self._pairs) > self._queue_size
            or (self._companions and self._companions[-1][0] >= self._pairs[0].depth_stamp_ns)
        ):
            pair = self._pairs.popleft()
            decided.append((pair, self._nearest(pair)))
        return decided

    def _nearest(self, pair: J) -> C | None:
        wanted_ns = pair.depth_stamp_ns
        nearest = min(self._companions, key=lambda item: abs(item[0] - wanted_ns), default=None)
        return None if nearest is None or abs(nearest[0] - wanted_ns) > self._slop_ns else nearest[1]
