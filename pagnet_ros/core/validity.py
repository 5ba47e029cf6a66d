"""Which depth is valid: provenance, fill policy, flying pixels. Pure functions on tensors.

A consumer such as a costmap takes every finite value as a surface. So a pixel is published only when it was
measured, or lies close enough to a measurement, and does not float between two surfaces; everything else is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pagnet_ros.core.depth import Measurement
from pagnet_ros.model.surfaces import Choice
from pagnet_ros.system.settings import Settings, setting

NOTHING, MEASURED, REFINED, FILLED, OUT_OF_RANGE, CONTESTED = range(6)
"""Provenance of an output pixel: nothing is known; its own measurement's surface; the surface of a measurement beside
it, its own belonging to another; missing, the surface of a measurement near by; measured out of range; given, but
another surface is nearly as likely, the measurement disagrees, or sigma is above its limit."""
FILL_POLICIES = ("none", "near", "all")
ESTIMATES = ("surface", "mean")
PUBLISHED = ("value", "nan", "inf")
CHOSEN_LEAST, RIVAL_MOST = 0.5, 0.25  # contested: the chosen surface holds less, or the next one more
AGREEING_SIGMAS = 3.0
ROUNDING = 1e-5  # of a depth: so far beyond a limit it is at the limit
CONFIDENT_SHARE = 0.02  # confidence: how likely the depth is right to within this share of it
_AS = {"nan": float("nan"), "inf": float("inf")}


@dataclass(frozen=True)
class ValidityOptions(Settings):
    """Which depth is published. Flying pixels are looked for in what is regressed or interpolated only.

    Attributes:
        uncertainty: whether a chosen surface comes with sigma and confidence; without, and with nothing that depends
            on them, no time is spent on them.

    Raises:
        ConfigError: values out of range; all problems in one message.
    """

    fill: str = setting(
        "near", "which pixels without a measurement may be filled: none, near (a measurement), all",
        choices=FILL_POLICIES, live=True,
    )  # fmt: skip
    fill_radius_px: float = setting(
        8.0, "how far near reaches: Chebyshev distance, rounded, px of the measured depth", low=0, high=256, live=True
    )
    remove_flying: bool = setting(
        True, "drop the pixels that hang between two surfaces and belong to neither", live=True
    )
    flying_gap: float = setting(
        0.05, "relative depth step between two surfaces from which a pixel between them can be flying",
        low=0.001, high=1, live=True,
    )  # fmt: skip
    estimate: str = setting(
        "surface",
        "what is read from a network that chooses surfaces: the most probable surface, or their mean, which has the "
        "smaller RMSE and hangs between surfaces where it is unsure",
        choices=ESTIMATES,
        live=True,
    )
    publish_filled: str = setting(
        "value", "what is published where depth is filled: value, nan, or inf (REP 117)", choices=PUBLISHED, live=True
    )
    publish_contested: str = setting(
        "value", "what is published where another surface is nearly as likely, or sigma is above max_sigma_m: value, "
        "nan, or inf", choices=PUBLISHED, live=True,
    )  # fmt: skip
    publish_out_of_range: str = setting(
        "nan", "what is published where depth is out of range: nan, or inf (REP 117: -inf where it is too near)",
        choices=PUBLISHED[1:], live=True,
    )  # fmt: skip
    max_sigma_m: float = setting(
        0.0, "standard deviation above which depth is contested, m; 0: any", low=0, high=100, live=True
    )
    uncertainty: bool = True

    @property
    def needs_uncertainty(self) -> bool:
        """Whether sigma and what is contested have to be known."""
        return self.uncertainty or self.publish_contested != "value" or self.max_sigma_m > 0


def mask_depth(
    result: Tensor,
    valid: Tensor,
    beyond: Tensor | None,
    options: ValidityOptions,
    near: Tensor | None = None,
    limits: tuple[float, float] = (0.0, math.inf),
) -> tuple[Tensor, Tensor]:
    """Mask what is unknown in a result that was regressed or interpolated.

    Args:
        result: ``[B, 1, H, W]`` float32 depth.
        valid: ``[B, 1, h, w]`` bool, measured pixels.
        beyond: ``[B, 1, h, w]`` bool, pixels measured out of range; None where there are none.
        options: policies.
        near: ``[B, 1, h, w]`` bool, those of them that are too near; None where all are too far.
        limits: smallest and largest depth in range: what rings beyond them at an edge is not known.

    Returns:
        The depth as published, not finite where doubtful, and its provenance, uint8; each ``[B, 1, H, W]``.
    """
    origin = provenance(valid, beyond, (result.shape[-2], result.shape[-1]), options)
    doubtful = (origin == NOTHING) | (origin == OUT_OF_RANGE) | ~((result > 0) & torch.isfinite(result))
    held, outside = _held(result, limits)
    doubtful |= outside
    if options.remove_flying:
        doubtful |= flying_pixels(result, options.flying_gap)
    origin = torch.where(doubtful & (origin != OUT_OF_RANGE), NOTHING, origin)
    published = held.masked_fill(doubtful, torch.nan)
    if options.publish_out_of_range == "inf":
        published = _infinite(published, origin == OUT_OF_RANGE, near)
    if options.publish_filled != "value":
        published = published.masked_fill(origin == FILLED, _AS[options.publish_filled])
    return published, origin


def within_neighbours(result: Tensor, low: Tensor) -> Tensor:
    """Interpolated depth held between the 3x3 depths around it: bicubic kernels overshoot at a depth step.

    Args:
        result: ``[B, 1, s*h, s*w]`` float32.
        low: ``[B, 1, h, w]`` float32, what it was interpolated from.

    Returns:
        ``[B, 1, s*h, s*w]``.
    """
    size = (result.shape[-2], result.shape[-1])
    ends = torch.cat((_window_min(low, 1), _window_min(-low, 1)), dim=1)
    ends = F.interpolate(ends, size=size, mode="nearest-exact")
    return torch.minimum(torch.maximum(result, ends[:, :1]), -ends[:, 1:])


class MaskedChoice(NamedTuple):
    """A chosen surface with what is unknown masked, each ``[B, 1, H, W]``.

    Attributes:
        depth: float32, as published; not finite where nothing is.
        origin: uint8 provenance.
        uncertainty: sigma float32 (NaN where depth is not finite), confidence uint8 in per cent (0 there), and how many
            measurements disagree with their footprint, int32 ``[1, 1, 1, 1]``; nothing where it is not asked for.
    """

    depth: Tensor
    origin: Tensor
    uncertainty: tuple[Tensor, ...]


def mask_choice(
    choice: Choice, state: Measurement, limits: tuple[float, float], options: ValidityOptions
) -> MaskedChoice:
    """Mask what is unknown in a chosen surface. Kept is what is measured, or filled as the policy allows, and in range.

    Args:
        choice: the chosen surface of every output pixel, each ``[B, 1, H, W]``.
        state: what was measured, ``[B, 1, h, w]``.
        limits: smallest and largest depth in range.
        options: policies.
    """
    depth = choice.depth
    origin = provenance(state.valid, state.beyond, (depth.shape[-2], depth.shape[-1]), options)
    origin = torch.where((origin == MEASURED) & ~choice.own, REFINED, origin)
    held, outside = _held(depth, limits)
    origin = torch.where(outside & (origin != NOTHING), OUT_OF_RANGE, origin)
    origin = torch.where(torch.isfinite(depth) | (origin == OUT_OF_RANGE), origin, NOTHING).to(torch.uint8)
    published = held.masked_fill((origin == NOTHING) | (origin == OUT_OF_RANGE), torch.nan)
    if options.publish_out_of_range == "inf":
        near = (depth < limits[0]) | _enlarged(state.beyond & (state.depth < limits[0]), origin)
        published = _infinite(published, origin == OUT_OF_RANGE, near)
    if options.publish_filled != "value":
        published = published.masked_fill(origin == FILLED, _AS[options.publish_filled])
    if not options.needs_uncertainty:
        return MaskedChoice(published, origin, ())
    disagree = disagreeing(torch.where(origin == OUT_OF_RANGE, torch.nan, depth), choice.sigma, state)
    contested = (choice.rival > RIVAL_MOST) | (choice.probability < CHOSEN_LEAST) | _enlarged(disagree, origin)
    if options.max_sigma_m > 0:
        contested |= choice.sigma > options.max_sigma_m
    contested &= (origin != NOTHING) & (origin != OUT_OF_RANGE)
    origin = torch.where(contested, CONTESTED, origin)
    if options.publish_contested != "value":
        published = published.masked_fill(contested, _AS[options.publish_contested])
    nothing = ~torch.isfinite(published)
    right = torch.erf(CONFIDENT_SHARE * (2**-0.5) * depth / choice.sigma) * choice.probability
    confidence = (100 * right).masked_fill(nothing, 0).round().to(torch.uint8)
    count = disagree.sum(dtype=torch.int32).view(1, 1, 1, 1)
    return MaskedChoice(published, origin, (choice.sigma.masked_fill(nothing, torch.nan), confidence, count))


def _held(depth: Tensor, limits: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Depth held between its limits, and where it lies beyond them by more than rounding."""
    held = depth.clamp(*limits)
    return held, (depth - held).abs() > ROUNDING * held


def disagreeing(depth: Tensor, sigma: Tensor, state: Measurement) -> Tensor:
    """Measurements that no output pixel of their footprint lies within three sigma of, ``[B, 1, h, w]`` bool.

    Args:
        depth: ``[B, 1, H, W]`` float32; a footprint with a pixel that is NaN does not disagree.
        sigma: ``[B, 1, H, W]`` float32.
        state: what was measured, ``[B, 1, h, w]``.
    """
    measured = F.interpolate(state.depth, size=depth.shape[-2:], mode="nearest-exact")
    agrees = ~((depth - measured).abs() > AGREEING_SIGMAS * sigma)
    answered = F.adaptive_max_pool2d(agrees.to(torch.float32), (state.depth.shape[-2], state.depth.shape[-1]))
    return state.valid & (answered == 0)


def _infinite(published: Tensor, beyond: Tensor, near: Tensor | None) -> Tensor:
    """What is out of range as infinity, minus infinity where it is too near; `near` of either size."""
    published = published.masked_fill(beyond, torch.inf)
    return published if near is None else published.masked_fill(beyond & _enlarged(near, beyond), -torch.inf)


def _enlarged(mask: Tensor, like: Tensor) -> Tensor:
    """A mask of measured pixels ``[B, 1, h, w]`` at the output's size."""
    return F.interpolate(mask.to(torch.float32), size=like.shape[-2:], mode="nearest-exact") > 0


def provenance(valid: Tensor, beyond: Tensor | None, size: tuple[int, int], options: ValidityOptions) -> Tensor:
    """Where each output pixel comes from.

    Args:
        valid: ``[B, 1, h, w]`` bool, measured pixels.
        beyond: ``[B, 1, h, w]`` bool, pixels measured out of range; None where there are none.
        size: ``(H, W)`` of the output.
        options: the fill policy.

    Returns:
        ``[B, 1, H, W]`` uint8: `MEASURED` inside a measured pixel's footprint, `OUT_OF_RANGE` inside that of one
        measured out of range, `FILLED` where the policy lets a missing one be filled, `NOTHING` elsewhere. A frame
        without any measurement in range has nothing filled.
    """
    measured = valid.to(torch.float32)
    if options.fill == "none":
        known = measured
    elif options.fill == "all":
        known = measured.amax(dim=(-2, -1), keepdim=True).expand_as(measured)
    else:
        known = _dilate(measured, math.floor(options.fill_radius_px + 0.5))
    missing = torch.where(known > 0, FILLED, NOTHING)
    if beyond is not None:
        missing = torch.where(beyond, OUT_OF_RANGE, missing)
    origin = torch.where(valid, MEASURED, missing).to(torch.float32)
    return F.interpolate(origin, size=size, mode="nearest-exact").to(torch.uint8)


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """Square dilation of a float mask by `radius` pixels."""
    return -_window_min(-mask, radius)


def _window_min(image: Tensor, radius: int) -> Tensor:
    """Smallest value in the square window of `radius` around each pixel, borders repeated.

    By shifts with doubling reach on a CPU, where pooling one channel is an order of magnitude slower, and for large
    windows; by pooling on a GPU, where each shift is a kernel and passes over the whole image.
    """
    if image.is_cuda and radius <= _POOLED_RADIUS:
        return pooled_min(image, radius)
    for dim in (-2, -1):
        size = image.shape[dim]
        ends = [image.narrow(dim, 0, 1), image.narrow(dim, size - 1, 1)]
        image = torch.cat([ends[0]] * radius + [image] + [ends[1]] * radius, dim=dim)
        reach, window = 1, 2 * radius + 1
        while reach < window:
            step = min(reach, window - reach)
            length = image.shape[dim] - step
            image = torch.minimum(image.narrow(dim, 0, length), image.narrow(dim, step, length))
            reach += step
    return image


def pooled_min(image: Tensor, radius: int) -> Tensor:
    """What `_window_min` computes, by pooling along each axis; its border of minus infinity is never the largest."""
    window = 2 * radius + 1
    rows = F.max_pool2d(-image, (window, 1), stride=1, padding=(radius, 0))
    return -F.max_pool2d(rows, (1, window), stride=1, padding=(0, radius))


_POOLED_RADIUS = 8


def flying_pixels(depth: Tensor, gap: float) -> Tensor:
    """Pixels that float between two surfaces.

    A pixel flies when the surfaces in its 5x5 neighbourhood are further apart than `gap` of its depth, it lies in
    the middle half between the nearest and the farthest, and fewer than three of its eight neighbours share its
    depth within a quarter of the step, a little rounding allowed. Slanted surfaces survive because neighbours along
    them share their depth; next to the image border, where the window holds four rows or columns of a slope instead
    of five, a third of its step is the same slope.

    Args:
        depth: ``[B, 1, H, W]`` float32, above zero.
        gap: relative depth step, for example 0.05.

    Returns:
        ``[B, 1, H, W]`` bool.
    """
    near = _window_min(depth, 2)
    step = -_window_min(-depth, 2) - near
    quarter = 0.25 * step
    position = depth - near
    candidate = (step > gap * depth) & (position > quarter) & (position < 3 * quarter)
    reach = 1.04 * quarter
    for dim in (-2, -1):
        size = depth.shape[dim]
        for i in {1, size - 2} & {*range(size)}:
            reach.narrow(dim, i, 1).mul_(4 / 3)
    padded = F.pad(depth, (1, 1, 1, 1), mode="replicate")
    height, width = depth.shape[-2:]
    sharing = torch.zeros(depth.shape, dtype=torch.uint8, device=depth.device)
    for dy, dx in _NEIGHBOURS:
        shifted = padded[..., dy : dy + height, dx : dx + width]
        sharing += (shifted - depth).abs_() <= reach
    return candidate & (sharing < 3)


_NEIGHBOURS = [(dy, dx) for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)]
