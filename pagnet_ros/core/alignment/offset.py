"""An alignment offset: how far depth must move to lie on the colour image, and moving it.

Moving touches nothing that was measured: nothing is interpolated, so no depth appears between two surfaces and noise
stays what it was. Depth moves by whole depth pixels, as near as they come to the offset. For the rest the colour image
moves the other way by whole colour pixels, and the result moves back, so that it lies on the colour image as it came.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any, Final, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError

NONE: Final = "none"
"""Not `off`, which YAML takes for false."""
SENSOR: Final = "sensor"
MOST_PX: Final = 200.0

_NUMBER: Final = r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*"
_OFFSET: Final = re.compile(rf"[(\[]?{_NUMBER},{_NUMBER}[)\]]?")

Offset = tuple[int, int]
Kind = TypeVar("Kind", bound=np.generic)


@functools.lru_cache(maxsize=64)
def offset_px(setting: str, sensor_share: tuple[float, float], width: int) -> tuple[float, float]:
    """What a user's setting means for a colour image of some width.

    Args:
        setting: ``none``, an offset ``X,Y`` in colour pixels, or ``sensor``.
        sensor_share: the sensor profile's offset, as shares of the colour image's width.
        width: of the colour image, pixels.

    Returns:
        ``(x, y)`` that depth is to be moved by, colour pixels.

    Raises:
        ConfigError: anything else, or an offset beyond 200 pixels.
    """
    if setting == NONE:
        return 0.0, 0.0
    if setting == SENSOR:
        return sensor_share[0] * width, sensor_share[1] * width
    found = _OFFSET.fullmatch(setting.strip())
    offset = (float(found[1]), float(found[2])) if found else (math.inf, math.inf)
    if max(map(abs, offset)) > MOST_PX:
        hint = ""
        if setting == "auto":
            hint = ". An offset is not estimated while frames come: `python -m pagnet_ros.replay.alignment` tells it"
        raise ConfigError(
            f"registration = {setting[:80]!r}; expected none, sensor (the offset of the sensor profile), or an offset "
            f"X,Y of depth in colour pixels up to {MOST_PX:g}, such as 5,-4.5{hint}"
        )
    return offset


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
            back.append(max(1 - high, min(high - 1, round(offset - whole * high / low))))
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
