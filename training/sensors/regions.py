"""Where in an image one is: at a depth edge, in a hole, how far from either. Pure functions on arrays."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGE_STEP", "distance_to", "edge_mask", "footprint", "nearest_filled"]

EDGE_STEP = 0.04
Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]


def edge_mask(depth_m: Depth, step: float = EDGE_STEP) -> Mask:
    """Both sides of every step between neighbours that exceeds `step` of the nearer depth.

    Args:
        depth_m: ``[H, W]`` depth, NaN where unknown (which makes no edge).
        step: relative step, > 0; the default is that of the simulator's profiles.
    """
    marks = np.zeros(depth_m.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        down = np.abs(np.diff(depth_m, axis=0)) > step * np.minimum(depth_m[1:], depth_m[:-1])
        across = np.abs(np.diff(depth_m, axis=1)) > step * np.minimum(depth_m[:, 1:], depth_m[:, :-1])
    marks[1:] |= down
    marks[:-1] |= down
    marks[:, 1:] |= across
    marks[:, :-1] |= across
    return marks


def distance_to(mask: Mask) -> Depth:
    """Distance in pixels of every pixel to the nearest one of a mask, float32; infinite where the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)


def nearest_filled(depth: Depth) -> Depth:
    """Every unknown pixel (NaN) takes the value of the nearest known one; all NaN stays as it is."""
    known = np.isfinite(depth)
    if known.all() or not known.any():
        return depth
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1, np.float32)
    values[labels[known]] = depth[known]
    return np.asarray(np.where(known, depth, values[labels]), np.float32)


def footprint(low: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Low-resolution values under every pixel of an image of `size`: the one whose footprint holds its centre."""
    rows = (np.arange(size[0]) + 0.5) * (low.shape[0] / size[0])
    columns = (np.arange(size[1]) + 0.5) * (low.shape[1] / size[1])
    return low[np.ix_(rows.astype(int), columns.astype(int))]
