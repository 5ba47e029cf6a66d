"""The shape of noise: heavier tails than Gaussian, and sideways jitter seen on slanted surfaces.

Pure functions on histograms; tables are computed, not stored.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import RESIDUAL_BINS, mean_size, residual_bin, trimmed_variance

__all__ = ["Tail", "jitter_of_variance", "tail_of"]

Array = NDArray[np.float64]
TABLE_H = np.linspace(0.0, 0.4, 17)
TABLE_DRAWS = 100_000
TABLE_UNIT_M = 0.01
FINE_STEPS = 1.2
MIN_SAMPLES = 2000
SHOWS = 0.03


class Tail(NamedTuple):
    """Tails of single measurements, learnt from differences of two.

    Attributes:
        h: Tukey's h; 0 where none shows.
        robust: Variance of the robust scale of a single measurement over half the trimmed variance of differences.
        told: Whether the differences are fine enough (against rounding) to tell.
    """

    h: float
    robust: float
    told: bool


@functools.cache
def _table() -> tuple[Array, Array]:
    """For every h: trimmed variance of differences over their squared mean size, and `Tail.robust`."""
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, TABLE_DRAWS))
    shape, robust = [], []
    for h in TABLE_H:
        a, b = (g * np.exp(0.5 * h * g**2) * TABLE_UNIT_M for g in (first, second))
        difference = a - b
        bins = residual_bin(difference)
        counts = np.bincount(bins, minlength=RESIDUAL_BINS).astype(np.float64)
        squares = np.bincount(bins, difference**2, RESIDUAL_BINS).astype(np.float64)
        trimmed = float(trimmed_variance(counts, squares))
        shape.append(trimmed / float(mean_size(counts, squares, np.asarray(trimmed))) ** 2)
        single = 1.4826 * float(np.median(np.abs(a)))
        robust.append(single**2 / (0.5 * trimmed))
    return np.array(shape), np.array(robust)


def tail_of(counts: Array, squares: Array, step: Array) -> Tail:
    """Heaviness of the tails, pooled over cells whose noise is coarse against the rounding.

    Args:
        counts: ``[depths, cells, RESIDUAL_BINS]`` differences.
        squares: Sums of their squares.
        step: ``[depths]`` size of the rounding steps, metres.
    """
    variance, n = trimmed_variance(counts, squares), counts.sum(-1)
    scale = mean_size(counts, squares, variance)
    fine = (n > MIN_SAMPLES) & (np.sqrt(np.nan_to_num(variance)) > FINE_STEPS * step[:, None] * math.sqrt(2.0))
    fine &= np.isfinite(scale) & (scale > 0)
    if not fine.any():
        return Tail(0.0, 1.0, False)
    ratio = np.log(variance[fine] / scale[fine] ** 2)
    order = np.argsort(ratio)
    mass = np.cumsum(n[fine][order])
    middle = float(np.exp(ratio[order][np.searchsorted(mass, 0.5 * mass[-1])]))
    shape, robust = _table()
    h = float(np.interp(middle / shape[0], shape / shape[0], TABLE_H))
    if h < SHOWS:
        return Tail(0.0, 1.0, True)
    return Tail(h, float(np.interp(h, TABLE_H, robust / robust[0])), True)


def jitter_of_variance(variance_px2: float) -> float:
    """Standard deviation of a sideways jitter that is rounded to whole pixels, from the variance that it has then."""
    if variance_px2 <= 0:
        return 0.0
    sigma = np.linspace(0.15, 3.0, 400)
    k = np.arange(0, 12) + 0.5
    beyond = np.array([[math.erfc(edge / (s * math.sqrt(2))) for edge in k] for s in sigma])
    rounded = (beyond * (2 * np.arange(12) + 1)).sum(1)
    return float(np.interp(variance_px2, rounded, sigma))
