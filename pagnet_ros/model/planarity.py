"""Where the measured depth bends: the gate that keeps colour's texture off planes. Mathematics only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PLANAR_BEND = 0.002


def planarity_gate(depth: Tensor, valid: Tensor | None, scale: int) -> Tensor:
    """How much structure the measured depth has around a pixel: 0 on a plane, towards 1 at edges and curves.

    ``b^2 / (b^2 + c^2)`` of the largest second difference b within two low-resolution pixels, c being half a level of
    an 8-bit image; 1 around pixels that were filled, and everywhere in an image of a single row or column.

    Args:
        depth: ``[B, 1, h, w]``, normalised.
        valid: ``[B, 1, h, w]``, 1 where measured, 0 where filled; None means all measured.
        scale: s.

    Returns:
        ``[B, 1, s*h, s*w]`` in 0 to 1.
    """
    if min(depth.shape[-2:]) < 2:
        return torch.ones((*depth.shape[:2], *(scale * side for side in depth.shape[-2:])), device=depth.device)
    inner = depth[..., 1:-1, 1:-1]
    pairs = (
        (depth[..., 1:-1, 2:], depth[..., 1:-1, :-2]),
        (depth[..., 2:, 1:-1], depth[..., :-2, 1:-1]),
        (depth[..., 2:, 2:], depth[..., :-2, :-2]),
        (depth[..., 2:, :-2], depth[..., :-2, 2:]),
    )
    bend = torch.stack([(one - 2 * inner + other).abs() for one, other in pairs]).amax(0)
    bend = F.pad(bend, (1, 1, 1, 1))  # the border has no second differences; pooling gives it its neighbours'
    if valid is not None:
        bend = bend + (1 - valid.to(bend.dtype))
    power = F.max_pool2d(bend, 5, 1, 2).square()
    return F.interpolate(power / (power + PLANAR_BEND**2), scale_factor=scale, mode="bilinear")
