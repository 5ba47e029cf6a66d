"""True depth + profile -> what the sensor would have delivered. Pure, vectorised, on any device, seeded.

Order of events: illumination shadow, footprint (reduction, mixing at edges, sideways jitter), missing pixels
(which depend on the truth), bias, noise, quantisation, range limits (which see what is reported).
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.errors import InputError
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.sensors.edges import block_mean, look, structured_light_shadow
from pagnet_ros.sensors.holes import missing_pixels
from pagnet_ros.sensors.noise import SensorMemory, axial_sigma, noise_field, smooth_noise
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_ros.sensors.range import quantize, range_bias

ArrayOrTensor = TypeVar("ArrayOrTensor", npt.NDArray[np.float32], torch.Tensor)
NAN = float("nan")
SHADOW_PIECES_PX = 10.0  # width of the kernel that decides along an edge where its shadow is missing


class _Scene(NamedTuple):
    """The truth, each [B, H, W]: depth in metres (NaN unknown), albedo, cosine of incidence, brightness."""

    depth: torch.Tensor
    albedo: torch.Tensor
    cosine: torch.Tensor
    brightness: torch.Tensor


def sense(
    depth_m: ArrayOrTensor,
    camera: PinholeCamera,
    profile: SensorProfile,
    rng: int | torch.Generator,
    *,
    factor: int = 1,
    albedo: ArrayOrTensor | None = None,
    cos_incidence: ArrayOrTensor | None = None,
    brightness: ArrayOrTensor | None = None,
    span_m: float | None = None,
    memory: SensorMemory | None = None,
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
        brightness: Brightness of the colour image in [0, 1], same shape; the albedo if absent.
        span_m: Depth span that ``noise_span`` refers to; each frame's own if absent.
        memory: For a sequence: one `SensorMemory`, given with every frame in turn (each with its own seed, or all with
            one generator), lets noise, jitter and holes persist as the profile says. Without it frames are independent.

    Returns:
        Depth [h, w] or [B, h, w] in metres, float32, NaN where the sensor delivers nothing; an array for an
        array, a tensor for a tensor.

    Raises:
        InputError: Shapes that do not fit together or to the memory, or a factor that does not fit the image.
    """
    depth = torch.as_tensor(depth_m)
    _check(depth, camera, factor, albedo, cos_incidence, brightness)
    depth = depth.to(torch.float32).reshape(-1, *depth.shape[-2:])
    depth = depth[:, : depth.shape[1] // factor * factor, : depth.shape[2] // factor * factor]
    reflect = _same_size(albedo, depth, 0.5)
    bright = reflect if brightness is None else _same_size(brightness, depth, 0.5)
    scene = _Scene(depth, reflect, _same_size(cos_incidence, depth, 1.0), bright)
    dice = rng if isinstance(rng, torch.Generator) else torch.Generator(depth.device).manual_seed(rng)
    result = _sense(scene, camera, profile, factor, span_m, dice, memory)
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
    for name, other in zip(("albedo", "cos_incidence", "brightness"), others, strict=True):
        if other is not None and tuple(torch.as_tensor(other).shape) != tuple(depth.shape):
            raise InputError(
                f"{name} has shape {list(torch.as_tensor(other).shape)}; expected the depth's "
                f"{list(depth.shape)}; take it from the same frame"
            )


def _same_size(value: ArrayOrTensor | None, depth: torch.Tensor, default: float) -> torch.Tensor:
    if value is None:
        return torch.full_like(depth, default)
    tensor = torch.as_tensor(value).to(depth)
    return tensor.reshape(-1, *tensor.shape[-2:])[:, : depth.shape[1], : depth.shape[2]]


def _sense(
    scene: _Scene,
    camera: PinholeCamera,
    profile: SensorProfile,
    factor: int,
    span_m: float | None,
    dice: torch.Generator,
    memory: SensorMemory | None,
) -> torch.Tensor:
    known = torch.isfinite(scene.depth) & (scene.depth > 0)
    depth = torch.where(known, scene.depth, NAN)
    reflect, facing, bright = (block_mean(v, factor) for v in (scene.albedo, scene.cosine, scene.brightness))
    z, edge = look(depth, scene.albedo, facing, profile, factor, dice, memory)
    gone = missing_pixels(profile, z, reflect, facing, bright, edge, dice, memory)
    sigma = axial_sigma(profile, z, reflect, facing, bright)
    if profile.noise_span > 0:
        sigma = sigma + profile.noise_span * (_span(depth) if span_m is None else span_m)
    z = z + range_bias(profile, z)
    if profile.has_noise:
        z = z + sigma * noise_field(profile, z.shape, dice, z.device, memory)
    z = quantize(z, profile)
    if profile.shadow_side != "none":
        dark = structured_light_shadow(depth, camera.fx, profile.baseline_m, profile.shadow_side)
        if profile.shadow_share < 1:
            pieces = smooth_noise(dark.shape, SHADOW_PIECES_PX * factor, dice, dark.device)
            if memory is not None and profile.hole_persistence > 0:
                pieces = memory.step("shadow", pieces, profile.hole_persistence)
            dark &= torch.special.ndtr(pieces) < profile.shadow_share
        gone |= block_mean(dark.float(), factor) > 0.5
    gone |= ~((z >= profile.min_range_m) & (z <= profile.max_range_m))
    return z.masked_fill_(gone, NAN)


def _span(depth: torch.Tensor) -> torch.Tensor:
    """Largest minus smallest known depth of each frame [B, 1, 1]."""
    high = depth.nan_to_num(nan=-math.inf).amax((1, 2), keepdim=True)
    low = depth.nan_to_num(nan=math.inf).amin((1, 2), keepdim=True)
    return (high - low).clamp_(min=0)
