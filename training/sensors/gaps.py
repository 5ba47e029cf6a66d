"""Gaps in a depth image, closed along its rows or columns by what lies at their two ends. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHADOW_SHARE", "Gap", "along_plane", "farther", "gaps_closed"]

SHADOW_SHARE = 0.06
"""Widest shadow of a projector, as a share of the image's width."""

Depth = NDArray[np.float32]
Values = NDArray[np.floating]
Gap = Callable[[Values, Values, Values, Values], Values]
"""Depth at one end, at the other, share of the way between them, and pixels from end to end -> depth in the gap."""


def gaps_closed(depth_m: Depth, widest: int, between: Gap) -> Depth:
    """Gaps along the rows, of at most `widest` pixels, closed by what a function makes of their two ends.

    Args:
        depth_m: ``[H, W]``, NaN in gaps.
        widest: pixels.
        between: says what lies in a gap.
    """
    known = np.isfinite(depth_m)
    place = np.broadcast_to(np.arange(depth_m.shape[1]), depth_m.shape)
    before = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, place, depth_m.shape[1])[:, ::-1], axis=1)[:, ::-1]
    gap = ~known & (before >= 0) & (after < depth_m.shape[1]) & (after - before <= widest + 1)
    rows = np.nonzero(gap)[0]
    first, last, length = before[gap], after[gap], (after - before)[gap]
    share = (place[gap] - first) / length
    closed = np.array(depth_m, np.float32)
    closed[gap] = between(depth_m[rows, first], depth_m[rows, last], share, length.astype(np.float64))
    return np.asarray(closed, np.float32)


def farther(first: Values, last: Values, share: Values, length: Values) -> Values:
    """The farther end, as behind an edge."""
    return np.maximum(first, last)


def along_plane(first: Values, last: Values, share: Values, length: Values) -> Values:
    """Inverse depth is linear on a plane."""
    return np.asarray(1 / ((1 - share) / first + share / last))
