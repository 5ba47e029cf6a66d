"""Moving depth by an offset without touching what was measured.

Nothing is interpolated, so no depth appears between two surfaces and noise stays what it was. Depth moves by whole
depth pixels, as near as they come to the offset. For the rest the colour image moves the other way by whole colour
pixels, and the result moves back, so that it lies on the colour image as it came. Pure functions on arrays.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Shift"]

Offset = tuple[int, int]
Kind = TypeVar("Kind", bound=np.generic)


class Shift(NamedTuple):
    """How to move the images of one frame, each ``(x, y)`` in whole pixels of its own.

    Attributes:
        depth: of depth.
        back: of the result, after colour moved by as much the other way.
    """

    depth: Offset = (0, 0)
    back: Offset = (0, 0)

    @classmethod
    def of(cls, offset_px: tuple[float, float], depth_size: tuple[int, int], rgb_size: tuple[int, int]) -> Shift:
        """The nearest to an offset.

        Args:
            offset_px: ``(x, y)`` that depth is to be moved by, colour pixels; the result is within half a pixel of it.
            depth_size: ``(h, w)``.
            rgb_size: ``(H, W)``.
        """
        depth, back = [], []
        for offset, low, high in zip(offset_px, depth_size[::-1], rgb_size[::-1], strict=True):
            whole = max(-low, min(low, round(offset * low / high)))
            depth.append(whole)
            back.append(round(offset - whole * high / low))
        return cls((depth[0], depth[1]), (back[0], back[1]))

    @property
    def is_none(self) -> bool:
        """Whether nothing moves."""
        return not any(self.depth) and not any(self.back)

    def moved_depth(self, depth: NDArray[Kind]) -> NDArray[Kind]:
        """Depth ``[h, w]`` at its new place; what comes in from outside was not measured (0, or NaN for floats)."""
        return _moved(depth, self.depth, 0 if depth.dtype == np.uint16 else math.nan)

    def moved_rgb(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Colour ``[H, W, 3]`` for the moved depth, its border repeated."""
        return _repeated(rgb, (-self.back[0], -self.back[1])) if any(self.back) else rgb

    def placed(self, result: NDArray[Kind]) -> NDArray[Kind]:
        """A result ``[H, W]`` on the colour image as it came, its border repeated, at most half a depth pixel wide."""
        return _repeated(result, self.back) if any(self.back) else result

    def repeated(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """``[H, W]``: where `placed` repeats a border."""
        return _moved(np.zeros(size, np.bool_), self.back, True)


def _moved(image: NDArray[Kind], by: Offset, outside: Any) -> NDArray[Kind]:
    if not any(by):
        return image
    height, width = image.shape[:2]
    (x, y), out = by, np.full_like(image, outside)
    out[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
        max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    return out


def _repeated(image: NDArray[Kind], by: Offset) -> NDArray[Kind]:
    height, width = image.shape[:2]
    x, y = by
    inner: Any = image[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
    moved: Any = cv2.copyMakeBorder(inner, max(y, 0), max(-y, 0), max(x, 0), max(-x, 0), cv2.BORDER_REPLICATE)
    return np.asarray(moved, image.dtype)
