"""A depth map as points: what a sensor_msgs/PointCloud2 holds. No ROS import."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def make_points(
    depth_m: NDArray[np.float32],
    rays: NDArray[np.float32],
    rgb: NDArray[np.uint8] | None = None,
    *,
    voxel_m: float = 0.0,
    dense: bool = False,
) -> NDArray[np.float32]:
    """Points of a depth map.

    Args:
        depth_m: ``[H, W]`` float32, metres along the optical axis; what is not finite is no point.
        rays: ``[3, H, W]`` float32, a point is depth times it; NaN where the lens model has none.
        rgb: ``[H, W, 3]`` uint8, colours of the points; None for none.
        voxel_m: edge of the voxels of which one measured point each is kept, the first in the image, metres; 0 for all
            points.
        dense: leave out what is no point, so that no NaN is in it; voxels are always so.

    Returns:
        ``[H, W, c]`` little-endian float32, organised as the image and NaN where there is no point; ``[n, c]`` where
        `dense` or thinned. The c columns are x, y, z, and with colours rgb: bytes blue, green, red, 0, as PCL has it.
    """
    points = np.empty((*depth_m.shape, 3 if rgb is None else 4), "<f4")
    z: Any = depth_m
    sparse = dense or voxel_m > 0
    if not sparse and not (known := np.isfinite(z)).all():
        z = np.where(known, z, np.float32(np.nan))
    with np.errstate(invalid="ignore"):  # what is infinite is left out later
        for axis, along in enumerate(rays):
            np.multiply(along, z, out=points[..., axis])
    if rgb is not None:
        packed: Any = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
        np.bitwise_and(packed.view("<u4")[..., 0], 0xFFFFFF, out=points.view("<u4")[..., 3])
    if not sparse:
        return points
    points = points[np.isfinite(points[..., 2])]  # not all pixels have a ray, and none has a part of one
    return _thinned(points, voxel_m) if voxel_m else points


def _thinned(points: NDArray[np.float32], voxel_m: float) -> NDArray[np.float32]:
    """The first point in each voxel, in order."""
    x, y, z = np.floor(points[:, :3] * np.float32(1 / voxel_m)).astype(np.int64).T & 0x1FFFFF
    voxel = x << 42 | y << 21 | z
    starts = np.flatnonzero(np.diff(voxel, prepend=-1))  # neighbours in the image mostly share a voxel: less to sort
    _, first = np.unique(voxel[starts], return_index=True)
    return points[np.sort(starts[first])]
