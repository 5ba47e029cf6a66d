"""Slots: whose turn it is, that errors give them back, and that a CPU's arrays do not move."""

import itertools

import numpy as np
import pytest
import torch

from pagnet_ros.lanes import CpuLane, CudaLane, Turns


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
