"""Pixels to rays and rays to pixels, with the lens models that ROS has (`pagnet_ros.messages.calibration`).

Formulas of plumb_bob and rational_polynomial: OpenCV's calib3d; of equidistant: Kannala and Brandt 2006, as OpenCV's
fisheye has it.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.messages.calibration import EQUIDISTANT, NO_DISTORTION, Calibration

_WIDEST = math.tan(math.radians(87.0))
_MOST_ERROR_PX = 0.01
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-12)


@functools.lru_cache(maxsize=8)
def pixel_rays(camera: Calibration) -> NDArray[np.float64]:
    """Where each pixel looks: ``[2, h, w]`` float64, so that a point is ``z * (x, y, 1)`` in the axes of the image.

    NaN where the lens model has no such ray, as in the far corners of a strong one. Kept: not to be written to.
    """
    height, width = camera.size
    u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    x, y = (u - camera.centre[0]) / camera.focal[0], (v - camera.centre[1]) / camera.focal[1]
    if camera.lens != NO_DISTORTION:
        bent = np.stack((x, y), -1).reshape(1, -1, 2)
        d = np.array(camera.distortion)
        k, d = np.eye(3), d if camera.lens == EQUIDISTANT else np.pad(d, (0, 8 - d.size))  # 6 and 7 OpenCV refuses
        undistorted = (
            cv2.fisheye.undistortPoints(bent, k, d, criteria=_ITERATIONS)
            if camera.lens == EQUIDISTANT
            else cv2.undistortPointsIter(bent, k, d, np.eye(3), k, _ITERATIONS)
        )
        straight = torch.from_numpy(np.ascontiguousarray(undistorted.reshape(height, width, 2)))
        back = torch.stack(distort(camera, straight[..., 0], straight[..., 1]), -1).numpy()
        miss = np.abs(back - bent.reshape(height, width, 2)).max(-1) * max(camera.focal)
        x, y = np.where(miss <= _MOST_ERROR_PX, straight.numpy().transpose(2, 0, 1), np.nan)
    return np.stack((x, y))


def frame_rays(camera: Calibration) -> NDArray[np.float64]:
    """Where each pixel looks in the axes of its frame_id: ``[3, h, w]`` float64, so that a point is depth times it.

    Depth lies along the optical axis of the image as taken, which a stereo camera's R turns away from the frame's.
    NaN where there is no such ray, or it is turned behind the camera.
    """
    x, y = pixel_rays(camera)
    turned = np.einsum("ij,jhw->ihw", np.array(camera.rotation).reshape(3, 3), np.stack((x, y, np.ones_like(x))))
    return np.where(turned[2] > 0, turned, np.nan)


def distort(camera: Calibration, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where a lens puts rays: slopes ``x, y`` (any one shape, axes of the image as taken) to bent ones.

    Returns:
        Slopes, to be multiplied by the focal lengths; infinite beyond the `reach` of the model.
    """
    if camera.lens == NO_DISTORTION:
        return x, y
    d = camera.distortion
    r2 = x * x + y * y
    outside = r2 > reach(camera) ** 2
    if camera.lens == EQUIDISTANT:
        r = r2.sqrt().clamp_min(1e-9)
        theta = r.atan()
        scale = (_polynomial(theta * theta, d) * theta / r).masked_fill(outside, math.inf)
        return x * scale, y * scale
    k = (*d, *(0.0,) * (8 - len(d)))
    radial = _polynomial(r2, (k[0], k[1], k[4]))
    if any(k[5:]):
        radial = radial / _polynomial(r2, k[5:])
    radial = radial.masked_fill(outside, math.inf)
    if not (k[2] or k[3]):
        return x * radial, y * radial
    xy = 2 * x * y
    return (
        x * radial + k[2] * xy + k[3] * (r2 + 2 * x * x),
        y * radial + k[3] * xy + k[2] * (r2 + 2 * y * y),
    )


def _polynomial(value: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """``1 + c1 v + c2 v² + ...``."""
    total = torch.zeros_like(value)
    for coefficient in reversed(coefficients):
        total = (total + coefficient) * value
    return total + 1.0


@functools.lru_cache(maxsize=64)
def reach(camera: Calibration) -> float:
    """The largest slope of a ray, up to 87 degrees, that the lens model holds for: farther out it would turn back."""
    r = torch.linspace(0.0, _WIDEST, 20_000, dtype=torch.float64)
    if camera.lens == EQUIDISTANT:
        bent = r.atan() * _polynomial(r.atan() ** 2, camera.distortion)
    else:
        k = (*camera.distortion, *(0.0,) * (8 - len(camera.distortion)))
        bent = r * _polynomial(r * r, (k[0], k[1], k[4])) / _polynomial(r * r, k[5:])
    back = torch.nonzero(bent.diff() <= 0)
    return float(r[back[0, 0]]) if len(back) else _WIDEST
