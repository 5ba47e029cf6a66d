"""Which part of an image a patch shows: a square with a margin, mirrored outside, perhaps enlarged and turned."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training.data import augment

T = TypeVar("T", bound=np.generic)

STEP = 3.0  # levels; neighbours that differ by more lie on two surfaces, between which nothing is interpolated


class Window(NamedTuple):
    """Where a patch lies in its image, and which way it is turned.

    Attributes:
        rows: of the image as enlarged, with the margin, mirrored outside.
        columns: likewise.
        code: which flip and rotation.
        margin: on each side.
        enlarged: by how much the image is enlarged before it is cut, 1 or more.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    code: int
    margin: int
    enlarged: float = 1.0

    def cut(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """With its margin; an enlarged image gives the pixel that holds each point."""
        rows, columns = (np.rint(at).astype(np.int64) for at in self._places(array.shape))
        return augment.turn(array[np.ix_(rows, columns)], self.code)

    def cut_colour(self, rgb: NDArray[np.uint8]) -> NDArray[np.generic]:
        """``[H, W, 3]`` uint8 with its margin, enlarged by bicubic interpolation."""
        if self.enlarged == 1.0:
            return self.cut(rgb)
        return augment.turn(self._sampled(rgb, cv2.INTER_CUBIC), self.code)

    def cut_depth(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[H, W]`` float32 levels with its margin, enlarged surface by surface, so that steps keep their height."""
        if self.enlarged == 1.0:
            return np.ascontiguousarray(self.cut(depth), np.float32)
        between = self._sampled(depth, cv2.INTER_LINEAR)
        rows, columns = (at.astype(np.int64) for at in self._places(depth.shape))
        below, right = (np.minimum(at + 1, size - 1) for at, size in zip((rows, columns), depth.shape, strict=True))
        corners = np.stack([depth[np.ix_(y, x)] for y in (rows, below) for x in (columns, right)])
        least, most = corners.min(axis=0), corners.max(axis=0)
        nearer = np.where(between - least < most - between, least, most)
        enlarged = np.where(most - least > STEP, nearer, between)
        return np.ascontiguousarray(augment.turn(enlarged, self.code), np.float32)

    def inside(self, cut: NDArray[T]) -> NDArray[T]:
        """What was cut without its margin."""
        height, width = (side - self.margin for side in cut.shape[:2])
        return cut[self.margin : height, self.margin : width]

    def _places(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows and columns of the image as it is that the patch's pixels lie at."""
        rows, columns = (
            np.clip((index + 0.5) / self.enlarged - 0.5, 0, size - 1)
            for index, size in zip((self.rows, self.columns), shape[:2], strict=True)
        )
        return rows, columns

    def _sampled(self, array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        rows, columns = (at.astype(np.float32) for at in self._places(array.shape))
        return cv2.remap(array, *np.meshgrid(columns, rows), interpolation, borderMode=cv2.BORDER_REPLICATE)


def draw_window(
    shape: tuple[int, ...], side: int, margin: int, turned: bool, rng: np.random.Generator, enlarged: float = 1.0
) -> Window:
    """A random place.

    Args:
        shape: ``(H, W)`` of the image.
        side: of the square without its margin.
        margin: on each side.
        turned: whether it may be flipped and rotated.
        rng: draws place and turn.
        enlarged: by how much the image is enlarged first, 1 or more.
    """
    height, width = (int(size * enlarged) for size in shape[:2])
    top = int(rng.integers(0, max(1, height - side + 1)))
    left = int(rng.integers(0, max(1, width - side + 1)))
    code = int(rng.integers(8)) if turned else 0
    rows = _mirrored(top - margin, side + 2 * margin, height)
    columns = _mirrored(left - margin, side + 2 * margin, width)
    return Window(rows, columns, code, margin, enlarged)


def _mirrored(start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices from `start` on, folded back at the borders with the border pixel repeated."""
    index = np.arange(start, start + count) % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)
