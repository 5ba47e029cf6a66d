"""What a user may set: none, auto, or a fixed offset; one word, for parameter files and command lines alike."""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from pagnet_ros.errors import ConfigError

__all__ = ["AUTO", "NONE", "RegistrationSetting"]

NONE: Final = "none"
"""Not `off`, which YAML takes for false."""
AUTO: Final = "auto"
MOST_PX: Final = 200.0

_NUMBER: Final = r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*"
_OFFSET: Final = re.compile(rf"[(\[]?{_NUMBER},{_NUMBER}[)\]]?")


class RegistrationSetting(NamedTuple):
    """How depth comes to lie on the colour image.

    Attributes:
        is_auto: whether the offset is estimated.
        offset_px: the fixed offset of depth, ``(x, y)`` in colour pixels, where it is not.
    """

    is_auto: bool
    offset_px: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def parse(cls, text: object) -> RegistrationSetting:
        """Read ``none``, ``auto`` or ``X,Y``.

        Raises:
            ConfigError: anything else, or an offset beyond 200 pixels.
        """
        if text == NONE:
            return cls(is_auto=False)
        if text == AUTO:
            return cls(is_auto=True)
        found = _OFFSET.fullmatch(text.strip()) if isinstance(text, str) else None
        offset = (float(found[1]), float(found[2])) if found else (math.inf, math.inf)
        if max(map(abs, offset)) > MOST_PX:
            raise ConfigError(
                f"registration={text!r}, expected auto, none, or an offset X,Y of depth in colour pixels up to "
                f"{MOST_PX:g}, such as 5,-4.5"
            )
        return cls(is_auto=False, offset_px=offset)
