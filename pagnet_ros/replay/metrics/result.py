"""One method's result for one frame, as the metrics see it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import InputError
from pagnet_ros.replay.metrics.frame import FrameContext
from pagnet_ros.replay.metrics.regions import Image, Mask

__all__ = ["Result"]


class Result:
    """What a method gave for a frame."""

    def __init__(
        self,
        frame: FrameContext,
        depth_m: NDArray[np.float32],
        sigma_m: NDArray[np.float32] | None = None,
        common: NDArray[np.bool_] | None = None,
    ) -> None:
        """Check the arrays: ``[H, W]`` float32 metres (NaN = none), the same for sigma, bool for common.

        Raises:
            InputError: another size or type than the frame's.
        """
        for name, array, dtype in (
            ("depth", depth_m, np.float32),
            ("sigma", sigma_m, np.float32),
            ("common", common, np.bool_),
        ):
            if array is not None and (array.shape != frame.size or array.dtype != dtype):
                came = f"{array.dtype} of shape {array.shape}"
                raise InputError(f"{name} is {came}; expected {np.dtype(dtype)} of the image's shape {frame.size}")
        self.frame = frame
        self.sigma = sigma_m
        self.common = common
        with np.errstate(invalid="ignore"):
            given = np.isfinite(depth_m) & (depth_m > 0)
        self.given: Mask = given
        self.depth: Image = np.where(given, depth_m, np.float32(np.nan))

    @cached_property
    def at_known(self) -> Image:
        """Depth at the pixels that the reference knows, in the order of `FrameContext.known`."""
        return np.asarray(self.depth.ravel().take(self.frame.known.places), np.float32)

    @cached_property
    def error_at_known(self) -> Image:
        """Depth less reference there, NaN where none is given."""
        return self.at_known - self.frame.known.depth
