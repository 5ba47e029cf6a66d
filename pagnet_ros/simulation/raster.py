"""Geometry: which surface each pixel sees, how far, and with which normal and texture coordinates.

``rasterize`` meets every surface with the rays inside its screen bounding box only and keeps the nearest;
``surface_attributes`` then computes the rest once per pixel, for the visible surface alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.sensors.camera import FloatArray, PinholeCamera
from pagnet_ros.simulation import hits
from pagnet_ros.simulation.fragments import draw_fragments
from pagnet_ros.simulation.hits import local_from_camera
from pagnet_ros.simulation.surfaces import CARD, CONE, ELLIPSOID, ROUND, SQUARE, UNBOUNDED, Surfaces
from pagnet_ros.simulation.textures import TEXTURE_SIZE, PatternBank

NEAR_M = 0.02
FAR_M = 1e4
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
_DECAL_TOLERANCE = 2e-3
# Bounding boxes up to this size are drawn as fragments; dispatching a surface costs more than intersecting it.
_SMALL_PIXELS = 2000
_SMALL_PIXELS_ACCELERATOR = 100_000


@dataclass(frozen=True)
class Visible:
    """Z-buffer: depth along the optical axis [H, W] in metres (FAR_M where nothing is hit) and surface numbers."""

    depth: torch.Tensor
    surface: torch.Tensor


@dataclass(frozen=True)
class Attributes:
    """Per pixel: unit normal [3, H, W] in the camera frame, texture coordinates [H, W], texels per pixel [H, W]."""

    normal: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    texels: torch.Tensor
    cos_incidence: torch.Tensor


def _bounding_boxes(surfaces: Surfaces, pose: FloatArray, camera: PinholeCamera) -> npt.NDArray[np.int64]:
    """Pixel boxes (x0, y0, x1, y1) [K, 4]; empty ones have x1 <= x0. Conservative where a surface is very near."""
    extent = surfaces.half_size.copy()
    cone = surfaces.kind == CONE
    extent[cone, :2] *= 1 + np.abs(surfaces.taper[cone, None])
    card = surfaces.kind == CARD
    extent[card, 2] = 0.0
    world = surfaces.centre[:, None] + np.einsum("kij,kcj->kci", surfaces.rotation, _CORNERS * extent[:, None])
    points = (world - pose[:3, 3]) @ pose[:3, :3]
    z = points[..., 2]  # a relief rises along the ray, and so within the same pixels
    safe = np.maximum(z, 1e-6)
    u = points[..., 0] / safe * camera.fx + camera.cx
    v = points[..., 1] / safe * camera.fy + camera.cy
    boxes = np.stack((np.floor(u.min(1)), np.floor(v.min(1)), np.ceil(u.max(1)) + 1, np.ceil(v.max(1)) + 1), axis=1)
    full = (z.min(1) - np.abs(surfaces.relief_m) < NEAR_M) | (surfaces.outline == UNBOUNDED)
    boxes[full] = (0, 0, camera.width, camera.height)
    boxes[(z.max(1) < NEAR_M) & (surfaces.outline != UNBOUNDED)] = 0
    limit = np.array([camera.width, camera.height] * 2)
    clipped: npt.NDArray[np.int64] = np.clip(boxes, 0, limit).astype(np.int64)
    return clipped


def rasterize(
    surfaces: Surfaces, bank: PatternBank, camera: PinholeCamera, pose: FloatArray, device: torch.device | str
) -> Visible:
    """Depth and surface number per pixel: large surfaces one by one, small ones together, decals last."""
    linear, origin = local_from_camera(surfaces, pose)
    table = hits.coefficients(surfaces, linear, origin)
    boxes = _bounding_boxes(surfaces, pose, camera)
    x, y = camera.rays(device)
    inverse = torch.full((camera.height, camera.width), 1 / FAR_M, device=device)
    number = torch.full((camera.height, camera.width), -1, dtype=torch.int32, device=device)
    sides = boxes[:, 2:] - boxes[:, :2]
    drawn = (sides > 0).all(1) & ~(surfaces.one_sided & (origin[:, 2] <= 0))
    limit = _SMALL_PIXELS if inverse.device.type == "cpu" else _SMALL_PIXELS_ACCELERATOR
    small = drawn & (sides.prod(1) < limit) & (surfaces.relief < 0) & (surfaces.outline != UNBOUNDED) & ~surfaces.decal

    def draw(k: int) -> None:
        x0, y0, x1, y1 = boxes[k].tolist()
        w = _hit(surfaces, bank, k, table[k].tolist(), x[:, x0:x1], y[y0:y1])
        old, owner = inverse[y0:y1, x0:x1], number[y0:y1, x0:x1]
        if surfaces.decal[k]:
            owner.masked_fill_((w - old).abs_() < _DECAL_TOLERANCE * old, k)
        else:
            owner.masked_fill_(w > old, k)
            # Only these can miss with NaN, which fmax drops; maximum is several times faster.
            may_be_nan = surfaces.kind[k] == ELLIPSOID or surfaces.relief[k] >= 0
            (torch.fmax if may_be_nan else torch.maximum)(old, w, out=old)

    for k in np.flatnonzero(drawn & ~small & ~surfaces.decal):
        draw(int(k))
    draw_fragments(surfaces, np.flatnonzero(small), boxes, table, bank, camera, inverse, number)
    for k in np.flatnonzero(drawn & surfaces.decal):
        draw(int(k))
    return Visible(inverse.clamp_(max=1 / NEAR_M).reciprocal_(), number)


def cast_rays(surfaces: Surfaces, bank: PatternBank, pose: FloatArray, x: torch.Tensor, y: torch.Tensor) -> Visible:
    """What any rays meet, one surface after the other: slow, and for cameras that are no pinholes.

    Args:
        surfaces: The surfaces; those that only colour others are left out.
        bank: Cut-outs and reliefs.
        pose: World-from-camera matrix [4, 4].
        x: Slopes of the rays [h, w], float32; NaN for none.
        y: Likewise.

    Returns:
        Depth [h, w], NaN where nothing is hit, and the numbers of the surfaces, -1 there.
    """
    linear, origin = local_from_camera(surfaces, pose)
    table = hits.coefficients(surfaces, linear, origin)
    inverse = torch.full_like(x, 1 / FAR_M)
    number = torch.full_like(x, -1, dtype=torch.int32)
    for k in np.flatnonzero(~(surfaces.one_sided & (origin[:, 2] <= 0)) & ~surfaces.decal):
        w = _hit(surfaces, bank, int(k), table[k].tolist(), x, y)
        number.masked_fill_(w > inverse, int(k))
        inverse = torch.fmax(inverse, w)
    return Visible(inverse.reciprocal().masked_fill(number < 0, torch.nan), number)


def _hit(
    surfaces: Surfaces, bank: PatternBank, k: int, row: list[float], x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Inverse depth [h, w] of surface ``k``; not above 0, or NaN, where the ray misses."""
    kind, outline = int(surfaces.kind[k]), int(surfaces.outline[k])
    if kind == ELLIPSOID:
        return hits.ellipsoid(row, x, y)
    if kind == CONE:
        return hits.cone(row, x, y)
    if outline == UNBOUNDED:
        return hits.plane(row, x, y)
    relief = int(surfaces.relief[k])
    if relief < 0 and outline == SQUARE:
        return hits.square(row, x, y)
    if relief < 0 and outline == ROUND:
        return hits.disc(row, x, y)
    w = hits.plane(row, x, y)
    u, v = (value.div_(w) for value in hits.offsets(row, x, y))
    if relief >= 0:
        w = w / (1 + w * float(surfaces.relief_m[k]) * bank.height(relief, u, v))
    if outline >= 0:
        return w.masked_fill_(~bank.solid(outline, u, v), 0.0)
    if outline == ROUND:
        return w.masked_fill_(~(u.mul_(u).addcmul_(v, v) <= 1), 0.0)
    return w.masked_fill_(~(torch.maximum(u.abs_(), v.abs_(), out=u) <= 1), 0.0)


@dataclass(frozen=True)
class SurfaceTables:
    """What ``surface_attributes`` needs of each surface, apart from the pose: float32 tensors on the device."""

    texture_map: torch.Tensor  # [K, 2, 2] tiles per metre, rotated
    offset: torch.Tensor  # [K, 2]
    half_size: torch.Tensor  # [K, 3]
    texels_per_m: torch.Tensor  # [K], 0 for projected patterns
    texels_per_slope: torch.Tensor  # [K], 0 for all others
    special: torch.Tensor  # [K] bool: texture coordinates or normal are not affine in the point

    @classmethod
    def build(cls, surfaces: Surfaces, device: torch.device | str) -> SurfaceTables:
        """The tables of these surfaces on a device."""
        angle = np.array([m.angle for m in surfaces.material])
        c, s = np.cos(angle), np.sin(angle)
        scale = np.array([m.repeats_per_m for m in surfaces.material])
        turn = np.stack((np.stack((c, s), -1), np.stack((-s, c), -1)), -2) * scale[:, None, None]
        projected = np.array([m.projected for m in surfaces.material])
        special = (surfaces.kind != CARD) | (surfaces.relief >= 0) | projected

        def upload(array: npt.NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(array.astype(np.float32)).to(device)

        offset = np.array([m.offset for m in surfaces.material])
        return cls(
            upload(turn),
            upload(offset),
            upload(surfaces.half_size),
            upload(scale * TEXTURE_SIZE * ~projected),
            upload(scale * TEXTURE_SIZE * projected),
            upload(special) > 0,
        )


def surface_attributes(
    visible: Visible,
    surfaces: Surfaces,
    tables: SurfaceTables,
    bank: PatternBank,
    camera: PinholeCamera,
    pose: FloatArray,
    projector: FloatArray,
) -> Attributes:
    """Normals and texture coordinates of the visible surfaces.

    Args:
        visible: Z-buffer with every surface number >= 0.
        surfaces: The surfaces it was made from.
        tables: Their tables on the same device.
        bank: Patterns (for the slopes of reliefs).
        camera: Intrinsics of the view.
        pose: World-from-camera matrix [4, 4] of the view.
        projector: Pose from which projected patterns are thrown [4, 4].
    """
    device = visible.depth.device
    linear64, origin64 = local_from_camera(surfaces, pose)
    linear = torch.from_numpy(linear64.astype(np.float32)).to(device)
    origin = torch.from_numpy(origin64.astype(np.float32)).to(device)
    x, y = camera.rays(device)
    z, number = visible.depth, visible.surface
    shape = z.shape
    scaled = tables.texture_map * tables.half_size[:, None, :2]
    rows = scaled @ linear[:, :2]
    shift = (scaled @ origin[:, :2, None])[..., 0] + tables.offset
    facing = torch.nn.functional.normalize(linear[:, 2], dim=1)
    flat = number.flatten()

    def pick(column: torch.Tensor) -> torch.Tensor:
        return column.contiguous().index_select(0, flat).view(shape)

    u, v = (
        pick(rows[:, i, 0]).mul_(x).addcmul_(pick(rows[:, i, 1]), y).add_(pick(rows[:, i, 2])).mul_(z)
        + pick(shift[:, i])
        for i in range(2)
    )
    normal = torch.stack([pick(facing[:, i]) for i in range(3)])
    chosen = pick(tables.special.to(torch.uint8)).flatten().nonzero()[:, 0]
    if len(chosen):
        special = _Special(surfaces, tables, bank, linear, origin, device)
        px = x.expand(shape).flatten().index_select(0, chosen)
        py = y.expand(shape).flatten().index_select(0, chosen)
        pz = z.flatten().index_select(0, chosen)
        points = torch.stack((px * pz, py * pz, pz))
        values = special.evaluate(flat.index_select(0, chosen), points, np.linalg.inv(projector) @ pose)
        for target, source in zip((u, v, *normal), values, strict=True):
            target.view(-1).index_copy_(0, chosen, source)
    length = (x * x + y * y + 1).rsqrt_()
    cosine = (normal[0] * x).addcmul_(normal[1], y).add_(normal[2]).mul_(length)
    normal *= -torch.sign(cosine)
    cosine = cosine.abs_()
    # A projected pattern covers the same angle at any depth and slant.
    on_surface = pick(tables.texels_per_m).mul_(z) / cosine.clamp(min=0.25)
    texels = on_surface.add_(pick(tables.texels_per_slope)).mul_(1 / camera.fx)
    return Attributes(normal, u, v, texels, cosine)


@dataclass(frozen=True)
class _Special:
    """Points on curved, bent or projected surfaces, as flat lists of N points."""

    surfaces: Surfaces
    tables: SurfaceTables
    bank: PatternBank
    linear: torch.Tensor
    origin: torch.Tensor
    device: torch.device

    def evaluate(
        self, number: torch.Tensor, points: torch.Tensor, to_projector: FloatArray
    ) -> tuple[torch.Tensor, ...]:
        """Texture coordinates u, v and normal components [N] of camera points [3, N] on surfaces ``number`` [N]."""

        def column(values: npt.NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(values.astype(np.float32)).to(self.device).index_select(0, number)

        linear = self.linear.flatten(1).T.contiguous().index_select(1, number)
        origin = self.origin.T.contiguous().index_select(1, number)
        p = [
            linear[3 * i] * points[0] + linear[3 * i + 1] * points[1] + linear[3 * i + 2] * points[2] + origin[i]
            for i in range(3)
        ]
        kind = column(self.surfaces.kind)
        round_ = (kind != CARD).float()
        cone = (kind == CONE).float()
        taper = column(self.surfaces.taper)
        relief = column(self.surfaces.relief)
        reach = 1 + taper * p[2]
        g = [
            p[0] * round_,
            p[1] * round_,
            (1 - round_) + round_ * ((1 - cone) * p[2] - cone * taper * reach),
        ]
        slopes = self.bank.slopes(relief.clamp(min=0), p[0], p[1]) * (relief >= 0).float()
        rise = (linear[6] * points[0] + linear[7] * points[1]) / points[2] + linear[8]
        rise = rise * column(self.surfaces.relief_m)
        g[0] = g[0] - rise * slopes[0]
        g[1] = g[1] - rise * slopes[1]
        normal = torch.stack([linear[i] * g[0] + linear[i + 3] * g[1] + linear[i + 6] * g[2] for i in range(3)])
        normal = normal * (normal * normal).sum(0).clamp_(min=1e-12).rsqrt_()
        half = self.tables.half_size.T.contiguous().index_select(1, number)
        around = torch.atan2(p[1], p[0]) * half[0]
        s = around * round_ + p[0] * half[0] * (1 - round_)
        t = p[2] * half[2] * round_ + p[1] * half[1] * (1 - round_)
        s, t = self._projected(number, points, to_projector, s, t)
        turn = self.tables.texture_map.flatten(1).T.contiguous().index_select(1, number)
        offset = self.tables.offset.T.contiguous().index_select(1, number)
        u = turn[0] * s + turn[1] * t + offset[0]
        v = turn[2] * s + turn[3] * t + offset[1]
        return u, v, *normal

    def _projected(
        self, number: torch.Tensor, points: torch.Tensor, matrix: FloatArray, s: torch.Tensor, t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        flags = np.array([m.projected for m in self.surfaces.material])
        if not flags.any():
            return s, t
        thrown = torch.from_numpy(flags).to(self.device).index_select(0, number)
        m = torch.from_numpy(matrix.astype(np.float32)).to(self.device)
        q = m[:3, :3] @ points + m[:3, 3:]
        depth = q[2].clamp(min=NEAR_M)
        return torch.where(thrown, q[0] / depth, s), torch.where(thrown, q[1] / depth, t)
