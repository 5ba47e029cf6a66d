"""Tabulated curves: a few points, linear in between. What a fit measures where no formula is known to hold."""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Sequence

import torch

from pagnet_ros.errors import quoted

Curve = tuple[tuple[float, float], ...]
"""Points (x, y), at least two, x strictly rising. Empty: no curve."""

MAX_KNOTS = 1000


def on_curve(curve: Curve, x: torch.Tensor) -> torch.Tensor:
    """Values of a curve, held constant outside it.

    Args:
        curve: At least two points.
        x: Where, any shape, floating; NaN gives NaN.
    """
    knots = torch.tensor(curve, dtype=x.dtype, device=x.device)
    xs, ys = knots[:, 0].contiguous(), knots[:, 1].contiguous()
    right = torch.searchsorted(xs, x.contiguous()).clamp_(1, len(curve) - 1)
    left = right - 1
    share = ((x - xs[left]) / (xs[right] - xs[left])).clamp(0.0, 1.0)
    return torch.lerp(ys[left], ys[right], share)


def as_curve(value: object) -> Curve | None:
    """A curve of floats from any sequence of pairs of finite numbers, or None where it is none."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_KNOTS:
        return None
    points = []
    for pair in value:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            return None
        if not all(is_number(entry) for entry in pair):
            return None
        points.append((float(pair[0]), float(pair[1])))
    return tuple(points)


def curve_problem(value: object, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> str:
    """What is wrong with a curve: not points, too few, not rising, outside its limits; or nothing."""
    curve = as_curve(value)
    if curve is None:
        return f"{shown(value)} (expected pairs of finite numbers [[x, y], ...], at most {MAX_KNOTS})"
    if len(curve) == 1:
        return f"{shown(value)} (expected at least two points, or none)"
    if any(b[0] <= a[0] for a, b in itertools.pairwise(curve)):
        return f"{shown(value)} (expected x to rise from point to point)"
    for index, (what, (low, high)) in enumerate((("x", x_limits), ("y", y_limits))):
        outside = [point[index] for point in curve if not low <= point[index] <= high]
        if outside:
            wanted = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
            return f"with {what}={outside[0]!r} (expected {wanted})"
    return ""


def shown(value: object) -> str:
    """A value from outside for a message: short, however long or deeply nested it is."""
    if isinstance(value, int):
        return quoted(value)
    short = reprlib.Repr()
    short.maxlevel = 3
    return short.repr(value)


def is_number(value: object) -> bool:
    """Whether a value, perhaps from a file, is a finite number."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False
