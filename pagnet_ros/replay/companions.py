"""Which image of another stream belongs to which pair: a reference, a recorded result. Pure and clock-free.

A pair waits until an image at or after its depth stamp is in, because only then can no nearer one come, or until too
many wait; it then takes the nearest within the slop, or none. Pairs leave in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["Companions"]


class Stamped(Protocol):
    """What waits: anything with the stamp of a depth image."""

    @property
    def depth_stamp_ns(self) -> int:
        """Nanoseconds."""


P = TypeVar("P", bound=Stamped)
R = TypeVar("R")


class Companions(Generic[P, R]):
    """Waiting pairs and recent images of the other stream; memory is bounded by the queue size."""

    def __init__(self, slop_ns: int, queue_size: int) -> None:
        """Create empty queues.

        Args:
            slop_ns: largest difference between the stamps of depth and companion, nanoseconds, inclusive.
            queue_size: most pairs and most companions kept.
        """
        self._slop_ns, self._queue_size = slop_ns, queue_size
        self._latest_ns: int | None = None
        self._pairs: deque[P] = deque()
        self._images: deque[tuple[int, R]] = deque(maxlen=queue_size)

    def add_pairs(self, pairs: list[P]) -> list[tuple[P, R | None]]:
        """Take pairs; return those that are decided, oldest first."""
        decided = []
        for pair in pairs:
            if self._is_of_another_loop(pair.depth_stamp_ns):
                decided += self.flush()
                self._images.clear()
            self._pairs.append(pair)
            self._latest_ns = pair.depth_stamp_ns
        return decided + self._decide()

    def _is_of_another_loop(self, stamp_ns: int) -> bool:
        """Whether time went back with this pair, and the images at hand are still those from before."""
        if self._latest_ns is None or stamp_ns >= self._latest_ns or not self._images:
            return False
        newest_ns = self._images[-1][0]
        return abs(newest_ns - self._latest_ns) < abs(newest_ns - stamp_ns)

    def add(self, stamp_ns: int, image: R) -> list[tuple[P, R | None]]:
        """Take an image; return the pairs that this decides, oldest first."""
        decided = []
        if self._images and stamp_ns < self._images[-1][0]:  # time went back: nothing later fits what comes
            decided = self.flush()
            self._images.clear()
        self._images.append((stamp_ns, image))
        return decided + self._decide()

    def flush(self) -> list[tuple[P, R | None]]:
        """Decide everything that waits, with what is at hand."""
        decided = [(pair, self._nearest(pair)) for pair in self._pairs]
        self._pairs.clear()
        return decided

    def _decide(self) -> list[tuple[P, R | None]]:
        decided = []
        while self._pairs and (
            len(self._pairs) > self._queue_size
            or (self._images and self._images[-1][0] >= self._pairs[0].depth_stamp_ns)
        ):
            pair = self._pairs.popleft()
            decided.append((pair, self._nearest(pair)))
        return decided

    def _nearest(self, pair: P) -> R | None:
        stamp_ns, image = min(self._images, key=lambda item: abs(item[0] - pair.depth_stamp_ns), default=(None, None))
        if stamp_ns is None or abs(stamp_ns - pair.depth_stamp_ns) > self._slop_ns:
            return None
        return image
