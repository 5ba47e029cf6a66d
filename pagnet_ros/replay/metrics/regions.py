"""Where in an image something is judged: depth steps, texture, footprints of measured pixels. Pure functions."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.recordings.coarse import SURFACE_MIN, SURFACE_RELATIVE, coarse_depth

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

SLOPE_PER_PX = 0.01
MAX_SAMPLES = 8


def grey(rgb: NDArray[np.uint8]) -> Image:
    """Luma of a colour image, levels 0 to 255, ``[H, W]`` float32."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def grown(mask: Mask, radius: int) -> Mask:
    """A mask and everything within `radius` pixels of it (Chebyshev)."""
    if radius == 0:
        return mask
    side = 2 * radius + 1
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)), np.uint8).view(np.bool_)


def depth_steps(depth: Image, step: float, gap_px: int = 0) -> Mask:
    """The pixels on both sides of each depth step.

    Args:
        depth: ``[H, W]`` metres, NaN where unknown.
        step: relative difference of two neighbours from which it is a step.
        gap_px: unknown pixels of a row or column across which neighbours still meet; each of them explains 1 % of
            slope.

    Returns:
        ``[H, W]`` bool.
    """
    upright = np.ascontiguousarray(depth.T)
    return np.asarray(_row_steps(depth, step, gap_px) | _row_steps(upright, step, gap_px).T)


def _row_steps(depth: Image, step: float, gap_px: int) -> Mask:
    """`depth_steps` along rows only."""
    steps = np.zeros(depth.shape, np.bool_)
    near = depth[:, 1:] - depth[:, :-1]
    least = np.minimum(depth[:, 1:], depth[:, :-1])
    found = np.abs(near) > np.float32(step) * least  # NaN compares as False
    steps[:, 1:] |= found
    steps[:, :-1] |= found
    if gap_px == 0:
        return steps
    gap_rows, gap_ends = np.nonzero(np.isfinite(depth[:, 1:]) & ~np.isfinite(depth[:, :-1]))
    sides = np.stack([gap_rows, _last_known(depth)[gap_rows, gap_ends], gap_ends + 1])
    rows, before, after = sides[:, (sides[1] >= 0) & (gap_ends - sides[1] <= gap_px)]
    gaps = after - before - 1
    a, b = depth[rows, before], depth[rows, after]
    found = np.abs(a - b) > (step + SLOPE_PER_PX * gaps) * np.minimum(a, b)
    steps[rows[found], before[found]] = True
    steps[rows[found], after[found]] = True
    return steps


def _last_known(depth: Image) -> NDArray[np.int32]:
    """Column of the last known pixel of the row up to and with each pixel; -1 where there is none."""
    columns = np.where(np.isfinite(depth), np.arange(depth.shape[1], dtype=np.int32), np.int32(-1))
    return np.asarray(np.maximum.accumulate(columns, axis=1))


def texture(luma: Image, levels: float) -> Mask:
    """Pixels within one of a place where grey rises by more than `levels` per pixel (3x3 Sobel)."""
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)
    return grown(np.asarray(across * across + down * down > levels**2), 1)


def nearest_index(count: int, size: int) -> NDArray[np.intp]:
    """For each of `size` pixels in a row, the one of `count` larger pixels that covers its centre."""
    return np.minimum((2 * np.arange(size) + 1) * count // (2 * size), count - 1)


def nearest_up(low: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Repeat pixels up to a size, as `pagnet_ros.core.validity.provenance` does."""
    if low.shape == size:
        return low
    rows, columns = nearest_index(low.shape[0], size[0]), nearest_index(low.shape[1], size[1])
    return np.asarray(low.take(columns, axis=1).take(rows, axis=0))


def footprint_depth(depth: Image, size: tuple[int, int]) -> Image:
    """What a coarser sensor with the same view would measure (`coarse_depth`), at any ratio of sizes.

    Where the ratio is no whole number, each footprint is read at up to 8x8 even spaced pixels.

    Args:
        depth: ``[H, W]`` metres, NaN where unknown.
        size: ``(h, w)``, at most ``(H, W)``.

    Returns:
        ``[h, w]``, NaN where fewer than a quarter of the footprint is known.
    """
    if depth.shape == size:
        return depth
    ratios = [-(-high // low) for high, low in zip(depth.shape, size, strict=True)]
    scale = min(max(ratios), MAX_SAMPLES)
    if depth.shape != (size[0] * scale, size[1] * scale):
        depth = np.asarray(nearest_up(depth, (size[0] * scale, size[1] * scale)), np.float32)
    return _coarse(depth, scale)


def _coarse(depth: Image, scale: int) -> Image:
    """`coarse_depth`, the same values sooner: only blocks that show two surfaces or a hole need their median."""
    planes = [depth[row::scale, column::scale] for row in range(scale) for column in range(scale)]
    low, high, total = planes[0].copy(), planes[0].copy(), planes[0].astype(np.float64)
    for plane in planes[1:]:
        np.minimum(low, plane, out=low)
        np.maximum(high, plane, out=high)
        total += plane
    coarse = np.asarray(total / len(planes), np.float32)
    one_surface = high - low <= np.maximum(np.float32(SURFACE_RELATIVE) * low, np.float32(SURFACE_MIN))
    rows, columns = np.nonzero(~one_surface)
    if rows.size:
        blocks = np.stack([plane[rows, columns] for plane in planes], axis=1)
        coarse[rows, columns] = coarse_depth(blocks.reshape(-1, scale), scale)[:, 0]
    return coarse
