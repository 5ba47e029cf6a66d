"""What restores low-resolution depth with holes: networks, and the classical filters with their holes filled.

Every method answers for every pixel, so that all are judged on the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import filters
from pagnet_ros.model.weights import read_header
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.pipeline import DepthUpsampler, UpsamplerOptions
from studies.regions import nearest_filled

__all__ = ["CLASSICAL", "Method", "network"]

Depth = NDArray[np.float32]
Restore = Callable[[Depth, NDArray[np.uint8]], Depth]


class Method(NamedTuple):
    """Something that restores depth.

    Attributes:
        name: a row of the table.
        kind: ``network`` or ``classical``.
        run: ``(low [h, w] with NaN holes, rgb [H, W, 3]) -> [H, W]``, metres, finite wherever it can be.
    """

    name: str
    kind: str
    run: Restore


def _joint_bilateral(low: Depth, rgb: NDArray[np.uint8]) -> Depth:
    """Measured pixels only, as the filter has it; where none is in its window, the nearest result."""
    return nearest_filled(filters.joint_bilateral(low, rgb))


CLASSICAL: tuple[Method, ...] = (
    Method("bilinear, nearest filling", "classical", lambda low, rgb: filters.bilinear(nearest_filled(low), rgb)),
    Method("bicubic, nearest filling", "classical", lambda low, rgb: filters.bicubic(nearest_filled(low), rgb)),
    Method("joint bilateral", "classical", _joint_bilateral),
    Method("guided", "classical", lambda low, rgb: filters.guided(nearest_filled(low), rgb)),
)


def network(weights: str, precision: str = "fp32") -> tuple[Method, int]:
    """A shipped network (by name) or a weights file (by path) as a method that fills every hole, and its scale.

    Raises:
        WeightsError: no such network or file.
    """
    path = Path(weights) if weights not in zoo() else zoo_path(weights)
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

    def run(low: Depth, rgb: NDArray[np.uint8]) -> Depth:
        return nearest_filled(upsampler(low, rgb).depth)  # the engine withholds what is no possible depth

    return Method(header.name, "network", run), header.config.scale
