"""What explains where pixels are missing: depth, brightness, angle, and a dark surface seen at an angle. Pure.

Rates per cell ``[depths, brightness, angles]`` -> parts that add up to them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Parts", "darkness", "parts_of", "where_dark_begins"]

Array = NDArray[np.float64]
DARK_BELOW = (0.25, 0.35, 0.5, 0.7, 1.0)
EXPLAINS = 0.85
ROUNDS = 25


class Parts(NamedTuple):
    """Parts of the missing rate; brightness and angle have weighted mean 0.

    Attributes:
        range: By depth.
        brightness: By brightness.
        angle: By angle of incidence.
        dark: By angle, on black; falls with the brightness as `darkness` does. Not negative.
    """

    range: Array
    brightness: Array
    angle: Array
    dark: Array


def darkness(brightness: Array, below: float) -> Array:
    """1 on black, falling linearly to 0 at a brightness; 0 everywhere for `below` = 0."""
    return np.maximum(1 - brightness / below, 0.0) if below > 0 else np.zeros_like(brightness)


def where_dark_begins(n: Array, m: Array, brightness: Array) -> float:
    """Brightness below which surfaces are missing more the more slanted they are; 0 if the parts add up without it.

    Args:
        n: Pixels per cell.
        m: Missing ones.
        brightness: Mean of each brightness bin.
    """
    plain = _misfit(n, m, parts_of(n, m, np.zeros_like(brightness)), np.zeros_like(brightness))
    shapes = [darkness(brightness, below) for below in DARK_BELOW]
    errors = [_misfit(n, m, parts_of(n, m, shape), shape) for shape in shapes]
    best = int(np.argmin(errors))
    return DARK_BELOW[best] if errors[best] < EXPLAINS * plain else 0.0


def parts_of(n: Array, m: Array, dark: Array) -> Parts:
    """Least-squares parts.

    Args:
        n: Pixels per cell.
        m: Missing ones.
        dark: `darkness` of each brightness bin.
    """
    rate, weight = _rate(n, m), _weight(n)
    shape = dark[None, :, None]
    by_range, bright, angle, slant = (np.zeros(size) for size in (*n.shape, n.shape[2]))
    for _ in range(ROUNDS):
        slanted = slant * shape
        by_range = _mean(rate - bright[:, None] - angle - slanted, weight, 0)
        bright = _centred(rate - by_range[:, None, None] - angle - slanted, weight, 1)
        angle = _centred(rate - by_range[:, None, None] - bright[:, None] - slanted, weight, 2)
        if dark.any():
            rest = rate - by_range[:, None, None] - bright[:, None] - angle
            mass = (weight * shape**2).sum((0, 1))
            slant = np.maximum((rest * weight * shape).sum((0, 1)) / np.maximum(mass, 1e-9), 0.0) * (mass > 0)
    return Parts(by_range, bright, angle, slant)


def _rate(n: Array, m: Array) -> Array:
    return np.divide(m, n, out=np.zeros_like(m), where=n > 0)


def _weight(n: Array) -> Array:
    """All large cells count alike, so that one wall does not decide everything."""
    return np.asarray(n / (n + 0.01 * n.sum() + 200.0))


def _misfit(n: Array, m: Array, parts: Parts, dark: Array) -> float:
    model = parts.range[:, None, None] + parts.brightness[:, None] + parts.angle + parts.dark * dark[:, None]
    return float((_weight(n) * (_rate(n, m) - np.clip(model, 0, 1)) ** 2).sum())


def _mean(rest: Array, weight: Array, axis: int) -> Array:
    others = tuple(a for a in range(3) if a != axis)
    mass = weight.sum(others)
    return np.asarray((rest * weight).sum(others) / np.where(mass > 0, mass, 1.0))


def _centred(rest: Array, weight: Array, axis: int) -> Array:
    mean = _mean(rest, weight, axis)
    mass = weight.sum(tuple(a for a in range(3) if a != axis))
    return np.asarray(mean - (mean * mass).sum() / max(mass.sum(), 1e-9))
