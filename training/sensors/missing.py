"""How often pixels are missing away from depth edges, how large holes are and how long they last.

Data flows: tallies -> rates per cell -> additive curves -> `MissingFit`. Every number comes with an interval from
resampling the recording's blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import FittedCurve, Resampled, bootstrap_weights, tetrachoric
from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.counting import HOLE_LAGS_PX
from pagnet_training.sensors.tallies import CELLS, NB, NZ, PERSISTENCE_LAGS, RANGE_MIDDLES, RANGE_RATIO

Array = NDArray[np.float64]
DARK_BELOW = (0.25, 0.35, 0.5, 0.7, 1.0)
EXPLAINS = 0.85
ROUNDS = 25


class Parts(NamedTuple):
    """Parts of the missing rate; brightness and angle have weighted mean 0.

    Attributes:
        range: By depth.
        brightness: By brightness.
        angle: By angle of incidence.
        dark: By angle, on black; falls with the brightness as `darkness` does. Not negative.
    """

    range: Array
    brightness: Array
    angle: Array
    dark: Array


def darkness(brightness: Array, below: float) -> Array:
    """1 on black, falling linearly to 0 at a brightness; 0 everywhere for `below` = 0."""
    return np.maximum(1 - brightness / below, 0.0) if below > 0 else np.zeros_like(brightness)


def where_dark_begins(n: Array, m: Array, brightness: Array) -> float:
    """Brightness below which surfaces are missing more the more slanted they are; 0 if the parts add up without it.

    Args:
        n: Pixels per cell.
        m: Missing ones.
        brightness: Mean of each brightness bin.
    """
    plain = _misfit(n, m, parts_of(n, m, np.zeros_like(brightness)), np.zeros_like(brightness))
    shapes = [darkness(brightness, below) for below in DARK_BELOW]
    errors = [_misfit(n, m, parts_of(n, m, shape), shape) for shape in shapes]
    best = int(np.argmin(errors))
    return DARK_BELOW[best] if errors[best] < EXPLAINS * plain else 0.0


def parts_of(n: Array, m: Array, dark: Array) -> Parts:
    """Least-squares parts.

    Args:
        n: Pixels per cell.
        m: Missing ones.
        dark: `darkness` of each brightness bin.
    """
    rate, weight = _rate(n, m), _weight(n)
    shape = dark[None, :, None]
    by_range, bright, angle, slant = (np.zeros(size) for size in (*n.shape, n.shape[2]))
    for _ in range(ROUNDS):
        slanted = slant * shape
        by_range = _mean(rate - bright[:, None] - angle - slanted, weight, 0)
        bright = _centred(rate - by_range[:, None, None] - angle - slanted, weight, 1)
        angle = _centred(rate - by_range[:, None, None] - bright[:, None] - slanted, weight, 2)
        if dark.any():
            rest = rate - by_range[:, None, None] - bright[:, None] - angle
            mass = (weight * shape**2).sum((0, 1))
            slant = np.maximum((rest * weight * shape).sum((0, 1)) / np.maximum(mass, 1e-9), 0.0) * (mass > 0)
    return Parts(by_range, bright, angle, slant)


def _rate(n: Array, m: Array) -> Array:
    return np.divide(m, n, out=np.zeros_like(m), where=n > 0)


def _weight(n: Array) -> Array:
    """All large cells count alike, so that one wall does not decide everything."""
    return np.asarray(n / (n + 0.01 * n.sum() + 200.0))


def _misfit(n: Array, m: Array, parts: Parts, dark: Array) -> float:
    model = parts.range[:, None, None] + parts.brightness[:, None] + parts.angle + parts.dark * dark[:, None]
    return float((_weight(n) * (_rate(n, m) - np.clip(model, 0, 1)) ** 2).sum())


def _mean(rest: Array, weight: Array, axis: int) -> Array:
    others = tuple(a for a in range(3) if a != axis)
    mass = weight.sum(others)
    return np.asarray((rest * weight).sum(others) / np.where(mass > 0, mass, 1.0))


def _centred(rest: Array, weight: Array, axis: int) -> Array:
    mean = _mean(rest, weight, axis)
    mass = weight.sum(tuple(a for a in range(3) if a != axis))
    return np.asarray(mean - (mean * mass).sum() / max(mass.sum(), 1e-9))


MIN_SAMPLES = 400
MIN_SHARE = 1e-3
SYSTEMATIC = 0.008
SYSTEMATIC_SHARE = 0.08
NOTABLE = 0.015
MIN_HOLES = 200
SMOOTH_BINS = 0.8
DISTANCE_PX = np.array(HOLE_LAGS_PX, np.float64)


class Surface(NamedTuple):
    """What the surface adds to the missing rate; None where nothing shows.

    Attributes:
        brightness: By its brightness.
        angle: By its angle of incidence.
        dark_angle: By its angle of incidence, on black.
        dark_below: Brightness at which that has fallen to nothing.
    """

    brightness: FittedCurve | None
    angle: FittedCurve | None
    dark_angle: FittedCurve | None
    dark_below: float

    def added(self, brightness: Array, theta: Array) -> Array:
        """All of it, ``[brightness, angles]``."""
        total = np.zeros((brightness.size, theta.size))
        if self.brightness is not None:
            total += np.interp(brightness, self.brightness.x, self.brightness.y)[:, None]
        if self.angle is not None:
            total += np.interp(theta, self.angle.x, self.angle.y)[None, :]
        if self.dark_angle is not None:
            on_black = np.interp(theta, self.dark_angle.x, self.dark_angle.y)
            total += darkness(brightness, self.dark_below)[:, None] * on_black[None, :]
        return total


@dataclass(frozen=True)
class MissingFit:
    """What was learnt about holes away from edges.

    Attributes:
        rate: Missing share by depth, averaged over brightness and angles of the recording.
        by_range: The part that depth explains; what brightness and angle add comes on top.
        surface: The part that brightness and angle add.
        hole_size_px: Kernel of the field that makes holes, with interval; NaN if it cannot be told.
        persistence: Correlation of that field from frame to frame, with interval; NaN if it cannot be told.
    """

    rate: FittedCurve
    by_range: FittedCurve
    surface: Surface
    hole_size_px: Resampled
    persistence: Resampled


def fit_missing(collector: Collector) -> MissingFit | None:
    """Fit the holes; None where too few pixels lie away from edges."""
    seen = collector.tallies.get("interior", CELLS)
    gone = collector.tallies.get("interior_missing", CELLS)
    per_range = seen.sum((0, 2, 3))
    rows = np.flatnonzero((per_range > MIN_SAMPLES) & (per_range > MIN_SHARE * per_range.sum()))
    if rows.size < 3:
        return None
    weights = bootstrap_weights(seen.sum((1, 2, 3)) > 0)
    n = np.tensordot(weights, seen[:, rows], 1)
    m = np.tensordot(weights, gone[:, rows], 1)
    places = collector.middles()
    below = where_dark_begins(n[0], m[0], places[0])
    dark = darkness(places[0], below)
    fits = [parts_of(a, b, dark) for a, b in zip(n, m, strict=True)]
    z = RANGE_MIDDLES[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        marginal = _smooth(z, m.sum((2, 3)), n.sum((2, 3)))
    rate = _curve(z, marginal, n[0].sum((1, 2)))
    brightness = _added(places[0], np.stack([f.brightness for f in fits]), n[0].sum((0, 2)))
    angle = _added(places[1], np.stack([f.angle for f in fits]), n[0].sum((0, 1)))
    slanted = _added(places[1], np.stack([f.dark for f in fits]), n[0].sum((0, 1)))
    surface = Surface(brightness, angle, slanted, below if slanted is not None else 0.0)
    by_range = _rest(z, n, m, surface.added(*places))
    return MissingFit(rate, by_range, surface, _hole_size(collector, weights), _persistence(collector, weights))


def _smooth(z: Array, m: Array, n: Array) -> Array:
    """Rates over neighbouring depths, pooled where there are few pixels; ``[draws, depths]``."""
    place = np.log(z) / np.log(RANGE_RATIO)
    kernel = np.exp(-0.5 * ((place[:, None] - place[None, :]) / SMOOTH_BINS) ** 2)
    cap = np.minimum(n, 30_000.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(n > 0, m / n, 0.0)
        return np.asarray((rate * cap) @ kernel / np.maximum(cap @ kernel, 1e-9))


def _curve(x: Array, draws: Array, n: Array) -> FittedCurve:
    y = draws[0]
    spread = np.std(draws[1:], axis=0, ddof=1)
    half = 1.96 * np.sqrt(spread**2 + SYSTEMATIC**2 + (SYSTEMATIC_SHARE * y) ** 2)
    return FittedCurve(x, y, y - half, y + half, n)


def _added(x: Array, draws: Array, n: Array) -> FittedCurve | None:
    """A curve, where some knot differs notably and significantly from the others."""
    enough = n > max(MIN_SAMPLES, 0.003 * n.sum())
    if enough.sum() < 2:
        return None
    curve = _curve(x[enough], draws[:, enough], n[enough])
    says = (np.abs(curve.y) > NOTABLE) & ((curve.low > 0) | (curve.high < 0))
    return curve if says.any() else None


def _rest(z: Array, n: Array, m: Array, added: Array) -> FittedCurve:
    """What is left for depth to explain, such that every depth's total comes out right."""
    draws = []
    for a, b in zip(n, m, strict=True):
        wanted, count = _smooth(z, b.sum((1, 2))[None], a.sum((1, 2))[None])[0], a.sum((1, 2))
        draws.append(_meet(wanted, a, added, count))
    return _curve(z, np.stack(draws), n[0].sum((1, 2)))


def _meet(wanted: Array, n: Array, added: Array, count: Array) -> Array:
    """Depth's part p such that the mean of clip(p + added, 0, 1) over the pixels of each depth is as wanted."""
    low, high = np.full(wanted.shape, -1.0), np.full(wanted.shape, 2.0)
    share = n / np.maximum(count, 1e-9)[:, None, None]
    for _ in range(30):
        middle = 0.5 * (low + high)
        mean = (np.clip(middle[:, None, None] + added[None], 0, 1) * share).sum((1, 2))
        low, high = np.where(mean < wanted, middle, low), np.where(mean < wanted, high, middle)
    return np.asarray(np.clip(0.5 * (low + high), 0.0, 1.0))


def _joint(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Shares of ones in both masks, in both at once, and the number of pairs, by class."""
    n = sums[..., 0]
    safe = np.maximum(n, 1e-9)
    return sums[..., 1] / safe, sums[..., 2] / safe, sums[..., 3] / safe, n


def _hole_size(collector: Collector, weights: Array) -> Resampled:
    """Kernel sd c of the field, from its correlation level + (1 - level) exp(-d^2 / 4 c^2).

    The level is what distant places have in common that depth and brightness do not explain: no property of holes.
    """
    shape = (len(HOLE_LAGS_PX), NZ * NB, 4)
    sums = collector.tallies.get("blobs", shape)
    if sums.sum(0)[0, :, 1].sum() < MIN_HOLES:
        return Resampled.unknown(len(weights))
    grid = np.concatenate([[0.0], np.geomspace(0.2, 30.0, 120)])[:, None, None]
    level = np.linspace(0.0, 0.6, 31)[None, :, None]
    with np.errstate(divide="ignore", over="ignore"):
        models = level + (1 - level) * np.exp(-np.square(DISTANCE_PX) / (4 * np.maximum(grid, 1e-3) ** 2))
    found = []
    for total in np.tensordot(weights, sums, 1):
        field = np.array([tetrachoric(*_joint(total[i])) for i in range(len(HOLE_LAGS_PX))])
        seen = (np.isfinite(field) & (total[:, :, 0].sum(1) > 0)) / DISTANCE_PX
        error = (seen * np.square(models - np.nan_to_num(field))).sum(2) + 0.02 * level[..., 0]
        found.append(float(grid[np.unravel_index(np.argmin(error), error.shape)[0], 0, 0]))
    return Resampled.of(np.array(found), max(0.1, 0.08 * found[0]), 0.0)


def _persistence(collector: Collector, weights: Array) -> Resampled:
    """Correlation of the field from one frame to the next at the same pixel: level + (1 - level) r^lag.

    The level is what places have in common that depth and brightness do not explain; it is no property of time.
    """
    shape = (len(PERSISTENCE_LAGS), NZ * NB, 4)
    sums = collector.tallies.get("persistence", shape)
    if sums.sum(0)[0, :, 1].sum() < MIN_HOLES:
        return Resampled.unknown(len(weights))
    lags = np.array(PERSISTENCE_LAGS, np.float64)
    rho, level = np.linspace(0, 0.99, 100)[:, None, None], np.linspace(0, 0.6, 31)[None, :, None]
    models = level + (1 - level) * rho**lags
    weight_of = np.array([2.0, 1.0, 1.0, 1.0])
    penalty = 0.01 * level[..., 0]
    found = []
    for total in np.tensordot(weights, sums, 1):
        r = np.nan_to_num(np.array([tetrachoric(*_joint(total[i])) for i in range(lags.size)]))
        seen = total[:, :, 0].sum(1) > 0
        error = (weight_of * seen * np.square(models - r)).sum(2) + penalty
        best = float(rho[np.unravel_index(np.argmin(error), error.shape)[0], 0, 0])
        found.append(best if best > 0.03 else 0.0)
    return Resampled.of(np.array(found), 0.03, 0.0)
