"""Classical up-sampling beside any network: what a replay compares with, under the node's own rule for holes.

Low-resolution depth has its holes filled smoothly, as in the pipeline; a filter raises it to the size of the colour
image; then only those pixels stay that the node's fill policy would publish: measured ones, and missing ones near a
measurement, but none that was seen out of range. So a baseline and a network differ in how they up-sample, not in which
holes they fill. Flying pixels are left in: taking them out is what the pipeline does; `remove_flying` of the options
does it to a baseline, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core import filters
from pagnet_ros.core.depth import fill_holes
from pagnet_ros.core.validity import ValidityOptions, mask_depth
from pagnet_ros.errors import InputError

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]
Filter = Callable[[Depth, Colour], Depth]

_XIMGPROC: Any = getattr(cv2, "ximgproc", None)  # of opencv-contrib only

FGS_SIGMA_LEVELS = 4.0


def baselines(options: ValidityOptions | None = None) -> Mapping[str, Filter]:
    """The filters of this installation, by name.

    Args:
        options: which pixels may be given; by default those of the node without removal of flying pixels.

    Returns:
        Functions of low-resolution depth ``[h, w]`` float32 metres (NaN = not measured, infinite = out of
        range) and colour ``[H, W, 3]`` uint8 that return depth ``[H, W]`` float32 metres (NaN = not given).
    """
    rules = ValidityOptions(remove_flying=False) if options is None else options
    methods: dict[str, Filter] = {
        "nearest": filters.nearest,
        "bilinear": filters.bilinear,
        "bicubic": filters.bicubic,
        "joint-bilateral": filters.joint_bilateral,
        "guided": filters.guided,
    }
    if _XIMGPROC is not None:
        methods["fast-global-smoother"] = fast_global_smoother
    return MappingProxyType({name: _masked(method, rules) for name, method in methods.items()})


def fast_global_smoother(low: Depth, rgb: Colour) -> Depth:
    """Fast global smoother (Min et al. 2014) of the bicubic result, guided by colour; lambda = ratio, sigma = 4 levels.

    Stronger smoothing than this mixes surfaces whose colours are alike.
    """
    ratio = math.sqrt(rgb.shape[0] * rgb.shape[1] / low.size)
    return np.asarray(
        _XIMGPROC.fastGlobalSmootherFilter(rgb, filters.bicubic(low, rgb), ratio, FGS_SIGMA_LEVELS), np.float32
    )


def _masked(method: Filter, options: ValidityOptions) -> Filter:
    """A filter between filling and the fill policy."""

    def run(low: Depth, rgb: Colour) -> Depth:
        if low.dtype != np.float32 or low.ndim != 2:
            raise InputError(f"depth is {low.dtype} of shape {low.shape}; expected [h, w] float32 metres, NaN = none")
        measured, beyond = (
            torch.from_numpy(mask)[None, None] for mask in (np.isfinite(low) & (low > 0), np.isinf(low))
        )
        depth = torch.from_numpy(np.ascontiguousarray(low))[None, None]
        result = method(fill_holes(depth, measured)[0, 0].numpy(), rgb)
        masked, _ = mask_depth(torch.from_numpy(result)[None, None], measured, beyond, options)
        return np.asarray(masked[0, 0].numpy(), np.float32)

    return run


BASELINES: Mapping[str, Filter] = baselines()
ABSENT_BASELINES: Mapping[str, str] = MappingProxyType(
    {}
    if _XIMGPROC is not None
    else {
        "fast-global-smoother": "this OpenCV has no ximgproc; `pip install 'opencv-contrib-python-headless<5'` (extra "
        "`contrib`) puts one that has it in its place"
    }
)
