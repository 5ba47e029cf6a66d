"""Depth as another camera sees it: every measured pixel is a small piece of surface, drawn into the colour camera.

A piece reaches as far as half its pixel, along the surface: its slope is that towards the neighbour on the smoother
side, so that a slanted plane stays a plane to the last digit (inverse depth is linear in the image), pieces of one
surface touch, and none hangs between two. The nearest piece at a pixel's centre counts. What depth did not see stays
unknown.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.core.lens import distort, frame_rays
from pagnet_ros.errors import InputError
from pagnet_ros.messages.calibration import Calibration
from pagnet_ros.system.units import MILLIMETRES_PER_METRE

_LARGEST_STEP = 0.05
"""Neighbours further apart than this share of their depth lie on two surfaces."""
_HALF = 0.55
"""How far a piece reaches, of its pixel's width: a little over a half, so that rounding tears no crack."""
_NEAREST_M = 0.01
_WHOLE = 0.1
"""A ratio of resolutions this near to a whole number is taken for it, which spares a resampling later."""


class Reprojection:
    """Draws depth of one camera as another one sees it. Use from one thread at a time.

    Attributes:
        size: ``(h, w)`` of what comes out: the colour image's divided by how much finer its pixels are than depth's, so
            that a network gets the measurement about as fine as it was.
    """

    def __init__(
        self, depth: Calibration, color: Calibration, transform: NDArray[np.float64], device: str = "cpu"
    ) -> None:
        """Prepare the rays.

        Args:
            depth: the camera that measured.
            color: the camera to draw for.
            transform: ``[4, 4]``, points of the depth camera's frame to the colour camera's, metres.
            device: torch's, where it is computed.
        """
        self._depth_size, self._color, self._device = depth.size, color, torch.device(device)
        finer = max(1.0, math.sqrt(math.prod(color.focal) / math.prod(depth.focal)))
        if abs(finer / round(finer) - 1) < _WHOLE:
            finer = round(finer)
        self.size = max(2, round(color.size[0] / finer)), max(2, round(color.size[1] / finer))
        to_image = np.array(color.rotation).reshape(3, 3).T
        turn, shift = to_image @ transform[:3, :3], to_image @ transform[:3, 3]
        rays = np.einsum("ij,jhw->ihw", turn, frame_rays(depth))
        self._rays = torch.from_numpy(rays.astype(np.float32)).to(self._device)
        self._shift = [float(value) for value in shift]
        scale = [new / old for new, old in zip(self.size, color.size, strict=True)][::-1]
        self._focal = [f * s for f, s in zip(color.focal, scale, strict=True)]
        self._centre = [(c + 0.5) * s - 0.5 for c, s in zip(color.centre, scale, strict=True)]
        self._side = math.sqrt(math.prod(self._focal) / math.prod(depth.focal))

    def __call__(self, depth: NDArray[np.generic]) -> NDArray[np.float32]:
        """Draw one frame.

        Args:
            depth: ``[h, w]`` uint16 millimetres or float32 metres, of the depth camera's size; 0 and what is not finite
                is no measurement.

        Returns:
            ``[h', w']`` float32 metres of `size`, NaN where nothing was measured, for the colour camera.

        Raises:
            InputError: depth of another size, or of a single row or column.
        """
        if depth.shape != self._depth_size:
            raise InputError(
                f"depth is {depth.shape[1]}x{depth.shape[0]} and its calibration for "
                f"{self._depth_size[1]}x{self._depth_size[0]}; expected one size; make the reprojection anew"
            )
        if min(depth.shape) < 2:
            raise InputError(f"depth is {depth.shape[1]}x{depth.shape[0]}; expected at least 2x2 pixels")
        with torch.inference_mode():
            measured = torch.from_numpy(np.require(depth, requirements=["C", "W"])).to(self._device)
            z = measured.to(torch.float32)
            if depth.dtype == np.uint16:
                z = z / MILLIMETRES_PER_METRE
            return self._drawn(z).cpu().numpy()

    def _drawn(self, z: Tensor) -> Tensor:
        pieces = self._pieces(z)
        height, width = self.size
        nearest = torch.zeros(height * width + 1, device=self._device)
        u, v, w, au, av, aw, bu, bv, bw = pieces
        left, top = u.floor(), v.floor()
        area = 1.0 / (au * bv - av * bu)
        for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):  # a piece of up to two pixels reaches no other centres
            column, row = left + right, top + down
            du, dv = column - u, row - v
            s, t = (du * bv - dv * bu) * area, (dv * au - du * av) * area
            there = torch.maximum(s.abs(), t.abs()) <= _HALF
            there &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = torch.where(there, row * width + column, height * width).long()
            nearest.scatter_reduce_(0, place, w + s * aw + t * bw, "amax")
        seen = nearest[:-1].view(height, width)
        return torch.where(seen > 0, 1.0 / seen, math.nan)

    def _pieces(self, z: Tensor) -> Tensor:
        """``[9, n]``: place and inverse depth of each piece, and how both change over its pixel's width and height."""
        x, y, ahead = (ray * z + shift for ray, shift in zip(self._rays, self._shift, strict=True))
        w = 1.0 / ahead
        u, v = distort(self._color, x * w, y * w)
        place = torch.stack((u * self._focal[0] + self._centre[0], v * self._focal[1] + self._centre[1], w))
        valid = (z > 0) & (z < math.inf) & (ahead > _NEAREST_M) & place.isfinite().all(0)
        along = _slope(place, z, valid, 2)
        down = _slope(place, z, valid, 1)
        side = (self._side * z * w)[None]
        alone = torch.cat((side, torch.zeros_like(side), torch.zeros_like(side)))
        has_along, has_down = along.isfinite().all(0), down.isfinite().all(0)
        # what has no neighbour along one axis is as wide as it is along the other, and faces the camera there
        along = torch.where(has_along, along, torch.where(has_down, _turned(down), alone))
        down = torch.where(has_down, down, _turned(along))
        return torch.cat((place, along, down))[:, valid]


def _slope(place: Tensor, z: Tensor, valid: Tensor, axis: int) -> Tensor:
    """``[3, h, w]``: the step of `place` to the neighbour on the smoother side, so along the pixel's own surface.

    That is where inverse depth bends less at the neighbour (as essentially non-oscillatory schemes choose; Harten et
    al. 1987). NaN where neither neighbour lies on one surface with the pixel.
    """
    count = z.shape[axis - 1] - 1
    z0, z1 = z.narrow(axis - 1, 0, count), z.narrow(axis - 1, 1, count)
    one = (z1 - z0).abs() <= _LARGEST_STEP * torch.minimum(z0, z1)
    one &= valid.narrow(axis - 1, 0, count) & valid.narrow(axis - 1, 1, count)
    step = place.diff(dim=axis).masked_fill(~one, math.nan)
    size = step[2].abs()
    edge = torch.full_like(size.narrow(axis - 1, 0, 1), math.nan)
    bend = torch.cat((edge, step[2].diff(dim=axis - 1).abs(), edge), axis - 1)
    rough_before, rough_after = bend.narrow(axis - 1, 0, count), bend.narrow(axis - 1, 1, count)
    rough_before = torch.cat((edge, torch.where(rough_before.isnan(), size, rough_before)), axis - 1)
    rough_after = torch.cat((torch.where(rough_after.isnan(), size, rough_after), edge), axis - 1)
    edge = edge.expand(3, *edge.shape)
    before, after = torch.cat((edge, step), axis), torch.cat((step, edge), axis)
    return torch.where((rough_before < rough_after) | rough_after.isnan(), before, after)


def _turned(step: Tensor) -> Tensor:
    """A step of the same length across another, at one depth."""
    return torch.stack((-step[1], step[0], torch.zeros_like(step[0])))
