"""The depth contract: units, validity, filling, normalising, resizing. Pure functions.

At the rim depth is either uint16 millimetres with 0 = no measurement, or float32 in any positive linear unit
(metres from ROS, REP 118) with every non-finite, zero or negative value = no measurement. Inside it is a float32
tensor ``[B, 1, h, w]`` plus the state of each pixel: measured, out of range (seen, but nearer or farther than asked
for; never filled, never a source of filling), or missing. The functions are torch, so that they run where the network
runs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.errors import InputError
from pagnet_ros.model.resize import cubic_kernel
from pagnet_ros.system.units import MILLIMETRES_PER_METRE

MAX_SIDE_PX = 8192
_OTHER_SIZE = "take another resolution of the camera's"
_WHOLE = 1 - 1e-5


def unmasked(depth: NDArray[np.generic]) -> NDArray[np.generic]:
    """A masked array as a plain one with no measurement where it is masked (NaN, 0 for whole numbers); else `depth`."""
    if not isinstance(depth, np.ma.MaskedArray):
        return depth
    return np.asarray(depth.filled(np.nan if np.issubdtype(depth.dtype, np.floating) else 0))


def check_depth(depth: NDArray[np.generic]) -> None:
    """Check that an array is a depth image: ``[h, w]``, uint16 (millimetres) or float32 (any positive linear unit).

    Raises:
        InputError: wrong type, number of dimensions, or size.
    """
    if not isinstance(depth, np.ndarray) or depth.dtype not in (np.uint16, np.float32):
        came = f"an array of {depth.dtype}" if isinstance(depth, np.ndarray) else type(depth).__name__
        raise InputError(
            f"depth is {came}; expected a NumPy array of uint16 (millimetres, 0 = no measurement) or float32 "
            "(metres, NaN = no measurement); convert it with depth.astype(np.float32) in metres"
        )
    if depth.ndim != 2 or not all(2 <= side <= MAX_SIDE_PX for side in depth.shape):
        mend = _OTHER_SIZE if depth.ndim == 2 else "drop a channel axis with depth[..., 0]"
        raise InputError(f"depth has shape {depth.shape}; expected [h, w] with sides of 2 to {MAX_SIDE_PX} px; {mend}")


def check_rgb(rgb: NDArray[np.generic]) -> None:
    """Check that an array is a colour image: ``[H, W, 3]`` uint8, red first.

    Raises:
        InputError: wrong type, number of dimensions, or size.
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        came = f"an array of {rgb.dtype}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise InputError(f"rgb is {came}; expected a NumPy array of uint8, red first; scale floats by 255 and cast")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or not all(2 <= side <= MAX_SIDE_PX for side in rgb.shape[:2]):
        is_image = rgb.ndim == 3 and rgb.shape[2] == 3
        mend = _OTHER_SIZE if is_image else "repeat a grey image three times along the last axis"
        raise InputError(f"rgb has shape {rgb.shape}; expected [H, W, 3] with sides of 2 to {MAX_SIDE_PX} px; {mend}")


class Measurement(NamedTuple):
    """Depth as it was measured. A pixel is measured, out of range, or missing, where both masks are False.

    Attributes:
        depth: ``[..., h, w]`` float32, metres for uint16 input, else the input's unit; 0 where missing; out of range no
            nearer than half the smallest and no farther than twice the largest depth asked for.
        valid: bool, measured and in range.
        beyond: bool, seen, but nearer or farther than asked for (REP 117: also infinite depth of either sign).
    """

    depth: Tensor
    valid: Tensor
    beyond: Tensor


def decode_depth(raw: Tensor, minimum: float, maximum: float) -> Measurement:
    """Raw sensor depth -> depth and the state of each pixel.

    Args:
        raw: ``[..., h, w]``, uint16 millimetres or float32.
        minimum: smallest depth in range, in metres (or the unit of float input); where it is 0 nothing is too near, and
            minus infinity is missing.
        maximum: largest depth in range, same unit; where it is infinite nothing is too far, and infinity is missing.
    """
    if raw.dtype == torch.uint16:
        # in float32 it would be a bit off, on a GPU even by division, and so miss the limits
        depth = (raw.to(torch.float64) / MILLIMETRES_PER_METRE).to(torch.float32)
    else:
        depth = raw.to(torch.float32)
    valid = torch.isfinite(depth) & (depth > 0) & (depth >= minimum) & (depth <= maximum)
    too_far = (depth > maximum) if math.isfinite(maximum) else torch.zeros_like(valid)
    too_near = (((depth > 0) | torch.isneginf(depth)) & (depth < minimum)) if minimum > 0 else torch.zeros_like(valid)
    beyond = too_far | too_near
    least = 0.5 * minimum
    clamped = depth.clamp(least, 2.0 * maximum) if math.isfinite(maximum) else depth.clamp_min(least)
    return Measurement(torch.where(valid, depth, torch.where(beyond, clamped, 0.0)), valid, beyond)


def fill_holes(depth: Tensor, valid: Tensor) -> Tensor:
    """Fill what was not measured from its surroundings, smoothly (pull-push, Gortler et al. 1996).

    Measured pixels stay as they are, bit for bit. An image without any measured pixel comes back as zeros.

    Args:
        depth: ``[B, 1, h, w]`` float32, any unit.
        valid: ``[B, 1, h, w]`` bool.

    Returns:
        ``[B, 1, h, w]`` float32, finite everywhere.
    """
    weight = valid.to(depth.dtype)
    value = torch.where(valid, depth, 0.0)
    if min(depth.shape[-2:]) <= 1:
        total = weight.sum(dim=(-2, -1), keepdim=True)
        coarse = value.sum(dim=(-2, -1), keepdim=True) / total.clamp_min(1.0)
        return torch.where(valid, depth, coarse)
    odd = (depth.shape[-1] % 2, depth.shape[-2] % 2)
    padding = (0, odd[0], 0, odd[1])
    pooled_weight = F.avg_pool2d(F.pad(weight, padding), 2)
    pooled_value = F.avg_pool2d(F.pad(value, padding), 2)
    pooled_valid = pooled_weight > 0
    coarse = fill_holes(pooled_value / pooled_weight.clamp_min(1e-6), pooled_valid)
    smooth = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(valid, depth, smooth[..., : depth.shape[-2], : depth.shape[-1]])


class Normalisation(NamedTuple):
    """An affine map between depth and what the network sees: ``normalised = (depth - offset) / span``.

    Attributes:
        offset: ``[B, 1, 1, 1]`` float32, smallest depth of the frame, in its unit.
        span: ``[B, 1, 1, 1]`` float32, largest minus smallest depth, in its unit, above zero.
    """

    offset: Tensor
    span: Tensor

    @classmethod
    def of(cls, filled: Tensor) -> Normalisation:
        """Per-frame range of hole-filled depth ``[B, 1, h, w]``; at least a thousandth of the depth itself."""
        low = filled.amin(dim=(-3, -2, -1), keepdim=True)
        span = filled.amax(dim=(-3, -2, -1), keepdim=True) - low
        least = torch.clamp_min(low.abs() * 1e-3, 1e-6)
        return cls(low, torch.maximum(span, least))

    def apply(self, depth: Tensor) -> Tensor:
        """Depth -> normalised, about 0 to 1."""
        return (depth - self.offset) / self.span

    def undo(self, normalised: Tensor) -> Tensor:
        """Normalised -> depth, float32."""
        return normalised * self.span + self.offset


class WorkingSize(NamedTuple):
    """The sizes a network of a given scale runs at for one depth and colour size.

    Attributes:
        low: ``(h, w)`` of the network's depth input.
        high: ``(H, W)`` of its output, `scale` times `low`.
        pooled: whether the measured depth has to be pooled down to `low` first.
    """

    low: tuple[int, int]
    high: tuple[int, int]
    pooled: bool


def working_size(depth_size: tuple[int, int], rgb_size: tuple[int, int], scale: int) -> WorkingSize:
    """Choose the sizes at which a network of `scale` runs.

    Depth goes in as measured when its ratio to colour is above half the scale (the result is then resampled to
    the colour size). Below that, down to equal sizes, running at `scale` times the measured size would cost more
    than it gives: the measurement is pooled to 1/scale of the colour size and brought back afterwards.

    Args:
        depth_size: measured ``(h, w)``.
        rgb_size: colour ``(H, W)``, the size of the result.
        scale: the network's up-sampling factor.

    Raises:
        InputError: depth larger than colour.
    """
    ratios = [high / low for low, high in zip(depth_size, rgb_size, strict=True)]
    if min(ratios) < 1:
        raise InputError(
            f"depth is {depth_size[1]}x{depth_size[0]} and colour {rgb_size[1]}x{rgb_size[0]}; expected colour at "
            "least as large as depth in both axes; subscribe to the full-size colour topic, or down-sample depth"
        )
    if math.sqrt(ratios[0] * ratios[1]) > scale / 2:
        low = depth_size
    else:
        low = (max(2, math.ceil(rgb_size[0] / scale)), max(2, math.ceil(rgb_size[1] / scale)))
    return WorkingSize(low, (low[0] * scale, low[1] * scale), pooled=low != depth_size)


def pool_valid(depth: Tensor, valid: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pool measured depth to a smaller size: the mean of the measured pixels in each footprint.

    Args:
        depth: ``[B, 1, h, w]`` float32.
        valid: ``[B, 1, h, w]`` bool.
        size: ``(h', w')``.

    Returns:
        Depth (0 where invalid) and validity (any measured pixel in the footprint), ``[B, 1, h', w']``.
    """
    weight = valid.to(depth.dtype)
    share = F.adaptive_avg_pool2d(weight, size)
    total = F.adaptive_avg_pool2d(depth * weight, size)
    measured = share > 0
    return torch.where(measured, total / share.clamp_min(1e-6), 0.0), measured


def pick_pixels(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``[..., h, w]`` at another size, each pixel the nearest of the old ones: no two surfaces are mixed."""
    rows, columns = (_nearest(old, new, image.device) for old, new in zip(image.shape[-2:], size, strict=True))
    return image.index_select(-2, rows).index_select(-1, columns)


def _nearest(old: int, new: int, device: torch.device) -> Tensor:
    index = torch.div((2 * torch.arange(new, device=device) + 1) * old, 2 * new, rounding_mode="floor")
    return index.clamp(0, old - 1)


def back_project(result: Tensor, measured: Tensor, valid: Tensor, noise: Tensor) -> Tensor:
    """Move a result towards agreement with the measurement, within the sensor's noise.

    The result, averaged over each measured pixel's footprint, is compared with that pixel; only the part of the
    difference that noise cannot explain is brought back. At equal sizes measured pixels so keep their measured
    depth to within `noise`, while noise below that is smoothed by the network. Beside a hole the measured pixels alone
    count.

    Args:
        result: ``[B, 1, H, W]`` float32, in the measurement's unit.
        measured: ``[B, 1, h, w]`` float32.
        valid: ``[B, 1, h, w]`` bool.
        noise: broadcastable to `measured`, at least 0, same unit: what the sensor's noise may explain.

    Returns:
        ``[B, 1, H, W]`` float32.
    """
    difference = measured - _resized(result, measured)
    difference = difference - torch.minimum(torch.maximum(difference, -noise), noise)
    difference = _resized(torch.where(valid, difference, 0.0), result)
    share = _resized(valid.to(difference.dtype), result)  # of what was interpolated that was measured
    return result + torch.where(share < _WHOLE, difference / share.clamp_min(1e-6), difference)


def _resized(image: Tensor, like: Tensor) -> Tensor:
    """`image` at the size of `like`, pixel centres in place: area pooling shifts them at ratios just above 1."""
    if image.shape == like.shape:
        return image
    return F.interpolate(image, size=like.shape[-2:], mode="bilinear", antialias=True)


def _resize_matrix(old: int, new: int) -> Tensor:
    """Weights ``[new, old]`` of one pass of MATLAB's antialiased bicubic ``imresize``, float64."""
    ratio = new / old
    stretch = min(1.0, ratio)
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) / ratio - 0.5
    reach = math.ceil(4.0 / stretch) + 2
    first = torch.floor(centres - 2.0 / stretch)
    positions = first[:, None] + torch.arange(reach, dtype=torch.float64)[None, :]
    weights = stretch * cubic_kernel(stretch * (centres[:, None] - positions))
    weights = weights / weights.sum(dim=1, keepdim=True)
    index = positions.long() % (2 * old)
    index = torch.where(index < old, index, 2 * old - 1 - index)
    return torch.zeros(new, old, dtype=torch.float64).scatter_add_(1, index, weights)


def imresize(image: Tensor, size: tuple[int, int], *, rounded: bool = False) -> Tensor:
    """MATLAB's ``imresize(..., 'bicubic')``: antialiased when shrinking, a = -0.5, mirrored borders.

    The evaluation protocol of guided depth super-resolution is defined by it; the order of the two passes (the
    axis that shrinks most first, rows first on a tie) matters once each pass is rounded.

    Args:
        image: ``[..., h, w]`` float.
        size: ``(h', w')``.
        rounded: round and clamp to 0..255 after each pass, as for a uint8 image.

    Returns:
        ``[..., h', w']`` of the input's dtype.
    """

    def settle(values: Tensor) -> Tensor:
        return torch.floor(values + 0.5).clamp(0, 255) if rounded else values

    wide = image.to(torch.float64)
    rows = _resize_matrix(image.shape[-2], size[0]).to(image.device)
    columns = _resize_matrix(image.shape[-1], size[1]).to(image.device)
    if size[0] / image.shape[-2] <= size[1] / image.shape[-1]:
        wide = settle(settle(rows @ wide) @ columns.T)
    else:
        wide = settle(rows @ settle(wide @ columns.T))
    return wide.to(image.dtype)
