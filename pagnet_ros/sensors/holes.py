"""Which pixels a depth sensor does not report although they are lit and in range. Pure, vectorised, on any device."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import max_pool2d

from pagnet_ros.sensors.curves import on_curve
from pagnet_ros.sensors.edges import edge_distance
from pagnet_ros.sensors.noise import SensorMemory, smooth_noise
from pagnet_ros.sensors.profile import SensorProfile


def missing_probability(
    profile: SensorProfile,
    z: torch.Tensor,
    albedo: torch.Tensor,
    cos_incidence: torch.Tensor,
    brightness: torch.Tensor | None = None,
) -> torch.Tensor:
    """Probability in [0, 1] that a lit pixel in range and away from edges is missing; arguments as ``axial_sigma``."""
    theta = torch.acos(cos_incidence.clamp(0.0, 1.0))
    if profile.missing_range_curve:
        chance = on_curve(profile.missing_range_curve, z)
    else:
        chance = profile.missing + profile.missing_far * (z / profile.max_range_m).square()
    if profile.missing_grazing > 0:
        chance = chance + profile.missing_grazing * (theta * (2 / math.pi)).square().square().square()
    if profile.missing_angle_curve:
        chance = chance + on_curve(profile.missing_angle_curve, theta)
    bright = albedo if brightness is None else brightness
    if profile.missing_brightness_curve:
        chance = chance + on_curve(profile.missing_brightness_curve, bright)
    if profile.missing_dark_angle_curve and profile.dark_brightness > 0:
        darkness = (1 - bright / profile.dark_brightness).clamp(min=0)
        chance = chance + on_curve(profile.missing_dark_angle_curve, theta) * darkness
    if profile.missing_dark > 0 and profile.dark_amplitude > 0:
        amplitude = albedo * cos_incidence / z.square()
        chance = chance + profile.missing_dark * (1 - amplitude / profile.dark_amplitude).clamp(min=0)
    return chance.nan_to_num(nan=1.0).clamp_(0, 1)


def missing_at_edges(profile: SensorProfile, edge: torch.Tensor) -> torch.Tensor | None:
    """Probability that a pixel is missing because an edge (bool [B, h, w]) is near; None where it plays no role."""
    curve = profile.missing_edge_curve
    if curve:
        distance = edge_distance(edge, math.floor(curve[-1][0]))
        return torch.where(distance <= curve[-1][0], on_curve(curve, distance), 0.0)
    if profile.missing_edge > 0:
        reach = round(profile.edge_width_px)
        return (max_pool2d(edge.float(), 2 * reach + 1, 1, padding=reach) > 0) * profile.missing_edge
    return None


def missing_pixels(
    profile: SensorProfile,
    z: torch.Tensor,
    albedo: torch.Tensor,
    cosine: torch.Tensor,
    brightness: torch.Tensor,
    edge: torch.Tensor,
    dice: torch.Generator,
    memory: SensorMemory | None,
) -> torch.Tensor:
    """Pixels that are not reported, bool [B, h, w]: holes in blobs, as likely as the profile says at each pixel."""
    gone = ~torch.isfinite(z)
    if profile.min_amplitude > 0:
        gone |= albedo * cosine / z.square() < profile.min_amplitude
    chance = missing_probability(profile, z, albedo, cosine, brightness)
    at_edges = missing_at_edges(profile, edge)
    if at_edges is not None:
        chance = torch.maximum(chance, at_edges)
    if bool((chance > 0).any()):
        gone |= torch.special.ndtr(hole_field(profile, z.shape, dice, z.device, memory)) < chance
    return gone


def hole_field(
    profile: SensorProfile,
    shape: torch.Size,
    dice: torch.Generator,
    device: torch.device,
    memory: SensorMemory | None,
) -> torch.Tensor:
    """Standard normal field [B, h, w] whose lowest places are holes: blobs, in part of a second, larger size."""
    field = smooth_noise(shape, profile.hole_size_px, dice, device)
    share = profile.hole_large_share
    if share > 0:
        large = smooth_noise(shape, profile.hole_large_px, dice, device)
        field = math.sqrt(1 - share) * field + math.sqrt(share) * large
    if memory is not None and profile.hole_persistence > 0:
        field = memory.step("holes", field, profile.hole_persistence)
    return field
