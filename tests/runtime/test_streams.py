"""Slots: whose turn it is, that errors give them back, a CPU's arrays do not move, a GPU's frames do not mix."""

import itertools
from collections import deque
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from pagnet_ros.runtime.streams import CpuLane, CudaLane, Turns


def test_two_frames_may_be_under_way_and_the_oldest_goes_first():
    turns = Turns(2)
    assert [turns.take(), turns.take()] == [0, 1]
    with pytest.raises(RuntimeError, match="2 frames are under way, expected fewer; collect the oldest first"):
        turns.take()
    turns.free(0)
    assert turns.take() == 0
    turns.free(1)
    turns.free(0)
    assert [turns.take(), turns.take()] == [1, 0]


def test_on_a_cpu_nothing_is_copied_and_stages_are_timed():
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    with CpuLane().frame() as slot:
        (tensor,) = slot.upload(array)
        slot.mark("upload")
        slot.download([tensor[None, None]])
        slot.mark("download")
    arrays, stage_ms = slot.wait()
    assert np.shares_memory(arrays[0], array)
    assert list(stage_ms) == ["upload", "download"]
    assert all(value >= 0 for value in stage_ms.values())


def test_a_turn_given_back_comes_next():
    turns = Turns(2)
    assert [turns.take(), turns.take()] == [0, 1]
    turns.give_back(1)
    assert turns.take() == 1
    turns.free(0)
    assert turns.take() == 0


class Gpu:
    """A GPU that is none: streams do nothing until somebody waits for them, and then no more than they must.

    `eager` is the stream that runs ahead of the others as far as it may: 0 computes, 1 uploads.
    """

    def __init__(self, eager):
        self.eager, self.streams, self.current = eager, [], None

    def stream(self, device):
        self.streams.append(Stream(self))
        return self.streams[-1]

    @contextmanager
    def entered(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    def do(self, work):
        self.current.todo.append(work)
        self.run_ahead()

    def run_ahead(self):
        if self.eager < len(self.streams):
            self.streams[self.eager].run()


class Stream:
    def __init__(self, gpu):
        self.gpu, self.todo = gpu, deque()

    def run(self, event=None):
        """Do what can be done, but nothing after an event that is waited for."""
        while self.todo and not (event and event.done):
            work = self.todo[0]
            if isinstance(work, Event) and work.stream is not self:
                work.stream.run(work)
            self.todo.popleft()
            if isinstance(work, Event):
                work.done = work.done or work.stream is self
            else:
                work()

    def wait_stream(self, other):
        event = Event(gpu=self.gpu)
        event.record(other)
        self.todo.append(event)
        self.gpu.run_ahead()


class Event:
    def __init__(self, gpu, enable_timing=True, blocking=False):
        self.gpu, self.done, self.stream, self.blocking = gpu, False, None, blocking

    def record(self, stream):
        self.stream = stream
        stream.todo.append(self)
        self.gpu.run_ahead()

    def synchronize(self):
        self.stream.run(self)
        assert self.done

    def elapsed_time(self, other):
        assert self.done
        assert other.done
        return 1.0


class Buffer(torch.Tensor):
    """Memory that streams copy to and from: a copy that need not be waited for is made when its stream comes to it."""

    gpu = None

    def copy_(self, source, non_blocking=False):
        to, given = self.as_subclass(torch.Tensor), source.as_subclass(torch.Tensor)
        if non_blocking:
            self.gpu.do(lambda: to.copy_(given))
        else:
            to.copy_(given)
        return self


@pytest.fixture(params=[0, 1, 2], ids=["computes early", "uploads early", "all late"])
def simulated(request, monkeypatch):
    gpu = Gpu(request.param)
    memory = type("Memory", (Buffer,), {"gpu": gpu})
    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Stream", gpu.stream)
    monkeypatch.setattr(torch.cuda, "Event", lambda **options: Event(gpu, **options))
    monkeypatch.setattr(torch.cuda, "stream", gpu.entered)
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, **_: empty(shape, dtype=dtype).as_subclass(memory))
    return gpu, CudaLane(torch.device("cuda:0"))


def doubled(gpu, lane, array, spoilt=False):
    """One frame on the GPU that is none: its computation is work in the stream, as a kernel is."""
    with lane.frame() as slot:
        (sent,) = slot.upload(array)
        slot.mark("upload")
        result = torch.empty(array.shape, dtype=torch.float32)
        gpu.do(lambda: result.as_subclass(torch.Tensor).copy_(sent.as_subclass(torch.Tensor) * 2.0))
        if spoilt:
            raise ValueError("spoilt")
        slot.download([result[None, None]])
        slot.mark("download")
    return slot


def test_whatever_runs_first_every_frame_is_computed_from_its_own_images(simulated):
    gpu, lane = simulated
    arrays = [np.full((3, 4 + value // 5), value, np.uint16) for value in range(1, 12)]  # sizes change on the way
    under_way, results = doubled(gpu, lane, arrays[0]), []
    for i, array in enumerate(arrays[1:]):
        if i % 3 == 2:
            with pytest.raises(ValueError, match="spoilt"):
                doubled(gpu, lane, np.full_like(array, 999), spoilt=True)
        following = doubled(gpu, lane, array)
        results.append(under_way.wait())
        under_way = following
    results.append(under_way.wait())
    for array, result in zip(arrays, results, strict=True):
        assert (result.arrays[0] == 2.0 * array).all()
        assert result.stage_ms == {"upload": 1.0, "download": 1.0}


def test_one_frame_is_one_wait(simulated, monkeypatch):
    gpu, lane = simulated
    waits = []
    monkeypatch.setattr(Event, "synchronize", lambda event: (waits.append(event), event.stream.run(event)))
    for value in range(1, 4):
        assert (doubled(gpu, lane, np.full((3, 4), value, np.uint16)).wait().arrays[0] == 2 * value).all()
    assert len(waits) == 3
    assert all(event.blocking for event in waits)  # else the thread would keep a core busy while it waits


@pytest.fixture
def lane():
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")
    return CudaLane(torch.device("cuda:0"))


def frame(lane, array):
    with lane.frame() as slot:
        (tensor,) = slot.upload(array)
        slot.mark("upload")
        slot.download([(tensor.to(torch.float32) * 2)[None, None]])
        slot.mark("download")
    return slot


@pytest.mark.gpu
def test_on_a_gpu_two_frames_keep_apart(lane):
    arrays = [np.full((50, 60), value, np.uint16) for value in range(1, 8)]
    under_way = frame(lane, arrays[0])
    for before, array in itertools.pairwise(arrays):
        following = frame(lane, array)
        assert (under_way.wait().arrays[0] == 2.0 * before[0, 0]).all()
        under_way = following
    result = under_way.wait()
    assert (result.arrays[0] == 2.0 * arrays[-1][0, 0]).all()
    assert list(result.stage_ms) == ["upload", "download"]


@pytest.mark.gpu
def test_on_a_gpu_an_error_gives_the_slot_back_and_sizes_may_change(lane):
    def spoil(width):
        with lane.frame() as slot:
            slot.upload(np.zeros((4, width), np.uint16))
            raise ValueError("spoilt")

    for width in range(4, 9):
        with pytest.raises(ValueError, match="spoilt"):
            spoil(width)
    assert (frame(lane, np.full((9, 7), 3, np.uint16)).wait().arrays[0] == 6).all()
