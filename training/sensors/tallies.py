"""Sums over a recording of any length in bounded memory, kept apart by blocks so that they can be bootstrapped.

A block is a tile of the image during a stretch of frames. When the stretches are all in use, neighbouring ones are
joined and become twice as long.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["STRETCHES", "TILES", "Tallies", "tile_of"]

Array = NDArray[np.float64]
TILE_ROWS, TILE_COLUMNS = 3, 4
TILES = TILE_ROWS * TILE_COLUMNS
STRETCHES = 6


def tile_of(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Number of the tile, 0 to `TILES` - 1, of every pixel of an image."""
    rows = np.arange(shape[0]) * TILE_ROWS // shape[0]
    columns = np.arange(shape[1]) * TILE_COLUMNS // shape[1]
    return np.asarray(rows[:, None] * TILE_COLUMNS + columns[None, :], np.int64)


class Tallies:
    """Named arrays of sums, ``[blocks, ...]`` each."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float32]] = {}
        self._stretch = 0
        self._length = 1
        self._in_stretch = 0
        self.frames = 0

    def next_frame(self) -> None:
        """Say that what follows belongs to another frame."""
        if self.frames and self._in_stretch == self._length:
            self._in_stretch = 0
            self._stretch += 1
            if self._stretch == STRETCHES:
                self._join()
        self.frames += 1
        self._in_stretch += 1

    def _join(self) -> None:
        for sums in self._sums.values():
            half = STRETCHES // 2
            sums[:half] = sums[0:STRETCHES:2] + sums[1:STRETCHES:2]
            sums[half:] = 0
        self._stretch = STRETCHES // 2
        self._length *= 2

    def add(
        self,
        name: str,
        shape: tuple[int, ...],
        tile: NDArray[np.int64],
        index: NDArray[np.int64],
        weight: NDArray[np.floating] | None = None,
    ) -> None:
        """Add to a named array.

        Args:
            name: Of the array; made at its first use.
            shape: Its shape without the blocks.
            tile: Tile of every sample, ``[n]``.
            index: Flat index of every sample into `shape`.
            weight: What to add, 1 if None.
        """
        size = int(np.prod(shape))
        if name not in self._sums:
            self._sums[name] = np.zeros((STRETCHES, TILES, *shape), np.float32)
        counted = np.bincount(tile * size + index, weight, TILES * size)
        self._sums[name][self._stretch] += counted.reshape(TILES, *shape)

    def get(self, name: str, shape: tuple[int, ...]) -> Array:
        """A named array as ``[blocks, *shape]``; zeros if nothing was ever added."""
        if name not in self._sums:
            return np.zeros((STRETCHES * TILES, *shape))
        return np.asarray(self._sums[name].reshape(STRETCHES * TILES, *shape), np.float64)

    def total(self, name: str, shape: tuple[int, ...]) -> Array:
        """A named array summed over the blocks."""
        if name not in self._sums:
            return np.zeros(shape)
        return np.asarray(self._sums[name].sum((0, 1), dtype=np.float64).reshape(shape))
