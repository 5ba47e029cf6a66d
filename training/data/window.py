"""Which pixels of an image a patch consists of: a square with a margin, mirrored outside the image, perhaps turned."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pagnet_training.data import augment

__all__ = ["Window", "draw_window"]

T = TypeVar("T", bound=np.generic)


class Window(NamedTuple):
    """Where a patch lies in its image: rows and columns with a margin, mirrored outside, and which way it is turned."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    code: int
    margin: int

    def cut(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """With its margin."""
        return augment.turn(array[np.ix_(self.rows, self.columns)], self.code)

    def inside(self, cut: NDArray[T]) -> NDArray[T]:
        """What was cut without its margin."""
        height, width = (side - self.margin for side in cut.shape[:2])
        return cut[self.margin : height, self.margin : width]


def draw_window(shape: tuple[int, ...], side: int, margin: int, turned: bool, rng: np.random.Generator) -> Window:
    """A random place.

    Args:
        shape: ``(H, W)`` of the image.
        side: of the square without its margin.
        margin: on each side.
        turned: whether it may be flipped and rotated.
        rng: draws place and turn.
    """
    height, width = shape[:2]
    top = int(rng.integers(0, max(1, height - side + 1)))
    left = int(rng.integers(0, max(1, width - side + 1)))
    code = int(rng.integers(8)) if turned else 0
    rows = _mirrored(top - margin, side + 2 * margin, height)
    columns = _mirrored(left - margin, side + 2 * margin, width)
    return Window(rows, columns, code, margin)


def _mirrored(start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices from `start` on, folded back at the borders with the border pixel repeated."""
    index = np.arange(start, start + count) % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)
