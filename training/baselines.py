"""Classical up-sampling methods that learn nothing, for comparison. Each is an `Upsampler` of the protocol.

The filters are those of `pagnet_ros.core.filters`; parameters follow the cited papers, with radii in
units of the scale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import filters
from pagnet_training.protocol import Upsampler, bicubic

__all__ = ["BASELINES"]

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]


def _of(filter_: Callable[[Depth, Colour], Depth]) -> Upsampler:
    """A filter that takes the scale from the sizes."""
    return lambda low, rgb, scale: filter_(low, rgb)


BASELINES: dict[str, Upsampler] = {
    "nearest": _of(filters.nearest),
    "bilinear": _of(filters.bilinear),
    "bicubic": bicubic,
    "guided": _of(filters.guided),
    "joint-bilateral": _of(filters.joint_bilateral),
}
