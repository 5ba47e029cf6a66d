"""What a depth sensor does at depth edges: where they are, which surface a pixel sees there, what light does not reach.

Pure and vectorised, on any device; depth is [B, H, W] in metres, NaN where unknown.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from pagnet_ros.sensors.noise import SensorMemory
from pagnet_ros.sensors.profile import SensorProfile


def depth_edges(depth: torch.Tensor, jump: float) -> torch.Tensor:
    """Both sides of every step between neighbours, bool; a slanted surface has none unless it is steep.

    Args:
        depth: [B, H, W]; unknown pixels make no edge.
        jump: Smallest step, relative to the nearer of the two.
    """
    marks = torch.zeros_like(depth, dtype=torch.bool)
    for axis in (1, 2):
        rest = depth.shape[axis] - 1
        first, second = depth.narrow(axis, 0, rest), depth.narrow(axis, 1, rest)
        step = (first - second).abs_() > jump * torch.minimum(first, second)
        marks.narrow(axis, 0, rest).logical_or_(step)
        marks.narrow(axis, 1, rest).logical_or_(step)
    return marks


def edge_distance(edge: torch.Tensor, limit: int) -> torch.Tensor:
    """Chebyshev distance to the nearest edge pixel, float [B, h, w]: 0 on it, ``limit + 1`` beyond ``limit``."""
    reached = edge.float()
    distance = (1.0 - reached) * (limit + 1)
    for ring in range(1, limit + 1):
        grown = max_pool2d(reached, 3, 1, 1)
        distance = torch.where(grown > reached, float(ring), distance)
        reached = grown
    return distance


def look(
    depth: torch.Tensor,
    albedo: torch.Tensor,
    facing: torch.Tensor,
    profile: SensorProfile,
    factor: int,
    dice: torch.Generator,
    memory: SensorMemory | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What each pixel of the sensor sees.

    Args:
        depth: True depth [B, H, W].
        albedo: Reflectivity [B, H, W].
        facing: Cosine of incidence of the sensor's pixels [B, h, w].
        profile: The sensor.
        factor: True pixels per sensor pixel.
        dice: Decides on jitter and mixing.
        memory: Of the sequence, if it is one.

    Returns:
        Depth that each footprint sums up to, NaN where unknown, and whether it holds a depth edge; [B, h, w].
    """
    known = torch.isfinite(depth)
    margin = min(round(profile.footprint_px * factor + 1e-6), factor)
    if factor == 1 and profile.footprint_px > 0:
        margin = 1
    marks = depth_edges(depth, profile.edge_jump).float()
    edge = max_pool2d(marks, factor + 2 * margin, factor, padding=margin) > 0
    if profile.reduction == "bicubic":
        z = _bicubic(depth, factor)
    elif profile.reduction == "nearest":
        z = _ray(depth, facing, profile, factor, dice, memory)
    else:
        z = _mean(depth, known.float(), factor, 0)
    if profile.mixes_edges and profile.reduction != "nearest":
        z = torch.where(edge, _ray(depth, facing, profile, factor, dice, memory), z)
    if profile.flying > 0:
        weight = known.float() * albedo.clamp(min=0.02) / depth.square().nan_to_num(nan=1.0)
        flies = edge & (torch.rand(z.shape, generator=dice, device=z.device) < profile.flying)
        z = torch.where(flies, _mean(depth, weight, factor, margin), z)
    return z, edge


def _mean(depth: torch.Tensor, weight: torch.Tensor, factor: int, margin: int) -> torch.Tensor:
    """Weighted mean over blocks widened by ``margin`` pixels; NaN where all weights are 0."""
    total = block_mean(weight, factor, margin)
    return block_mean(depth.nan_to_num(nan=0.0) * weight, factor, margin) / total


def block_mean(values: torch.Tensor, factor: int, margin: int = 0) -> torch.Tensor:
    """Mean over blocks of ``factor`` x ``factor`` pixels, each widened by ``margin`` on every side."""
    if factor == 1 and margin == 0:  # pooling copies slowly
        return values
    return avg_pool2d(values, factor + 2 * margin, factor, padding=margin)


def _bicubic(depth: torch.Tensor, factor: int) -> torch.Tensor:
    if factor == 1:
        return depth.clone()
    size = (depth.shape[1] // factor, depth.shape[2] // factor)
    return interpolate(depth[:, None], size, mode="bicubic", antialias=True, align_corners=False)[:, 0]


def _ray(
    depth: torch.Tensor,
    facing: torch.Tensor,
    profile: SensorProfile,
    factor: int,
    dice: torch.Generator,
    memory: SensorMemory | None,
) -> torch.Tensor:
    """Depth of one true pixel per block: the one at its middle, jittered sideways."""
    batch, height, width = depth.shape
    h, w = facing.shape[-2:]
    middle = (factor - 1) / 2
    rows = torch.arange(h, device=depth.device)[None, :, None] * factor + middle
    cols = torch.arange(w, device=depth.device)[None, None, :] * factor + middle
    theta = torch.acos(facing.clamp(0.05, 1.0))
    sigma = factor * (profile.lateral_px + profile.lateral_angle_px * theta / (math.pi / 2 - theta))
    shift = torch.randn((2, batch, h, w), generator=dice, device=depth.device)
    if memory is not None and profile.lateral_persistence > 0:
        shift = memory.step("sideways", shift, profile.lateral_persistence)
    if not (profile.lateral_px or profile.lateral_angle_px):
        return _middle(depth, profile.edge_jump, factor, shift)
    shift = shift * sigma
    y = (rows + shift[0]).round_().long().clamp_(0, height - 1)
    x = (cols + shift[1]).round_().long().clamp_(0, width - 1)
    return depth.reshape(batch, -1).gather(1, (y * width + x).reshape(batch, -1)).reshape(batch, h, w)


def _middle(depth: torch.Tensor, jump: float, factor: int, shift: torch.Tensor) -> torch.Tensor:
    """Depth at the middle of each block: where four pixels meet there, their mean, or any of them at a depth edge."""
    first = (factor - 1) // 2
    if factor % 2:
        return depth[:, first::factor, first::factor]
    four = torch.stack([depth[:, y::factor, x::factor] for y in (first, first + 1) for x in (first, first + 1)])
    low, high = four.amin(0), four.amax(0)
    anyone = four.gather(0, ((shift[:1] > 0) * 2 + (shift[1:] > 0)).long())[0]
    return torch.where(high - low <= jump * low, four.mean(0), anyone)


def structured_light_shadow(depth_m: torch.Tensor, focal_px: float, baseline_m: float, side: str) -> torch.Tensor:
    """Pixels that a projector beside the camera does not reach, bool [B, H, W].

    A foreground object hides a band of the background, ``focal_px * baseline_m * (1/z_near - 1/z_far)`` pixels
    wide, on the image side away from the projector.

    Args:
        depth_m: True depth [B, H, W] in metres, NaN where unknown.
        focal_px: Focal length of that image in pixels.
        baseline_m: Distance of the projector from the camera.
        side: "left" (projector to the right of the camera) or "right".
    """
    if side == "right":
        return structured_light_shadow(depth_m.flip(-1), focal_px, baseline_m, "left").flip(-1)
    batch, height, width = depth_m.shape
    disparity = (focal_px * baseline_m / depth_m.clamp(min=0.05)).nan_to_num(nan=0.0)
    pad = math.ceil(focal_px * baseline_m / 0.05) + 1
    column = torch.arange(width, device=depth_m.device, dtype=torch.float32) - disparity
    left = column.floor().long().clamp_(min=-pad) + pad
    # The nearest surface in every projector column; two columns per pixel leave no gap on stretched surfaces.
    nearest = torch.zeros((batch, height, width + pad + 2), device=depth_m.device)
    nearest.scatter_reduce_(2, left, disparity, "amax")
    nearest.scatter_reduce_(2, left + 1, disparity, "amax")
    front = torch.minimum(nearest.gather(2, left), nearest.gather(2, left + 1))
    return front > disparity + 1.0
