"""Random fields of a depth sensor: how strong its noise is, how it hangs together in space and over time.

Pure and vectorised, on any device. `SensorMemory` is what passes from one frame of a sequence to the next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch

from pagnet_ros.errors import InputError
from pagnet_ros.sensors.curves import on_curve
from pagnet_ros.sensors.profile import SensorProfile

_STEEPEST = 0.05
_LARGEST_SQUARE = 25.0
_WHITE = 0.2
_WIDEST_KERNEL = 4.0
_WIDE_NODES = 2.0


class SensorMemory:
    """State of one sensor between the frames of a sequence: make one per sequence, give it to every call.

    It holds the random fields that persist, bound to the pixels and not to the scene. Frames must come in order and be
    of one size.

    Args:
        same_device: Memory of another sequence of the same device: what never changes there is the same here.
    """

    def __init__(self, same_device: SensorMemory | None = None) -> None:
        self._fields: dict[str, torch.Tensor] = {}
        self._constants: dict[str, torch.Tensor] = same_device._constants if same_device else {}

    def step(self, name: str, fresh: torch.Tensor, persistence: float) -> torch.Tensor:
        """Next state of a first-order autoregressive field of unit variance.

        Args:
            name: Which field.
            fresh: Independent field of unit variance; it is the state itself in the first frame.
            persistence: Correlation with the frame before, 0 to below 1.
        """
        before = self._recall(self._fields, name, fresh)
        if before is not None:
            fresh = persistence * before + math.sqrt(1 - persistence**2) * fresh
        self._fields[name] = fresh
        return fresh

    def constant(self, name: str, draw: Callable[[], torch.Tensor], like: torch.Tensor) -> torch.Tensor:
        """A field that is drawn once and stays."""
        if self._recall(self._constants, name, like) is None:
            self._constants[name] = draw()
        return self._constants[name]

    @staticmethod
    def _recall(fields: dict[str, torch.Tensor], name: str, like: torch.Tensor) -> torch.Tensor | None:
        before = fields.get(name)
        if before is not None and (before.shape != like.shape or before.device != like.device):
            raise InputError(
                f"sensor memory holds a sequence of {list(before.shape)} on {before.device}, this frame is "
                f"{list(like.shape)} on {like.device}; expected frames of one size; use a new SensorMemory per sequence"
            )
        return before


def axial_sigma(
    profile: SensorProfile,
    z: torch.Tensor,
    albedo: torch.Tensor,
    cos_incidence: torch.Tensor,
    brightness: torch.Tensor | None = None,
) -> torch.Tensor:
    """Standard deviation of the depth noise in metres, without the part that depends on the whole frame.

    Args:
        profile: The sensor.
        z: Depth in metres, any shape.
        albedo: Reflectivity in [0, 1], same shape.
        cos_incidence: Cosine of the incidence angle, same shape.
        brightness: Brightness of the colour image in [0, 1], same shape; the albedo if absent.
    """
    sigma = _sigma_of_range(profile, z)
    theta = torch.acos(cos_incidence.clamp(_STEEPEST, 1.0))
    if profile.noise_brightness_curve:
        sigma = sigma * on_curve(profile.noise_brightness_curve, albedo if brightness is None else brightness)
    if profile.noise_angle_curve:
        sigma = sigma * on_curve(profile.noise_angle_curve, theta)
    if profile.noise_angle > 0:
        sigma = sigma + profile.noise_angle * (theta / (math.pi / 2 - theta)).square() / z.clamp(min=0.05).sqrt()
    if profile.noise_amplitude_m > 0:
        sigma = sigma + profile.noise_amplitude_m * z.square() / (albedo * cos_incidence).clamp(min=0.02)
    return sigma


def _sigma_of_range(profile: SensorProfile, z: torch.Tensor) -> torch.Tensor:
    sigma = profile.noise_floor_m + profile.noise_quadratic_per_m * (z - profile.noise_z0_m).square()
    curve = profile.noise_range_curve
    if not curve:
        return sigma
    formula, sigma = sigma, on_curve(curve, z)
    for (end, value), outside in ((curve[0], z < curve[0][0]), (curve[-1], z > curve[-1][0])):
        there = profile.noise_floor_m + profile.noise_quadratic_per_m * (end - profile.noise_z0_m) ** 2
        if there > 0:
            sigma = torch.where(outside, formula * (value / there), sigma)
    return sigma


def noise_field(
    profile: SensorProfile,
    shape: torch.Size,
    dice: torch.Generator,
    device: torch.device,
    memory: SensorMemory | None,
) -> torch.Tensor:
    """Noise in units of its standard deviation [B, h, w]: smooth in space, persistent over time, with tails."""

    def draw() -> torch.Tensor:
        return smooth_noise(shape, profile.noise_correlation_px, dice, device)

    noise = draw()
    if memory is not None and profile.noise_persistence > 0:
        noise = memory.step("noise", noise, profile.noise_persistence)
    if memory is not None and profile.noise_fixed > 0:
        fixed = memory.constant("fixed noise", draw, noise)
        noise = math.sqrt(1 - profile.noise_fixed) * noise + math.sqrt(profile.noise_fixed) * fixed
    if profile.noise_tail > 0:
        noise = noise * torch.exp(noise.square().clamp_(max=_LARGEST_SQUARE) * (profile.noise_tail / 2))
    return noise


def smooth_noise(
    shape: torch.Size | tuple[int, ...], correlation_px: float, dice: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Gaussian noise [B, h, w] of mean 0 and variance 1 everywhere, correlated by a Gaussian kernel."""
    if correlation_px > _WIDEST_KERNEL:
        return _wide_noise(shape, correlation_px, dice, device)
    weights = _kernel(correlation_px)
    radius = len(weights) // 2
    batch, height, width = shape
    noise = torch.randn((batch, height + 2 * radius, width + 2 * radius), generator=dice, device=device)
    if radius == 0:
        return noise
    for axis, size in ((-1, width), (-2, height)):
        total = noise.narrow(axis, 0, size) * weights[0]
        for offset in range(1, 2 * radius + 1):
            total.add_(noise.narrow(axis, offset, size), alpha=weights[offset])
        noise = total
    return noise


def _kernel(correlation_px: float) -> list[float]:
    """Taps of a Gaussian kernel that keeps the variance of white noise."""
    radius = math.ceil(3 * correlation_px) if correlation_px > _WHITE else 0
    if radius == 0:
        return [1.0]
    taps = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * correlation_px**2))
    weights: list[float] = (taps / taps.square().sum().sqrt()).tolist()
    return weights


def _wide_noise(
    shape: torch.Size | tuple[int, ...], correlation_px: float, dice: torch.Generator, device: torch.device
) -> torch.Tensor:
    """The same for wide kernels: on a grid of few nodes, linear in between, the variance that costs restored."""
    cell = correlation_px / _WIDE_NODES
    batch, height, width = shape
    nodes = [math.ceil(size / cell) + 2 for size in (height, width)]
    noise = smooth_noise((batch, *nodes), _WIDE_NODES, dice, device)
    weights = _kernel(_WIDE_NODES)
    neighbours = sum(a * b for a, b in itertools.pairwise(weights))
    for axis, size in ((-1, width), (-2, height)):
        at = torch.arange(size, device=device) / cell
        node = at.long()
        share = at - node
        left, right = noise.index_select(axis, node), noise.index_select(axis, node + 1)
        spread = (share.square() + (1 - share).square() + 2 * neighbours * share * (1 - share)).sqrt()
        noise = torch.lerp(left, right, share if axis == -1 else share[:, None])
        noise = noise / (spread if axis == -1 else spread[:, None])
    return noise
