"""A CPU's arrays do not move; a GPU's frames are computed from their own images, with one wait each."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from pagnet_ros.runtime.streams import CpuBuffers, CudaBuffers


def test_on_a_cpu_nothing_is_copied_and_stages_are_timed():
    array, buffers = np.arange(12, dtype=np.uint16).reshape(3, 4), CpuBuffers()
    with buffers.frame():
        (tensor,) = buffers.upload(array)
        buffers.mark("upload")
        buffers.download([tensor[None, None]])
        buffers.mark("download")
    arrays, stage_ms = buffers.wait()
    assert np.shares_memory(arrays[0], array)
    assert list(stage_ms) == ["upload", "download"]
    assert all(value >= 0 for value in stage_ms.values())


class Stream:
    """A stream of a GPU that is none: does nothing until somebody waits for it."""

    def __init__(self, device):
        self.todo, self.waits = [], 0

    def run(self):
        while self.todo:
            self.todo.pop(0)()


class Event:
    def __init__(self, enable_timing, blocking):
        assert blocking  # else the thread would keep a core busy while it waits
        self.done = False

    def record(self, stream):
        self.stream = stream
        stream.todo.append(lambda: setattr(self, "done", True))

    def synchronize(self):
        self.stream.waits += 1
        self.stream.run()

    def elapsed_time(self, other):
        assert self.done
        assert other.done
        return 1.0


class Buffer(torch.Tensor):
    """Memory whose copies that need not be waited for are made when the stream comes to them."""

    stream = None

    def copy_(self, source, non_blocking=False):
        to, given = self.as_subclass(torch.Tensor), source.as_subclass(torch.Tensor)
        self.stream.todo.append(lambda: to.copy_(given)) if non_blocking else to.copy_(given)
        return self


def simulated(monkeypatch):
    """Buffers on a GPU that is none."""

    @contextmanager
    def entered(stream):
        yield

    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "stream", entered)
    buffers = CudaBuffers(torch.device("cuda:0"))
    memory = type("Memory", (Buffer,), {"stream": buffers.stream})
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, **_: empty(shape, dtype=dtype).as_subclass(memory))
    return buffers


def doubled(buffers, array, spoilt=False):
    """One frame; its computation is work in the stream, as a kernel is."""
    with buffers.frame():
        (sent,) = buffers.upload(array)
        buffers.mark("upload")
        if isinstance(buffers.stream, Stream):
            result = torch.empty(array.shape, dtype=torch.float32)
            given, out = (each.as_subclass(torch.Tensor) for each in (sent, result))
            buffers.stream.todo.append(lambda: out.copy_(given * 2.0))
        else:
            result = sent.to(torch.float32) * 2.0
        if spoilt:
            raise ValueError("spoilt")
        buffers.download([result[None, None]])
        buffers.mark("download")
    return buffers.wait()


@pytest.fixture(params=["simulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def on_gpu(request, monkeypatch):
    if request.param == "simulated":
        return simulated(monkeypatch)
    return CudaBuffers(torch.device("cuda:0"))


def test_every_frame_is_computed_from_its_own_images_also_after_one_that_failed(on_gpu):
    results = []
    for value in range(1, 12):
        array = np.full((3, 4 + value // 5), value, np.uint16)  # sizes change on the way
        if value % 3 == 2:
            with pytest.raises(ValueError, match="spoilt"):
                doubled(on_gpu, np.full_like(array, 999), spoilt=True)
        results.append((array, doubled(on_gpu, array)))
    for array, result in results:
        assert (result.arrays[0] == 2.0 * array).all()
        assert list(result.stage_ms) == ["upload", "download"]


def test_one_frame_is_one_wait(monkeypatch):
    buffers = simulated(monkeypatch)
    for value in range(1, 4):
        doubled(buffers, np.full((3, 4), value, np.uint16))
    assert buffers.stream.waits == 3
