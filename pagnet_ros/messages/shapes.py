"""Sizes of images that are to show the same. Plain Python: the doctor needs it where nothing is installed."""

from __future__ import annotations

from typing import Final

_Shape = tuple[int, ...]
_ASPECT_TOLERANCE: Final = 0.02  # sizes are rounded: 854 x 480 is 16:9


def differ_in_shape(depth: _Shape, color: _Shape) -> bool:
    """Whether two sizes are of different aspect ratio, by more than rounding them to whole pixels explains."""
    width = depth[0] * color[1] / color[0]
    height = depth[1] * color[0] / color[1]
    return all(
        abs(fitting - side) > max(1.0, _ASPECT_TOLERANCE * side)
        for fitting, side in ((width, depth[1]), (height, depth[0]))
    )
