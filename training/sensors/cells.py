"""The bins in which everything is counted: depth, brightness, angle of incidence, distance to an edge, frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ANGLE_EDGES",
    "BRIGHTNESS_EDGES",
    "CELLS",
    "EDGE_REACH_PX",
    "NA",
    "NB",
    "NZ",
    "PERSISTENCE_LAGS",
    "RANGE_EDGES",
    "RANGE_RATIO",
    "angle_bin",
    "brightness_bin",
    "centres",
    "range_bin",
]

RANGE_RATIO = 1.1
RANGE_EDGES: NDArray[np.float64] = np.asarray(0.15 * RANGE_RATIO ** np.arange(52), np.float64)
BRIGHTNESS_EDGES = np.array([0.0, 0.07, 0.15, 0.23, 0.33, 0.46, 0.63, 0.82, 1.001])
ANGLE_EDGES = np.radians([0.0, 25.0, 40.0, 53.0, 64.0, 75.0, 90.01])
NZ, NB, NA = RANGE_EDGES.size - 1, BRIGHTNESS_EDGES.size - 1, ANGLE_EDGES.size - 1
CELLS = (NZ, NB, NA)
EDGE_REACH_PX = 16
PERSISTENCE_LAGS = (1, 2, 4, 8)

Bins = NDArray[np.int64]


def _bin(edges: NDArray[np.float64], values: NDArray[np.floating]) -> Bins:
    inside = np.nan_to_num(values, nan=float(edges[0]))
    return np.asarray(np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, edges.size - 2), np.int64)


def range_bin(z: NDArray[np.floating]) -> Bins:
    """Bin of a depth in metres; what lies outside goes to the outermost."""
    return _bin(RANGE_EDGES, z)


def brightness_bin(grey: NDArray[np.floating]) -> Bins:
    """Bin of a brightness in [0, 1]."""
    return _bin(BRIGHTNESS_EDGES, grey)


def angle_bin(theta: NDArray[np.floating]) -> Bins:
    """Bin of an angle of incidence in radians."""
    return _bin(ANGLE_EDGES, theta)


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
