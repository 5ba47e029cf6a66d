"""What the training of a network that chooses surfaces minimises, on a sample of the measured pixels' footprints.

Three terms, each averaged over the known pixels:

* the likelihood of the true depth under a mixture of Laplace densities, one per candidate, of one predicted width
  (SMD-Nets, CVPR 2021), with a share for what no candidate explains;
* the error of the average over the candidates on the surface nearest to the truth, which is the depth that the choice
  of this surface gives: it teaches which measurements to average;
* the expected error of the candidates' depths less a quarter of the expected difference between two draws. Probability
  far from the truth costs however little it is. With half of that difference this is the continuous ranked probability
  score (Gneiting and Raftery, 2007), for which an honest share costs least; but honest about simulated cameras, whose
  colour lies farther beside their depth than most real ones' does, a network is too unsure of real ones. Without it the
  network is surer than it can be (docs/tried.md, "Real cameras").

Most of an image is flat and teaches little, and the candidates take more time than the network; so footprints with
depth edges or gaps around them are taken and counted more, of the others only some.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pagnet_ros.model.surfaces import (
    CANDIDATES,
    SAME_SURFACE,
    SAME_SURFACE_WIDTHS,
    Candidates,
    Placement,
    Rays,
    candidates,
    distribution,
)

SPECIAL_SPAN = 1.015  # measurements around that differ by this factor: an edge, or a steep plane
SPECIAL_WEIGHT = 3.0
SHARES, SHARES_AT_1 = (1.0, 0.25), (0.25, 0.05)  # of special and of other footprints that are taken
BORDER_SHARE = 0.25
"""Share of those at a patch's border that are left, so that they count as much as in a frame: of a patch of 128 pixels
four times as many lie there as of 640x480, and all look special, as rays that leave the patch find nothing."""
UNEXPLAINED = 0.02
WORTH_AVERAGING = 0.02  # the surface nearest to the truth counts if it lies within this share of it
SURFACE_UNIT, SCORE_UNIT = 0.004, 0.015  # errors, as shares of the depth, that count as 1
SPREAD_CREDIT = 0.25
FAR = 1e6


class Footprints(NamedTuple):
    """Measured pixels whose footprints enter the loss, each ``[N]``: batch index, row, column and weight."""

    batch: Tensor
    row: Tensor
    column: Tensor
    weight: Tensor


class SurfaceLoss(NamedTuple):
    """Scalars: the value to minimise and its terms, without a gradient, as they enter it."""

    value: Tensor
    likelihood: Tensor
    surface: Tensor
    score: Tensor


def sample_footprints(rays: Rays, shares: tuple[float, float], generator: torch.Generator | None = None) -> Footprints:
    """Choose measured pixels with anything within reach.

    Args:
        rays: of the measured pixels.
        shares: of those with an edge or a gap around them, and of the others, that are taken; above 0, at most 1. Of
            these at the border of the patch only `BORDER_SHARE` are, and they count no more for it.
        generator: decides which; its device is that of the rays.
    """
    found = rays.distance > 0
    farthest = rays.depth.amax(1)
    nearest = torch.where(found, rays.depth, FAR).amin(1)
    special = (farthest > SPECIAL_SPAN * nearest) | ~found.all(1) | (rays.distance.amax(1) > 1)
    dice = torch.rand(special.shape, generator=generator, device=special.device)
    share = torch.where(special, shares[0], shares[1])
    share[:, [0, -1]] *= BORDER_SHARE
    share[:, 1:-1, [0, -1]] *= BORDER_SHARE
    taken = (dice < share) & found.any(1)
    batch, row, column = torch.nonzero(taken, as_tuple=True)
    weight = torch.where(special, SPECIAL_WEIGHT / shares[0], 1 / shares[1])[batch, row, column]
    return Footprints(batch, row, column, weight)


def surface_loss(
    logits: Tensor,
    rays: Rays,
    rgb: Tensor,
    truth: Tensor,
    known: Tensor,
    shares: tuple[float, float] | None = None,
    generator: torch.Generator | None = None,
) -> SurfaceLoss:
    """Loss of a batch on a sample of its footprints.

    Args:
        logits: ``[B, 20, s*h, s*w]``, of `SurfaceNetwork.forward`.
        rays: ``[B, 9, h, w]``, of the measured pixels.
        rgb: ``[B, 3, s*h, s*w]`` float32, a range of 1.
        truth: ``[B, 1, s*h, s*w]`` float32, the input's unit.
        known: ``[B, 1, s*h, s*w]`` bool, where the truth counts.
        shares: see `sample_footprints`; what the scale asks for if absent.
        generator: decides which footprints are taken.
    """
    scale = rgb.shape[-1] // rays.depth.shape[-1]
    with torch.no_grad():
        taken = sample_footprints(rays, shares or (SHARES_AT_1 if scale == 1 else SHARES), generator)
        at = (taken.batch, taken.row, taken.column)
        depth, slope_x, slope_y, distance = (plane.movedim(1, -1)[at][..., None, None] for plane in rays[:4])
        there = Rays(depth, slope_x, slope_y, distance, _colours(rays, at))
        found = candidates(there, _placement(scale, rgb.device), _footprints(rgb, scale, at))
        weight = taken.weight.view(-1, 1, 1, 1) * _footprints(known.to(rgb.dtype), scale, at)
        true = _footprints(truth, scale, at)
    return mixture_loss(found, _footprints(logits.float(), scale, at), true, weight)


def _placement(scale: int, device: torch.device) -> Placement:
    return Placement.of((1, 1), (scale, scale), device)


def _colours(rays: Rays, at: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """``[N, 9, 3, 1, 1]``."""
    return rays.colour.permute(0, 3, 4, 1, 2)[at][..., None, None]


def _footprints(image: Tensor, scale: int, at: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """``[B, C, s*h, s*w] -> [N, C, s, s]``, the blocks of the chosen measured pixels."""
    batch, channels, height, width = image.shape
    blocks = image.reshape(batch, channels, height // scale, scale, width // scale, scale)
    return blocks.permute(0, 2, 4, 1, 3, 5)[at]


def mixture_loss(found: Candidates, logits: Tensor, truth: Tensor, weight: Tensor) -> SurfaceLoss:
    """Loss of output pixels, given their candidates.

    Args:
        found: the candidates of each output pixel, ``[N, 10, H, W]``.
        logits: ``[N, 20, H, W]`` float32.
        truth: ``[N, 1, H, W]`` float32, the input's unit.
        weight: ``[N, 1, H, W]`` float32, 0 where the truth is not known.
    """
    total = weight.sum().clamp_min(1)
    truth = torch.where(weight > 0, truth, 1.0)
    scores, width = distribution(found, logits)
    logs = torch.log_softmax(scores, dim=1)
    error = (found.depth - truth).abs() / truth
    likelihood = torch.logsumexp(logs - error / width - torch.log(2 * width), dim=1, keepdim=True)
    unexplained = torch.full_like(likelihood, math.log(UNEXPLAINED))
    likelihood = torch.logaddexp(likelihood + math.log(1 - UNEXPLAINED), unexplained)
    probability, depth = logs.exp(), torch.where(found.known, found.depth, 0.0)
    with torch.no_grad():
        least, which = torch.where(found.known, error, FAR).min(dim=1, keepdim=True)
        near = found.depth.gather(1, which)
        tolerance = (SAME_SURFACE_WIDTHS * width).clamp_min(SAME_SURFACE)
        on = ((found.depth - near).abs() < tolerance * near) & found.known
        worth = weight * (least < tolerance.clamp_min(WORTH_AVERAGING))
    share = torch.softmax(torch.where(on, logs, -1e4), dim=1)
    average = (share * torch.where(on, found.depth, near)).sum(dim=1, keepdim=True)
    middle = (depth.sum(dim=1, keepdim=True) / found.known.sum(dim=1, keepdim=True).clamp_min(1)).clamp_min(1e-3)
    apart = torch.zeros_like(depth)  # of each candidate from a draw
    for number in range(CANDIDATES):
        one = slice(number, number + 1)
        apart = apart + probability[:, one] * (depth - depth[:, one]).abs()
    score = (probability * ((depth - truth).abs() - SPREAD_CREDIT * apart)).sum(dim=1, keepdim=True) / middle

    def mean(values: Tensor, weights: Tensor = weight) -> Tensor:
        return (values * weights).sum() / total

    terms = (
        -mean(likelihood),
        mean((average - truth).abs() / truth, worth) / SURFACE_UNIT,
        mean(score) / SCORE_UNIT,
    )
    return SurfaceLoss(sum(terms[1:], terms[0]), *(term.detach() for term in terms))
