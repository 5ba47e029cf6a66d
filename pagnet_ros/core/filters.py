"""Classical up-sampling of depth, guided by colour or not: no weights, NumPy and OpenCV on the CPU.

Each filter takes low-resolution depth ``[h, w]`` float32 (any unit, NaN = not measured) and its colour image
``[H, W, 3]`` uint8, at least as large, and returns ``[H, W]`` float32. The ratio need not be an integer, nor equal in
both axes. They are the baselines beside any network; the node itself falls back to `pagnet_ros.model.network.Bicubic`.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.depth import fill_holes, imresize

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]

_RADIUS: Final = 2
"""Measured pixels on each side that joint bilateral up-sampling looks at."""
_SPACE: Final = 2.0
"""1 / (2 sigma^2) for a sigma of 0.5 measured pixels."""
_COLOUR: Final = 50.0 / 255.0**2
"""1 / (2 sigma^2) for a sigma of 0.1 of the colour range, per 8-bit level."""
_ANY_COLOUR: Final = 1e-6
"""Weight whatever the colour: where no colour is alike, distance alone decides."""
_FOREIGN: Final = 1e4
"""A colour so far from every other that its weight is zero."""
_STRIP_PX: Final = 16384
"""Pixels worked on at once, so that they stay in the processor's cache."""


def nearest(low: Depth, rgb: Colour) -> Depth:
    """Each measured pixel repeated; a hole stays a hole."""
    rows, columns = _nearest_of(low, rgb)
    return np.asarray(low[np.ix_(rows, columns)], np.float32)


def bilinear(low: Depth, rgb: Colour) -> Depth:
    """Linear interpolation between pixel centres, of the measured ones among four; NaN where none is measured."""
    size = (rgb.shape[1], rgb.shape[0])
    hole = np.isnan(low)
    if not hole.any():
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_LINEAR), np.float32)
    value = cv2.resize(np.where(hole, np.float32(0), low), size, interpolation=cv2.INTER_LINEAR)
    weight = cv2.resize((~hole).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    mean = value / np.maximum(weight, np.float32(1e-9))
    return np.asarray(np.where(weight > 0, mean, np.nan), np.float32)


def bicubic(low: Depth, rgb: Colour) -> Depth:
    """MATLAB's bicubic ``imresize``; holes are filled smoothly before and cut out again by nearest pixel."""
    return _cut_holes(_smooth(low, rgb), low, rgb)


def guided(low: Depth, rgb: Colour) -> Depth:
    """Guided filter (He et al. 2010) of the bicubic result, guided by grey; radius = ratio, epsilon = 0.01^2.

    Holes are filled smoothly before and cut out again by nearest pixel.
    """
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    depth = _smooth(low, rgb)
    side = (2 * round(rgb.shape[1] / low.shape[1]) + 1, 2 * round(rgb.shape[0] / low.shape[0]) + 1)

    def mean(image: NDArray[np.floating]) -> Depth:
        return np.asarray(cv2.blur(image, side, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_depth = mean(guide), mean(depth)
    covariance = mean(guide * depth) - mean_guide * mean_depth
    variance = mean(guide * guide) - mean_guide**2
    slope = covariance / (variance + 1e-4)
    result = mean(slope) * guide + mean(mean_depth - slope * mean_guide)
    return _cut_holes(result.astype(np.float32), low, rgb)


def joint_bilateral(low: Depth, rgb: Colour) -> Depth:
    """Joint bilateral up-sampling (Kopf et al. 2007): 5x5 measured pixels, sigma 0.5 px there, 0.1 in colour.

    The mean of the measured ones among the 25; NaN where none of them is measured.
    """
    measured = ~np.isnan(low)
    value = np.where(measured, low, np.float32(0))
    scale = np.float32(_COLOUR**0.5)
    small = cv2.resize(rgb.astype(np.float32), (low.shape[1], low.shape[0]), interpolation=cv2.INTER_AREA) * scale
    small = np.where(measured[..., None], small, np.float32(_FOREIGN))
    taps = np.arange(-_RADIUS, _RADIUS + 1)
    rows, columns = _nearest_of(low, rgb)
    tap_rows, tap_columns = rows + taps[:, None] + _RADIUS, columns + taps[:, None] + _RADIUS
    near_rows = _exponents(rgb.shape[0], low.shape[0], taps)
    near_columns = _exponents(rgb.shape[1], low.shape[1], taps)
    planes = np.concatenate((np.moveaxis(small, 2, 1), value[:, None], measured[:, None]), axis=1, dtype=np.float32)
    padded = np.pad(planes, ((_RADIUS, _RADIUS), (0, 0), (_RADIUS, _RADIUS)), mode="edge")
    wide = [np.ascontiguousarray(padded[:, :, columns_of_tap]) for columns_of_tap in tap_columns]
    total, weights = _by_distance_alone(wide, tap_rows, near_rows, near_columns)
    strip = max(1, _STRIP_PX // rgb.shape[1])
    for first in range(0, rgb.shape[0], strip):
        part = slice(first, first + strip)
        colour = np.moveaxis(rgb[part], 2, 1) * scale
        taken, difference = np.empty((len(colour), 5, rgb.shape[1]), np.float32), np.empty_like(colour)
        weight = np.empty((len(colour), rgb.shape[1]), np.float32)
        for rows_of_tap, near_row in zip(tap_rows, near_rows, strict=True):
            for plane, near_column in zip(wide, near_columns, strict=True):
                np.take(plane, rows_of_tap[part], axis=0, out=taken, mode="clip")
                np.square(np.subtract(colour, taken[:, :3], out=difference), out=difference)
                np.subtract(near_column, difference[:, 0], out=weight)
                weight -= difference[:, 1]
                weight -= difference[:, 2]
                weight += near_row[part, None]
                np.exp(weight, out=weight)
                weights[part] += weight
                weight *= taken[:, 3]
                total[part] += weight
    with np.errstate(invalid="ignore"):
        return np.asarray(np.divide(total, weights, out=total), np.float32)


def _positions(size: int, count: int) -> NDArray[np.float64]:
    """Centres of `size` pixels in units of `count` larger ones."""
    return np.asarray((np.arange(size) + 0.5) * (count / size) - 0.5, np.float64)


def _nearest_of(low: Depth, rgb: Colour) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the measured pixel nearest to each row and column of colour."""
    rows, columns = (
        np.clip(np.round(_positions(size, count)), 0, count - 1).astype(np.intp)
        for size, count in zip(rgb.shape[:2], low.shape, strict=True)
    )
    return rows, columns


def _exponents(size: int, count: int, taps: NDArray[np.intp]) -> NDArray[np.float32]:
    """``[taps, size]``: logarithm of the spatial weight along one axis."""
    positions = _positions(size, count)
    return np.asarray(-_SPACE * (np.round(positions) + taps[:, None] - positions) ** 2, np.float32)


def _by_distance_alone(
    wide: list[NDArray[np.float32]],
    tap_rows: NDArray[np.intp],
    near_rows: NDArray[np.float32],
    near_columns: NDArray[np.float32],
) -> tuple[Depth, Depth]:
    """Sums of value and weight over the taps whatever their colour, times `_ANY_COLOUR`."""
    merged = sum(np.exp(near) * plane[:, 3:] for plane, near in zip(wide, near_columns, strict=True))
    weighted = np.exp(near_rows)[:, :, None, None] * np.float32(_ANY_COLOUR)
    sums = sum(near * merged[rows] for near, rows in zip(weighted, tap_rows, strict=True))
    return np.ascontiguousarray(sums[:, 0]), np.ascontiguousarray(sums[:, 1])


def _smooth(low: Depth, rgb: Colour) -> Depth:
    """Bicubic up-sampling of depth with its holes filled; zeros where nothing at all is measured."""
    image = torch.from_numpy(np.ascontiguousarray(low))
    measured = ~torch.isnan(image)
    if not bool(measured.all()):
        image = fill_holes(image[None, None], measured[None, None])[0, 0]
    return np.asarray(imresize(image.double(), (rgb.shape[0], rgb.shape[1])).float().numpy())


def _cut_holes(depth: Depth, low: Depth, rgb: Colour) -> Depth:
    hole = np.isnan(low)
    if hole.any():
        rows, columns = _nearest_of(low, rgb)
        depth[hole[np.ix_(rows, columns)]] = np.nan
    return depth
