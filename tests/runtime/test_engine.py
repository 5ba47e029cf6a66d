"""The engine: one result on every device and precision, errors of memory, and that results belong to the caller."""

import weakref

import numpy as np
import pytest
import torch

from pagnet_ros.errors import DeviceError
from pagnet_ros.model.network import Bicubic
from pagnet_ros.runtime.devices import compute_float32_exactly
from pagnet_ros.runtime.engine import Engine
from tests.builders import small_surfaces
from tests.runtime.engines import Stub, infer, random_network, scene


@pytest.mark.parametrize("stride", [1, 2])
def test_every_device_and_precision_agrees_with_fp32_on_the_cpu(device_precision_tolerance, stride):
    device, precision, tolerance = device_precision_tolerance
    depth, rgb = scene()
    expected = infer(Engine(random_network(feature_stride=stride), "cpu", "fp32"), depth, rgb).depth
    ours = infer(Engine(random_network(feature_stride=stride), device, precision), depth, rgb).depth
    bicubic = infer(Engine(Bicubic(4), "cpu", "fp32"), depth, rgb).depth
    assert np.sqrt(np.mean((expected - bicubic) ** 2)) > 0.03
    assert np.sqrt(np.mean((ours - expected) ** 2)) < tolerance


def test_bicubic_is_the_same_on_every_device_and_precision(device_precision_tolerance):
    device, precision, _ = device_precision_tolerance
    depth, rgb = scene()
    expected = infer(Engine(Bicubic(4), "cpu", "fp32"), depth, rgb)
    ours = infer(Engine(Bicubic(4), device, precision), depth, rgb)
    # cuDNN may pick a Winograd transform, as accurate as single precision allows it
    np.testing.assert_allclose(ours.depth, expected.depth, atol=5e-6 if device == "cpu" else 5e-5)
    assert np.array_equal(ours.provenance, expected.provenance)


@pytest.mark.parametrize("make", [random_network, small_surfaces], ids=["depth", "surfaces"])
def test_results_do_not_change_with_later_frames(make, device_precision_tolerance):
    device, precision, _ = device_precision_tolerance
    engine = Engine(make(), device, precision)
    depth, rgb = scene()
    first = infer(engine, depth, rgb)
    arrays = [each for each in (first.depth, first.sigma, first.provenance) if each is not None]
    copies = [array.copy() for array in arrays]
    for seed in (1, 2):
        infer(engine, *scene(seed=seed))
    for array, copy in zip(arrays, copies, strict=True):
        assert np.array_equal(array, copy, equal_nan=True)
        assert array.flags.writeable
        assert array.flags.c_contiguous


def test_the_same_frame_gives_the_same_result_after_others_of_other_sizes(device_precision_tolerance):
    device, precision, _ = device_precision_tolerance
    engine = Engine(random_network(), device, precision)
    depth, rgb = scene()
    first = infer(engine, depth, rgb)
    infer(engine, *scene(size=(10, 14)))
    infer(engine, *scene(size=(31, 21), seed=3))
    again = infer(engine, depth, rgb)
    assert np.array_equal(first.depth, again.depth)
    assert np.array_equal(first.provenance, again.provenance)


def frames_of_every_layout():
    depth, rgb = scene()
    frozen = depth.copy(), rgb.copy()
    for array in frozen:
        array.flags.writeable = False
    wide = np.zeros((depth.shape[0], 2 * depth.shape[1]), np.uint16)
    wide[:, ::2] = depth
    return {
        "read-only": frozen,
        "strided": (wide[:, ::2], rgb),
        "mirrored view": (depth[::-1].copy()[::-1], rgb[..., ::-1].copy()[..., ::-1]),
        "Fortran order": (np.asfortranarray(depth), np.asfortranarray(rgb)),
    }


@pytest.mark.parametrize(("depth", "rgb"), frames_of_every_layout().values(), ids=frames_of_every_layout())
@pytest.mark.filterwarnings("error")
def test_any_memory_layout_is_read_alike_and_left_unchanged(depth, rgb):
    before = depth.copy(), rgb.copy()
    engine = Engine(Bicubic(4), "cpu", "fp32")
    assert np.array_equal(infer(engine, depth, rgb).depth, infer(engine, *scene()).depth)
    assert np.array_equal(depth, before[0])
    assert np.array_equal(rgb, before[1])


def test_float_input_is_left_unchanged_and_not_shared():
    depth, rgb = scene()
    metres = depth.astype(np.float32) / 1000
    metres[metres == 0] = np.nan
    before = metres.copy()
    out = infer(Engine(Bicubic(4), "cpu", "fp32"), metres, rgb)
    assert np.array_equal(metres, before, equal_nan=True)
    assert not np.shares_memory(out.depth, metres)


def test_only_an_engine_on_a_gpu_sets_what_the_process_does_with_float32(monkeypatch):
    for flag, value in (("allow_tf32", True), ("benchmark", False)):
        monkeypatch.setattr(torch.backends.cudnn, flag, value)
    infer(Engine(Bicubic(4), "cpu"), *scene())
    assert torch.backends.cudnn.allow_tf32
    compute_float32_exactly()
    assert not torch.backends.cudnn.allow_tf32  # its 10 bits would cost 2 mm
    assert torch.backends.cudnn.benchmark


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_masked(value):
    def spoil(up):
        up[..., 5:9, 6:8] = value
        return up

    out = infer(Engine(Stub(spoil), "cpu"), *scene())
    assert np.isnan(out.depth[5:9, 6:8]).all()
    assert (out.provenance[5:9, 6:8] == 0).all()
    assert np.isfinite(out.depth).sum() == out.depth.size - 8
    assert np.array_equal(np.isfinite(out.depth), out.provenance > 0)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to ..."
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore lines"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_running_out_of_memory_says_how_to_mend_it_and_the_next_frame_works(error):
    failing = [error]

    def act(up):
        if failing:
            raise failing.pop()
        return up

    engine = Engine(Stub(act), "cpu")
    with pytest.raises(DeviceError, match="cpu ran out of memory") as caught:
        infer(engine, *scene())
    assert "weights:=bicubic" in str(caught.value)
    assert "more lines" not in str(caught.value)
    assert np.isfinite(infer(engine, *scene()).depth).all()


@pytest.mark.parametrize("words", ["CUDA out of memory", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"])
def test_an_error_of_the_device_holds_nothing_of_the_frame_that_failed(words):
    """What is built in its place may need the memory."""
    held = []

    def act(up):
        large = torch.empty(4)
        held.append(weakref.ref(large))
        raise RuntimeError(words)

    with pytest.raises(DeviceError) as caught:
        infer(Engine(Stub(act), "cpu"), *scene())
    assert caught.value.__cause__ is not None
    assert held[0]() is None


def test_other_errors_are_not_taken_for_memory_errors():
    def act(up):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied") as caught:
        infer(Engine(Stub(act), "cpu"), *scene())
    assert not isinstance(caught.value, DeviceError)


def test_a_frame_too_large_for_memory_is_a_device_error(monkeypatch):
    def act(up):
        return torch.empty(1 << 60, dtype=torch.uint8)

    with pytest.raises(DeviceError, match="ran out of memory"):
        infer(Engine(Stub(act), "cpu"), *scene())


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_time_of_every_stage_is_reported(device):
    stages = infer(Engine(Bicubic(4), device), *scene()).stage_ms
    assert list(stages) == ["upload", "network", "mask", "download"]
    assert all(milliseconds >= 0 for milliseconds in stages.values())
