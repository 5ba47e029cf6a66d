"""Which reference image belongs to which pair. Pure and clock-free, like `pairing`.

A pair waits until a reference at or after its depth stamp is in, because only then can no nearer one come, or until too
many wait; it then takes the nearest within the slop, or none. Pairs leave in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from pagnet_ros.core.pairing import Pair

__all__ = ["References"]

D = TypeVar("D")
C = TypeVar("C")
R = TypeVar("R")


class References(Generic[D, C, R]):
    """Waiting pairs and recent references; memory is bounded by the queue size."""

    def __init__(self, slop_ns: int, queue_size: int) -> None:
        """Create empty queues.

        Args:
            slop_ns: largest difference between the stamps of depth and reference, nanoseconds, inclusive.
            queue_size: most pairs and most references kept.
        """
        self._slop_ns, self._queue_size = slop_ns, queue_size
        self._pairs: deque[Pair[D, C]] = deque()
        self._references: deque[tuple[int, R]] = deque(maxlen=queue_size)

    def take(self, pairs: list[Pair[D, C]]) -> list[tuple[Pair[D, C], R | None]]:
        """Take pairs; return those that are decided, oldest first."""
        self._pairs.extend(pairs)
        return self._decide()

    def add(self, stamp_ns: int, reference: R) -> list[tuple[Pair[D, C], R | None]]:
        """Take a reference; return the pairs that this decides, oldest first."""
        decided = []
        if self._references and stamp_ns < self._references[-1][0]:  # time went back: nothing later fits what comes
            decided = self.flush()
            self._references.clear()
        self._references.append((stamp_ns, reference))
        return decided + self._decide()

    def flush(self) -> list[tuple[Pair[D, C], R | None]]:
        """Decide everything that waits, with what is at hand."""
        decided = [(pair, self._nearest(pair)) for pair in self._pairs]
        self._pairs.clear()
        return decided

    def _decide(self) -> list[tuple[Pair[D, C], R | None]]:
        decided = []
        while self._pairs and (
            len(self._pairs) > self._queue_size
            or (self._references and self._references[-1][0] >= self._pairs[0].depth_stamp_ns)
        ):
            pair = self._pairs.popleft()
            decided.append((pair, self._nearest(pair)))
        return decided

    def _nearest(self, pair: Pair[D, C]) -> R | None:
        stamp_ns, reference = min(
            self._references, key=lambda item: abs(item[0] - pair.depth_stamp_ns), default=(None, None)
        )
        if stamp_ns is None or abs(stamp_ns - pair.depth_stamp_ns) > self._slop_ns:
            return None
        return reference
