"""What a coarse depth pixel says of its footprint, and what is wrong with coarse depth beyond that.

Data flows: recorded depth at the size of colour -> blocks of s x s -> one value per block, 0 where there is none.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training.data.recorded_depth import NEAREST_M, Depth, Mask, Rng, log_uniform

SURFACE_SHARE, SURFACE_M = 0.01, 0.005  # what lies within this share, or this many metres, of the median counts
LEAST_MEASURED = 0.25  # share of a footprint that has to be measured for its main surface to be known
COARSE_NOISE, COARSE_SPECKLE, OUTLIERS, FOREIGN_PATCH = 0.3, 0.25, 0.06, 0.05  # shares of patches
PROCESSED = 0.06  # share of patches; of the rest:
MAIN_SURFACE, MEAN = 0.65, 0.17  # the others are samples


def _blocks(image: NDArray[np.generic], scale: int) -> NDArray[np.generic]:
    """``[s*h, s*w] -> [h, w, s*s]``."""
    height, width = (side // scale for side in image.shape)
    blocks = image.reshape(height, scale, width, scale).swapaxes(1, 2)
    return np.asarray(blocks.reshape(height, width, scale * scale))


def _measured_blocks(depth: Depth, measured: Mask, scale: int) -> tuple[Depth, NDArray[np.int64]]:
    """Depth of each footprint, NaN where not measured, and how many of its pixels are."""
    blocks = np.asarray(_blocks(np.where(measured, depth, np.nan), scale), np.float32)
    return blocks, np.isfinite(blocks).sum(-1)


def main_surface(depth: Depth, measured: Mask, scale: int) -> Depth:
    """Mean of what lies close to the footprint's median: one surface, never a mixture; 0 with too little measured."""
    blocks, count = _measured_blocks(depth, measured, scale)
    ordered = np.sort(blocks, -1)  # NaN at the end
    known = np.maximum(count, 1)[..., None]
    middle = (np.take_along_axis(ordered, index, -1) for index in ((known - 1) // 2, known // 2))
    median = 0.5 * sum(middle, np.zeros_like(ordered[..., :1]))
    near = np.abs(blocks - median) <= np.maximum(SURFACE_SHARE * median, SURFACE_M)
    mean = np.where(near, blocks, 0).sum(-1) / np.maximum(near.sum(-1), 1)
    found = (count >= LEAST_MEASURED * scale * scale) & near.any(-1)
    return np.where(found, mean, 0).astype(np.float32)


def footprint_mean(depth: Depth, measured: Mask, scale: int, least: float) -> Depth:
    """Mean of all that is measured: a mixture of surfaces at edges; 0 where less than the share `least` is."""
    blocks, count = _measured_blocks(depth, measured, scale)
    mean = np.nan_to_num(blocks).sum(-1) / np.maximum(count, 1)
    return np.where(count >= least * scale * scale, mean, 0).astype(np.float32)


def centre_sample(depth: Depth, measured: Mask, scale: int, place: int | None = None) -> Depth:
    """One pixel of each footprint, the centre's or that of a given number; 0 where it is not measured."""
    blocks, _ = _measured_blocks(depth, measured, scale)
    sampled = blocks[..., (scale // 2) * scale + scale // 2 if place is None else place]
    return np.asarray(np.nan_to_num(sampled), np.float32)


def summed_up(depth: Depth, measured: Mask, scale: int, rng: Rng) -> Depth:
    """Coarse depth ``[h, w]``, 0 where missing: now and then processed, else one of three ways, often noisy.

    Scale 1 sums nothing up; it is the recording without what is missing.
    """
    if scale == 1:
        return np.where(measured & (depth > NEAREST_M), depth, 0).astype(np.float32)
    if rng.uniform() < PROCESSED:
        return processed(depth, scale, rng)
    way = rng.uniform()
    if way < MAIN_SURFACE:
        low = main_surface(depth, measured, scale)
    elif way < MAIN_SURFACE + MEAN:
        low = footprint_mean(depth, measured, scale, float(rng.choice([0.25, 0.5, 1.0])))
    else:
        place = int(rng.integers(scale * scale)) if rng.uniform() < 0.5 else None
        low = centre_sample(depth, measured, scale, place)
    if rng.uniform() < COARSE_NOISE:
        sigma = log_uniform(3e-4, 4e-3, rng) * low * low + rng.uniform(0, 0.003)
        low = np.where(low > 0, low + sigma * rng.standard_normal(low.shape, np.float32), np.float32(0))
    low = np.asarray(np.rint(low * 1000) / 1000, np.float32)
    kept = low > NEAREST_M
    if rng.uniform() < COARSE_SPECKLE:
        kept &= rng.uniform(size=low.shape) > rng.uniform(0, 0.08)
    return np.where(kept, low, 0).astype(np.float32)


def processed(depth: Depth, scale: int, rng: Rng) -> Depth:
    """Coarse depth ``[h, w]`` as phones deliver it: nothing is missing, hardly any noise, surfaces run into each other.

    The point spread is 0.5 to 2 coarse pixels wide.
    """
    low = footprint_mean(depth, np.ones(depth.shape, np.bool_), scale, 0.0)
    spread = cv2.GaussianBlur(low, (0, 0), rng.uniform(0.5, 2.0))
    return np.asarray(np.rint(spread * 1000) / 1000, np.float32)


def with_outliers(low: Depth, rng: Rng) -> Depth:
    """Single measurements that are wrong by a factor of 0.5 to 4.5, three in 10,000 to one in a hundred."""
    wrong = rng.uniform(size=low.shape) < 10 ** rng.uniform(-3.5, -2)
    return np.where(wrong, low * np.exp(rng.uniform(-0.7, 1.5, size=low.shape)), low).astype(np.float32)


def with_foreign_patch(low: Depth, rng: Rng) -> Depth:
    """A small square, 1 to 4 coarse pixels wide, of a depth that has nothing to do with the scene."""
    result: Depth = low.copy()
    row, column = (int(rng.integers(side)) for side in low.shape)
    side = int(rng.integers(1, 5))
    result[row : row + side, column : column + side] = rng.uniform(0.2, 10)
    return result
