"""A coarse depth image made from a finer one, as a coarser sensor with the same view would see it.

Pure functions. Each coarse pixel covers an S x S block of the fine image, so the coarse image has the same field of
view (pixel centres half a block in), and it never holds a depth between two surfaces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import InputError
from pagnet_ros.system.units import MILLIMETRES_PER_METRE, in_metres

SURFACE_RELATIVE = 0.01
SURFACE_MIN = 0.005
MIN_VALID = 0.25


def coarse_depth(
    depth: NDArray[np.uint16] | NDArray[np.float32], scale: int
) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Reduce a depth image by a whole factor without mixing surfaces.

    The (lower) median of a block's measurements says which surface the coarse pixel shows; the result is the mean of
    the measurements within 1 % (at least 5 mm) of it. A block with fewer than a quarter of its pixels measured is
    invalid.

    Args:
        depth: `[h, w]` uint16 millimetres (0 invalid) or float32 metres (non-finite or 0 invalid).
        scale: Factor S, 1 to 32, that divides both sizes.

    Returns:
        `[h / S, w / S]` of the same type; invalid pixels are 0 (uint16) or NaN (float32).

    Raises:
        InputError: `scale` does not divide the image.
    """
    if depth.ndim != 2 or depth.dtype not in (np.uint16, np.float32):
        raise InputError(f"depth is {depth.dtype} of shape {depth.shape}; expected [h, w] uint16 or float32")
    height, width = depth.shape
    if not 1 <= scale <= 32 or height % scale or width % scale:
        fits = [s for s in range(1, 33) if height % s == 0 and width % s == 0]
        raise InputError(f"scale {scale} does not divide {width}x{height}; expected one of {fits}")
    if scale == 1:
        return depth.copy()  # type: ignore[no-any-return]
    metres = in_metres(depth)
    metres[np.isnan(metres)] = np.inf
    blocks = metres.reshape(height // scale, scale, width // scale, scale).swapaxes(1, 2)
    blocks = np.sort(blocks.reshape(height // scale, width // scale, scale * scale), axis=2)
    count = np.isfinite(blocks).sum(axis=2)
    median = np.take_along_axis(blocks, np.maximum(count - 1, 0)[..., None] // 2, axis=2)
    with np.errstate(invalid="ignore"):
        same = np.abs(blocks - median) <= np.maximum(SURFACE_RELATIVE * median, SURFACE_MIN)
    total = np.where(same, blocks, 0.0).sum(axis=2, dtype=np.float64)
    enough = count >= max(1, MIN_VALID * scale * scale)
    mean = np.where(enough, total / np.maximum(same.sum(axis=2), 1), np.nan)
    if depth.dtype == np.uint16:
        return np.nan_to_num(np.rint(mean * MILLIMETRES_PER_METRE), nan=0.0).astype(np.uint16)
    return mean.astype(np.float32)


def coarse_intrinsics(matrix: NDArray[np.float64], scale_x: float, scale_y: float) -> NDArray[np.float64]:
    """Intrinsics of the same camera with pixels `scale` times as large.

    Args:
        matrix: `[3, 3]` in pixels, centres of pixels at whole numbers.
        scale_x: Fine width over coarse width.
        scale_y: Fine height over coarse height.

    Returns:
        `[3, 3]`, with the half-pixel term: cx' = (cx + 0.5) / s - 0.5.
    """
    coarse = np.array(matrix, dtype=np.float64)
    coarse[0] /= scale_x
    coarse[1] /= scale_y
    coarse[0, 2] = (matrix[0, 2] + 0.5) / scale_x - 0.5
    coarse[1, 2] = (matrix[1, 2] + 0.5) / scale_y - 0.5
    return coarse
