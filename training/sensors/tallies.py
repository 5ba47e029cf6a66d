"""The bins in which everything is counted, and sums over a recording of any length in bounded memory.

Bins: depth, brightness, angle of incidence, distance to an edge, frames. Sums are kept apart by blocks, so that they
can be bootstrapped: a block is a tile of the image during a stretch of frames. When the stretches are all in use,
neighbouring ones are joined and become twice as long.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RANGE_RATIO = 1.1
RANGE_EDGES: NDArray[np.float64] = np.asarray(0.15 * RANGE_RATIO ** np.arange(52), np.float64)
RANGE_MIDDLES: NDArray[np.float64] = np.asarray(np.sqrt(RANGE_EDGES[1:] * RANGE_EDGES[:-1]), np.float64)
BRIGHTNESS_EDGES = np.array([0.0, 0.07, 0.15, 0.23, 0.33, 0.46, 0.63, 0.82, 1.001])
ANGLE_EDGES = np.radians([0.0, 25.0, 40.0, 53.0, 64.0, 75.0, 90.01])
NZ, NB, NA = RANGE_EDGES.size - 1, BRIGHTNESS_EDGES.size - 1, ANGLE_EDGES.size - 1
CELLS = (NZ, NB, NA)
EDGE_REACH_PX = 16
PERSISTENCE_LAGS = (1, 2, 4, 8)

Bins = NDArray[np.int64]


def bin_of(edges: NDArray[np.float64], values: NDArray[np.floating]) -> Bins:
    """Number of the bin that each value falls in; what lies outside goes to the outermost."""
    inside = np.nan_to_num(values, nan=float(edges[0]))
    return np.asarray(np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, edges.size - 2), np.int64)


def centres(edges: NDArray[np.float64], sums: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Where bins are: the mean of what fell into each, its middle where little did.

    Args:
        edges: ``[n + 1]``.
        sums: ``[n, 2]`` number and sum of the values that fell into each bin; middles for None.
    """
    middle = np.asarray(0.5 * (edges[1:] + edges[:-1]))
    if sums is None:
        return middle
    return np.where(sums[:, 0] > 100, sums[:, 1] / np.maximum(sums[:, 0], 1), middle)


Array = NDArray[np.float64]
TILE_ROWS, TILE_COLUMNS = 3, 4
TILES = TILE_ROWS * TILE_COLUMNS
STRETCHES = 6


def tile_of(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Number of the tile, 0 to `TILES` - 1, of every pixel of an image."""
    rows = np.arange(shape[0]) * TILE_ROWS // shape[0]
    columns = np.arange(shape[1]) * TILE_COLUMNS // shape[1]
    return np.asarray(rows[:, None] * TILE_COLUMNS + columns[None, :], np.int64)


def tile_sums(values: NDArray[np.generic], shape: tuple[int, int]) -> Array:
    """Sums of an image over the tiles, ``[TILES]``.

    Args:
        values: ``[h, w]``; where it is smaller than the image, its right and lower part is left out.
        shape: Height and width of the image.
    """
    starts = [-(-np.arange(n) * side // n) for n, side in zip((TILE_ROWS, TILE_COLUMNS), shape, strict=True)]
    whole = np.zeros(shape)
    whole[: values.shape[0], : values.shape[1]] = values
    return np.asarray(np.add.reduceat(np.add.reduceat(whole, starts[0], 0), starts[1], 1).ravel())


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
        self.add_sums(name, np.bincount(tile * size + index, weight, TILES * size).reshape(TILES, *shape))

    def add_sums(self, name: str, sums: NDArray[np.integer] | NDArray[np.floating]) -> None:
        """Add what was already summed over each tile, ``[TILES, *shape]``, to a named array."""
        if name not in self._sums:
            self._sums[name] = np.zeros((STRETCHES, *sums.shape), np.float32)
        self._sums[name][self._stretch] += sums

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
