"""Where depth steps and where colour changes: the two images whose agreement tells the offset between the cameras.

Pure functions, NumPy and OpenCV. Depth gives points with a weight, colour gives images; steps along x go with colour
changes along x, steps along y with those along y. Positions are those of pixel centres at whole numbers.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Indices = NDArray[np.intp]

WORKING_PX: Final = 320
"""Longer side at which both images are looked at."""
STEP_FROM: Final = 0.03
STEP_FULL: Final = 0.09
"""Relative depth steps, beyond what the slope beside them explains, from which one counts, and counts fully."""
SLOPE_SLACK: Final = 1.5
HOLE_PX: Final = 3
"""Widest run of missing pixels that a step is seen across."""
HOLE_WEIGHT: Final = 0.5
HOLE_STEP: Final = 0.01
"""What the step across a missing run must be larger by, per missing pixel: a slope goes on under it."""
BLUR_PX: Final = 0.8
CONTRAST_FLOOR: Final = 0.5
"""Square root of grey levels per pixel; keeps the noise of blank walls from being taken for contrast."""


class EdgePoints(NamedTuple):
    """Depth steps along one axis.

    Attributes:
        x: ``[n]`` float32, column in the working image, sub-pixel.
        y: ``[n]`` float32, row in it.
        weight: ``[n]`` float32, above 0 to 1, times the length of image line that the point stands for.
    """

    x: Image
    y: Image
    weight: Image


def working_scale(rgb_size: tuple[int, int]) -> float:
    """Working pixels per pixel of a colour image ``(H, W)``, at most 1."""
    return min(1.0, WORKING_PX / max(rgb_size))


def depth_edges(depth: Image, size: tuple[int, int]) -> tuple[EdgePoints, EdgePoints]:
    """Range discontinuities of a depth image.

    A step counts by its ratio of depths, less what the slope next to it explains, so neither the unit nor a slanted
    floor matters. A step smeared over three pixels is one step, at its centre of gravity. Missing pixels make no step;
    across a narrow run of them, as beside the shadow of a near object, the step lies at the nearer side.

    Args:
        depth: ``[h, w]`` float32, any positive linear unit, NaN where not measured.
        size: ``(h', w')`` of the working image that has the same field of view.

    Returns:
        Steps along x, and along y.
    """
    stride = max(1, math.ceil(max(depth.shape) / WORKING_PX))
    first = stride // 2
    log = np.log(depth[first::stride, first::stride], dtype=np.float32)
    found = []
    for axis, image in enumerate((log, np.ascontiguousarray(log.T))):
        between, beside = _steps(image), _steps_at_holes(image)
        row = np.concatenate([between[0], beside[0]])
        place = np.concatenate([between[1], beside[1]])
        weight = np.concatenate([between[2], beside[2]])
        along, across = (size[1], depth.shape[1]), (size[0], depth.shape[0])
        if axis == 1:
            along, across = across, along
        u = (place * stride + first + 0.5) * (along[0] / along[1]) - 0.5
        v = (row * stride + first + 0.5) * (across[0] / across[1]) - 0.5
        weight = weight * np.float32(stride * across[0] / across[1])
        u, v = u.astype(np.float32), v.astype(np.float32)
        found.append(EdgePoints(u, v, weight) if axis == 0 else EdgePoints(v, u, weight))
    return found[0], found[1]


def _steps(log: Image) -> tuple[Indices, Image, Image]:
    """Row, place along the row, weight of each step between neighbours, of the logarithm of depth ``[h, w]``."""
    height, width = log.shape
    differences = np.full((height, width + 3), np.nan, np.float32)
    np.subtract(log[:, 1:], log[:, :-1], out=differences[:, 2:-2])
    row, column = np.nonzero(np.abs(differences[:, 2:-2]) > STEP_FROM / 3)
    around = differences.ravel()[(row * (width + 3) + column)[:, None] + np.arange(5)]
    middle = np.abs(around[:, 2])
    same_way = around * np.sign(around[:, 2:3])
    before, after = (np.nan_to_num(np.maximum(same_way[:, i], 0.0)) for i in (1, 3))
    slopes = np.abs(around)
    step = middle + before + after - 3 * SLOPE_SLACK * np.nan_to_num(np.fmin(slopes[:, 0], slopes[:, 4]))
    sharp = middle - SLOPE_SLACK * np.nan_to_num(np.fmin(slopes[:, 1], slopes[:, 3]))
    weight = ((np.maximum(step, sharp) - STEP_FROM) / (STEP_FULL - STEP_FROM)).clip(0.0, 1.0)
    is_step = (weight > 0) & (middle >= before) & (middle > after)
    centre = column + 0.5 + (after - before) / (middle + before + after)
    return row[is_step], centre[is_step].astype(np.float32), weight[is_step]


def _steps_at_holes(log: Image) -> tuple[Indices, Image, Image]:
    """Like `_steps`, of depths on either side of a narrow run of missing pixels."""
    height, width = log.shape
    padded = np.full((height, width + HOLE_PX + 1), np.nan, np.float32)
    padded[:, :width] = log
    known = np.isfinite(padded)
    row, column = np.nonzero(known[:, :width] & ~known[:, 1 : width + 1])
    ahead = padded.ravel()[(row * padded.shape[1] + column)[:, None] + np.arange(HOLE_PX + 2)]
    far = np.isfinite(ahead[:, 1:])
    missing = np.argmax(far, axis=1)
    step = np.take_along_axis(ahead, missing[:, None] + 1, axis=1)[:, 0] - ahead[:, 0]
    excess = np.abs(step) - SLOPE_SLACK * STEP_FROM - HOLE_STEP * missing
    weight = HOLE_WEIGHT * (np.nan_to_num(excess) / (STEP_FULL - STEP_FROM)).clip(0.0, 1.0)
    is_step = far.any(axis=1) & (weight > 0)
    place = column + 0.5 + np.where(step > 0, 0, missing)
    return row[is_step], place[is_step].astype(np.float32), weight[is_step].astype(np.float32)


def colour_edges(rgb: NDArray[np.uint8], reach: int) -> tuple[Image, Image]:
    """How much more a colour image changes at a place than around it.

    Args:
        rgb: ``[H, W, 3]`` uint8.
        reach: largest offset that will be looked at, working pixels; twice that far is "around".

    Returns:
        Change along x and along y, each ``[h', w']`` float32 at `working_scale`: the root of the largest channel's
        gradient over its local mean, less 1. So a strong texture weighs no more than a faint one, and places without
        any relation to depth have a mean of 0.
    """
    scale = working_scale((rgb.shape[0], rgb.shape[1]))
    if scale < 1:
        size = (max(2, round(rgb.shape[1] * scale)), max(2, round(rgb.shape[0] * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    smooth = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), BLUR_PX)
    return _contrast(smooth, 1, 0, reach), _contrast(smooth, 0, 1, reach)


def _contrast(smooth: NDArray[Any], dx: int, dy: int, reach: int) -> Image:
    gradient = np.abs(cv2.Sobel(smooth, cv2.CV_32F, dx, dy, scale=1 / 8))
    change = cv2.sqrt(np.maximum(np.maximum(gradient[..., 0], gradient[..., 1]), gradient[..., 2]))
    window = (4 * reach + 1, 4 * reach + 1)
    mean = cv2.boxFilter(change, -1, window, borderType=cv2.BORDER_REFLECT)
    return np.asarray((change - mean) / (mean + CONTRAST_FLOOR), np.float32)
