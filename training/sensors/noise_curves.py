"""The shape of noise: curves of sigma by depth, brightness and angle, heavy tails, sideways jitter. Pure functions."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import (
    RESIDUAL_BINS,
    FittedCurve,
    mean_size,
    nonnegative_least_squares,
    residual_bin,
    trimmed_variance,
)
from pagnet_training.sensors.tallies import RANGE_RATIO

Array = NDArray[np.float64]
TABLE_H = np.linspace(0.0, 0.4, 17)
TABLE_DRAWS = 100_000
TABLE_UNIT_M = 0.01
FINE_STEPS = 1.2
MIN_TAIL_SAMPLES = 2000
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
    fine = (n > MIN_TAIL_SAMPLES) & (np.sqrt(np.nan_to_num(variance)) > FINE_STEPS * step[:, None] * math.sqrt(2.0))
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


MIN_SAMPLES = 300
SYSTEMATIC = 0.035
NOTABLE = 0.04
SMOOTH_BINS = 1.2


def backfit(logs: Array, weight: Array, *, with_angle: bool, rounds: int) -> tuple[Array, Array, Array]:
    """Additive parts of the logarithm by depth, brightness and angle; the factors' weighted mean is 0.

    Returns:
        The three parts; NaN at depths without a cell.
    """
    weight = np.nan_to_num(weight)
    logs = np.nan_to_num(logs)
    parts = [np.zeros(size) for size in logs.shape]
    for _ in range(rounds):
        for axis in (0, 1, 2) if with_angle else (0, 1):
            others = tuple(a for a in range(3) if a != axis)
            rest = logs - sum(spread(np.nan_to_num(parts[a]), a) for a in others)
            mass = weight.sum(others)
            with np.errstate(invalid="ignore", divide="ignore"):
                part = np.where(mass > 0, (rest * weight).sum(others) / mass, np.nan)
            if axis:
                part = np.where(mass > 0, part - np.nansum(part * mass) / max(mass.sum(), 1e-9), 0.0)
            parts[axis] = part
    return parts[0], parts[1], parts[2]


def spread(part: Array, axis: int) -> Array:
    """A part ``[n]`` along one of three axes, for adding to cells."""
    shape = [1, 1, 1]
    shape[axis] = -1
    return part.reshape(shape)


def smooth(z: Array, logs: Array, n: Array) -> Array:
    """Local straight lines of log sigma over log depth, weighted by samples; ``[..., depths]``."""
    place = np.log(z) / np.log(RANGE_RATIO)
    known = np.isfinite(logs)
    values = np.nan_to_num(logs)
    result = np.empty_like(logs)
    for i in range(z.size):
        offset = place - place[i]
        weight = np.exp(-0.5 * (offset / SMOOTH_BINS) ** 2) * np.minimum(n, 20_000) * known
        s0, s1, s2 = weight.sum(-1), (weight * offset).sum(-1), (weight * offset**2).sum(-1)
        determinant = s0 * s2 - s1 * s1
        line = determinant > 1e-6 * np.maximum(s0 * s0, 1e-9)
        y0, y1 = (weight * values).sum(-1), (weight * values * offset).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[..., i] = np.where(line, (s2 * y0 - s1 * y1) / determinant, y0 / s0)
    return result


def curve_of(x: Array, logs: Array, n: Array, doubt: float = SYSTEMATIC) -> FittedCurve:
    """A positive curve and its intervals from the logarithms of all draws; the first draw is the recording itself."""
    scatter = np.nanstd(logs[1:], axis=0, ddof=1)
    half = 1.96 * np.hypot(np.nan_to_num(scatter, nan=0.3), doubt)
    return FittedCurve(x, np.exp(logs[0]), np.exp(logs[0] - half), np.exp(logs[0] + half), n)


def factor_of(x: Array, logs: Array, n: Array) -> FittedCurve | None:
    """A factor's curve, where it says something: some knot notably and significantly different from the rest."""
    enough = n > max(MIN_SAMPLES, 0.002 * n.sum())
    if enough.sum() < 2:
        return None
    curve = curve_of(x[enough], logs[:, enough], n[enough])
    says = (np.abs(np.log(curve.y)) > NOTABLE) & ((curve.low > 1) | (curve.high < 1))
    return curve if says.any() else None


def form_of(z: Array, sigma: Array, n: Array) -> tuple[float, float, float]:
    """Floor + quadratic (z - z0)^2 with all three >= 0 and z0 not beyond the nearest depth."""
    weight = np.minimum(n, 20_000) / sigma**2
    best, answer = np.inf, (float(np.median(sigma)), 0.0, 0.0)
    for z0 in np.linspace(0.0, min(1.0, float(z[0])), 6):
        design = np.stack([np.ones_like(z), (z - z0) ** 2], 1)
        solution = nonnegative_least_squares(design, sigma, weight)
        error = float((weight * (design @ solution - sigma) ** 2).sum())
        if error < 0.98 * best:
            best, answer = error, (float(solution[0]), float(solution[1]), float(z0))
    return answer
