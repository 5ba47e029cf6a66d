"""Bias against a better depth of the same view: by range, with the periodic part of continuous-wave time of flight.

Data flows: tallies -> mean error per depth -> slow curve + sine -> `BiasFit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.count_edges import BIAS_BIN_M, BIAS_BINS
from pagnet_training.sensors.missing import AddedCurve
from pagnet_training.sensors.resample import Resampled, bootstrap_weights

__all__ = ["BiasFit", "fit_bias"]

Array = NDArray[np.float64]
MIN_PIXELS = 200
MIN_BINS = 12
KNOT_M = 0.25
FLOOR_M = 0.0003


@dataclass(frozen=True)
class BiasFit:
    """What was learnt about bias.

    Attributes:
        z: Depths of the measured means, metres.
        mean: Mean of measurement minus reference there, metres.
        curve: The slow part.
        wiggle_m: Amplitude of the periodic part, with interval; NaN if there is none.
        period_m: Its period.
        phase_rad: Its phase.
    """

    z: Array
    mean: Array
    curve: AddedCurve
    wiggle_m: Resampled
    period_m: float
    phase_rad: float


def fit_bias(collector: Collector) -> BiasFit | None:
    """Fit the bias; None without a reference, or where it covers too little."""
    sums = collector.tallies.get("bias", (BIAS_BINS, 3))
    total = sums.sum(0)
    rows = np.flatnonzero(total[:, 0] >= MIN_PIXELS)
    if rows.size < MIN_BINS:
        return None
    weights = bootstrap_weights(sums.sum((1, 2)) > 0)
    drawn = np.tensordot(weights, sums[:, rows], 1)
    n, z = total[rows, 0], np.asarray((rows + 0.5) * BIAS_BIN_M, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(drawn[..., 0] > 0, drawn[..., 1] / drawn[..., 0], np.nan)
    means = np.asarray(np.where(np.isfinite(means), means, means[0]), np.float64)
    period, gain = _period(z, means[0], n)
    knots = np.linspace(z[0], z[-1], max(2, min(12, round((z[-1] - z[0]) / max(KNOT_M, 0.8 * period)) + 1)))
    periodic = gain > 0.3
    solved = np.stack([_solve(z, mean, n, knots, period if periodic else 0.0) for mean in means])
    y, half = solved[0, : knots.size], 1.96 * np.hypot(np.std(solved[1:, : knots.size], axis=0, ddof=1), FLOOR_M)
    counts = np.histogram(z, np.append(knots, np.inf), weights=n)[0]
    curve = AddedCurve(knots, y, y - half, y + half, counts)
    if not periodic:
        return BiasFit(z, means[0], curve, Resampled.unknown(len(weights)), 1.0, 0.0)
    sine, cosine = solved[:, -2], solved[:, -1]
    amplitude = Resampled.of(np.hypot(sine, cosine), FLOOR_M, 0.0)
    return BiasFit(z, means[0], curve, amplitude, period, math.atan2(cosine[0], sine[0]))


def _design(z: Array, knots: Array, period: float) -> Array:
    tents = np.stack([np.interp(z, knots, row) for row in np.eye(knots.size)], 1)
    if period <= 0:
        return tents
    angle = 2 * math.pi * z / period
    return np.concatenate([tents, np.sin(angle)[:, None], np.cos(angle)[:, None]], 1)


def _solve(z: Array, mean: Array, n: Array, knots: Array, period: float) -> Array:
    root = np.sqrt(np.minimum(n, 5000))[:, None]
    solution = np.linalg.lstsq(_design(z, knots, period) * root, mean * root[:, 0], rcond=None)[0]
    return np.asarray(solution if period > 0 else np.append(solution, [0.0, 0.0]))


def _period(z: Array, mean: Array, n: Array) -> tuple[float, float]:
    """Best period between 0.2 m and half the span, and the share of the variance that its sine explains."""
    span = float(z[-1] - z[0])
    weight = np.minimum(n, 5000)
    best = (1.0, 0.0)
    for period in np.geomspace(0.2, max(0.5 * span, 0.25), 120):
        knots = np.linspace(z[0], z[-1], max(2, min(12, round(span / max(KNOT_M, 0.8 * period)) + 1)))
        errors = []
        for design in (_design(z, knots, 0.0), _design(z, knots, float(period))):
            root = np.sqrt(weight)[:, None]
            solution = np.linalg.lstsq(design * root, mean * root[:, 0], rcond=None)[0]
            errors.append(float((weight * np.square(design @ solution - mean)).sum()))
        gain = 1 - errors[1] / max(errors[0], 1e-18)
        amplitude = float(np.hypot(*solution[-2:]))
        if gain > best[1] and amplitude > FLOOR_M:
            best = (float(period), gain)
    return best
