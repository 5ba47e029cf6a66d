"""Start a network from another one's weights: of another scale, or of a narrower network.

Stages are matched from the end, because the last stage writes the depth and works at the same relation to the
output at every scale; a longer network repeats the other's stages, and where colour is to be coarser than the other
ever had it, its features are the mean of the finer ones. A network that chooses surfaces has one stage
whatever the scale: it takes what has the same name and shape, or is narrower, and of what depends on the ratio of
measured pixels to places of the features the mean, or a repetition. A wider or deeper network computes,
at first, exactly what the smaller one did: the other's features keep their weights, and nothing of the features that
are new enters them until training lets it (Net2Net, Chen et al. 2016, with the new features random instead of doubled,
so that no two features have to be told apart by noise).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import ENTERING


def warm_start(net: PagNet | SurfaceNetwork, tensors: Mapping[str, Tensor]) -> int:
    """Copy what fits from `tensors` (a ``state_dict`` of any scale, as wide or narrower) into `net`, in place.

    Returns:
        Number of tensors copied, whole or as a part of a wider one.
    """
    if isinstance(net, SurfaceNetwork):
        return _warm_start_surfaces(net, tensors)
    theirs = 1 + max((int(found[1]) for name in tensors if (found := re.match(r"stages\.(\d+)\.", name))), default=-1)
    ours = net.config.stages
    narrow = _widths(tensors)
    copied = 0
    for name, target in net.state_dict().items():
        source = tensors.get(_their_name(name, ours, theirs))
        if source is None:
            continue
        if source.shape == target.shape:
            target.copy_(source)
            copied += 1
        elif narrow is not None and _fits(source, target):
            _embed(source, target, _inputs(name, *narrow), _inputs(name, *_own_widths(net.config)))
            copied += 1
    if copied:
        _coarsen_guidance(net, tensors)
    return copied


def _coarsen_guidance(net: PagNet, tensors: Mapping[str, Tensor]) -> None:
    """Levels of guidance that the other network has not got begin as the mean of the next finer one's features."""
    for name, target in net.guidance.down.state_dict(prefix="guidance.down.").items():
        if name in tensors:
            continue
        if name.endswith("bias"):
            target.zero_()
        elif target.shape[-1] == 3:
            nn.init.dirac_(target)
        else:
            target.copy_(torch.eye(net.config.channels)[..., None, None] / 4)


def _warm_start_surfaces(net: SurfaceNetwork, tensors: Mapping[str, Tensor]) -> int:
    """A block that is new adds nothing at first; where colour enters, the sizes have to be the same."""
    fuse = tensors.get("fuse.weight")
    narrow, wide = 0 if fuse is None else fuse.shape[0], net.config.channels
    if narrow:
        tensors = _for_scale_of(net, tensors, narrow)
    copied = 0
    for name, target in net.state_dict().items():
        source = tensors.get(name)
        if source is None:
            if narrow and re.match(r"refine\.\d+\.second\.", name):
                target.zero_()
        elif source.shape == target.shape:
            target.copy_(source)
            copied += 1
        elif narrow and _fits(source, target) and _is_widened(name, source, target, narrow, wide):
            _embed(source, target, (narrow,), (wide,))
            copied += 1
    return copied


def _for_scale_of(net: SurfaceNetwork, tensors: Mapping[str, Tensor], channels: int) -> dict[str, Tensor]:
    """A network's weights as one of the scale of `net` would have them, the features none the wiser.

    Of the measured pixels that share a place of the features each has the mean's part; the places of one are alike.
    """
    enter = tensors["enter_depth.0.weight"]
    side = math.isqrt(enter.shape[1] // ENTERING)
    shared = enter.reshape(-1, ENTERING, side, side, *enter.shape[2:]).movedim((2, 3), (-2, -1))
    shared = _regridded(shared, net.gather) * (side / net.gather) ** 2
    found = {**tensors, "enter_depth.0.weight": shared.movedim((-2, -1), (2, 3)).flatten(1, 3)}
    if net.spread > 1:
        straight = torch.eye(channels)[..., None, None] * F.pad(torch.ones(1, 1), (1, 1, 1, 1))
        for name, usual in (("upsample.0.weight", straight), ("upsample.0.bias", torch.zeros(channels))):
            spread = tensors.get(name, usual)
            side = math.isqrt(spread.shape[0] // channels)
            spread = spread.reshape(channels, side, side, *spread.shape[1:]).movedim((1, 2), (-2, -1))
            found[name] = _regridded(spread, net.spread).movedim((-2, -1), (1, 2)).flatten(0, 2)
    return found


def _regridded(grids: Tensor, side: int) -> Tensor:
    """``[..., r, r] -> [..., side, side]``, the mean of what comes together, or repeated; powers of two."""
    return F.adaptive_avg_pool2d(grids.flatten(0, -3), side).reshape(*grids.shape[:-2], side, side)


def _is_widened(name: str, source: Tensor, target: Tensor, narrow: int, wide: int) -> bool:
    """Whether two tensors of a network that chooses surfaces differ in width alone, and not in scale or stride."""
    if name.startswith("enter_"):
        return source.ndim == 1 or source.shape[1] == target.shape[1]
    return not name.startswith("upsample.") or source.shape[0] * wide == target.shape[0] * narrow


def _their_name(name: str, ours: int, theirs: int) -> str:
    found = re.match(r"stages\.(\d+)\.(.*)", name)
    if found is None or theirs == 0:
        return name
    index = int(found[1])
    match = theirs - 1 if index == ours - 1 else min(index, max(0, theirs - 2))
    return f"stages.{match}.{found[2]}"


def _own_widths(config: ModelConfig) -> tuple[int, int]:
    return config.channels, config.growth


def _widths(tensors: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """Channels and growth of the network that `tensors` came from; None where it has no dense block."""
    growing = tensors.get("stages.0.refine_depth.blocks.0.layers.0.0.weight")
    return (growing.shape[1], growing.shape[0]) if growing is not None and growing.ndim == 4 else None


def _fits(source: Tensor, target: Tensor) -> bool:
    """Kernels of one size, and nowhere more features than in the target."""
    return (
        source.ndim == target.ndim
        and source.shape[2:] == target.shape[2:]
        and all(have <= room for have, room in zip(source.shape[:2], target.shape[:2], strict=True))
    )


def _inputs(name: str, channels: int, growth: int) -> Sequence[int]:
    """Widths of the features that a convolution reads side by side; one entry where it reads a single one.

    The last width stands for all that follow: a dense block reads its input and then one `growth` per convolution.
    """
    if re.search(r"blocks\.\d+\.(layers\.\d+|fuse)", name):
        return (channels, growth)
    return (channels,)


def _embed(source: Tensor, target: Tensor, narrow: Sequence[int], wide: Sequence[int]) -> None:
    """Write `source` into the leading features of `target`; what `target` reads beyond them gets weight zero there."""
    rows = source.shape[0]
    if source.ndim == 1:
        target[:rows].copy_(source)
        return
    if source.shape[1] == target.shape[1]:
        target[:rows].copy_(source)
        return
    target[:rows] = 0
    read, written, index = 0, 0, 0
    while read < source.shape[1]:
        here, there = narrow[min(index, len(narrow) - 1)], wide[min(index, len(wide) - 1)]
        here = min(here, source.shape[1] - read)
        target[:rows, written : written + here] = source[:, read : read + here]
        read, written, index = read + here, written + there, index + 1
