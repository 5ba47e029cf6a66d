"""Functions on a GPU recorded once as CUDA graphs and replayed: one launch instead of hundreds.

A graph holds for the very sizes, types and settings it was recorded with; `GraphCache` keeps a few and records anew
what it does not hold, as when a camera changes its resolution. While one thread records, none may synchronise the whole
GPU or give memory back: whoever does either holds `RECORDING`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

import torch
from torch import Tensor

from pagnet_ros.errors import first_line
from pagnet_ros.runtime.recent import Recent

RECORDING = threading.RLock()
"""Held while a graph is recorded, while functions run that are not recorded, and while memory is given back.

A recording begins by synchronising the device, which breaks one that another thread has begun; so does giving memory
back to the driver. The lock belongs to the process because the device does.
"""

KEPT_GRAPHS = 6  # two per size and setting
WARM_UPS = 3  # libraries choose their kernels in the first calls, which cannot be recorded

Function = Callable[..., Sequence[Tensor]]


class NotRecordableError(RuntimeError):
    """A function does something that a CUDA graph cannot hold, or a recording of it has no room beside it."""


class Recorded(Protocol):
    """A function recorded with fixed inputs and outputs."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def replay(self) -> None:
        """Compute `outputs` from what `inputs` hold now."""


class CudaGraph:
    """A function as a CUDA graph, on the stream that is current."""

    def __init__(self, function: Function, inputs: Sequence[Tensor], pool: Any = None) -> None:
        """Warm the function up and record it. It must neither synchronise nor branch on values.

        Args:
            function: of tensors on the GPU, pure but for its results.
            inputs: an example; copies of it become the graph's own.
            pool: memory shared with other graphs (`torch.cuda.graph_pool_handle`), each of which may write over what
                another one has left.

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
        recording = torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local")
        try:
            self.outputs: Sequence[Tensor] = list(recorded(recording, function, self.inputs))
        except NotRecordableError:
            _end_recording_into(pool)
            raise

    def replay(self) -> None:
        """See `Recorded.replay`."""
        self._graph.replay()


def give_back() -> None:
    """Give the memory that torch keeps and nobody uses back to the driver, while no thread records."""
    with RECORDING, suppress(RuntimeError):  # torch may take a recording that failed for one that goes on
        torch.cuda.empty_cache()


def _end_recording_into(pool: Any) -> None:
    """Tell torch that a recording is over that failed, which torch before 2.13 forgets (pytorch/pytorch#180395).

    It would give no memory back for the rest of the process: neither when asked, nor when it has none left.
    """
    for name in ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"):  # the second one before 2.8
        if (end := getattr(torch._C, name, None)) is not None and pool is not None:
            with suppress(RuntimeError):  # where torch did not forget
                end(torch.cuda.current_device(), pool)


def recorded(recording: AbstractContextManager[Any], function: Function, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """What a function returns that has just run well, run again while it is recorded.

    Raises:
        NotRecordableError: torch did not like something in it, or there was no memory for it; what a recording that
            failed has taken is not given back before the process ends, so none should follow it.
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
        raise NotRecordableError(first_line(cause)) from error
    finally:
        first = cause = None  # else error and frame hold each other, and the frame what was recorded


class GraphCache:
    """Runs functions through recordings of them, which share one pool of memory. Use from one thread, under one stream.

    Sharing is safe because whatever a recording leaves is used up before another one runs: the result of one is copied
    into the next one's input, or to the host, in the order of the stream.
    """

    def __init__(
        self,
        record: Callable[[Function, Sequence[Tensor], Any], Recorded] = CudaGraph,
        limit: int = KEPT_GRAPHS,
        new_pool: Callable[[], Any] = torch.cuda.graph_pool_handle,
    ) -> None:
        """Start empty.

        Args:
            record: makes a recording in a pool.
            limit: how many are kept.
            new_pool: makes a pool; one that no recording uses any more cannot be used again.
        """
        self._record, self._new_pool = record, new_pool
        self._recent: Recent[Hashable, Recorded] = Recent(limit)
        self._pool: Any = None

    def run(self, settings: Hashable, function: Function, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """What ``function(*inputs)`` returns, in tensors that the next run writes over.

        Args:
            settings: everything besides the inputs that the function depends on, and which function it is.
            function: see `CudaGraph`.
            inputs: of the function.
        """
        key = (settings, tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs))
        recorded = self._recent.get(key, lambda: self._recorded(function, inputs))
        for own, given in zip(recorded.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        recorded.replay()
        return recorded.outputs

    def clear(self) -> None:
        """Give up all recordings and their memory."""
        with RECORDING:
            self._recent.clear()
            self._pool = None

    def _recorded(self, function: Function, inputs: Sequence[Tensor]) -> Recorded:
        with RECORDING:
            if self._pool is None or not len(self._recent):
                self._pool = self._new_pool()
            return self._record(function, inputs, self._pool)
