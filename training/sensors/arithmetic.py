"""Statistics that the fits share: trimmed variances, quantised noise, correlated fields, bootstrapped intervals.

Pure functions on arrays; no images, no profiles.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESIDUAL_BINS = 48
_SMALLEST = 1e-5
_PER_OCTAVE = 3
TRIM = 4.0


def residual_bin(size_m: NDArray[np.floating]) -> NDArray[np.int64]:
    """Number of the logarithmic bin, 0 to ``RESIDUAL_BINS`` - 1, that an absolute residual in metres falls in."""
    with np.errstate(divide="ignore"):
        octave = np.log2(np.abs(size_m) * (1.0 / _SMALLEST))
    return np.asarray(np.clip(np.floor(octave * _PER_OCTAVE) + 1, 0, RESIDUAL_BINS - 1), np.int64)


def _upper_edges() -> Array:
    return np.asarray(_SMALLEST * 2.0 ** (np.arange(RESIDUAL_BINS) / _PER_OCTAVE))


def trimmed_variance(counts: Array, squares: Array) -> Array:
    """Variance of Gaussian residuals with outliers, from histograms: cut at about four standard deviations, iterated.

    Args:
        counts: Residuals per bin of `residual_bin`, ``[..., RESIDUAL_BINS]``.
        squares: Sum of their squares per bin, same shape, metres squared.

    Returns:
        ``[...]`` variance in metres squared, corrected for the cut; NaN where nothing was counted.
    """
    edges = _upper_edges()
    n, s = np.cumsum(counts, -1), np.cumsum(squares, -1)
    total = n[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.argmax(n >= 0.5 * total[..., None], -1)
        variance = np.maximum((edges[middle] / 0.6745) ** 2, 1e-14)
        for _ in range(12):
            cut = np.clip(np.searchsorted(edges, TRIM * np.sqrt(variance)), 0, RESIDUAL_BINS - 1)
            inside = np.take_along_axis(n, cut[..., None], -1)[..., 0]
            sum2 = np.take_along_axis(s, cut[..., None], -1)[..., 0]
            t = edges[cut] / np.sqrt(variance)
            kept = 1.0 - 2.0 * t * _density(t) / (2.0 * normal_cdf(t) - 1.0)
            variance = np.maximum(sum2 / inside / np.clip(kept, 0.3, 1.0), 1e-14)
    return np.where(total > 0, variance, np.nan)


def mean_size(counts: Array, squares: Array, variance: Array) -> Array:
    """Mean absolute residual within the cut of `trimmed_variance`.

    Args:
        counts: As there.
        squares: As there.
        variance: Its result ``[...]``.
    """
    sizes = np.sqrt(counts * squares)
    cut = np.clip(np.searchsorted(_upper_edges(), TRIM * np.sqrt(np.nan_to_num(variance))), 0, RESIDUAL_BINS - 1)
    inside = np.take_along_axis(np.cumsum(counts, -1), cut[..., None], -1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.take_along_axis(np.cumsum(sizes, -1), cut[..., None], -1)[..., 0] / inside)


def gaussian_from_quantised(variance: Array, step: Array, same_phase: bool) -> Array:
    """Variance of the noise before rounding to steps.

    Args:
        variance: Half the mean squared difference of two rounded measurements of the same depth.
        step: Quantisation step at that depth, 0 for none, broadcastable.
        same_phase: Whether both lay at the same place relative to the steps (a still camera), so that small noise
            often rounds away altogether; else rounding adds ``step^2 / 12``.

    Returns:
        Variance >= 0.
    """
    variance, step = np.broadcast_arrays(np.asarray(variance, np.float64), np.asarray(step, np.float64))
    if not same_phase:
        return np.maximum(variance - step**2 / 12, 0.0)
    ratio, seen = _seen_of_rounded()
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.interp(variance / step**2, seen, ratio) ** 2 * step**2
    beyond = variance > seen[-1] * step**2
    return np.where((step == 0) | beyond, np.maximum(variance - step**2 / 12, 0.0), relative)


@functools.cache
def _seen_of_rounded() -> tuple[Array, Array]:
    """Sigma over step, and the variance over squared step that is left when both sides are rounded alike."""
    ratio = np.linspace(0.0, 3.0, 1201)
    k = np.arange(1, 60)[:, None]
    seen = ratio**2 + 1 / 12 - (np.exp(-((2 * math.pi * k * ratio) ** 2)) / (2 * (math.pi * k) ** 2)).sum(0)
    return ratio, seen - seen[0]


def normal_cdf(x: Array) -> Array:
    """Distribution function of the standard normal."""
    return np.asarray(torch.special.ndtr(torch.as_tensor(np.asarray(x, np.float64))).numpy())


def normal_quantile(p: Array) -> Array:
    """Inverse of `normal_cdf`; probabilities are kept inside (1e-9, 1 - 1e-9)."""
    inside = np.clip(np.asarray(p, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(torch.special.ndtri(torch.as_tensor(inside)).numpy())


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-0.5 * np.square(x)) / math.sqrt(2 * math.pi))


def tetrachoric(p_first: Array, p_second: Array, both: Array, weights: Array) -> float:
    """Correlation of the Gaussian fields behind two 0/1 masks.

    One correlation is sought that explains all classes at once: the weighted sum of ``both - Phi2(.; r)`` vanishes.

    Args:
        p_first: Share of ones in the first mask, by class ``[n]``.
        p_second: The same of the second.
        both: Share of ones in both at once.
        weights: Weight of each class (number of pairs).

    Returns:
        r in [0, 0.999]; NaN where there is nothing to learn it from.
    """
    p_first, p_second, both = (np.asarray(value, np.float64) for value in (p_first, p_second, both))
    fine = (weights > 0) & (p_first > 1e-5) & (p_second > 1e-5) & (p_first < 0.999) & (p_second < 0.999)
    if not fine.any():
        return math.nan
    h, k = normal_quantile(p_first[fine]), normal_quantile(p_second[fine])
    grid = np.concatenate([np.linspace(0, 0.95, 96), 1 - 0.05 * 0.9 ** np.arange(1, 38)])
    middle, width = 0.5 * (grid[1:] + grid[:-1]), np.diff(grid)
    root = 1 - middle**2
    exponent = -(h[:, None] ** 2 - 2 * (h * k)[:, None] * middle + (k**2)[:, None]) / (2 * root)
    steps = np.exp(exponent) / (2 * math.pi * np.sqrt(root)) * width
    joint = p_first[fine][:, None] * p_second[fine][:, None] + np.concatenate(
        [np.zeros((h.size, 1)), np.cumsum(steps, 1)], 1
    )
    weight = weights[fine] / weights[fine].sum()
    wanted = float((weight * both[fine]).sum())
    return float(np.interp(wanted, weight @ joint, grid))


def nonnegative_least_squares(design: Array, target: Array, weights: Array) -> Array:
    """Weighted least squares with coefficients >= 0, by trying every subset of the (at most 8) columns."""
    columns = design.shape[1]
    root = np.sqrt(weights)[:, None]
    best, answer = math.inf, np.zeros(columns)
    for subset in range(1, 1 << columns):
        chosen = [i for i in range(columns) if subset >> i & 1]
        solution = np.linalg.lstsq(design[:, chosen] * root, target * root[:, 0], rcond=None)[0]
        if (solution < 0).any():
            continue
        error = float((weights * (design[:, chosen] @ solution - target) ** 2).sum())
        if error < best * (1 - 1e-9):
            best, answer = error, np.zeros(columns)
            answer[chosen] = solution
    return answer


def weighted_quantile(values: Array, weights: Array, share: float) -> float:
    """Value below which a share of the weight lies; NaN for no weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if total.size == 0 or total[-1] <= 0:
        return math.nan
    return float(values[order][min(int(np.searchsorted(total, share * total[-1])), values.size - 1)])


DRAWS = 60
SEED = 5


class FittedCurve(NamedTuple):
    """A curve with its 95 % intervals.

    Attributes:
        x: Knots.
        y: Values.
        low, high: Intervals.
        samples: What was counted behind each knot.
    """

    x: Array
    y: Array
    low: Array
    high: Array
    samples: Array


class Resampled(NamedTuple):
    """A number with its 95 % interval; all NaN where the recording cannot tell it.

    Attributes:
        value: The number from the whole recording.
        low, high: Interval.
        draws: The number from every resampling, the recording itself first.
    """

    value: float
    low: float
    high: float
    draws: Array

    @classmethod
    def of(cls, draws: Array, floor: float, least: float = -math.inf) -> Resampled:
        """From draws, the recording itself first.

        Args:
            draws: ``[DRAWS + 1]``.
            floor: Half-width that an interval has at least, for what resampling does not show.
            least: Smallest value there is.
        """
        half = math.hypot(1.96 * float(np.std(draws[1:], ddof=1)), floor)
        value = float(draws[0])
        return cls(value, max(value - half, least), value + half, draws)

    @classmethod
    def unknown(cls, draws: int) -> Resampled:
        """What cannot be told."""
        return cls(math.nan, math.nan, math.nan, np.full(draws, math.nan))

    @property
    def known(self) -> bool:
        """Whether the recording tells it."""
        return math.isfinite(self.value)


def bootstrap_weights(used: NDArray[np.bool_]) -> Array:
    """How often each block counts, ``[DRAWS + 1, blocks]``; the first row is the recording itself.

    Args:
        used: ``[blocks]``, whether a block holds anything.
    """
    rng = np.random.default_rng(SEED)
    weights = np.zeros((DRAWS + 1, used.size))
    weights[0] = used
    count = int(used.sum())
    weights[1:, used] = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
    return weights


def interval(draws: Array) -> tuple[Array, Array]:
    """95 % interval of every column."""
    return np.quantile(draws, 0.025, 0), np.quantile(draws, 0.975, 0)
