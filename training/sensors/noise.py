"""How much measurements scatter: sigma by depth, brightness and angle.

Data flows: tallies -> variances of cells (trimmed; rounding and sideways jitter taken out) -> base(z) x brightness x
angle -> `NoiseFit`. Every number comes with an interval from resampling the recording's blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import (
    RESIDUAL_BINS,
    FittedCurve,
    Resampled,
    bootstrap_weights,
    gaussian_from_quantised,
    interval,
    trimmed_variance,
)
from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.counting import SPACINGS
from pagnet_training.sensors.noise_curves import (
    MIN_SAMPLES,
    SYSTEMATIC,
    Tail,
    backfit,
    curve_of,
    factor_of,
    form_of,
    jitter_of_variance,
    smooth,
    spread,
    tail_of,
)
from pagnet_training.sensors.noise_memory import correlation, memory
from pagnet_training.sensors.steps import Steps
from pagnet_training.sensors.tallies import CELLS, NA, NB, RANGE_MIDDLES

Array = NDArray[np.float64]
MIN_SHARE = 2e-4
TAIL_DOUBT = 0.2
SIDEWAYS_PX2 = (*np.linspace(0.0, 0.6, 21), 0.7, 0.8, 1.0, 1.2)
SIDEWAYS_PREFERENCE = 1.5
LEAST_LEFT = 0.15
CALM = 0.1


@dataclass(frozen=True)
class NoiseFit:
    """What was learnt about noise.

    Attributes:
        z: ``[n]`` depths that were measured well enough, metres.
        sigma: Standard deviation there, metres, averaged over the brightness and angles of the recording.
        low, high: 95 % intervals.
        samples: Differences behind each.
        base: Sigma at frontal incidence and ordinary brightness, as a curve.
        brightness: FittedCurve of brightness, None if none shows.
        angle: FittedCurve of the angle of incidence, None if none shows.
        form: (floor, quadratic, z0) of the parametric form.
        form_low, form_high: Intervals of floor and quadratic.
        correlation_px: Kernel of the spatial correlation, with interval.
        persistence: Correlation from frame to frame, with interval; NaN if it cannot be told.
        fixed: Share of the variance that stays with the pixel, with interval; NaN if it cannot be told.
        tail: Heaviness of the tails (Tukey's h), with interval; NaN if rounding hides it.
        lateral_px: Sideways jitter that explains why slanted surfaces scatter more, 0 if there is none or the angle
            explains it better.
    """

    z: Array
    sigma: Array
    low: Array
    high: Array
    samples: Array
    base: FittedCurve
    brightness: FittedCurve | None
    angle: FittedCurve | None
    form: tuple[float, float, float]
    form_low: tuple[float, float]
    form_high: tuple[float, float]
    correlation_px: Resampled
    persistence: Resampled
    fixed: Resampled
    tail: Resampled
    lateral_px: float


class _Sums(NamedTuple):
    """What one resampling is fitted to: ``[depths, brightness x angle, ...]``."""

    counts: Array
    squares: Array
    slope: Array


@dataclass(frozen=True)
class _How:
    """How variances of cells become variances of the noise.

    Attributes:
        step: Rounding step at each depth, metres.
        same_phase: Whether both sides of a difference are rounded alike.
        sideways_px2: Variance of the sideways jitter.
    """

    step: Array
    same_phase: bool
    sideways_px2: float

    def cells(self, sums: _Sums) -> tuple[Array, Array, Array]:
        """Variances in each cell, square metres, ``[depths, cells]``: of the noise, of the jitter, and of both."""
        both = gaussian_from_quantised(
            trimmed_variance(sums.counts, sums.squares) / 2, self.step[:, None], self.same_phase
        )
        n = sums.counts.sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            jitter = self.sideways_px2 * np.where(n > 0, sums.slope / n, 0.0)
        return np.maximum(both - jitter, np.maximum(LEAST_LEFT * both, 1e-12)), jitter, np.maximum(both, 1e-12)

    def calm(self, sums: _Sums) -> tuple[Array, Array]:
        """Counts and squares of the cells without jitter, which moves by whole pixels and so looks like heavy tails."""
        _, jitter, both = self.cells(sums)
        quiet = (jitter <= CALM * both)[..., None]
        return sums.counts * quiet, sums.squares * quiet


def fit_noise(collector: Collector, steps: Steps) -> NoiseFit | None:
    """Fit the noise; None where too little could be compared."""
    tallies, mode = collector.tallies, collector.motion.mode
    shape = (*CELLS, RESIDUAL_BINS)
    per_range = tallies.total("noise", shape).sum((1, 2, 3))
    rows = np.flatnonzero((per_range > MIN_SAMPLES) & (per_range > MIN_SHARE * per_range.sum()))
    if rows.size < 3:
        return None
    counts, squares = (
        tallies.get(name, shape)[:, rows].reshape(-1, rows.size, NB * NA, RESIDUAL_BINS)
        for name in ("noise", "noise_squares")
    )
    slope = tallies.get("slope", CELLS)[:, rows].reshape(-1, rows.size, NB * NA)
    weights = bootstrap_weights(counts.sum((1, 2, 3)) > 0)
    parts = ((weights @ part.reshape(len(part), -1)).reshape(-1, *part.shape[1:]) for part in (counts, squares, slope))
    resampled = [_Sums(*drawn) for drawn in zip(*parts, strict=True)]
    how = _How(steps.at(RANGE_MIDDLES[rows]), mode in ("still", "slow"), 0.0)
    how = replace(how, sideways_px2=_sideways(resampled[0], how))
    tails = [tail_of(*how.calm(sums), how.step) for sums in resampled]
    draws = [_Draw.of(sums, how, tail) for sums, tail in zip(resampled, tails, strict=True)]
    white = _white_share(resampled[0], how)
    connected = correlation(collector, rows, weights, white)
    remembered = memory(collector, steps, rows, weights, connected.draws, white)
    factors = np.sqrt(
        remembered.whole / np.maximum(1 - np.nan_to_num(remembered.fixed.draws if mode == "still" else 0.0), 1e-2)
    )
    if mode == "space":
        factors = np.array([_bend_factor(width) for width in connected.draws])
    doubt = float(np.hypot(SYSTEMATIC, TAIL_DOUBT * 0.5 * np.log(tails[0].robust)))
    curves = _curves(
        RANGE_MIDDLES[rows],
        collector.middles(),
        doubt,
        draws,
        np.log(factors)[:, None],
        resampled[0].counts.sum(-1).reshape(-1, NB, NA),
    )
    return NoiseFit(
        **curves,
        correlation_px=connected,
        persistence=remembered.persistence,
        fixed=remembered.fixed,
        tail=Resampled.of(np.array([t.h for t in tails]), 0.02, 0.0)
        if tails[0].told
        else Resampled.unknown(len(tails)),
        lateral_px=jitter_of_variance(how.sideways_px2),
    )


def _bend_factor(width: float) -> float:
    """Sigma over the one that second differences of correlated noise show."""
    shape = np.exp(-np.square(SPACINGS[-1] * np.array([1.0, 2.0])) / (4 * max(width, 1e-3) ** 2))
    return float(1 / np.sqrt(max((6 - 8 * shape[0] + 2 * shape[1]) / 6, 0.05)))


def _sideways(sums: _Sums, how: _How) -> float:
    """Variance of a sideways jitter (pixels squared) that explains the scatter on slopes; 0 if the angle does better.

    Jitter adds (slope x jitter)^2 to the variance, whatever the noise; a factor of the angle goes with the noise. They
    differ in how the excess on slopes depends on depth.
    """
    errors = [_misfit(sums, replace(how, sideways_px2=jitter), with_angle=False) for jitter in SIDEWAYS_PX2]
    best = int(np.argmin(errors))
    by_angle = _misfit(sums, replace(how, sideways_px2=0.0), with_angle=True)
    return float(SIDEWAYS_PX2[best]) if errors[best] < min(SIDEWAYS_PREFERENCE * by_angle, 0.9 * errors[0]) else 0.0


def _misfit(sums: _Sums, how: _How, *, with_angle: bool) -> float:
    """Weighted mean square of the logarithms that base, brightness, jitter and (perhaps) angle leave."""
    n = sums.counts.sum(-1).reshape(-1, NB, NA)
    noise, jitter, both = (part.reshape(-1, NB, NA) for part in how.cells(sums))
    weight = _reliability(both, n)
    parts = backfit(0.5 * np.log(noise), weight * (noise / both) ** 2, with_angle=with_angle, rounds=8)
    model = np.exp(2 * sum(spread(np.nan_to_num(part), axis) for axis, part in enumerate(parts))) + jitter
    left = np.where(weight > 0, 0.5 * np.log(np.maximum(model, 1e-12) / both), 0.0)
    return float((weight * left**2).sum() / max(weight.sum(), 1e-9))


def _white_share(sums: _Sums, how: _How) -> float:
    """Share of the variance of differences that is rounding or sideways jitter, which neighbours do not share."""
    raw = trimmed_variance(sums.counts, sums.squares) / 2
    n = sums.counts.sum(-1)
    noise = how.cells(sums)[0]
    good = (n > MIN_SAMPLES) & (raw > 0)
    return float(np.average(1 - noise[good] / raw[good], weights=n[good])) if good.any() else 0.0


class _Draw(NamedTuple):
    """One resampled set of curves: logarithms of sigma by depth, of the factors, and of sigma averaged by depth."""

    base: Array
    brightness: Array
    angle: Array
    marginal: Array

    @classmethod
    def of(cls, sums: _Sums, how: _How, tail: Tail) -> _Draw:
        noise, _, both = how.cells(sums)
        variance = noise * tail.robust
        n = sums.counts.sum(-1)
        weight = _reliability(both, n) * (noise / both) ** 2
        logs, weight = (part.reshape(-1, NB, NA) for part in (0.5 * np.log(variance), weight))
        parts = backfit(logs, weight, with_angle=True, rounds=25)
        with np.errstate(invalid="ignore", divide="ignore"):
            usable = np.where((n > 50) & np.isfinite(variance), n, 0.0)
            mean = (np.nan_to_num(variance) * usable).sum(1) / usable.sum(1)
        marginal = np.where(np.isfinite(mean), 0.5 * np.log(np.maximum(mean, 1e-12)), np.nan)
        return cls(*parts, marginal)


def _reliability(variance: Array, n: Array) -> Array:
    """Weight of a cell: all large cells count alike, so that one wall does not decide everything."""
    return np.where((n > 100) & np.isfinite(variance), n / (n + 2000.0), 0.0)


def _curves(
    z: Array, places: tuple[Array, Array], doubt: float, draws: list[_Draw], factors: Array, by_cell: Array
) -> dict[str, Any]:
    """The fields of `NoiseFit` that are curves."""
    n = by_cell.sum((1, 2))
    marginal_logs = np.stack([d.marginal for d in draws])
    marginal = curve_of(z, smooth(z, marginal_logs, n) + factors, n, doubt)
    brightness = factor_of(places[0], np.stack([d.brightness for d in draws]), by_cell.sum((0, 2)))
    angle = factor_of(places[1], np.stack([d.angle for d in draws]), by_cell.sum((0, 1)))
    base_logs = np.stack([d.base for d in draws])
    base_logs = np.where(np.isfinite(base_logs), base_logs, marginal_logs)
    base = curve_of(z, smooth(z, base_logs, n) + factors, n, doubt)
    calm = np.exp(smooth(z, base_logs, n) + factors)
    forms = np.array([form_of(z, sigma, n) for sigma in calm])
    low, high = interval(forms[1:, :2])
    return {
        "z": z,
        "sigma": marginal.y,
        "low": marginal.low,
        "high": marginal.high,
        "samples": n,
        "base": base,
        "brightness": brightness,
        "angle": angle,
        "form": tuple(forms[0].tolist()),
        "form_low": tuple(low.tolist()),
        "form_high": tuple(high.tolist()),
    }
