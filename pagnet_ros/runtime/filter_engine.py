"""What answers where the network cannot: a classical filter behind the engine's call, always on the CPU.

The frame takes the same way as through `pagnet_ros.runtime.engine`: decode, pool, fill, up-sample, hold to the
measurement, trust. It needs no device, so it still runs when the GPU has no memory left.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.core import filters, validity
from pagnet_ros.core.degradation import BICUBIC, JOINT_BILATERAL
from pagnet_ros.core.depth import WorkingSize, back_project, decode_depth, fill_holes, pool_valid
from pagnet_ros.runtime.engine import EngineOutput, FrameLimits

__all__ = ["FALLBACKS", "FilterEngine"]

Filter = Callable[[NDArray[np.float32], NDArray[np.uint8]], NDArray[np.float32]]

FALLBACKS: Final[Mapping[str, Filter]] = {
    JOINT_BILATERAL: partial(filters.joint_bilateral, radius=1),
    BICUBIC: filters.bicubic,
}
"""The rungs of the ladder that need no network."""


class FilterEngine:
    """One filter in the engine's place."""

    def __init__(self, filter_: Filter) -> None:
        """Keep the filter, one of `pagnet_ros.core.filters`."""
        self._filter = filter_

    def infer(
        self,
        depth: NDArray[np.generic],
        rgb: NDArray[np.uint8],
        size: WorkingSize,
        limits: FrameLimits,
        options: validity.TrustOptions,
    ) -> EngineOutput:
        """Up-sample one checked frame; arguments and result as of `pagnet_ros.runtime.engine.Engine.infer`."""
        marks = [time.perf_counter()]
        with torch.inference_mode():
            raw = torch.from_numpy(np.require(depth, requirements=["C", "W"]))[None, None]
            measured, valid, beyond = decode_depth(raw, limits.minimum, limits.maximum)
            marks.append(time.perf_counter())
            low, low_valid = pool_valid(measured, valid, size.low) if size.pooled else (measured, valid)
            result = self._upsample(low, low_valid, rgb)
            marks.append(time.perf_counter())
            if size.pooled:
                result = back_project(result, measured, valid, limits.noise_floor + limits.noise * measured.square())
            believed, origin, _ = validity.believe(result, valid, beyond, options)
            marks.append(time.perf_counter())
        spans = (1e3 * (after - before) for before, after in itertools.pairwise(marks))
        stage_ms = dict(zip(("upload", "network", "trust"), spans, strict=True)) | {"download": 0.0}
        return EngineOutput(believed[0, 0].numpy(), None, origin[0, 0].numpy(), stage_ms)

    def _upsample(self, low: Tensor, valid: Tensor, rgb: NDArray[np.uint8]) -> Tensor:
        """Measured pixels through the filter; where those do not reach, holes filled smoothly, like the network's."""
        if bool(valid.all()):
            return torch.from_numpy(self._filter(low[0, 0].numpy(), rgb))[None, None]
        result = self._filter(low.masked_fill(~valid, float("nan"))[0, 0].numpy(), rgb)
        filled = filters.bilinear(fill_holes(low, valid)[0, 0].numpy(), rgb)
        return torch.from_numpy(np.where(np.isnan(result), filled, result))[None, None]
