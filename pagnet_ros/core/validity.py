"""What may be believed: provenance, fill policy, flying pixels. Pure functions on tensors.

A consumer such as a costmap takes every finite value as a surface. So a pixel is published only when it was
measured, or lies close enough to a measurement, and does not float between two surfaces; everything else is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pagnet_ros.system.settings import Settings, setting

__all__ = [
    "ESTIMATES",
    "FILLED",
    "FILL_POLICIES",
    "MEASURED",
    "NOTHING",
    "OUT_OF_RANGE",
    "REFINED",
    "TrustOptions",
    "believe",
    "believe_choice",
    "flying_pixels",
    "provenance",
]

NOTHING, MEASURED, REFINED, FILLED, OUT_OF_RANGE = range(5)
"""Provenance of an output pixel: nothing is known; its own measurement's surface; the surface of a measurement beside
it, its own belonging to another; missing, the surface of a measurement near by; measured out of range."""
FILL_POLICIES = ("none", "near", "all")
ESTIMATES = ("surface", "mean")


@dataclass(frozen=True)
class TrustOptions(Settings):
    """What to believe. Flying pixels are those of what is regressed or interpolated: a chosen surface has none.

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


def believe(
    result: Tensor, valid: Tensor, beyond: Tensor | None, options: TrustOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep what may be believed of a result that was regressed or interpolated.

    Args:
        result: ``[B, 1, H, W]`` float32 depth.
        valid: ``[B, 1, h, w]`` bool, measured pixels.
        beyond: ``[B, 1, h, w]`` bool, pixels measured out of range; None where there are none.
        options: fill policy, flying pixels.

    Returns:
        The depth, NaN where doubtful; its provenance, uint8; what was doubtful, bool; each ``[B, 1, H, W]``.
    """
    origin = provenance(valid, beyond, (result.shape[-2], result.shape[-1]), options)
    doubtful = (origin == NOTHING) | (origin == OUT_OF_RANGE) | ~((result > 0) & torch.isfinite(result))
    if options.remove_flying:
        doubtful |= flying_pixels(result, options.flying_gap)
    origin = torch.where(doubtful & (origin != OUT_OF_RANGE), NOTHING, origin)
    return result.masked_fill(doubtful, float("nan")), origin, doubtful


def believe_choice(
    depth: Tensor,
    own: Tensor,
    valid: Tensor,
    beyond: Tensor,
    limits: tuple[float, float],
    options: TrustOptions,
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep what may be believed of a chosen surface: what is measured, or filled as the policy allows, and in range.

    Args:
        depth: ``[B, 1, H, W]`` float32, NaN where there is no surface.
        own: ``[B, 1, H, W]`` bool, the pixel's own measurement lies on that surface.
        valid: ``[B, 1, h, w]`` bool, measured pixels.
        beyond: ``[B, 1, h, w]`` bool, pixels measured out of range.
        limits: smallest and largest depth in range.
        options: fill policy.

    Returns:
        As `believe`.
    """
    origin = provenance(valid, beyond, (depth.shape[-2], depth.shape[-1]), options)
    origin = torch.where((origin == MEASURED) & ~own, REFINED, origin)
    outside = (depth < limits[0]) | (depth > limits[1])
    origin = torch.where(outside & (origin != NOTHING), OUT_OF_RANGE, origin)
    origin = torch.where(torch.isfinite(depth) | (origin == OUT_OF_RANGE), origin, NOTHING).to(torch.uint8)
    doubtful = (origin == NOTHING) | (origin == OUT_OF_RANGE)
    return depth.masked_fill(doubtful, float("nan")), origin, doubtful


def provenance(valid: Tensor, beyond: Tensor | None, size: tuple[int, int], options: TrustOptions) -> Tensor:
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
        known = _dilate(measured, round(options.fill_radius_px))
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
