"""Classical up-sampling methods that learn nothing, for comparison. Each is an `Upsampler` of the protocol.

All arithmetic is NumPy and OpenCV on the CPU. Parameters follow the cited papers, with radii in units of the scale.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training.protocol import Upsampler, bicubic, smooth_bicubic
from pagnet_training.solvers import bilateral_solver, tgv

__all__ = ["BASELINES"]

Depth = NDArray[np.float32]
Colour = NDArray[np.uint8]


def nearest(low: Depth, rgb: Colour, scale: int) -> Depth:
    """Each measured pixel repeated."""
    return np.repeat(np.repeat(low, scale, axis=0), scale, axis=1)


def bilinear(low: Depth, rgb: Colour, scale: int) -> Depth:
    """Linear interpolation between pixel centres."""
    return np.asarray(cv2.resize(low, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def guided(low: Depth, rgb: Colour, scale: int) -> Depth:
    """Guided filter (He et al. 2010) of the bicubic result, guided by grey; radius = scale, epsilon = 0.01^2."""
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    depth = smooth_bicubic(low, rgb, scale)
    side = (2 * scale + 1, 2 * scale + 1)

    def mean(image: NDArray[np.floating]) -> Depth:
        return np.asarray(cv2.blur(image, side, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_depth = mean(guide), mean(depth)
    covariance = mean(guide * depth) - mean_guide * mean_depth
    variance = mean(guide * guide) - mean_guide**2
    slope = covariance / (variance + 1e-4)
    return (mean(slope) * guide + mean(mean_depth - slope * mean_guide)).astype(np.float32)


def joint_bilateral(low: Depth, rgb: Colour, scale: int) -> Depth:
    """Joint bilateral up-sampling (Kopf et al. 2007): 5x5 measured pixels, sigma 0.5 px there, 0.1 in colour."""
    height, width = rgb.shape[:2]
    colour = rgb.astype(np.float32) / 255
    small = np.asarray(cv2.resize(colour, (low.shape[1], low.shape[0]), interpolation=cv2.INTER_AREA), np.float32)
    rows = (np.arange(height) + 0.5) / scale - 0.5
    columns = (np.arange(width) + 0.5) / scale - 0.5
    total, weights = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            y, x = np.round(rows).astype(int) + dy, np.round(columns).astype(int) + dx
            inside = np.ix_(np.clip(y, 0, low.shape[0] - 1), np.clip(x, 0, low.shape[1] - 1))
            near = np.exp(-2.0 * ((y - rows)[:, None] ** 2 + (x - columns)[None, :] ** 2)).astype(np.float32)
            alike = np.exp(-50.0 * ((colour - small[inside]) ** 2).sum(axis=2))
            weight = near * (alike + np.float32(1e-6))  # where no colour is alike, distance alone decides
            total += weight * low[inside]
            weights += weight
    return total / weights


BASELINES: dict[str, Upsampler] = {
    "nearest": nearest,
    "bilinear": bilinear,
    "bicubic": bicubic,
    "guided": guided,
    "joint-bilateral": joint_bilateral,
    "bilateral-solver": bilateral_solver,
    "tgv": tgv,
}
