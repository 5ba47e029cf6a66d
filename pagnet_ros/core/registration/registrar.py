"""Which offset a frame gets, by what the user wants: none, a fixed one, or the estimated one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.registration.estimate import Estimate
from pagnet_ros.core.registration.estimator import RegistrationEstimator
from pagnet_ros.core.registration.setting import RegistrationSetting
from pagnet_ros.core.registration.shift import Shift

__all__ = ["Registrar"]


class Registrar:
    """Registration of one stream of frames. Use from one thread at a time.

    Attributes:
        offset_px: ``(x, y)`` that the latest frame's depth was to be moved by, colour pixels.
    """

    def __init__(self) -> None:
        """Begin with nothing to do; `configure` says what."""
        self.offset_px = (0.0, 0.0)
        self._wanted: tuple[str, tuple[float, float]] | None = None
        self._setting = RegistrationSetting(is_auto=False)
        self._estimator: RegistrationEstimator | None = None

    @property
    def estimate(self) -> Estimate | None:
        """The latest estimate; None where there is none, or none is asked for."""
        return None if self._estimator is None else self._estimator.estimate

    def configure(self, setting: str, known: tuple[float, float] = (0.0, 0.0)) -> None:
        """Say what is wanted; an estimate begins anew only where that has changed.

        Args:
            setting: as `RegistrationSetting.parse` takes it.
            known: where ``auto`` begins, in shares of the colour image's width, as a sensor profile tells it.

        Raises:
            ConfigError: `setting` cannot be read.
        """
        if (setting, known) == self._wanted:
            return
        self._setting = RegistrationSetting.parse(setting)
        self._estimator = RegistrationEstimator(known) if self._setting.is_auto else None
        self._wanted, self.offset_px = (setting, known), (0.0, 0.0)

    def reset(self) -> None:
        """Forget the frames so far: another recording begins."""
        if self._estimator is not None:
            self._estimator.reset()

    def shift(
        self, depth: NDArray[np.generic], rgb: NDArray[np.uint8], minimum: float = 0.0, maximum: float = math.inf
    ) -> Shift:
        """Take the next frame, and say how its images are to be moved; arguments as of `RegistrationEstimator.see`."""
        self.offset_px = self._setting.offset_px
        if self._estimator is not None:
            self.offset_px = self._estimator.see(depth, rgb, minimum, maximum)
        return Shift.of(self.offset_px, (depth.shape[0], depth.shape[1]), (rgb.shape[0], rgb.shape[1]))

    def __str__(self) -> str:
        """What is done and why, in words."""
        x, y = self.offset_px
        done = f"depth moved by ({x:+.1f}, {y:+.1f}) px" if (x, y) != (0.0, 0.0) else "depth not moved"
        if self._estimator is None:
            return f"{done}, as set"
        found = self._estimator.estimate
        return f"{done}; estimate: " + ("no depth edges seen" if found is None else str(found))
