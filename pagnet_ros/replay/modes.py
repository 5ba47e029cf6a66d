"""What a recorded frame is compared with: a reference, itself made coarser, or nothing. Pure functions.

Owns the self-supervised input: the recorded depth is the truth, and what a sensor with pixels `scale` times as large
would have seen is the methods' input. Holes stay holes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.depth import MILLIMETRES_PER_METRE
from pagnet_ros.errors import InputError
from pagnet_ros.recordings.coarse import coarse_depth, coarse_intrinsics
from pagnet_ros.replay.frame import RawDepth, ReplayFrame

__all__ = ["MODES", "Metres", "made_coarser"]

MODES = ("reference", "self", "none")
SCALES = (2, 16)


class Metres:
    """Depth as it is recorded -> float32 metres, NaN where nothing was measured or it lies outside the limits.

    Equals `depth.decode_depth` on every value, by a table for uint16.
    """

    def __init__(self, min_depth_m: float, max_depth_m: float) -> None:
        """Take the limits of what counts as measured, metres, inclusive."""
        self._limits = np.float32(min_depth_m), np.float32(max_depth_m)
        table = (np.arange(65536, dtype=np.float64) / MILLIMETRES_PER_METRE).astype(np.float32)
        self._table = self._within(table)

    def __call__(self, depth: RawDepth) -> NDArray[np.float32]:
        """Convert ``[h, w]`` uint16 millimetres or float32 metres; a new array."""
        if depth.dtype == np.uint16:
            # never wraps, and so need not look for indices out of range: a third of the time
            return np.asarray(self._table.take(depth.view(np.uint16), mode="wrap"))
        return self._within(depth.astype(np.float32))

    def _within(self, metres: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high = self._limits
        with np.errstate(invalid="ignore"):
            metres[~((metres > 0) & (metres >= low) & (metres <= high))] = np.nan
        return metres


def made_coarser(frame: ReplayFrame, scale: int) -> ReplayFrame:
    """The frame that a sensor `scale` times coarser would have delivered, with the recorded depth as its reference.

    Sizes are cut to multiples of `scale` at the right and at the bottom. Colour that is finer than the recorded depth
    is reduced to its size (by area), so that the truth is known at every pixel of the result.

    Args:
        frame: as recorded.
        scale: 2 to 16.

    Raises:
        InputError: fewer than 2 x 2 pixels would be left.
    """
    height, width = (side // scale * scale for side in frame.depth.shape)
    if height < 2 * scale or width < 2 * scale:
        raise InputError(
            f"depth of {frame.depth.shape[1]} x {frame.depth.shape[0]} made coarser by {scale} leaves less than 2 x 2 "
            "pixels; choose a smaller --scale"
        )
    rgb, intrinsics = _at_size_of(frame)
    reference: Any = np.ascontiguousarray(frame.depth[:height, :width])
    return replace(
        frame,
        depth=coarse_depth(reference, scale),
        rgb=np.ascontiguousarray(rgb[:height, :width]),
        reference=reference,
        intrinsics=intrinsics,
    )


def _at_size_of(frame: ReplayFrame) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
    """Colour at the size of the recorded depth, and its matrix."""
    height, width = frame.depth.shape
    if frame.rgb.shape[:2] == (height, width):
        return frame.rgb, frame.intrinsics
    ratios = frame.rgb.shape[1] / width, frame.rgb.shape[0] / height
    reduced = cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
    intrinsics = None if frame.intrinsics is None else coarse_intrinsics(frame.intrinsics, *ratios)
    return np.asarray(reduced, dtype=np.uint8), intrinsics
