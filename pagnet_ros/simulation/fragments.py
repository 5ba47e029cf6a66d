"""Rasterising many small surfaces at once: one flat list of (surface, pixel) fragments per kind.

A surface of a few hundred pixels costs less to intersect than to dispatch, and a furnished room has hundreds of
them; so they are gathered into long vectors, which is also how an accelerator wants them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.sensors.camera import FloatArray, PinholeCamera
from pagnet_ros.simulation import hits
from pagnet_ros.simulation.surfaces import CARD, CONE, ELLIPSOID, ROUND, SQUARE, Surfaces
from pagnet_ros.simulation.textures import CUTOUT_SIZE, PatternBank

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fragments:
    """N candidate hits: surface number, flat pixel index, and the slopes x, y of its ray, all [N]."""

    surface: torch.Tensor
    pixel: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor

    @classmethod
    def of(cls, chosen: Indices, boxes: Indices, camera: PinholeCamera, device: torch.device | str) -> Fragments:
        """All pixels of the boxes (x0, y0, x1, y1) [K, 4] of the chosen surfaces."""
        x0, y0, x1, y1 = boxes[chosen].T
        heights = y1 - y0
        row_owner = np.repeat(np.arange(len(chosen)), heights)
        first_row = np.cumsum(heights) - heights
        row_y = np.arange(len(row_owner)) - first_row[row_owner] + y0[row_owner]
        widths = (x1 - x0)[row_owner]
        first = np.cumsum(widths) - widths
        # One number per row says all about its pixels: their flat index minus their place in the list.
        count = torch.from_numpy(widths).to(device)
        total = int(widths.sum())

        def spread(per_row: npt.NDArray[np.int64] | FloatArray, kind: torch.dtype) -> torch.Tensor:
            return torch.from_numpy(per_row).to(device, kind).repeat_interleave(count, output_size=total)

        place = torch.arange(total, device=device)
        column = place + spread(x0[row_owner] - first, torch.int64)
        return cls(
            surface=spread(chosen[row_owner], torch.int64),
            pixel=column + spread(row_y * camera.width, torch.int64),
            x=(column.float() - camera.cx) / camera.fx,
            y=spread((row_y - camera.cy) / camera.fy, torch.float32),
        )


def draw_fragments(
    surfaces: Surfaces,
    chosen: Indices,
    boxes: Indices,
    table: FloatArray,
    bank: PatternBank,
    camera: PinholeCamera,
    inverse: torch.Tensor,
    number: torch.Tensor,
) -> None:
    """Draw the chosen surfaces (no decals, reliefs or unbounded planes) into a z-buffer, in place.

    Args:
        surfaces: The scene's surfaces.
        chosen: Their numbers.
        boxes: Bounding boxes of all surfaces [K, 4].
        table: Hit coefficients of all surfaces [K, 13].
        bank: Patterns, for the cut-outs.
        camera: Intrinsics.
        inverse: Inverse depth so far [H, W], larger is nearer.
        number: Surface numbers [H, W], int32.
    """
    kind, outline = surfaces.kind[chosen], np.minimum(surfaces.outline[chosen], 0)
    columns = torch.from_numpy(np.ascontiguousarray(table.T.astype(np.float32))).to(inverse.device)
    nearest, owner = inverse.view(-1), number.view(-1)
    for group in sorted(set(zip(kind.tolist(), np.where(kind == CARD, outline, 0).tolist(), strict=True))):
        members = chosen[(kind == group[0]) & ((kind != CARD) | (outline == group[1]))]
        batch = Fragments.of(members, boxes, camera, inverse.device)
        w = _hit(group, surfaces, batch, columns, bank)
        keep = (w > nearest.index_select(0, batch.pixel)).nonzero()[:, 0]
        pixel, w = batch.pixel.index_select(0, keep), w.index_select(0, keep)
        nearest.scatter_reduce_(0, pixel, w, "amax")
        won = (w == nearest.index_select(0, pixel)).nonzero()[:, 0]
        winner = batch.surface.index_select(0, keep.index_select(0, won))
        owner.index_copy_(0, pixel.index_select(0, won), winner.to(owner.dtype))


def _hit(
    group: tuple[int, int], surfaces: Surfaces, batch: Fragments, columns: torch.Tensor, bank: PatternBank
) -> torch.Tensor:
    """Inverse depth [N] of every fragment of one kind; not above 0 where the ray misses."""
    kind, outline = group
    used = hits.COLUMNS if kind == CONE else 9
    row = [columns[i].index_select(0, batch.surface) for i in range(used)]
    if kind == ELLIPSOID:
        return hits.ellipsoid(row, batch.x, batch.y)
    if kind == CONE:
        return hits.cone(row, batch.x, batch.y)
    if outline == SQUARE:
        return hits.square(row, batch.x, batch.y)
    if outline == ROUND:
        return hits.disc(row, batch.x, batch.y)
    w = hits.plane(row, batch.x, batch.y)
    u, v = hits.offsets(row, batch.x, batch.y)
    card = torch.tensor(surfaces.outline, device=w.device).index_select(0, batch.surface)
    return w.masked_fill_(~_solid(bank, card, u.div_(w), v.div_(w)), 0.0)


def _solid(bank: PatternBank, card: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """``PatternBank.solid`` for single points, each with its own cut-out."""
    inside = torch.maximum(u.abs(), v.abs()) <= 1
    x = ((u.nan_to_num(nan=0.0).clamp_(-1, 1) + 1) * (CUTOUT_SIZE / 2) - 0.5).clamp_(0, CUTOUT_SIZE - 1.001)
    y = ((v.nan_to_num(nan=0.0).clamp_(-1, 1) + 1) * (CUTOUT_SIZE / 2) - 0.5).clamp_(0, CUTOUT_SIZE - 1.001)
    left, top = x.floor(), y.floor()
    fx, fy = x - left, y - top
    corner = (card * CUTOUT_SIZE + top.long()) * CUTOUT_SIZE + left.long()
    values = bank.cutouts.view(-1)
    upper = torch.lerp(values.index_select(0, corner), values.index_select(0, corner + 1), fx)
    corner = corner + CUTOUT_SIZE
    lower = torch.lerp(values.index_select(0, corner), values.index_select(0, corner + 1), fx)
    return inside & (torch.lerp(upper, lower, fy) > 0.5)
