"""Functions on a GPU recorded once as CUDA graphs and replayed: one launch instead of hundreds.

A graph holds for the very sizes, types and settings it was recorded with; `GraphCache` keeps a few and records anew
what it does not hold, as when a camera changes its resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor

from pagnet_ros.runtime.recent import Recent

__all__ = ["CudaGraph", "GraphCache", "NotRecordableError", "Recorded", "recorded"]

KEPT_GRAPHS = 6  # two per size and setting
WARM_UPS = 3  # libraries choose their kernels in the first calls, which cannot be recorded

Function = Callable[..., Sequence[Tensor]]


class NotRecordableError(RuntimeError):
    """A function does something that a CUDA graph cannot hold."""


class Recorded(Protocol):
    """A function recorded with fixed inputs and outputs."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def replay(self) -> None:
        """Compute `outputs` from what `inputs` hold now."""


class CudaGraph:
    """A function as a CUDA graph, on the stream that is current."""

    def __init__(self, function: Function, inputs: Sequence[Tensor]) -> None:
        """Warm the function up and record it. It must neither synchronise nor branch on values.

        Args:
            function: of tensors on the GPU, pure but for its results.
            inputs: an example; copies of it become the graph's own.

        Raises:
            NotRecordableError: something in it cannot be recorded.
        """
        stream = torch.cuda.current_stream()
        self.inputs: Sequence[Tensor] = [tensor.clone() for tensor in inputs]
        for _ in range(WARM_UPS):
            function(*self.inputs)
        stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: another thread's calls to CUDA must not break the recording
        recording = torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local")
        self.outputs: Sequence[Tensor] = list(recorded(recording, function, self.inputs))

    def replay(self) -> None:
        """See `Recorded.replay`."""
        self._graph.replay()


def recorded(recording: AbstractContextManager[Any], function: Function, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """What a function returns that has just run well, run again while it is recorded.

    Raises:
        torch.OutOfMemoryError: there was no memory for it.
        NotRecordableError: anything else that torch did not like.
    """
    first: RuntimeError | None = None
    cause: RuntimeError | None = None
    try:
        with recording:
            try:
                return function(*inputs)
            except RuntimeError as error:
                first = error  # ending a recording that has failed fails again, and hides this
                raise
    except RuntimeError as error:
        cause = first or error
        if isinstance(cause, torch.OutOfMemoryError):
            raise cause from None
        raise NotRecordableError((str(cause).splitlines() or [type(cause).__name__])[0]) from error
    finally:
        first = cause = None  # else error and frame hold each other, and the frame what was recorded


class GraphCache:
    """Runs functions through recordings of them. Use from one thread, under one stream."""

    def __init__(
        self, record: Callable[[Function, Sequence[Tensor]], Recorded] = CudaGraph, limit: int = KEPT_GRAPHS
    ) -> None:
        """Start empty.

        Args:
            record: makes a recording.
            limit: how many are kept; the memory of one is about what the function itself needs.
        """
        self._record = record
        self._recent: Recent[Hashable, Recorded] = Recent(limit)

    def run(self, settings: Hashable, function: Function, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """What ``function(*inputs)`` returns, in tensors that the next run with the same key writes over.

        Args:
            settings: everything besides the inputs that the function depends on, and which function it is.
            function: see `CudaGraph`.
            inputs: of the function.
        """
        key = (settings, tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs))
        recorded = self._recent.get(key, lambda: self._record(function, inputs))
        for own, given in zip(recorded.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        recorded.replay()
        return recorded.outputs

    def clear(self) -> None:
        """Give up all recordings and their memory."""
        self._recent.clear()
