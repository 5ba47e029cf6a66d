"""Rounding: the steps in which a sensor reports depth or disparity, from the distinct values of a recording."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MIN_VALUES = 24


class Steps(NamedTuple):
    """How measurements are rounded.

    Attributes:
        depth_m: Step of the depth, 0 for none.
        inverse: Step of the inverse depth in 1/m, 0 for none.
        values: Distinct values behind it.
        note: What should be told about it.
    """

    depth_m: float
    inverse: float
    values: int
    note: str

    def at(self, z: Array) -> Array:
        """Size of the step in metres at a depth."""
        return np.hypot(self.depth_m, self.inverse * np.square(z))


def find_steps(values: set[float], overflowed: bool) -> Steps:
    """Find regular steps of depth, or of inverse depth (a structured-light or stereo sensor's disparity).

    Args:
        values: Distinct measurements in metres.
        overflowed: Whether there were too many to keep.
    """
    z = np.array(sorted(values))
    if z.size < MIN_VALUES:
        return Steps(0.0, 0.0, z.size, f"only {z.size} distinct depth values: steps cannot be told")
    if overflowed:
        return Steps(0.0, 0.0, z.size, "")
    storage = _depth_step(z)
    return Steps(storage, _inverse_step(z, storage), z.size, "")


def _depth_step(z: Array) -> float:
    """Greatest step of which all values are multiples, to a hundredth of it; 0 if below 0.2 mm."""
    gaps = np.diff(z)
    gaps = gaps[gaps > 1e-5]
    if gaps.size < MIN_VALUES // 2:
        return 0.0
    for step in (0.1, 0.05, 0.025, 0.02, 0.01, 0.005, 0.004, 0.003, 0.002, 0.001, 0.0005, 0.00025):
        phase = z / step
        if np.abs(phase - np.rint(phase)).max() < 0.02 + 1e-5 / step:
            return step
    return 0.0


def _inverse_step(z: Array, storage: float) -> float:
    """Step of the inverse depth; 0 if there is none.

    Values that the storage's own rounding blurs (neighbouring steps less than three storage steps apart) are left out.
    Gaps far below the typical one are repeats of one step, blurred by interpolation or filtering: too many of them
    mean that the values are not on steps.
    """
    w = 1.0 / z[::-1]
    blur = storage * w**2
    gaps = np.diff(w)
    error = 0.5 * (blur[1:] + blur[:-1])
    certain = gaps > 3 * error
    if certain.sum() < MIN_VALUES // 2:
        return 0.0
    guess = float(np.quantile(gaps[certain], 0.15))
    for _ in range(8):
        multiple = np.maximum(np.rint(gaps / guess), 1.0)
        fine = certain & (multiple <= 3) & (np.abs(gaps / guess - multiple) < 0.3)
        if fine.sum() < MIN_VALUES // 2:
            return 0.0
        weight = 1.0 / np.square(error[fine] + 1e-3 * guess)
        guess = float((weight * gaps[fine] * multiple[fine]).sum() / (weight * multiple[fine] ** 2).sum())
    off = np.abs(gaps[certain] / guess - np.maximum(np.rint(gaps[certain] / guess), 1.0))
    tolerance = 0.1 + 1.2 * (error / guess)[certain]
    if (off < tolerance).mean() < 0.85:
        return 0.0
    chance = np.minimum(2 * tolerance, 1.0).mean()
    if chance > 0.7:
        return 0.0
    return guess
