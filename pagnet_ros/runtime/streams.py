"""How a frame's arrays reach a device and come back: `CpuBuffers` and `CudaBuffers`, one interface.

One frame at a time: `frame` begins it, `wait` ends it. On a GPU pinned and device buffers are kept, so nothing is
allocated for a frame of the same size, and `wait` is the one synchronisation of the frame.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class FrameArrays(NamedTuple):
    """What comes back of a frame.

    Attributes:
        arrays: ``[H, W]``, in the order they were downloaded, the caller's own.
        stage_ms: milliseconds per stage, in order.
    """

    arrays: list[NDArray[Any]]
    stage_ms: dict[str, float]


class Buffers(Protocol):
    """Where the frames of one engine lie on its device."""

    def frame(self) -> AbstractContextManager[None]:
        """A new frame begins; work inside the context goes to the device's stream."""

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """Arrays on the device, of their own type, without waiting for it; valid until the next frame."""

    def mark(self, stage: str) -> None:
        """The stage ends here; costs no synchronisation."""

    def download(self, tensors: Sequence[Tensor]) -> None:
        """Send images ``[1, 1, H, W]`` back, without waiting for them."""

    def wait(self) -> FrameArrays:
        """Wait for the frame, once."""


class CpuBuffers:
    """The CPU's memory is the caller's: nothing moves, and what was computed is there."""

    @contextmanager
    def frame(self) -> Iterator[None]:
        """See `Buffers.frame`."""
        self._arrays: list[NDArray[Any]] = []
        self._stage_ms: dict[str, float] = {}
        self._last = time.perf_counter()
        yield

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """See `Buffers.upload`."""
        return [_as_tensor(array) for array in arrays]

    def mark(self, stage: str) -> None:
        """See `Buffers.mark`."""
        now = time.perf_counter()
        self._stage_ms[stage] = (now - self._last) * 1e3
        self._last = now

    def download(self, tensors: Sequence[Tensor]) -> None:
        """See `Buffers.download`."""
        self._arrays = [tensor[0, 0].contiguous().numpy() for tensor in tensors]

    def wait(self) -> FrameArrays:
        """See `Buffers.wait`."""
        arrays, self._arrays = self._arrays, []
        return FrameArrays(arrays, self._stage_ms)


class CudaBuffers:
    """Pinned and device buffers, and the stream in whose order everything happens.

    Attributes:
        device: the GPU.
        stream: uploads, computes, and sends results back.
    """

    def __init__(self, device: torch.device) -> None:
        """Make the stream; buffers are made by the first frame, whose sizes they need."""
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._kept: dict[str, Tensor] = {}
        self._sent: list[Tensor] = []
        self._marks: list[tuple[str, torch.cuda.Event]] = []

    @contextmanager
    def frame(self) -> Iterator[None]:
        """See `Buffers.frame`."""
        with torch.cuda.stream(self.stream):
            self._marks, self._sent = [], []
            self.mark("")
            yield

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """See `Buffers.upload`."""
        tensors = []
        for i, array in enumerate(arrays):
            host = _as_tensor(array)
            pinned = self._like(f"pinned in {i}", host, pin_memory=True)
            pinned.copy_(host)
            tensors.append(self._like(f"in {i}", host, device=self.device))
            tensors[-1].copy_(pinned, non_blocking=True)
        return tensors

    def mark(self, stage: str) -> None:
        """See `Buffers.mark`."""
        # blocking: the thread that waits sleeps meanwhile, instead of keeping a core busy that a robot needs
        event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        self._marks.append((stage, event))

    def download(self, tensors: Sequence[Tensor]) -> None:
        """See `Buffers.download`."""
        for i, tensor in enumerate(tensors):
            image = tensor[0, 0]
            self._sent.append(self._like(f"pinned out {i}", image, pin_memory=True))
            self._sent[-1].copy_(image, non_blocking=True)

    def wait(self) -> FrameArrays:
        """See `Buffers.wait`."""
        self._marks[-1][1].synchronize()
        spans = zip(self._marks, self._marks[1:], strict=False)
        stage_ms = {stage: before.elapsed_time(after) for (_, before), (stage, after) in spans}
        return FrameArrays([pinned.numpy().copy() for pinned in self._sent], stage_ms)

    def _like(self, name: str, like: Tensor, **where: Any) -> Tensor:
        """The buffer of a name, made anew where size or type have changed."""
        held = self._kept.get(name)
        if held is None or held.shape != like.shape or held.dtype != like.dtype:
            held = self._kept[name] = torch.empty(tuple(like.shape), dtype=like.dtype, **where)
        return held


def _as_tensor(array: NDArray[np.generic]) -> Tensor:
    """The array's own memory where torch can use it, else a copy."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
