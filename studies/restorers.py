"""What restores low-resolution depth with holes: networks, and the classical filters with their holes filled.

Every method answers for every pixel, so that all are judged on the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import filters
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.weights import read_header
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_training.evaluate import Method
from studies.regions import nearest_filled

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]

CLASSICAL: tuple[Method, ...] = tuple(
    Method(name, run, (1, *SCALES))
    for name, run in (
        ("bilinear, nearest filling", lambda low, rgb, scale: filters.bilinear(nearest_filled(low), rgb)),
        ("bicubic, nearest filling", lambda low, rgb, scale: filters.bicubic(nearest_filled(low), rgb)),
        # measured pixels only, as the filter has it; where none is in its window, the nearest result
        ("joint bilateral", lambda low, rgb, scale: nearest_filled(filters.joint_bilateral(low, rgb))),
        ("guided", lambda low, rgb, scale: filters.guided(nearest_filled(low), rgb)),
    )
)


def network(weights: str, precision: str = "fp32") -> Method:
    """A shipped network (by name) or a weights file (by path) as a method that fills every hole, for metres.

    Raises:
        WeightsError: no such network or file.
    """
    path = weights_file(weights)
    header = read_header(path)
    options = UpsamplerOptions(
        metric=True,
        min_depth_m=0.0,
        max_depth_m=1000.0,
        fill="all",
        remove_flying=False,
        registration="none",  # all methods get the same depth
    )
    upsampler = DepthUpsampler.from_file(path, device="auto", precision=precision, options=options)

    def run(low: Depth, rgb: Colour, scale: int) -> Depth:
        return nearest_filled(upsampler(low, rgb).depth)  # the engine withholds what is no possible depth

    return Method(header.name, run, (header.config.scale,))
