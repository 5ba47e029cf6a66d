"""How noise hangs together: between neighbouring pixels, from frame to frame, and what of it never changes.

Data flows: tallies of products and of differences at several lags -> correlations -> parameters of the simulator.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import (
    RESIDUAL_BINS,
    Resampled,
    gaussian_from_quantised,
    trimmed_variance,
    weighted_quantile,
)
from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.counting import CORRELATION_PX, SPACINGS
from pagnet_training.sensors.scenes import LAGS
from pagnet_training.sensors.steps import Steps
from pagnet_training.sensors.tallies import NZ, PERSISTENCE_LAGS, RANGE_MIDDLES

WHITE_PX = 0.25

Array = NDArray[np.float64]


class Memory(NamedTuple):
    """How noise behaves in time.

    Attributes:
        persistence: Correlation from frame to frame, of the part that changes.
        fixed: Share of the variance that never changes.
        whole: Variance of the part that changes over half that of differences of neighbouring frames, by resampling.
    """

    persistence: Resampled
    fixed: Resampled
    whole: Array

    @classmethod
    def unknown(cls, draws: int) -> Memory:
        """What cannot be told."""
        nothing = Resampled.unknown(draws)
        return cls(nothing, nothing, np.ones(draws))


def correlations(collector: Collector, weight: Array) -> Array:
    """Correlation of differences by distance in pixels, of one resampling."""
    sums = np.tensordot(weight, collector.tallies.get("correlation", (CORRELATION_PX + 1, 3)), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sums[:, 2] > 0, sums[:, 1] / sums[:, 2], 0.0))


def correlation(collector: Collector, rows: NDArray[np.int64], weights: Array, white: float) -> Resampled:
    """Kernel of the spatial correlation, exp(-d^2 / 4 c^2).

    Args:
        collector: What was counted.
        rows: Depths to use.
        weights: Resamplings.
        white: Share of the variance of differences that is not correlated (rounding, sideways jitter).
    """
    if collector.motion.mode == "space":
        return _correlation_in_space(collector, rows, weights)
    grid = np.concatenate([[0.0], np.linspace(0.2, 6.0, 117)])
    distance = np.arange(1, CORRELATION_PX + 1)
    with np.errstate(divide="ignore", over="ignore"):
        models = np.exp(-np.square(distance)[None, :] / (4 * np.maximum(grid, 1e-3)[:, None] ** 2))
    found = []
    for weight in weights:
        measured = correlations(collector, weight)[1:] / max(1 - white, 0.1)
        reach = 1.0 / distance
        found.append(grid[np.argmin((reach * np.square(models - measured)).sum(1))])
    found_px = np.array(found)
    return Resampled.of(np.where(found_px <= WHITE_PX, 0.0, found_px), 0.1, 0.0)


def _correlation_in_space(collector: Collector, rows: NDArray[np.int64], weights: Array) -> Resampled:
    """The same from second differences at several spacings, whose variance is sigma^2 (6 - 8 r(k) + 2 r(2k))."""
    grid = np.linspace(0.0, 2.5, 51)
    k = np.array(SPACINGS, np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        fall = [np.exp(-np.square(m * k)[None, :] / (4 * np.maximum(grid, 1e-3)[:, None] ** 2)) for m in (1, 2)]
    models = 6 - 8 * fall[0] + 2 * fall[1]
    variances = [_resampled_variance(collector, f"space{i}", rows, weights) for i in range(len(SPACINGS))]
    found = []
    for variance in np.stack(variances, 1):
        ratio = np.nanmedian(variance / variance[2], axis=1)
        expected = models / models[:, 2:]
        found.append(grid[np.argmin(np.square(np.log(expected / ratio)).sum(1))])
    return Resampled.of(np.array(found), 0.1, 0.0)


def _resampled_variance(collector: Collector, name: str, rows: NDArray[np.int64], weights: Array) -> Array:
    """Variance of a histogram of residuals, ``[draws, rows]``."""
    sums = (collector.tallies.get(part, (NZ, RESIDUAL_BINS))[:, rows] for part in (name, f"{name}_squares"))
    return trimmed_variance(*(np.tensordot(weights, part, 1) for part in sums))


def memory(
    collector: Collector, steps: Steps, rows: NDArray[np.int64], weights: Array, widths: Array, white: float
) -> Memory:
    """Persistence from frame to frame, and the share of the variance that stays with the pixel."""
    if collector.motion.mode == "still":
        return _memory_still(collector, steps, rows, weights, widths)
    if collector.motion.mode == "poses":
        return _memory_posed(collector, weights, white)
    return Memory.unknown(len(weights))


def _memory_still(collector: Collector, steps: Steps, rows: NDArray[np.int64], weights: Array, widths: Array) -> Memory:
    step = steps.at(RANGE_MIDDLES[rows])
    lags = [lag for lag in LAGS if lag <= collector.quality.frames // 3]
    of_lags = (_resampled_variance(collector, f"lag{lag}", rows, weights) / 2 for lag in lags)
    variances = np.stack([gaussian_from_quantised(each, step, same_phase=True) for each in of_lags], 1)
    samples = weights @ collector.tallies.get("lag1", (NZ, RESIDUAL_BINS))[:, rows].sum(-1)
    grid = np.linspace(0, 0.98, 99)
    models = np.stack([(1 - grid**lag) / (1 - grid) for lag in lags], 1)
    rho, shares, whole = [], [], []
    for variance, n, weight, width in zip(variances, samples, weights, widths, strict=True):
        usable = np.isfinite(variance).all(0) & (variance[0] > 0)
        if not usable.any():
            return Memory.unknown(len(weights))
        ratio = np.exp(
            np.average(np.log(np.maximum(variance / variance[0], 1e-3))[:, usable], axis=1, weights=n[usable])
        )
        persistence = float(grid[np.argmin(np.square(np.log(models / ratio)).sum(1))])
        rho.append(persistence if persistence > 0.03 else 0.0)
        # The longest lag decides how much there is, whatever the way there: few sensors forget exponentially.
        whole.append(max(float(ratio[-1]) / (1 - rho[-1] ** lags[-1]), 1.0) if rho[-1] else 1.0)
        moving = variance[0] * whole[-1]
        shares.append(_fixed_share(collector, weight, rows, moving, step, rho[-1], width))
    persistence_of, fixed = Resampled.of(np.array(rho), 0.02, 0.0), Resampled.of(np.array(shares), 0.03, 0.0)
    return Memory(persistence_of, fixed, np.array(whole))


def _fixed_share(
    collector: Collector,
    weight: Array,
    rows: NDArray[np.int64],
    moving: Array,
    step: Array,
    persistence: float,
    width: float,
) -> float:
    """Share of the variance that time does not average out, from the roughness of the average image on planes.

    Real surfaces are rough too, so the smoothest third of the places speaks.
    """
    counts = collector.tallies.get("pattern", (NZ, RESIDUAL_BINS))[:, rows] * (weight > 0)[:, None, None]
    squares = collector.tallies.get("pattern_squares", (NZ, RESIDUAL_BINS))[:, rows] * (weight > 0)[:, None, None]
    n = counts.sum(-1)
    frames = collector.quality.frames
    k = np.array([2.0, 4.0])
    fall = np.exp(-np.square(k) / (4 * max(width, 1e-3) ** 2))
    bend = max(6 - 8 * fall[0] + 2 * fall[1], 0.3)
    rough = trimmed_variance(counts, squares) / bend
    left = moving * (1 + persistence) / (1 - persistence) / frames
    ratio = np.where(step > 0, np.sqrt(np.maximum(moving, 1e-12)) / np.maximum(step, 1e-9), 9.0)
    rounding = np.where(
        step > 0, step**2 * np.minimum(np.exp(-((2 * np.pi * ratio) ** 2)) / (2 * np.pi**2), 1 / 12), 0.0
    )
    excess = (rough - left - 1.5 * rounding) / np.maximum(moving, 1e-12)
    good = (n > 60) & np.isfinite(excess) & (ratio > 0.3)[None, :]
    if not good.any():
        return 0.0
    share = max(weighted_quantile(excess[good], n[good], 0.33), 0.0)
    return share / (1 + share) if share > 0.06 else 0.0


def _memory_posed(collector: Collector, weights: Array, white: float) -> Memory:
    """From residuals at one pixel while the scene moves past it."""
    sums = collector.tallies.get("fixed", (len(PERSISTENCE_LAGS), 3))
    seen = sums.sum(0)[:, 0] > 5000
    if not seen.any():
        return Memory.unknown(len(weights))
    lags = np.array(PERSISTENCE_LAGS)[seen]
    rho_grid, q_grid = np.linspace(0, 0.96, 33), np.linspace(0, 0.9, 46)
    models = q_grid[None, :, None] + (1 - q_grid[None, :, None]) * rho_grid[:, None, None] ** lags
    rho, fixed = [], []
    for weight in weights:
        parts = np.tensordot(weight, sums, 1)[seen]
        found = parts[:, 1] / np.maximum(parts[:, 2], 1e-9) / max(1 - white, 0.1)
        penalty = 1e-4 * (rho_grid[:, None] + q_grid[None, :])
        best = np.unravel_index(np.argmin(np.square(models - found).sum(2) + penalty), penalty.shape)
        told = found.max() > 0.06
        rho.append(float(rho_grid[best[0]]) if told else 0.0)
        fixed.append(float(q_grid[best[1]]) if told else 0.0)
    shares = Resampled.of(np.array(fixed), 0.1, 0.0)
    return Memory(Resampled.of(np.array(rho), 0.25, 0.0), shares, np.ones(len(weights)))
