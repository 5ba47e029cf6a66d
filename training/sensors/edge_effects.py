"""What happens at depth edges: missing pixels by distance, the projector's shadow, flying pixels, flickering edges.

Data flows: frames -> counts in `Tallies` -> `EdgeFit`. What a recording does not show is NaN or None, never a guess.
The same for the bias over range, where the recording has a better depth of the same view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import FittedCurve, Resampled, bootstrap_weights
from pagnet_training.sensors.images import Depth, View
from pagnet_training.sensors.scenes import Moment, Scene
from pagnet_training.sensors.tallies import EDGE_REACH_PX, RANGE_EDGES, Tallies, bin_of

if TYPE_CHECKING:
    from pagnet_training.sensors.missing import MissingFit

BIAS_BIN_M, BIAS_BINS = 0.025, 400
SHADOW_BIN_M, SHADOW_BINS = 0.01, 40
EDGE_WINDOW_PX = 4
BIAS_MARGIN_PX = 3

Tiles = NDArray[np.int64]


def count_flying(tallies: Tallies, z: Depth, tile: Tiles, scale: NDArray[np.float64]) -> None:
    """Pairs of pixels between two level stretches of a row: each belongs to its own side, or flies between them."""
    a, b, first, second, c, d = (z[:, i : z.shape[1] - 5 + i] for i in range(6))
    with np.errstate(invalid="ignore"):
        jump = np.abs(b - c)
        near = np.minimum(b, c)
        level = np.maximum(np.abs(a - b), np.abs(c - d)) < 0.1 * jump
        usable = level & (jump > 0.15 * near) & (jump < 1.2 * near) & np.isfinite(first) & np.isfinite(second)
    rows, columns = np.nonzero(usable)
    left, one, two, right = (image[rows, columns].astype(np.float64) for image in (b, first, second, c))
    sigma = np.nan_to_num(scale[bin_of(RANGE_EDGES, np.maximum(left, right))], nan=0.01)
    margin = np.maximum(5 * sigma / np.abs(right - left), 0.06)
    at = [(value - left) / (right - left) for value in (one, two)]
    flies = [(value > margin) & (value < 1 - margin) for value in at]
    aligned = ((np.abs(at[0]) <= margin) | flies[0]) & ((np.abs(at[1] - 1) <= margin) | flies[1]) & (margin < 0.3)
    where = tile[rows, columns + 2][aligned]
    zero = np.zeros(where.size, np.int64)
    tallies.add("flying", (2,), where, zero, np.full(where.size, 2.0))
    tallies.add("flying", (2,), where, zero + 1, (flies[0].astype(float) + flies[1])[aligned])


def count_flicker(tallies: Tallies, scene: Scene, z: Depth, before: Depth, tile: Tiles) -> None:
    """Per row and upright edge, how often pixels beside it change between the two surfaces from frame to frame."""
    z0 = scene.z
    offset = EDGE_WINDOW_PX
    left, right = np.full(z0.shape, np.nan, np.float32), np.full(z0.shape, np.nan, np.float32)
    left[:, offset:-offset] = z0[:, : -2 * offset]
    right[:, offset:-offset] = z0[:, 2 * offset :]
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(z0, axis=1, append=z0[:, -1:])) > 0.12 * z0
        step &= np.maximum(left, right) > 1.15 * np.minimum(left, right)
    rows, columns = np.nonzero(step)
    inner = (columns >= 2 * offset) & (columns < z0.shape[1] - 2 * offset)
    rows, columns = rows[inner], columns[inner]
    window = columns[:, None] + np.arange(-offset + 1, offset + 1)[None, :]
    alone = step[rows[:, None], window].sum(1) == 1
    rows, columns, window = rows[alone], columns[alone], window[alone]
    now, then, here = (image[rows[:, None], window] for image in (z, before, z0))
    whole = np.isfinite(now).all(1) & np.isfinite(then).all(1) & np.isfinite(here).all(1)
    middle = np.sqrt(left[rows, columns] * right[rows, columns])[:, None]
    changes = ((now < middle) != (then < middle)).sum(1)
    where = tile[rows[whole], columns[whole]]
    zero = np.zeros(where.size, np.int64)
    tallies.add("flicker", (2,), where, zero)
    tallies.add("flicker", (2,), where, zero + 1, 0.5 * changes[whole].astype(np.float64))


def count_shadow(tallies: Tallies, view: View, tile: Tiles) -> None:
    """Width of the hole on the far side of upright edges, as the baseline that would cast such a shadow."""
    focal = float(view.matrix[0, 0])
    known = np.isfinite(view.z)
    for row in range(0, view.shape[0], 2):
        columns = np.flatnonzero(known[row])
        if columns.size < 2:
            continue
        z = view.z[row, columns].astype(np.float64)
        gap = np.diff(columns) - 1
        first, second = z[:-1], z[1:]
        near, far = np.minimum(first, second), np.maximum(first, second)
        reach = focal * (1 / near - 1 / far)
        at_edge = (far > 1.15 * near) & (gap < 80)
        if not at_edge.any():
            continue
        side = (first[at_edge] < second[at_edge]).astype(np.int64)
        baseline = gap[at_edge] / reach[at_edge]
        bins = 1 + np.clip((baseline / SHADOW_BIN_M).astype(np.int64), 0, SHADOW_BINS - 2)
        bins = np.where(gap[at_edge] > 0, bins, 0)
        where = tile[row, columns[:-1][at_edge]]
        tallies.add("shadow", (2, SHADOW_BINS), where, side * SHADOW_BINS + bins)


def count_bias(tallies: Tallies, moment: Moment, tile: Tiles) -> None:
    """Measurements against the reference, away from edges."""
    reference = moment.view.reference
    if reference is None:
        return
    with np.errstate(invalid="ignore"):
        error = moment.view.z - reference
        usable = (moment.scene.edges.distance > BIAS_MARGIN_PX) & (np.abs(error) < 0.1 * reference + 0.03)
    usable &= np.isfinite(error)
    rows, columns = np.nonzero(usable)
    found = error[rows, columns].astype(np.float64)
    index = np.clip((reference[rows, columns] / BIAS_BIN_M).astype(np.int64), 0, BIAS_BINS - 1)
    where = tile[rows, columns]
    for part, value in enumerate((np.ones_like(found), found, found**2)):
        tallies.add("bias", (BIAS_BINS, 3), where, index * 3 + part, value)


Array = NDArray[np.float64]
MIN_CROSSINGS = 300
MIN_PIXELS = 500
SYSTEMATIC = 0.01
SHADOW_RATIO = 11.3  # chi-squared of three parameters (side, baseline, share), one in a hundred
LEAST_SHADOW = 0.1
MOST_TELL = 0.9  # share of the resamplings in which the widths of the holes stand out
TIMES_OTHER = 1.5  # so much more often are there holes on the shadow's side


@dataclass(frozen=True)
class EdgeFit:
    """What was learnt about edges.

    Attributes:
        missing: Missing share by distance to an edge, without the shadow; None if there are too few edges.
        by_side: The same, ``[2 (near, far side), 4 (near object left, right, above, below), distances]``.
        shadow_side: "none", "left" or "right" of near objects.
        baseline_m: What the widths of the shadows say the baseline is; NaN without a shadow.
        shadow_share: Share of the upright edges on that side that cast one; NaN without a shadow.
        one_sided: Share of upright edges with a hole on the far side, ``[2]``: left of a near object, right of it.
        flying: Share of edge pixels with a depth between both surfaces.
        lateral_px: Sideways jitter from the flicker of edges; NaN if the camera moves.
        edges: Pixels at edges that were looked at.
    """

    missing: FittedCurve | None
    by_side: Array
    shadow_side: str
    baseline_m: Resampled
    shadow_share: Resampled
    one_sided: Array
    flying: Resampled
    lateral_px: Resampled
    edges: int


def fit_edges(tallies: Tallies, missing: MissingFit | None) -> EdgeFit:
    """Fit what happens at edges."""
    shape = (2, 4, EDGE_REACH_PX + 1)
    seen, gone = tallies.get("edge", shape), tallies.get("edge_missing", shape)
    weights = bootstrap_weights(seen.sum((1, 2, 3)) > 0)
    side, baseline, share, one_sided = _shadow(tallies.get("shadow", (2, SHADOW_BINS)), weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_side = gone.sum(0) / seen.sum(0)
    return EdgeFit(
        missing=_missing(seen, gone, weights, side, missing),
        by_side=by_side,
        shadow_side=side,
        baseline_m=baseline,
        shadow_share=share,
        one_sided=one_sided,
        flying=_flying(tallies.get("flying", (2,)), weights),
        lateral_px=_lateral(tallies.get("flicker", (2,)), weights),
        edges=int(seen.sum(0)[:, :, 0].sum()),
    )


def _missing(seen: Array, gone: Array, weights: Array, shadow: str, interior: MissingFit | None) -> FittedCurve | None:
    """Missing share by distance; where there is a shadow, only the near side counts, which it never reaches."""
    use = np.ones(seen.shape[1:], np.bool_)
    use[1] = shadow == "none"
    n = np.tensordot(weights, (seen * use).sum((1, 2)), 1)
    m = np.tensordot(weights, (gone * use).sum((1, 2)), 1)
    if n[0, 0] < MIN_PIXELS:
        return None
    rates = m / np.maximum(n, 1)
    level = float(np.average(interior.rate.y, weights=interior.rate.samples)) if interior else 0.0
    spread = np.std(rates[1:], axis=0, ddof=1)
    excess = rates[0] - level
    raised = excess > np.maximum(1.5 * spread, SYSTEMATIC)
    end = int(np.argmin(raised)) if not raised.all() else EDGE_REACH_PX
    if end == 0:
        return None
    knots = np.arange(end + 1, dtype=np.float64)
    y = np.append(rates[0, :end], 0.0)
    half = np.append(1.96 * np.hypot(spread[:end], SYSTEMATIC), 0.0)
    return FittedCurve(knots, y, np.clip(y - half, 0, 1), np.clip(y + half, 0, 1), n[0, : end + 1])


def _shadow(sums: Array, weights: Array) -> tuple[str, Resampled, Resampled, Array]:
    """Side, baseline and share of the shadow, from how wide holes beside near objects are for the jump in depth.

    Likelihood-ratio test: without a shadow, gaps on both sides of near objects have one distribution; with one, a share
    of those on its side are as wide as a baseline makes them, and the others are as on the other side. Neighbouring
    rows and frames see the same edge: the ratio is divided by how much more blocks differ than single crossings would.
    """
    total = sums.sum(0)
    crossings = total.sum(1)
    one_sided = np.divide(total[:, 1:].sum(1), np.maximum(crossings, 1))
    unknown = Resampled.unknown(len(weights))
    none = ("none", unknown, unknown, one_sided)
    if crossings.min() < MIN_CROSSINGS:
        return none
    drawn = np.einsum("db,bsn->dsn", weights, sums)
    side = int(np.argmax(one_sided))
    with_holes = drawn[1:, side, 1:].sum(1) / np.maximum(drawn[1:, side].sum(1), 1)
    expected = one_sided[side] * (1 - one_sided[side]) / crossings[side]
    alike = max(1.0, float(np.var(with_holes, ddof=1) / max(expected, 1e-12)))
    apart, share = _mixture(total[side], total[1 - side])
    if one_sided[side] < TIMES_OTHER * one_sided[1 - side]:
        return none
    if 2 * (apart - _together(total)) / alike < SHADOW_RATIO or share < LEAST_SHADOW:
        return none
    found = np.array([_typical(draw) for draw in drawn[:, side]])
    told = np.isfinite(found)
    if not told[0] or told.mean() < MOST_TELL:
        return none
    found = np.where(told, found, found[0])
    shares = np.array([_mixture(draw[side], draw[1 - side])[1] for draw in drawn])
    return ("left", "right")[side], Resampled.of(found, 0.004, 0.0), Resampled.of(shares, 0.05, 0.0), one_sided


def _distribution(counts: Array) -> Array:
    return np.asarray((counts + 0.5) / (counts + 0.5).sum())


def _together(total: Array) -> float:
    """Log-likelihood of the gaps on both sides ``[2, bins]`` if they have one distribution."""
    return float((total.sum(0) * np.log(_distribution(total.sum(0)))).sum())


def _mixture(shadowed: Array, other: Array) -> tuple[float, float]:
    """Log-likelihood of gaps ``[bins]`` on both sides if one of them holds a shadow, and its share there."""
    rest, places = _distribution(other), np.arange(1, other.size - 1)
    bumps = np.maximum(0, 3 - np.abs(np.arange(other.size)[None] - places[:, None])) * (np.arange(other.size) > 0)
    bumps = bumps / bumps.sum(1, keepdims=True)
    shares = np.linspace(0, 0.98, 50)[:, None, None]
    fits = (shadowed * np.log((1 - shares) * rest + shares * bumps)).sum(2)
    best = np.unravel_index(np.argmax(fits), fits.shape)
    return float(fits[best] + (other * np.log(rest)).sum()), float(shares[best[0], 0, 0])


def _typical(counts: Array) -> float:
    """Middle of the densest five bins in a row of the baselines that holes stand for; NaN if nothing stands out."""
    holes = counts[1:-1]
    dense = np.convolve(holes, np.ones(5), "valid")
    top = int(np.argmax(dense))
    if dense[top] < 0.35 * holes.sum():
        return math.nan
    bins = np.arange(top, top + 5)
    return float(((bins + 0.5) * holes[bins]).sum() / max(holes[bins].sum(), 1e-9) * SHADOW_BIN_M)


def _flying(sums: Array, weights: Array) -> Resampled:
    total = np.tensordot(weights, sums, 1)
    if total[0, 0] < MIN_PIXELS:
        return Resampled.unknown(len(weights))
    share = total[:, 1] / np.maximum(total[:, 0], 1)
    return Resampled.of(share, 0.1, 0.0)


def _lateral(sums: Array, weights: Array) -> Resampled:
    """Jitter of independent pixels: an edge's pixels change sides L / sqrt(pi) times twice per frame and row."""
    total = np.tensordot(weights, sums, 1)
    if total[0, 0] < MIN_CROSSINGS:
        return Resampled.unknown(len(weights))
    variance = total[:, 1] / np.maximum(total[:, 0], 1)
    return Resampled.of(math.sqrt(math.pi) * variance, 0.05, 0.0)


MIN_BIAS_PIXELS = 200
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
    curve: FittedCurve
    wiggle_m: Resampled
    period_m: float
    phase_rad: float


def fit_bias(tallies: Tallies) -> BiasFit | None:
    """Fit the bias; None without a reference, or where it covers too little."""
    sums = tallies.get("bias", (BIAS_BINS, 3))
    total = sums.sum(0)
    rows = np.flatnonzero(total[:, 0] >= MIN_BIAS_PIXELS)
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
    curve = FittedCurve(knots, y, y - half, y + half, counts)
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
