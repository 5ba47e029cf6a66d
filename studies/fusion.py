"""The depth that was probably there: a posed recording's frames, brought into one view and fused. Pure.

What a recording of a static scene tells about its own truth, without a reference: each other frame's points are carried
by the poses into the view at hand, the nearest surface wins within a frame, the (lower) median says which surface it is
over the frames, and the mean of what lies near that is the depth. The view's own frame has no say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.depth import fill_holes
from pagnet_ros.errors import InputError
from pagnet_training.sensors.images import SHADOW_SHARE, along_plane, farther, gaps_closed

SAME_SURFACE = 0.03
MIN_VIEWS = 3

Depth = NDArray[np.float32]
Matrix = NDArray[np.float64]


def fused_depth(
    depths_m: Sequence[Depth], poses: Sequence[Matrix], intrinsics: Matrix, index: int, reach: int
) -> Depth:
    """Depth of view `index` as its neighbours saw it.

    Args:
        depths_m: frames ``[H, W]``, metres, NaN where missing.
        poses: camera-to-world of each.
        intrinsics: ``[3, 3]``, pixels, of all.
        index: the view.
        reach: frames up to this far away take part, >= 2.

    Returns:
        ``[H, W]`` float32 metres, NaN where fewer than three frames agree on having seen something.
    """
    chosen = [i for i in range(max(0, index - reach), min(len(depths_m), index + reach + 1)) if i != index]
    if len(chosen) < MIN_VIEWS:
        raise InputError(f"{len(chosen)} frames beside number {index}; expected at least {MIN_VIEWS}; give more frames")
    views = np.stack([carried(depths_m[i], poses[i], poses[index], intrinsics) for i in chosen])
    views.sort(axis=0)  # NaN last
    count = np.isfinite(views).sum(axis=0)
    median = np.take_along_axis(views, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    with np.errstate(invalid="ignore"):
        same = np.abs(views - median) <= SAME_SURFACE * median
    total = np.where(same, views, 0).sum(axis=0)
    agree = same.sum(axis=0)
    return np.where(agree >= MIN_VIEWS, total / np.maximum(agree, 1), np.nan).astype(np.float32)


def carried(depth_m: Depth, pose: Matrix, target: Matrix, intrinsics: Matrix) -> Depth:
    """One frame's points as another view sees them: ``[H, W]`` metres, nearest surface per pixel, NaN where none."""
    row, column, z = moved_points(depth_m, pose, target, intrinsics)
    order = np.argsort(-z)
    seen = np.full(depth_m.shape, np.nan, np.float32)
    seen[row[order], column[order]] = z[order]  # the last one written, the nearest, stays
    return seen


def moved_points(
    depth_m: Depth, pose: Matrix, target: Matrix, intrinsics: Matrix
) -> tuple[NDArray[np.intp], NDArray[np.intp], Depth]:
    """Row, column and depth in the target view of every measured pixel that falls into it."""
    rows, columns = np.nonzero(np.isfinite(depth_m))
    z = depth_m[rows, columns].astype(np.float64)
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    points = np.stack([(columns - cx) / fx * z, (rows - cy) / fy * z, z, np.ones_like(z)])
    x, y, depth = (np.linalg.inv(target) @ pose @ points)[:3]
    front = depth > 1e-3
    scale = np.where(front, depth, 1.0)
    row, column = np.rint(y / scale * fy + cy), np.rint(x / scale * fx + cx)
    inside = front & (row >= 0) & (row < depth_m.shape[0]) & (column >= 0) & (column < depth_m.shape[1])
    return row[inside].astype(np.intp), column[inside].astype(np.intp), depth[inside].astype(np.float32)


def filled(depth_m: Depth) -> Depth:
    """What no frame saw, from its surroundings, as surfaces and shadows usually lie.

    Gaps along a row no wider than a projector's shadow take the farther side. Of what is left, gaps along a column
    become a plane between the two ends, as a table or floor seen at a low angle. The rest is filled smoothly.
    """
    widest = round(SHADOW_SHARE * depth_m.shape[1])
    across = gaps_closed(depth_m, widest, farther)
    down = gaps_closed(across.T, depth_m.shape[0], along_plane).T
    image = torch.from_numpy(np.ascontiguousarray(down))[None, None]
    return np.asarray(fill_holes(image, torch.isfinite(image))[0, 0].numpy(), np.float32)


def cos_incidence(depth_m: Depth, intrinsics: Matrix) -> Depth:
    """Cosine between ray and surface normal, from the slopes of depth ``[H, W]`` without holes; 0.05 to 1."""
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    x = ((np.arange(depth_m.shape[1]) - cx) / fx)[None, :]
    y = ((np.arange(depth_m.shape[0]) - cy) / fy)[:, None]
    down, across = np.gradient(depth_m.astype(np.float64))
    # normal of the surface z(u, v) in camera coordinates, times the ray (x, y, 1)
    normal_x, normal_y = -across * fx, -down * fy
    normal_z = depth_m + across * fx * x + down * fy * y
    dot = normal_x * x + normal_y * y + normal_z
    length = np.sqrt(normal_x**2 + normal_y**2 + normal_z**2) * np.sqrt(x**2 + y**2 + 1)
    cosine = np.clip(np.abs(dot) / np.maximum(length, 1e-9), 0.05, 1.0)
    return np.asarray(cosine, np.float32)
