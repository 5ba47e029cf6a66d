"""The offset over a stream of frames: evidence gathered, changes damped. Owns the only state of registration.

Few frames are looked at, for a camera's offset does not change from one to the next; every look adds its evidence to
what is slowly forgotten, so that a jump has to win against the past. Which frames are looked at depends on their number
alone, so the same frames give the same offsets wherever they are processed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.registration.agreement import Agreement, agreement
from pagnet_ros.core.registration.estimate import Estimate, estimate
from pagnet_ros.system.units import in_metres

__all__ = ["RegistrationEstimator"]

PERIOD: Final = 64
"""Every so-manieth frame is looked at; in the beginning those whose number is a power of two."""
MEMORY: Final = 0.85
"""What is left of the evidence from one look to the next."""
RELEASE: Final = 0.5
"""An offset in use is dropped once the estimate is below this share of what it takes to use one."""


class RegistrationEstimator:
    """Offset between depth and colour of one camera. Use from one thread at a time."""

    def __init__(self, known: tuple[float, float] = (0.0, 0.0)) -> None:
        """Begin.

        Args:
            known: offset to begin with, as shares of the colour image's width; frames may correct it.
        """
        self._known = known
        self.reset()

    def reset(self) -> None:
        """Forget everything but what was known before."""
        self._sizes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._frames = 0
        self._evidence: Agreement | None = None
        self._estimate: Estimate | None = None
        self._offset_px = (0.0, 0.0)

    @property
    def estimate(self) -> Estimate | None:
        """The latest estimate, believable or not; None before any depth edge was seen."""
        return self._estimate

    @property
    def offset_px(self) -> tuple[float, float]:
        """``(x, y)`` that depth is to be moved by, colour pixels; 0 where none is needed or known."""
        return self._offset_px

    def see(
        self, depth: NDArray[np.generic], rgb: NDArray[np.uint8], minimum: float = 0.0, maximum: float = math.inf
    ) -> tuple[float, float]:
        """Take the next frame; one of other sizes begins anew.

        Args:
            depth: ``[h, w]`` uint16 millimetres (0 = no measurement) or float32 in any positive linear unit.
            rgb: ``[H, W, 3]`` uint8.
            minimum: nearest depth that counts, metres or the unit of float input.
            maximum: farthest depth that counts, likewise.

        Returns:
            `offset_px`, for this very frame.
        """
        sizes = depth.shape, rgb.shape
        if sizes != self._sizes:
            self.reset()
            self._sizes = sizes
            self._offset_px = (self._known[0] * rgb.shape[1], self._known[1] * rgb.shape[1])
        self._frames += 1
        if self._frames % PERIOD == 0 or self._frames & (self._frames - 1) == 0:
            self._look(_measured(depth, minimum, maximum), rgb)
        return self._offset_px

    def _look(self, depth: NDArray[np.float32], rgb: NDArray[np.uint8]) -> None:
        seen = agreement(depth, rgb)
        if self._evidence is None:
            self._evidence = seen
        else:
            self._evidence.take(seen, MEMORY)
        self._estimate = found = estimate(self._evidence)
        if found is not None and not found.doubts:
            self._offset_px = self._damped(found)

    def _damped(self, found: Estimate) -> tuple[float, float]:
        """The offset to use from now on, given one that may be believed."""
        in_use = math.hypot(*self._offset_px) > 0
        if in_use and found.size_px <= RELEASE * found.deadband_px:
            return 0.0, 0.0
        if not in_use:
            return found.offset_px if found.is_off else self._offset_px
        change = math.dist(found.offset_px, self._offset_px)
        step = max(1.0, 0.25 * found.pixel_px) + math.hypot(*found.error_px)
        return found.offset_px if change > step else self._offset_px


def _measured(depth: NDArray[np.generic], minimum: float, maximum: float) -> NDArray[np.float32]:
    """Depth as float32, NaN where it does not count; uint16 in metres."""
    values = in_metres(depth)
    with np.errstate(invalid="ignore"):
        values[~((values >= minimum) & (values <= maximum))] = np.nan
    return values
