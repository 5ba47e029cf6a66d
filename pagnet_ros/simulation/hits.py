"""Where rays meet surfaces, in inverse depth.

With depth ``z = 1 / w`` a plane is linear in the ray slopes (x, y), the test whether a hit lies inside a card is
linear too, and a quadric's two hits are ``-b(x, y) +- sqrt(q(x, y))`` with b linear and q quadratic: no division
per pixel. Coefficients are made in float64 for all surfaces at once; the functions below take them either as
numbers, with x [1, w] and y [h, 1], or as tensors [N], with x and y [N].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pagnet_ros.sensors.camera import FloatArray
from pagnet_ros.simulation.surfaces import CARD, CONE, Surfaces

Coefficients = Sequence[float] | Sequence[torch.Tensor]
COLUMNS = 13


def local_from_camera(surfaces: Surfaces, pose: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Affine maps ``p = M P + o`` from camera points to each surface's unit frame: ``[K, 3, 3]`` and ``[K, 3]``."""
    to_local = surfaces.rotation.transpose(0, 2, 1) / surfaces.half_size[:, :, None]
    linear = to_local @ pose[:3, :3]
    return linear, np.einsum("kij,kj->ki", to_local, pose[:3, 3] - surfaces.centre)


def coefficients(surfaces: Surfaces, linear: FloatArray, origin: FloatArray) -> FloatArray:
    """Hit coefficients [K, 13]: cards use the first nine columns, ellipsoids nine, cones all.

    Args:
        surfaces: The surfaces.
        linear: Local-from-camera matrices [K, 3, 3].
        origin: Camera centre in local coordinates [K, 3].
    """
    table = np.zeros((len(surfaces), COLUMNS))
    card = surfaces.kind == CARD
    m, o = linear[card], origin[card]
    distance = np.where(np.abs(o[:, 2]) < 1e-9, 1e-9, o[:, 2])
    table[card, 0:3] = inverse = -m[:, 2] / distance[:, None]
    table[card, 3:6] = m[:, 0] + o[:, :1] * inverse
    table[card, 6:9] = m[:, 1] + o[:, 1:2] * inverse
    m, o = linear[~card], origin[~card]
    taper = np.where(surfaces.kind[~card] == CONE, surfaces.taper[~card], 0.0)
    cone = surfaces.kind[~card] == CONE
    reach = 1 + taper * o[:, 2]
    across = o * np.stack((np.ones_like(taper), np.ones_like(taper), ~cone), axis=1)
    across[:, 2] -= taper * reach
    weight = np.stack((np.ones_like(taper), np.ones_like(taper), np.where(cone, -(taper**2), 1.0)), axis=1)
    constant = (o[:, :2] ** 2).sum(1) + np.where(cone, -(reach**2), o[:, 2] ** 2 - 1)
    constant = np.where(np.abs(constant) < 1e-9, 1e-9, constant)
    b = np.einsum("kij,ki->kj", m, across) / constant[:, None]
    a = np.einsum("kia,ki,kib->kab", m, weight, m) / constant[:, None, None]
    q = b[:, :, None] * b[:, None, :] - a
    table[~card, 0:3] = b
    table[~card, 3:9] = np.stack(
        (q[:, 0, 0], 2 * q[:, 0, 1], q[:, 1, 1], 2 * q[:, 0, 2], 2 * q[:, 1, 2], q[:, 2, 2]), axis=1
    )
    table[~card, 9:12] = m[:, 2]
    table[~card, 12] = o[:, 2]
    return table


def _linear(row: Coefficients, first: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x * row[first] + row[first + 2]) + y * row[first + 1]


def plane(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inverse depth of a card's whole plane; not positive behind the camera."""
    return _linear(row, 0, x, y)


def offsets(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Local coordinates of the hit on a card's plane, times its inverse depth."""
    return _linear(row, 3, x, y), _linear(row, 6, x, y)


def square(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inverse depth of a rectangular card, 0 or less where the ray misses it."""
    w = plane(row, x, y)
    u, v = offsets(row, x, y)
    return w.masked_fill_(torch.maximum(u.abs_(), v.abs_(), out=u) > w, 0.0)


def disc(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inverse depth of an elliptic card, 0 or less where the ray misses it."""
    w = plane(row, x, y)
    u, v = offsets(row, x, y)
    return w.masked_fill_(u.mul_(u).addcmul_(v, v) > w * w, 0.0)


def ellipsoid(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inverse depth of the front of an ellipsoid, NaN where the ray misses it."""
    return _root(row, x, y).sub_(_linear(row, 0, x, y))


def cone(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Inverse depth of the nearer visible wall of a cone or cylinder, 0 where the ray misses it."""
    root, middle = _root(row, x, y), _linear(row, 0, x, y)
    along = _linear(row, 9, x, y)
    far = -root - middle
    near = root.sub_(middle)
    for w in (near, far):
        # NaN (no hit) fails the comparison; maximum would hand it on.
        w.masked_fill_(~((w * row[12]).add_(along).abs_() <= w), 0.0)
    return torch.maximum(near, far, out=near)


def _root(row: Coefficients, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    by_x = x * x * row[3] + (x * row[6] + row[8])
    by_y = y * (y * row[5] + row[7])
    return ((x * row[4]) * y).add_(by_x).add_(by_y).sqrt_()
