"""Buffers and operations as `kernels.cpp` reads them: plain memory, written once, run once per frame.

A `FeatureMap` is ``[rows, planes, columns]`` cells of four bytes with zero margins, a cell being one float32 channel or
a pair of bfloat16 channels. A `Program` owns the memory of all its maps and the list of operations on them.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros.runtime.native.library import Library

MARGIN_ROWS = 4  # the attention's 9 taps reach 4 pixels out
MARGIN_COLUMNS = 16  # one vector of the widest instruction set, so that rows start aligned
CELL_BYTES = 4
CHUNK_BYTES = 64 << 20
OVERREAD_CELLS = 256  # a row's last vectors may read past its end
CONV, INTERLEAVE, SPLIT, COLOUR, ATTENTION, SPREAD = range(6)


class _Planes(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("row", ctypes.c_int64), ("plane", ctypes.c_int64))


def of_type(kind: type[Any], *names: str) -> list[tuple[str, type[Any]]]:
    """Fields of a C structure that follow each other and are of one type."""
    return [(name, kind) for name in names]


class Op(ctypes.Structure):
    """One operation; the fields are those of `Op` in ``kernels.cpp``."""

    _fields_ = (
        *of_type(ctypes.c_int32, "kind", "height", "width", "sources", "channels", "kh", "kw", "pairs_in", "pairs_out"),
        *of_type(ctypes.c_int32, "relu", "eight_bit", "add"),
        ("offset", ctypes.c_float),
        ("source", ctypes.POINTER(_Planes)),
        *of_type(ctypes.c_void_p, "weights", "bias"),
        *of_type(_Planes, "target", "residual"),
        ("map", ctypes.c_void_p),
        *of_type(ctypes.c_int64, "step_x", "step_y", "step_c"),
    )


@dataclass(frozen=True)
class FeatureMap:
    """Some planes of one buffer.

    Attributes:
        cells: ``[rows, planes, columns]`` int32, without the margins; a view of the program's memory.
        pairs: whether a cell holds two bfloat16 channels, else one float32.
    """

    cells: Tensor
    pairs: bool

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.cells.shape[0], self.cells.shape[2]

    @property
    def planes(self) -> int:
        """How many planes."""
        return self.cells.shape[1]

    def channels(self, first: int, count: int) -> FeatureMap:
        """The planes of some channels; both numbers even where cells hold pairs."""
        step = 2 if self.pairs else 1
        return FeatureMap(self.cells[:, first // step : (first + count) // step], self.pairs)

    def values(self) -> Tensor:
        """``[rows, planes, columns]`` float32: the same memory. Of maps without pairs."""
        return self.cells.view(torch.float32)

    def _described(self, plane: int = 0) -> _Planes:
        row, step, _ = self.cells.stride()
        return _Planes(self.cells.data_ptr() + plane * step * CELL_BYTES, row, step)

    def each_plane(self) -> list[_Planes]:
        """How C++ finds each plane."""
        return [self._described(i) for i in range(self.planes)]

    def first_plane(self) -> _Planes:
        """How C++ finds the first plane, and from it the others."""
        return self._described()


class Program:
    """Operations in the order they run, and everything they point to."""

    def __init__(self, library: Library, pairs: bool) -> None:
        self._library = library
        self.pairs = pairs
        self._ops: list[Op] = []
        self._alive: list[object] = []
        self._chunk: mmap.mmap | None = None
        self._used = 0
        self._free: dict[tuple[int, int, int], list[Tensor]] = {}

    def map(self, size: tuple[int, int], channels: int, *, pairs: bool | None = None) -> FeatureMap:
        """A feature map for `channels` channels, margins zero; its inside is whatever was there before."""
        pairs = self.pairs if pairs is None else pairs
        planes = (channels + 1) // 2 if pairs else channels
        free = self._free.get((*size, planes))
        cells = free.pop() if free else self._allocate(size, planes)
        return FeatureMap(cells, pairs)

    def release(self, *maps: FeatureMap) -> None:
        """Later operations may write over these."""
        for each in maps:
            self._free.setdefault((*each.size, each.planes), []).append(each.cells)

    def _allocate(self, size: tuple[int, int], planes: int) -> Tensor:
        height, width = size
        columns = MARGIN_COLUMNS + -(-width // MARGIN_COLUMNS) * MARGIN_COLUMNS
        rows = height + 2 * MARGIN_ROWS
        count = rows * planes * columns
        flat = self._memory(count + MARGIN_COLUMNS + OVERREAD_CELLS)
        grid = flat[:count].view(rows, planes, columns)
        return grid[MARGIN_ROWS : MARGIN_ROWS + height, :, MARGIN_COLUMNS : MARGIN_COLUMNS + width]

    def _memory(self, cells: int) -> Tensor:
        """Zeroed memory in huge pages where the system has them: fewer page faults, fewer misses of the TLB."""
        size = -(-cells * CELL_BYTES // 4096) * 4096
        if self._chunk is None or self._used + size > len(self._chunk):
            self._chunk, self._used = mmap.mmap(-1, max(size, CHUNK_BYTES)), 0
            self._alive.append(self._chunk)  # operations point into it when no tensor does any more
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self._chunk.madvise(mmap.MADV_HUGEPAGE)
        tensor = torch.frombuffer(self._chunk, dtype=torch.int32, count=cells, offset=self._used)
        self._used += size
        return tensor

    def conv(
        self,
        sources: Sequence[FeatureMap],
        weight: Tensor,
        bias: Tensor | None,
        target: FeatureMap,
        *,
        relu: bool = False,
        residual: FeatureMap | None = None,
        factors: Tensor | None = None,
        exact: bool = False,
    ) -> None:
        """``target = (relu(weight * concat(sources) + bias)) * factors + residual``, size kept, zeros outside.

        Args:
            sources: maps of one size and kind, one after the other.
            weight: ``[out, in, kh, kw]``, odd kernel sizes up to 9; in channels of all sources.
            bias: ``[out]`` or None.
            target: a map of `out` channels.
            relu: clamp at zero.
            residual: a map like the target.
            factors: ``[height, width]`` float32.
            exact: with pairs, use the weights with 16 bits instead of bfloat16's 8, at twice the cost.
        """
        pairs = sources[0].pairs
        planes = [plane for source in sources for plane in source.each_plane()]
        packed = _cells(weight, pairs)
        if pairs and exact:
            rest = weight.float() - weight.to(torch.bfloat16).float()
            packed = np.concatenate((packed, _cells(rest, pairs)), axis=1)
            planes = planes + planes
        if packed.shape[1] != len(planes):
            raise ValueError(f"weights for {packed.shape[1]} planes, sources have {len(planes)}")
        out, _, kh, kw = packed.shape
        blocks = []
        done = 0
        while done < out:
            count = self._library.block_size(out, done)
            blocks.append(packed[done : done + count].transpose(2, 1, 3, 0).ravel())
            done += count
        packed = np.concatenate(blocks)
        biases = np.zeros(out, np.float32) if bias is None else bias.detach().float().numpy()
        height, width = target.size
        self._add(
            kind=CONV, height=height, width=width, sources=len(planes), channels=out, kh=kh, kw=kw, pairs_in=pairs,
            pairs_out=target.pairs, relu=relu, source=self._kept(planes), weights=self._kept_array(packed),
            bias=self._kept_array(biases), target=target.first_plane(),
            residual=residual.first_plane() if residual is not None else _Planes(),
            map=factors.data_ptr() if factors is not None else None,
        )  # fmt: skip

    def interleave(self, source: FeatureMap, target: FeatureMap, factor: int) -> None:
        """Pixel shuffle of planes in the order (row, column, plane)."""
        height, width = source.size
        self._add(
            kind=INTERLEAVE, height=height, width=width, channels=target.planes, kw=factor,
            source=self._kept(source.each_plane()), target=target.first_plane(),
        )  # fmt: skip

    def split(self, source: FeatureMap, target: FeatureMap, factor: int) -> None:
        """The reverse of `interleave`."""
        height, width = target.size
        self._add(
            kind=SPLIT, height=height, width=width, channels=target.planes, kw=factor,
            source=self._kept(source.each_plane()), target=target.first_plane(),
        )  # fmt: skip

    def colour(self, target: FeatureMap, factor: int) -> Op:
        """A colour image (to be named in the returned operation, see `point_at_colour`), unshuffled by `factor`."""
        height, width = target.size
        return self._add(
            kind=COLOUR, height=height, width=width, kw=factor, pairs_out=target.pairs, offset=0.5,
            target=target.first_plane(),
        )  # fmt: skip

    def attention(self, taps: FeatureMap, row_bias: Tensor, target: Tensor) -> None:
        """Sum of one plane per horizontal tap plus the row's bias ``[height]``, sigmoid, into ``[height, width]``."""
        height, width = taps.size
        self._alive += [row_bias, target]
        self._add(
            kind=ATTENTION, height=height, width=width, kw=taps.planes, source=self._kept(taps.each_plane()),
            weights=row_bias.data_ptr(), target=_Planes(target.data_ptr(), width, 0),
        )  # fmt: skip

    def spread(self, source: FeatureMap, target: Tensor, factor: int, *, add: bool) -> None:
        """Pixel shuffle of float planes into a dense image ``[factor * h, factor * w]``, written or added to."""
        height, width = source.size
        self._alive.append(target)
        self._add(
            kind=SPREAD, height=height, width=width, kw=factor, add=add, source=self._kept(source.each_plane()),
            target=_Planes(target.data_ptr(), target.shape[1], 0),
        )  # fmt: skip

    @cached_property
    def operations(self) -> ctypes.Array[Op]:
        """The operations as they lie in memory, to point one at this frame's colour image; none may follow then."""
        return (Op * len(self._ops))(*self._ops)

    def run(self, threads: int) -> None:
        """All operations, in order. Releases the GIL."""
        self._library.run(self.operations, len(self._ops), threads)

    def _add(self, **fields: object) -> Op:
        op = Op(**fields)
        self._ops.append(op)
        return op

    def _kept(self, planes: list[_Planes]) -> ctypes.Array[_Planes]:
        array = (_Planes * len(planes))(*planes)
        self._alive.append(array)
        return array

    def _kept_array(self, array: NDArray[np.generic]) -> int:
        array = np.ascontiguousarray(array)
        self._alive.append(array)
        return int(array.ctypes.data)


def _cells(weight: Tensor, pairs: bool) -> NDArray[np.uint32]:
    """``[out, in, kh, kw]`` -> ``[out, planes, kh, kw]`` of four-byte cells; an odd last channel pairs with zeros."""
    weight = weight.detach().float()
    if not pairs:
        return weight.numpy().view(np.uint32)
    if weight.shape[1] % 2:
        weight = torch.cat((weight, torch.zeros_like(weight[:, :1])), dim=1)
    half = weight.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16).astype(np.uint32)
    cells: NDArray[np.uint32] = np.bitwise_or(half[:, 0::2], half[:, 1::2] << np.uint32(16))
    return cells
