"""Frames and the transforms between them, as tf2 has them; what two cameras need of it, without its history."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def pose_matrix(xyz: Iterable[float], xyzw: Iterable[float]) -> Matrix | None:
    """``[4, 4]`` of a translation and a quaternion of any length; None where that is 0, or a number is not finite."""
    shift, quaternion = np.array([*xyz], np.float64), np.array([*xyzw], np.float64)
    length = float(np.linalg.norm(quaternion))
    if not (np.isfinite(shift).all() and math.isfinite(length) and length > 1e-6):
        return None
    x, y, z, w = quaternion / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = shift
    return matrix


class FrameTree:
    """Each frame's parent and newest transform to it. One thread may add while another one looks up."""

    def __init__(self) -> None:
        """Begin empty."""
        self._parents: dict[str, tuple[str, Matrix, bool]] = {}

    def add(self, transforms: Iterable[Any], *, static: bool) -> None:
        """Take geometry_msgs/TransformStamped, as a tf2_msgs/TFMessage holds them; unsound ones are left out."""
        for each in transforms:
            t, q = each.transform.translation, each.transform.rotation
            matrix = pose_matrix((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
            if matrix is not None:
                self._parents[each.child_frame_id.lstrip("/")] = (each.header.frame_id.lstrip("/"), matrix, static)

    def lookup(self, target: str, source: str) -> tuple[Matrix, bool] | None:
        """The transform of points in one frame to another one.

        Args:
            target: The frame to go to.
            source: The frame they are in.

        Returns:
            ``[4, 4]``, and whether every step of it is static; None where the frames are not connected.
        """
        ups, downs = self._to_root(source), self._to_root(target)
        shared = next((frame for frame in ups if frame in downs), None)
        if shared is None:
            return None
        (up, up_static), (down, down_static) = ups[shared], downs[shared]
        return np.linalg.inv(down) @ up, up_static and down_static

    def _to_root(self, frame: str) -> dict[str, tuple[Matrix, bool]]:
        """The frame and all above it, in order, each with the transform to it and whether that is static."""
        matrix, static = np.eye(4), True
        passed = {frame: (matrix, static)}
        while frame in self._parents:
            frame, step, is_static = self._parents[frame]
            if frame in passed:
                break  # a loop: what was reached before it counts
            matrix, static = step @ matrix, static and is_static
            passed[frame] = matrix, static
        return passed
