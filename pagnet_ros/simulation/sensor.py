"""True depth + profile -> what the sensor would have delivered. Pure, vectorised, on any device, seeded.

Order of events: illumination shadow, footprint (reduction, mixing at edges, sideways jitter), missing pixels
(which depend on the truth), bias, noise, quantisation, range limits (which see what is reported).
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from pagnet_ros.errors import InputError
from pagnet_ros.simulation.camera import PinholeCamera
from pagnet_ros.simulation.sensor_profile import SensorProfile

ArrayOrTensor = TypeVar("ArrayOrTensor", npt.NDArray[np.float32], torch.Tensor)
NAN = float("nan")


def sense(
    depth_m: ArrayOrTensor,
    camera: PinholeCamera,
    profile: SensorProfile,
    rng: int | torch.Generator,
    *,
    factor: int = 1,
    albedo: ArrayOrTensor | None = None,
    cos_incidence: ArrayOrTensor | None = None,
    hole_rng: int | torch.Generator | None = None,
) -> ArrayOrTensor:
    """What a depth sensor delivers for a true depth image.

    Args:
        depth_m: True depth along the optical axis, metres, [H, W] or [B, H, W]; 0 or not finite is unknown.
        camera: Intrinsics of the true image (for the illumination shadow).
        profile: The sensor.
        rng: Seed, or a generator on the depth's device. The same seed gives the same result on the same device.
        factor: The sensor's pixels are blocks of ``factor`` x ``factor`` true pixels; a remainder is cut off.
        albedo: Reflectivity in [0, 1], same shape; 0.5 everywhere if absent.
        cos_incidence: Cosine of the incidence angle in [0, 1], same shape; 1 everywhere if absent.
        hole_rng: Seed or generator of the blobs of missing pixels; give the same one for several frames to make
            holes persist. Drawn from ``rng`` if absent.

    Returns:
        Depth [h, w] or [B, h, w] in metres, float32, NaN where the sensor delivers nothing; an array for an
        array, a tensor for a tensor.

    Raises:
        InputError: Shapes that do not fit together, or a factor that does not fit the image.
    """
    depth = torch.as_tensor(depth_m)
    _check(depth, camera, factor, albedo, cos_incidence)
    depth = depth.to(torch.float32).reshape(-1, *depth.shape[-2:])
    depth = depth[:, : depth.shape[1] // factor * factor, : depth.shape[2] // factor * factor]
    reflect = _same_size(albedo, depth, 0.5)
    cosine = _same_size(cos_incidence, depth, 1.0)
    dice = _generator(rng, depth.device)
    result = _sense(depth, reflect, cosine, camera, profile, factor, dice, hole_rng)
    result = result.reshape(*tuple(depth_m.shape[:-2]), *result.shape[-2:])
    return result if isinstance(depth_m, torch.Tensor) else result.numpy()


def _check(depth: torch.Tensor, camera: PinholeCamera, factor: int, *others: object) -> None:
    if depth.ndim not in (2, 3):
        raise InputError(
            f"true depth has shape {list(depth.shape)}; expected [H, W] or [B, H, W]; remove or add dimensions"
        )
    if tuple(depth.shape[-2:]) != (camera.height, camera.width):
        raise InputError(
            f"true depth is {depth.shape[-1]} x {depth.shape[-2]} pixels but the camera {camera.width} x "
            f"{camera.height}; expected the same size; pass the camera that the depth was rendered with"
        )
    if not isinstance(factor, int) or not 1 <= factor <= min(depth.shape[-2:]):
        raise InputError(
            f"factor is {factor!r}; expected a whole number from 1 to {min(depth.shape[-2:])}; "
            "give true pixels per sensor pixel"
        )
    for other in others:
        if other is not None and tuple(torch.as_tensor(other).shape) != tuple(depth.shape):
            raise InputError(
                f"albedo or cos_incidence has shape {list(torch.as_tensor(other).shape)}; expected the depth's "
                f"{list(depth.shape)}; take them from the same rendered frame"
            )


def _same_size(value: ArrayOrTensor | None, depth: torch.Tensor, default: float) -> torch.Tensor:
    if value is None:
        return torch.full_like(depth, default)
    tensor = torch.as_tensor(value).to(depth)
    return tensor.reshape(-1, *tensor.shape[-2:])[:, : depth.shape[1], : depth.shape[2]]


def _generator(rng: int | torch.Generator, device: torch.device) -> torch.Generator:
    return rng if isinstance(rng, torch.Generator) else torch.Generator(device).manual_seed(rng)


def _sense(
    depth: torch.Tensor,
    albedo: torch.Tensor,
    cosine: torch.Tensor,
    camera: PinholeCamera,
    profile: SensorProfile,
    factor: int,
    dice: torch.Generator,
    hole_rng: int | torch.Generator | None,
) -> torch.Tensor:
    known = torch.isfinite(depth) & (depth > 0)
    depth = torch.where(known, depth, NAN)
    dark = torch.zeros_like(known)
    if profile.shadow_side != "none":
        dark = structured_light_shadow(depth, camera.fx, profile.baseline_m, profile.shadow_side)
    spread = _span(depth)
    reflect, facing = (avg_pool2d(value, factor) for value in (albedo, cosine))
    z, edge = _look(depth, albedo, facing, profile, factor, dice)
    gone = _missing(profile, z, reflect, facing, edge, dice, hole_rng)
    sigma = axial_sigma(profile, z, reflect, facing) + profile.noise_span * spread
    z = z + profile.bias_m + profile.wiggle_m * torch.sin(z * (2 * math.pi / profile.wiggle_period_m))
    if _has_noise(profile):
        z = z + sigma * smooth_noise(z.shape, profile.noise_correlation_px, dice, z.device)
    z = quantize(z, profile)
    if profile.shadow_side != "none":
        gone |= avg_pool2d(dark.float(), factor) > 0.5
    gone |= ~((z >= profile.min_range_m) & (z <= profile.max_range_m))
    return z.masked_fill_(gone, NAN)


def _span(depth: torch.Tensor) -> torch.Tensor:
    """Largest minus smallest known depth of each frame [B, 1, 1]."""
    high = depth.nan_to_num(nan=-math.inf).amax((1, 2), keepdim=True)
    low = depth.nan_to_num(nan=math.inf).amin((1, 2), keepdim=True)
    return (high - low).clamp_(min=0)


def _look(
    depth: torch.Tensor,
    albedo: torch.Tensor,
    facing: torch.Tensor,
    profile: SensorProfile,
    factor: int,
    dice: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth [B, h, w] that each footprint sums up to, NaN where unknown, and where it holds a depth edge."""
    known = torch.isfinite(depth)
    margin = min(round(profile.footprint_px * factor + 1e-6), factor)
    if factor == 1 and profile.footprint_px > 0:
        margin = 1
    edge = max_pool2d(_edges(depth, profile.edge_jump), factor + 2 * margin, factor, padding=margin) > 0
    if profile.reduction == "bicubic":
        z = _bicubic(depth, factor)
    elif profile.reduction == "nearest":
        z = _ray(depth, facing, profile, factor, dice)
    else:
        z = _mean(depth, known.float(), factor, 0)
    if profile.mixes_edges and profile.reduction != "nearest":
        z = torch.where(edge, _ray(depth, facing, profile, factor, dice), z)
    if profile.flying > 0:
        weight = known.float() * albedo.clamp(min=0.02) / depth.square().nan_to_num(nan=1.0)
        flies = edge & (torch.rand(z.shape, generator=dice, device=z.device) < profile.flying)
        z = torch.where(flies, _mean(depth, weight, factor, margin), z)
    return z, edge


def _edges(depth: torch.Tensor, jump: float) -> torch.Tensor:
    """1 on both sides of every step between neighbours [B, H, W]; a slanted surface has none, however coarse."""
    marks = torch.zeros_like(depth, dtype=torch.bool)
    for axis in (1, 2):
        rest = depth.shape[axis] - 1
        first, second = depth.narrow(axis, 0, rest), depth.narrow(axis, 1, rest)
        step = (first - second).abs_() > jump * torch.minimum(first, second)
        marks.narrow(axis, 0, rest).logical_or_(step)
        marks.narrow(axis, 1, rest).logical_or_(step)
    return marks.float()


def _mean(depth: torch.Tensor, weight: torch.Tensor, factor: int, margin: int) -> torch.Tensor:
    """Weighted mean over blocks widened by ``margin`` pixels; NaN where all weights are 0."""
    side = factor + 2 * margin
    total = avg_pool2d(weight, side, factor, padding=margin)
    return avg_pool2d(depth.nan_to_num(nan=0.0) * weight, side, factor, padding=margin) / total


def _bicubic(depth: torch.Tensor, factor: int) -> torch.Tensor:
    if factor == 1:
        return depth.clone()
    size = (depth.shape[1] // factor, depth.shape[2] // factor)
    return interpolate(depth[:, None], size, mode="bicubic", antialias=True, align_corners=False)[:, 0]


def _ray(
    depth: torch.Tensor, facing: torch.Tensor, profile: SensorProfile, factor: int, dice: torch.Generator
) -> torch.Tensor:
    """Depth of one true pixel per block: the middle one, jittered sideways."""
    batch, height, width = depth.shape
    h, w = facing.shape[-2:]
    middle = (factor - 1) / 2
    rows = torch.arange(h, device=depth.device)[None, :, None] * factor + middle
    cols = torch.arange(w, device=depth.device)[None, None, :] * factor + middle
    theta = torch.acos(facing.clamp(0.05, 1.0))
    sigma = factor * (profile.lateral_px + profile.lateral_angle_px * theta / (math.pi / 2 - theta))
    shift = torch.randn((2, batch, h, w), generator=dice, device=depth.device) * sigma
    y = (rows + shift[0]).round_().long().clamp_(0, height - 1)
    x = (cols + shift[1]).round_().long().clamp_(0, width - 1)
    return depth.reshape(batch, -1).gather(1, (y * width + x).reshape(batch, -1)).reshape(batch, h, w)


def _has_noise(profile: SensorProfile) -> bool:
    parts = (profile.noise_floor_m, profile.noise_quadratic_per_m, profile.noise_angle)
    return any(part > 0 for part in (*parts, profile.noise_amplitude_m, profile.noise_span))


def axial_sigma(
    profile: SensorProfile, z: torch.Tensor, albedo: torch.Tensor, cos_incidence: torch.Tensor
) -> torch.Tensor:
    """Standard deviation of the depth noise in metres, without the part that depends on the whole frame.

    Args:
        profile: The sensor.
        z: Depth in metres, any shape.
        albedo: Reflectivity in [0, 1], same shape.
        cos_incidence: Cosine of the incidence angle, same shape.
    """
    sigma = profile.noise_floor_m + profile.noise_quadratic_per_m * (z - profile.noise_z0_m).square()
    if profile.noise_angle > 0:
        theta = torch.acos(cos_incidence.clamp(0.05, 1.0))
        sigma = sigma + profile.noise_angle * (theta / (math.pi / 2 - theta)).square() / z.clamp(min=0.05).sqrt()
    if profile.noise_amplitude_m > 0:
        sigma = sigma + profile.noise_amplitude_m * z.square() / (albedo * cos_incidence).clamp(min=0.02)
    return sigma


def smooth_noise(
    shape: torch.Size | tuple[int, ...], correlation_px: float, dice: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Gaussian noise [B, h, w] of mean 0 and variance 1 everywhere, correlated by a Gaussian kernel."""
    radius = math.ceil(3 * correlation_px) if correlation_px > 0.2 else 0
    batch, height, width = shape
    noise = torch.randn((batch, height + 2 * radius, width + 2 * radius), generator=dice, device=device)
    if radius == 0:
        return noise
    taps = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * correlation_px**2))
    weights = (taps / taps.square().sum().sqrt()).tolist()
    for axis, size in ((-1, width), (-2, height)):
        total = noise.narrow(axis, 0, size) * weights[0]
        for offset in range(1, 2 * radius + 1):
            total.add_(noise.narrow(axis, offset, size), alpha=weights[offset])
        noise = total
    return noise


def quantize(z: torch.Tensor, profile: SensorProfile) -> torch.Tensor:
    """Depth rounded to the steps of the profile: disparity steps first, then depth steps."""
    if profile.disparity_step_px > 0:
        scale = profile.native_focal_px * profile.baseline_m
        steps = (scale / (z * profile.disparity_step_px)).round_()
        z = scale / (steps * profile.disparity_step_px)
    if profile.depth_step_m > 0:
        z = (z / profile.depth_step_m).round_() * profile.depth_step_m
    return z


def _missing(
    profile: SensorProfile,
    z: torch.Tensor,
    albedo: torch.Tensor,
    cosine: torch.Tensor,
    edge: torch.Tensor,
    dice: torch.Generator,
    hole_rng: int | torch.Generator | None,
) -> torch.Tensor:
    """Pixels that are not reported although lit and in range, bool [B, h, w]."""
    amplitude = albedo * cosine / z.square()
    gone = ~torch.isfinite(z) | (amplitude < profile.min_amplitude)
    chance = missing_probability(profile, z, albedo, cosine)
    if profile.missing_edge > 0:
        reach = round(profile.edge_width_px)
        near_edge = max_pool2d(edge.float(), 2 * reach + 1, 1, padding=reach) > 0
        chance = torch.where(near_edge, chance.clamp(min=profile.missing_edge), chance)
    if bool((chance > 0).any()):
        blobs = _generator(hole_rng, z.device) if hole_rng is not None else dice
        field = smooth_noise(z.shape, profile.hole_size_px, blobs, z.device)
        gone |= torch.special.ndtr(field) < chance
    return gone


def missing_probability(
    profile: SensorProfile, z: torch.Tensor, albedo: torch.Tensor, cos_incidence: torch.Tensor
) -> torch.Tensor:
    """Probability in [0, 1] that a lit pixel in range and away from edges is missing; arguments as ``axial_sigma``."""
    grazing = torch.acos(cos_incidence.clamp(0.0, 1.0)) * (2 / math.pi)
    chance = profile.missing + profile.missing_far * (z / profile.max_range_m).square()
    chance = chance + profile.missing_grazing * grazing.square().square().square()
    if profile.missing_dark > 0 and profile.dark_amplitude > 0:
        amplitude = albedo * cos_incidence / z.square()
        chance = chance + profile.missing_dark * (1 - amplitude / profile.dark_amplitude).clamp(min=0)
    return chance.nan_to_num(nan=1.0).clamp_(0, 1)


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


def to_millimetres(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Metres with NaN -> the 16UC1 convention: whole millimetres, 0 where missing (or beyond 65.535 m)."""
    scaled = np.rint(np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0)
    return np.where((scaled > 0) & (scaled <= 65535), scaled, 0).astype(np.uint16)
