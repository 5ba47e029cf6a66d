"""How the camera moved between two views: from poses, mended on the depth itself, or from the colour images alone.

And the transfer of one view into another: forward projection of a depth image, and the residual of one measurement
against another one of the same surface point.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.images import Depth, Mask, Slopes, View

Matrix = NDArray[np.float64]
SHIFT_SAMPLES = 24
REFINE_SAMPLES = 6000
PRIOR_TURN_RAD = 0.01
PRIOR_MOVE_M = 0.02


def image_shift(first: View, second: View) -> float:
    """Largest shift between two views in pixels, over the quadrants of their colour (or, without texture, depth)."""
    images = [first.grey, second.grey]
    if min(float(image.std()) for image in images) < 0.02:
        images = [np.nan_to_num(view.z) for view in (first, second)]
    height, width = first.shape
    h, w = height // 2, width // 2
    window = cv2.createHanningWindow((w, h), cv2.CV_32F)
    shifts = []
    for top in (0, height - h):
        for left in (0, width - w):
            parts = [np.ascontiguousarray(image[top : top + h, left : left + w], np.float32) for image in images]
            (dx, dy), response = cv2.phaseCorrelate(parts[0], parts[1], window)
            if response > 0.05:
                shifts.append(float(np.hypot(dx, dy)))
    return float(np.median(shifts)) if shifts else 0.0


def relative_pose(source: View, target: View) -> Matrix | None:
    """``[4, 4]`` matrix that maps points of the source camera to the target camera; None without poses."""
    if source.pose is None or target.pose is None:
        return None
    return np.asarray(np.linalg.inv(target.pose) @ source.pose, np.float64)


def pose_shift(source: View, relative: Matrix) -> float:
    """Median distance in pixels by which a motion moves the image of the source's surfaces."""
    height, width = source.shape
    rows = np.linspace(0, height - 1, SHIFT_SAMPLES).astype(int)
    columns = np.linspace(0, width - 1, SHIFT_SAMPLES).astype(int)
    grid = np.ix_(rows, columns)
    z = source.z[grid].astype(np.float64)
    v, u = np.meshgrid(rows, columns, indexing="ij")
    moved_u, moved_v, _ = _move(source.matrix, relative, u.ravel(), v.ravel(), z.ravel())
    shift = np.hypot(moved_u - u.ravel(), moved_v - v.ravel())
    return float(np.nanmedian(shift)) if np.isfinite(shift).any() else 0.0


def _move(
    matrix: Matrix, relative: Matrix, u: NDArray[np.int64], v: NDArray[np.int64], z: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """Pixels with depth of one view, as pixels with depth of another."""
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z])
    moved = relative[:3, :3] @ points + relative[:3, 3:]
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = np.where(moved[2] > 0.01, moved[2], np.nan)
        return moved[0] / depth * fx + cx, moved[1] / depth * fy + cy, depth


def _landed(source: View, relative: Matrix, chosen: Mask) -> tuple[Any, Any, Matrix, Matrix, Matrix]:
    """Measured pixels of a view that fall into another one: row and column there, and exact place and depth."""
    height, width = source.shape
    v, u = np.nonzero(chosen & np.isfinite(source.z))
    moved = np.stack(_move(source.matrix, relative, u, v, source.z[v, u].astype(np.float64)))
    moved = moved[:, np.isfinite(moved[2]) & (np.abs(moved[:2]) < 1e5).all(0)]
    column, row = np.rint(moved[:2]).astype(np.int64)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place_u, place_v, depth = moved[:, seen]
    return row[seen], column[seen], place_u, place_v, depth


def project(source: View, relative: Matrix) -> Depth:
    """The source's depth image as seen from another camera; the nearest surface wins, NaN where nothing falls."""
    row, column, _, _, depth = _landed(source, relative, np.ones(source.shape, np.bool_))
    nearest = np.full(source.z.size, np.inf, np.float32)
    np.minimum.at(nearest, row * source.shape[1] + column, depth.astype(np.float32))
    return np.asarray(np.where(np.isfinite(nearest), nearest, np.nan), np.float32).reshape(source.shape)


class Residual(NamedTuple):
    """Measurements of one view against those of another of the same surface points.

    Attributes:
        row, column: Pixel of the second view.
        error_m: Second minus first, metres, along the second's optical axis.
        point: ``[3, n]`` the first's points in the second camera.
        normal: ``[3, n]`` unit normals there.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    error_m: Matrix
    point: Matrix
    normal: Matrix


def residual_to(
    source: View,
    target: View,
    relative: Matrix,
    usable_source: Mask,
    usable_target: Mask,
    plane: Slopes,
    stride: int = 1,
) -> Residual:
    """Compare pixels of the source with the target's nearest pixel, along the target's local plane.

    Nothing is interpolated: each side of a difference is one measurement, so its variance is twice the noise's.

    Args:
        source: Earlier view.
        target: Later view.
        relative: Source camera to target camera.
        usable_source: Pixels of the source away from edges.
        usable_target: Pixels of the target away from edges.
        plane: The target's local planes.
        stride: Take every n-th row and column of the source.
    """
    chosen = np.zeros(source.shape, np.bool_)
    chosen[::stride, ::stride] = True
    row, column, moved_u, moved_v, depth = _landed(source, relative, chosen & usable_source)
    good = usable_target[row, column] & plane.whole[row, column] & np.isfinite(target.z[row, column])
    row, column, moved_u, moved_v, depth = (part[good] for part in (row, column, moved_u, moved_v, depth))
    gx, gy = plane.gx[row, column], plane.gy[row, column]
    expected = 1.0 / depth + gx * (column - moved_u) + gy * (row - moved_v)
    measured = target.z[row, column].astype(np.float64)
    error = (expected - 1.0 / measured) * measured**2
    matrix = target.matrix
    x, y = (moved_u - matrix[0, 2]) / matrix[0, 0], (moved_v - matrix[1, 2]) / matrix[1, 1]
    normal = np.stack(
        [gx * matrix[0, 0], gy * matrix[1, 1], 1.0 / measured - gx * matrix[0, 0] * x - gy * matrix[1, 1] * y]
    )
    normal /= np.linalg.norm(normal, axis=0)
    return Residual(row, column, error, np.stack([x * depth, y * depth, depth]), normal)


def refine(
    source: View, target: View, relative: Matrix, usable_source: Mask, usable_target: Mask, plane: Slopes
) -> tuple[Matrix, float]:
    """Mend a relative pose by point-to-plane alignment of the two depth images.

    Returns:
        The pose, and the robust scale of what is left (1.48 times the median absolute error, metres).
    """
    count = max(int((usable_source & np.isfinite(source.z)).sum()), 1)
    stride = max(1, int(np.sqrt(count / REFINE_SAMPLES)))
    scale = np.nan
    for turn in range(3):
        found = residual_to(source, target, relative, usable_source, usable_target, plane, stride)
        if found.error_m.size < 200:
            return relative, float("nan")
        scale = max(1.4826 * float(np.median(np.abs(found.error_m))), 1e-4)
        if turn == 2:
            break
        weight = np.where(np.abs(found.error_m) < 4 * scale, 1.0, 0.0)
        # Moving the source by (turn, move) changes the error by -(z component of) its motion along the normal.
        lever = np.cross(found.point.T, found.normal.T)
        design = np.concatenate([lever, found.normal.T], 1) / _along_axis(found)[:, None]
        prior = np.diag([(scale / PRIOR_TURN_RAD) ** 2] * 3 + [(scale / PRIOR_MOVE_M) ** 2] * 3)
        information = design.T @ (design * weight[:, None]) + prior
        twist = np.linalg.solve(information, design.T @ (weight * found.error_m))
        relative = _small_motion(twist) @ relative
    return relative, scale


def _along_axis(found: Residual) -> Matrix:
    """How far a plane moves along the optical axis's ray when it moves by one along its normal, inverted."""
    ray = found.point / found.point[2]
    facing = (found.normal * ray).sum(0)
    return np.asarray(np.where(np.abs(facing) > 0.05, facing, 0.05))


def _small_motion(twist: Matrix) -> Matrix:
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(twist[:3].reshape(3, 1))[0]
    pose[:3, 3] = twist[3:]
    return pose
