"""How a frame's arrays reach a device and come back: `CpuLane` and `CudaLane`, one interface.

A lane hands out slots, one per frame under way. On a GPU there are two: while the stream computes frame n out of one,
frame n+1 is uploaded on a second stream into the other. A slot owns its pinned and its device buffers, so nothing is
allocated for a frame of the same size, and `Slot.wait` is the one synchronisation of the frame.
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

__all__ = ["CpuLane", "CudaLane", "FrameArrays", "Lane", "Slot", "Turns"]

SLOTS = 2


class FrameArrays(NamedTuple):
    """What comes back of a frame.

    Attributes:
        arrays: ``[H, W]``, in the order they were downloaded, the caller's own.
        stage_ms: milliseconds per stage, in order.
    """

    arrays: list[NDArray[Any]]
    stage_ms: dict[str, float]


class Slot(Protocol):
    """One frame's place on the device."""

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """Arrays on the device, of their own type, without waiting for it; valid until the frame is collected."""

    def mark(self, stage: str) -> None:
        """The stage ends here; costs no synchronisation."""

    def download(self, tensors: Sequence[Tensor]) -> None:
        """Send images ``[1, 1, H, W]`` back, without waiting for them."""

    def wait(self) -> FrameArrays:
        """Wait for the frame, once, and give the slot back."""


class Lane(Protocol):
    """Where frames of one engine go."""

    def frame(self) -> AbstractContextManager[Slot]:
        """A context that gives a slot; work in it goes to the lane's stream. An error in it gives the slot back."""


class Turns:
    """Which slot comes next, and which are taken: oldest first, never more than there are."""

    def __init__(self, count: int) -> None:
        """All are free."""
        self._taken = [False] * count
        self._next = 0

    def take(self) -> int:
        """The next slot.

        Raises:
            RuntimeError: it is still taken.
        """
        turn = self._next
        if self._taken[turn]:
            raise RuntimeError(f"{len(self._taken)} frames are under way, expected fewer; collect the oldest first")
        self._taken[turn] = True
        self._next = (turn + 1) % len(self._taken)
        return turn

    def free(self, turn: int) -> None:
        """This one is free again."""
        self._taken[turn] = False

    def give_back(self, turn: int) -> None:
        """The latest one was not used; it comes next."""
        self._taken[turn] = False
        self._next = turn


class CpuSlot:
    """The CPU's memory is the caller's: nothing moves, and what was computed is there."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[Any]] = []
        self._stage_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """See `Slot.upload`."""
        return [_as_tensor(array) for array in arrays]

    def mark(self, stage: str) -> None:
        """See `Slot.mark`."""
        now = time.perf_counter()
        self._stage_ms[stage] = (now - self._last) * 1e3
        self._last = now

    def download(self, tensors: Sequence[Tensor]) -> None:
        """See `Slot.download`."""
        self._arrays = [tensor[0, 0].contiguous().numpy() for tensor in tensors]

    def wait(self) -> FrameArrays:
        """See `Slot.wait`."""
        return FrameArrays(self._arrays, self._stage_ms)


class CpuLane:
    """Frames are computed where they are."""

    @contextmanager
    def frame(self) -> Iterator[CpuSlot]:
        """See `Lane.frame`."""
        yield CpuSlot()


class CudaSlot:
    """Pinned buffers, device buffers and events of one frame on a GPU."""

    def __init__(self, lane: CudaLane, turn: int) -> None:
        self._lane = lane
        self._turn = turn
        self._pinned: dict[str, Tensor] = {}
        self._device: dict[str, Tensor] = {}
        self._sent: list[Tensor] = []
        self._marks: list[tuple[str, torch.cuda.Event]] = []

    def begin(self) -> None:
        """A new frame starts here."""
        self._marks = [("", self._event(self._lane.stream))]
        self._sent = []

    def upload(self, *arrays: NDArray[np.generic]) -> list[Tensor]:
        """See `Slot.upload`. The copy runs on the lane's second stream, beside the frame before."""
        tensors = []
        for i, array in enumerate(arrays):
            host = _as_tensor(array)
            pinned = _like(self._pinned, f"in{i}", host, None)
            pinned.copy_(host)
            held = self._device.get(f"in{i}")
            tensors.append(_like(self._device, f"in{i}", host, self._lane.device))
            if tensors[-1] is not held:  # its memory may be what the frame before has just finished with
                self._lane.copies.wait_stream(self._lane.stream)
            with torch.cuda.stream(self._lane.copies):
                tensors[-1].copy_(pinned, non_blocking=True)
        self._lane.stream.wait_stream(self._lane.copies)
        return tensors

    def mark(self, stage: str) -> None:
        """See `Slot.mark`."""
        self._marks.append((stage, self._event(self._lane.stream)))

    def download(self, tensors: Sequence[Tensor]) -> None:
        """See `Slot.download`."""
        for i, tensor in enumerate(tensors):
            image = tensor[0, 0]
            self._sent.append(_like(self._pinned, f"out{i}", image, None))
            self._sent[-1].copy_(image, non_blocking=True)

    def wait(self) -> FrameArrays:
        """See `Slot.wait`."""
        try:
            self._marks[-1][1].synchronize()
            arrays = [pinned.numpy().copy() for pinned in self._sent]
            spans = zip(self._marks, self._marks[1:], strict=False)
            return FrameArrays(arrays, {stage: before.elapsed_time(after) for (_, before), (stage, after) in spans})
        finally:
            self._lane.turns.free(self._turn)

    def _event(self, stream: torch.cuda.Stream) -> torch.cuda.Event:
        # blocking: the thread that waits sleeps meanwhile, instead of keeping a core busy that a robot needs
        event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
        event.record(stream)
        return event


class CudaLane:
    """Two streams, one that computes and one that uploads, and two slots.

    Attributes:
        device: the GPU.
        stream: what computes, and sends results back.
        copies: what uploads.
        turns: which slot is whose.
    """

    def __init__(self, device: torch.device) -> None:
        """Make streams; buffers are made by the first frame, whose sizes they need."""
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.turns = Turns(SLOTS)
        self._slots = [CudaSlot(self, turn) for turn in range(SLOTS)]

    @contextmanager
    def frame(self) -> Iterator[CudaSlot]:
        """See `Lane.frame`."""
        turn = self.turns.take()
        try:
            with torch.cuda.stream(self.stream):
                self._slots[turn].begin()
                yield self._slots[turn]
        except BaseException:
            self.turns.give_back(turn)
            raise


def _as_tensor(array: NDArray[np.generic]) -> Tensor:
    """The array's own memory where torch can use it, else a copy."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _like(buffers: dict[str, Tensor], name: str, like: Tensor, device: torch.device | None) -> Tensor:
    """The buffer of a name, made anew where size or type have changed; pinned where no device is named.

    A slot's buffers change only while no frame is in it, so no copy still runs in the old one.
    """
    held = buffers.get(name)
    if held is None or held.shape != like.shape or held.dtype != like.dtype:
        shape, dtype = tuple(like.shape), like.dtype
        held = (
            torch.empty(shape, dtype=dtype, pin_memory=True)
            if device is None
            else torch.empty(shape, dtype=dtype, device=device)
        )
        buffers[name] = held
    return held
