"""Where in an image one is: in a hole, how far from a mask. Pure functions on arrays."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]


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
