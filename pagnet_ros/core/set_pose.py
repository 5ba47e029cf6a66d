"""Where the depth camera is in the colour camera's frame, as a user sets it: position and quaternion, each a text."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

from pagnet_ros.core.frame_tree import Matrix, pose_matrix

NOT_TURNED: Final = "0,0,0,1"


def set_pose(xyz: str, xyzw: str) -> Matrix | None:
    """``[4, 4]`` from the depth camera's frame to the colour camera's; None where it is not set, or cannot be.

    Args:
        xyz: "X,Y,Z" in metres, empty for not set.
        xyzw: "X,Y,Z,W", a quaternion of any length above 0.
    """
    shift, turn = _numbers(xyz, 3), _numbers(xyzw, 4)
    return None if shift is None or turn is None else pose_matrix(shift, turn)


def pose_conflicts(xyz: str, xyzw: str, reproject: bool) -> Iterator[str]:
    """What does not fit together in the settings `depth_pose_xyz`, `depth_pose_xyzw` and `reproject`."""
    pose = f"depth_pose_xyz = {xyz[:80]!r} and depth_pose_xyzw = {xyzw[:80]!r}"
    if not xyz and xyzw != NOT_TURNED:
        yield f"{pose}; expected the position too; set depth_pose_xyz first, or depth_pose_xyzw to {NOT_TURNED}"
    elif xyz and set_pose(xyz, xyzw) is None:
        yield (
            f"{pose}; expected X,Y,Z in m and a quaternion X,Y,Z,W above 0, such as 0.015,0,0 and 0,0,0,1. "
            "`ros2 run tf2_ros tf2_echo COLOR_FRAME DEPTH_FRAME` prints both"
        )
    elif xyz and not reproject:
        yield (
            f"depth_pose_xyz = {xyz[:80]!r} and reproject = false, which contradict each other; empty depth_pose_xyz, "
            "or set reproject to true"
        )


@functools.lru_cache(maxsize=16)
def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    """As many numbers with commas between; None where it is anything else."""
    try:
        numbers = tuple(float(part) for part in text.strip("[] ").split(","))
    except ValueError:
        return None
    return numbers if len(numbers) == count else None
