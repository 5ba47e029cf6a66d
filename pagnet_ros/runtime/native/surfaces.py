"""A `SurfaceNetwork` and the choice it serves, as C++: what lies where for one size of frame, and one call to run it.

Mathematics of `pagnet_ros.model.surface_network` (as a `Program` of convolutions) and of `pagnet_ros.model.surfaces`
(``rays.cpp`` before the network, ``surfaces.cpp`` after it). Where two surfaces are equally likely the last bits of a
sum decide, and a pixel may fall on another one than torch chooses.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pagnet_ros.model.surface_network import ResidualBlock, SurfaceNetwork
from pagnet_ros.model.surfaces import (
    CANDIDATES,
    ENTERING,
    LEAVING,
    Choice,
    Placement,
    as_range_of_one,
    footprint_colour,
)
from pagnet_ros.runtime.native.library import Library, NativeUnavailableError
from pagnet_ros.runtime.native.network import (
    add_attention,
    add_conv,
    add_upsample,
    point_at_colour,
    refuse_unknown_parts,
    weights_of,
)
from pagnet_ros.runtime.native.program import FeatureMap, Program, of_type
from pagnet_ros.runtime.recent import Recent

KEPT_SIZES = 2


class _Measured(ctypes.Structure):
    """What was measured, and what is made of it; the fields are those of `Measured` in ``rays.cpp``."""

    _fields_ = (
        *of_type(ctypes.c_void_p, "depth", "valid", "colour"),
        *of_type(ctypes.c_int32, "height", "width", "reach"),
        *of_type(ctypes.c_void_p, "here", "rays", "entering"),
        *of_type(ctypes.c_int64, "entering_row", "entering_plane"),
        *of_type(ctypes.c_int32, "entering_rows", "entering_columns", "gather"),
    )


class _Frame(ctypes.Structure):
    """One choice; the fields are those of `Frame` in ``surfaces.cpp``."""

    _fields_ = (
        ("rays", ctypes.c_void_p),
        *of_type(ctypes.c_int32, "height", "width"),
        *of_type(ctypes.c_void_p, "rows", "columns", "offset_y", "offset_x"),
        *of_type(ctypes.c_int32, "out_height", "out_width"),
        ("logits", ctypes.c_void_p),
        *of_type(ctypes.c_int64, "logits_row", "logits_plane"),
        *of_type(ctypes.c_int32, "stride", "fine_width", "mean"),
        *of_type(ctypes.c_float, "minimum", "maximum"),
        *of_type(ctypes.c_void_p, "grid_rows", "cells", "phases", "tint"),
        *of_type(ctypes.c_int64, "tint_row", "tint_plane"),
        ("rgb", ctypes.c_void_p),
        *of_type(ctypes.c_int64, "rgb_x", "rgb_y", "rgb_c"),
        ("eight_bit", ctypes.c_int32),
        *of_type(ctypes.c_void_p, "depth", "sigma", "probability", "rival", "own"),
    )


class _Size(NamedTuple):
    """What a program is made for: measured and output size."""

    low: tuple[int, int]
    high: tuple[int, int]


class NativeSurfaces:
    """Runs like the network it was made of and the choice after it, for one frame at a time, from one thread."""

    def __init__(self, network: SurfaceNetwork, library: Library, *, bf16: bool) -> None:
        """Keep the network's weights by reference; they are packed when the first frame's size is known.

        Raises:
            NativeUnavailableError: this CPU cannot, or something in the network is not what its configuration says.
        """
        refuse_unknown_parts(network, lambda: SurfaceNetwork(network.config))
        if bf16 and not library.has_bf16:
            raise NativeUnavailableError("this CPU has no bfloat16 instructions for it")
        if library.structure_bytes != (ctypes.sizeof(_Measured), ctypes.sizeof(_Frame)):
            raise NativeUnavailableError("the built kernels are of another version of this package")
        self._network, self._library, self._bf16 = network, library, bf16
        self._frames: Recent[_Size, _Prepared] = Recent(KEPT_SIZES)

    def __call__(
        self,
        depth: Tensor,
        seen: Tensor,
        rgb: Tensor,
        colour: Tensor,
        limits: tuple[float, float],
        *,
        mean: bool = False,
    ) -> Choice:
        """Choose a surface for every output pixel.

        Args:
            depth: ``[1, 1, h, w]`` float32.
            seen: ``[1, 1, h, w]`` bool, True where something was measured.
            rgb: ``[1, 3, s*h, s*w]`` uint8, 0 to 255, or float32 -0.5 to 0.5, of any strides: what the network sees.
            colour: ``[1, 3, H, W]`` of the same kinds, the image itself, whose size the output has.
            limits: smallest and largest depth in range.
            mean: the expectation instead of the most probable surface.

        Returns:
            Each ``[1, 1, H, W]``, in memory that the next call writes over.
        """
        key = _Size((depth.shape[-2], depth.shape[-1]), (colour.shape[-2], colour.shape[-1]))
        with torch.inference_mode():
            frame = self._frames.get(key, lambda: _Prepared(self._network, self._library, key, bf16=self._bf16))
            return frame.run(depth, seen, rgb, colour, limits, mean)


class _Prepared:
    """The program for one size of frame, and where its inputs and outputs lie."""

    def __init__(self, network: SurfaceNetwork, library: Library, size: _Size, *, bf16: bool) -> None:
        self._library = library
        (height, width), stride, scale = size.low, network.config.feature_stride, network.scale
        grid = (height * scale, width * scale)
        self._padding = (-grid[0] % stride, -grid[1] % stride)
        fine = ((grid[0] + self._padding[0]) // stride, (grid[1] + self._padding[1]) // stride)
        self._program, entering, logits, tint = _program_of(network, library, fine, bf16=bf16)
        here, rays = torch.empty(7, height, width), torch.empty(7, 9, height, width)
        places, among_logits = Placement.of(size.low, size.high), Placement.of(grid, size.high)
        columns, cells, phases = (
            each.to(torch.int32)
            for each in (places.columns, among_logits.columns // stride, among_logits.columns % stride)
        )
        self._alive = (here, rays, *places, among_logits.rows, columns, cells, phases)
        out = (1, 1, *size.high)
        depth, sigma, probability, rival = (torch.empty(out) for _ in range(4))
        self._out = Choice(depth, sigma, probability, rival, torch.empty(out, dtype=torch.bool))
        (row, plane, _), (tint_row, tint_plane, _) = logits.cells.stride(), tint.cells.stride()
        self._measured = _Measured(
            height=height, width=width, reach=network.reach, here=here.data_ptr(), rays=rays.data_ptr(),
            entering=entering.cells.data_ptr(), entering_row=entering.cells.stride(0),
            entering_plane=entering.cells.stride(1), entering_rows=entering.size[0],
            entering_columns=entering.size[1], gather=network.gather,
        )  # fmt: skip
        self._frame = _Frame(
            rays=rays.data_ptr(), height=height, width=width, rows=places.rows.data_ptr(), columns=columns.data_ptr(),
            offset_y=places.offset_y.data_ptr(), offset_x=places.offset_x.data_ptr(),
            out_height=size.high[0], out_width=size.high[1], logits=logits.cells.data_ptr(),
            logits_row=row, logits_plane=plane, stride=stride, fine_width=fine[1],
            grid_rows=among_logits.rows.data_ptr(), cells=cells.data_ptr(), phases=phases.data_ptr(),
            tint=tint.cells.data_ptr(), tint_row=tint_row, tint_plane=tint_plane,
            depth=self._out.depth.data_ptr(), sigma=self._out.sigma.data_ptr(),
            probability=self._out.probability.data_ptr(), rival=self._out.rival.data_ptr(),
            own=self._out.own.data_ptr(),
        )  # fmt: skip

    def run(
        self, depth: Tensor, seen: Tensor, rgb: Tensor, colour: Tensor, limits: tuple[float, float], mean: bool
    ) -> Choice:
        """Fill the outputs; see `NativeSurfaces.__call__`."""
        threads = torch.get_num_threads()
        footprints = footprint_colour(as_range_of_one(rgb), (depth.shape[-2], depth.shape[-1])).contiguous()
        depth, seen = depth.contiguous(), seen.contiguous()
        measured = self._measured
        measured.depth, measured.valid, measured.colour = depth.data_ptr(), seen.data_ptr(), footprints.data_ptr()
        self._library.rays(measured, threads)
        if any(self._padding):
            rgb = F.pad(rgb.float(), (0, self._padding[1], 0, self._padding[0]), mode="replicate").to(rgb.dtype)
        guide = rgb if rgb.dtype == torch.uint8 else rgb.float()
        point_at_colour(self._program.operations[0], guide[0])
        self._program.run(threads)
        frame, image = self._frame, colour[0] if colour.dtype == torch.uint8 else colour[0].float()
        frame.mean, (frame.minimum, frame.maximum) = int(mean), limits
        frame.rgb, (frame.rgb_c, frame.rgb_y, frame.rgb_x) = image.data_ptr(), image.stride()
        frame.eight_bit = image.dtype == torch.uint8
        self._library.choose(frame, threads)
        return self._out


def _program_of(
    network: SurfaceNetwork, library: Library, fine: tuple[int, int], *, bf16: bool
) -> tuple[Program, FeatureMap, FeatureMap, FeatureMap]:
    """The network as a program; the maps of what enters, of its logits, and of what colour counts."""
    program, channels = Program(library, pairs=bf16), network.config.channels
    unshuffled = program.map(fine, 3 * network.config.feature_stride**2)
    program.colour(unshuffled, network.config.feature_stride)
    coarse = (fine[0] // network.spread, fine[1] // network.spread)
    entering = program.map(coarse, ENTERING * network.gather**2, pairs=False)
    depth = program.map(coarse, channels)
    add_conv(program, [entering], network.enter_depth, depth)
    if isinstance(network.upsample, nn.Sequential):
        depth = add_upsample(program, network.upsample, depth, fine)
    factors = add_attention(program, network.attend, depth)
    guidance = program.map(fine, channels)
    add_conv(program, [unshuffled], network.enter_colour, guidance, factors=factors)
    features = program.map(fine, channels)
    add_conv(program, [depth, guidance], network.fuse, features)
    program.release(unshuffled, depth, guidance)
    for block in network.refine:
        assert isinstance(block, ResidualBlock)
        inner, added = program.map(fine, channels), program.map(fine, channels)
        add_conv(program, [features], block.first, inner)
        add_conv(program, [inner], block.second, added, residual=features)
        program.release(inner, features)
        features = added
    logits = program.map(fine, (CANDIDATES + 1) * network.config.feature_stride**2, pairs=False)
    weight, bias = weights_of(network.head)
    program.conv([features], weight, bias, logits, exact=True)
    tint = program.map(fine, LEAVING - CANDIDATES - 1, pairs=False)
    weight, bias = weights_of(network.tint)
    program.conv([features], weight, bias, tint, exact=True)
    return program, entering, logits, tint
