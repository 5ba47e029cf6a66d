"""Pinhole camera, poses and the rays of its pixels; everything here is a value.

Frames follow REP 103: the camera's optical frame has x right, y down, z forward; the world has z up.
A pose is the 4 x 4 matrix that maps optical-frame points to world points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.errors import ConfigError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of a rectified camera, pixel centres at integer coordinates as in CameraInfo.

    Attributes:
        fx, fy: Focal lengths in pixels, > 0.
        cx, cy: Principal point in pixels.
        width, height: Image size in pixels, >= 1.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        problems = []
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                problems.append(f"{name}={value!r} (expected a positive number of pixels)")
        for name in ("cx", "cy"):
            value = getattr(self, name)
            if not math.isfinite(value):
                problems.append(f"{name}={value!r} (expected a finite number of pixels)")
        for name in ("width", "height"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                problems.append(f"{name}={value!r} (expected a whole number of pixels >= 1)")
        if problems:
            raise ConfigError(
                f"camera intrinsics are not usable: {'; '.join(problems)}; "
                "take them from CameraInfo.k, width and height, or use PinholeCamera.from_fov"
            )

    @classmethod
    def from_fov(cls, width: int, height: int, hfov_deg: float = 62.0) -> PinholeCamera:
        """A camera with square pixels and a centred principal point.

        Args:
            width: Pixels, >= 1.
            height: Pixels, >= 1.
            hfov_deg: Horizontal field of view in degrees, in (0, 170].
        """
        if not 0 < hfov_deg <= 170:
            raise ConfigError(
                f"horizontal field of view is {hfov_deg!r} degrees; expected more than 0 and at most 170; "
                "give hfov_deg in degrees, not radians"
            )
        focal = width / (2 * math.tan(math.radians(hfov_deg) / 2))
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)

    @property
    def matrix(self) -> FloatArray:
        """Intrinsics ``[3, 3]`` in pixels, as CameraInfo.k has them."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def downscaled(self, factor: int) -> PinholeCamera:
        """The camera whose pixels are blocks of ``factor`` x ``factor`` of this one's (a remainder is cut off)."""
        if not isinstance(factor, int) or not 1 <= factor <= min(self.width, self.height):
            raise ConfigError(
                f"down-scaling factor is {factor!r}; expected a whole number from 1 to "
                f"{min(self.width, self.height)} for a {self.width} x {self.height} image; choose a smaller one"
            )
        return PinholeCamera(
            self.fx / factor,
            self.fy / factor,
            (self.cx + 0.5) / factor - 0.5,
            (self.cy + 0.5) / factor - 0.5,
            self.width // factor,
            self.height // factor,
        )

    def rays(self, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
        """Slopes of the pixel rays: ``x [1, W]`` and ``y [H, 1]``, so that a point is ``z * (x, y, 1)``."""
        x = (torch.arange(self.width, dtype=torch.float32, device=device) - self.cx) / self.fx
        y = (torch.arange(self.height, dtype=torch.float32, device=device) - self.cy) / self.fy
        return x[None, :], y[:, None]


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike, roll_rad: float = 0.0) -> FloatArray:
    """Pose of a camera at ``eye`` whose optical axis meets ``target``, world up upwards.

    Args:
        eye: Position [3] in metres.
        target: Point [3] in metres, not ``eye`` itself.
        roll_rad: Rotation about the optical axis in radians.

    Returns:
        World-from-camera matrix [4, 4], float64.
    """
    eye = np.asarray(eye, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - eye
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise ConfigError(
            f"look_at got eye and target at the same point {eye.tolist()}; expected two points; move the target"
        )
    forward = forward / length
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll_rad), math.sin(roll_rad)
    pose = np.eye(4)
    pose[:3, 0] = c * right + s * down
    pose[:3, 1] = c * down - s * right
    pose[:3, 2] = forward
    pose[:3, 3] = eye
    return pose


def check_pose(pose: npt.ArrayLike) -> FloatArray:
    """The pose as float64 [4, 4], or a ``ConfigError`` that says what is wrong with it."""
    matrix = np.asarray(pose, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ConfigError(
            f"pose has shape {list(matrix.shape)} or entries that are not finite; "
            "expected a finite 4 x 4 world-from-camera matrix; build one with look_at(eye, target)"
        )
    if np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-4:
        raise ConfigError(
            "the upper left 3 x 3 part of the pose is not a rotation; expected orthonormal axes; "
            "build the pose with look_at(eye, target) or normalise its quaternion"
        )
    return matrix
