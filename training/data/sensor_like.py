"""True depth -> low-resolution depth as some real sensor might deliver it: footprint, noise, flying pixels, holes.

Where the sensor is known, its profile and `pagnet_ros.simulation.sense` say what it does. This is for networks that
must serve sensors nobody has described: every patch draws another sensor. Pure, in levels, a function of its generator.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.model.resize import BicubicDownsample

__all__ = ["sensor_like"]

Depth = NDArray[np.float32]
NOISE_LEVELS = (0.1, 6.0)
EDGE_LEVELS = 6.0


def sensor_like(depth: Depth, scale: int, rng: np.random.Generator) -> tuple[Depth, NDArray[np.bool_]]:
    """Observe a patch through a random sensor.

    Args:
        depth: ``[s*h, s*w]`` true depth in levels.
        scale: s.
        rng: decides everything.

    Returns:
        ``[h, w]`` low-resolution depth in levels (any value where missing), and ``[h, w]`` bool, True where measured.
    """
    blocks = depth.reshape(depth.shape[0] // scale, scale, depth.shape[1] // scale, scale).transpose(0, 2, 1, 3)
    blocks = np.ascontiguousarray(blocks.reshape(*blocks.shape[:2], scale * scale))
    low = _look(depth, blocks, scale, rng)
    edge = np.ptp(blocks, axis=2) > EDGE_LEVELS
    low = np.asarray(low + _noise(low, rng), np.float32)
    if rng.uniform() < 0.5:
        step = rng.uniform(0.25, 2.0)
        low = np.asarray(np.round(low / step) * step, np.float32)
    return low, ~_missing(edge, rng)


def _look(depth: Depth, blocks: Depth, scale: int, rng: np.random.Generator) -> Depth:
    """What each footprint sums up to: mixed (bicubic, mean) or one of its surfaces (middle pixel, median, nearest)."""
    kind = rng.choice(("bicubic", "mean", "wide", "middle", "median", "surface"), p=(0.2, 0.2, 0.1, 0.15, 0.2, 0.15))
    if kind == "bicubic":
        return np.asarray(BicubicDownsample(scale)(torch.from_numpy(depth)[None, None])[0, 0].numpy(), np.float32)
    if kind == "wide":
        depth = np.asarray(cv2.GaussianBlur(depth, (0, 0), float(rng.uniform(0.3, 0.7)) * scale), np.float32)
        return np.asarray(depth[scale // 2 :: scale, scale // 2 :: scale], np.float32)
    if kind == "middle":
        row, column = rng.integers(max(0, scale // 2 - 1), scale // 2 + 1, size=2)
        return np.asarray(depth[row::scale, column::scale], np.float32)
    if kind == "median":
        middle = scale * scale // 2
        return np.asarray(np.partition(blocks, middle, axis=2)[..., middle], np.float32)
    mean = blocks.mean(axis=2)
    if kind == "mean":
        return np.asarray(mean, np.float32)
    nearer = np.where(rng.uniform() < 0.5, blocks.min(axis=2), blocks.max(axis=2))
    mixed = rng.uniform(size=mean.shape) < rng.uniform(0.0, 0.5)
    return np.asarray(np.where(mixed, mean, nearer), np.float32)


def _noise(low: Depth, rng: np.random.Generator) -> Depth:
    """Gaussian noise of random strength, white or smooth over a pixel or two, stronger towards one end of the range."""
    if rng.uniform() < 0.15:
        return np.zeros_like(low)
    sigma = float(np.exp(rng.uniform(*np.log(NOISE_LEVELS))))
    noise = rng.standard_normal(low.shape, np.float32)
    if rng.uniform() < 0.4:
        width = float(rng.uniform(0.4, 1.0))
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), width), np.float32)
        noise /= max(float(noise.std()), 1e-6)
    span = max(float(np.ptp(low)), 1.0)
    towards = (low - low.min()) / span
    towards = towards if rng.uniform() < 0.5 else 1.0 - towards
    share = float(rng.uniform(0.0, 1.0))
    return np.asarray(sigma * (1 - share + share * towards) * noise, np.float32)


def _missing(edge: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Holes: along depth edges (often on one side only), in blobs, and single pixels."""
    gone = np.zeros(edge.shape, np.bool_)
    if rng.uniform() < 0.5:
        shift = int(rng.integers(0, 3))
        side = edge if shift == 0 else np.roll(edge, shift * int(rng.choice((-1, 1))), axis=1)
        gone |= (edge | side) & (rng.uniform(size=edge.shape) < rng.uniform(0.2, 1.0))
    if rng.uniform() < 0.4:
        cell = int(rng.integers(2, 8))
        size = (max(2, edge.shape[1] // cell), max(2, edge.shape[0] // cell))
        field = cv2.resize(rng.standard_normal(size[::-1], np.float32), edge.shape[::-1], interpolation=cv2.INTER_CUBIC)
        gone |= field > np.quantile(field, 1 - rng.uniform(0.02, 0.25))
    if rng.uniform() < 0.4:
        gone |= rng.uniform(size=edge.shape) < rng.uniform(0.0, 0.1)
    return gone if not gone.all() else np.zeros_like(gone)
