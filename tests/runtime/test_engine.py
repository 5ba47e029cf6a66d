"""The engine: one result on every device and precision, errors of memory, and that results belong to the caller."""

import shutil
import threading
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from pagnet_ros.core.depth import working_size
from pagnet_ros.core.validity import TrustOptions
from pagnet_ros.errors import DeviceError, OutOfMemoryError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import Bicubic, PagNet, PagNetOutput
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.runtime import engine as engine_module
from pagnet_ros.runtime.cuda_graph import RECORDING, GraphCache, NotRecordableError
from pagnet_ros.runtime.devices import compute_float32_exactly
from pagnet_ros.runtime.engine import Engine, FrameLimits
from pagnet_ros.runtime.native import NativeUnavailableError
from tests.builders import rms, small_surfaces

LIMITS = FrameLimits(0.1, 10.0, 0.001425)
EVERYTHING = TrustOptions(fill="all", remove_flying=False)
CLOSE_M = {"fp32": 5e-5, "bf16": 2e-3}  # RMS, metres, on a scene of 0.6 to 5.3 m


def scene(size=(24, 32), holes=0.1, seed=0):
    """A slanted floor from 1 to 5 m with a near and a far box, uint16 mm, and a colour image four times as large."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / np.array(size)[:, None, None]
    depth = 1000 + 2500 * y + 1500 * x
    depth[: size[0] // 4, : size[1] // 4] = 600
    depth[size[0] // 2 :, : size[1] // 4] = 5300
    depth[rng.random(size) < holes] = 0
    return depth.astype(np.uint16), rng.integers(0, 256, (4 * size[0], 4 * size[1], 3), np.uint8)


def random_network(residual_rms=0.02, seed=0, **switches):
    """A small network that changes bicubic by about a fiftieth of the frame's range, so 0.1 m of 4.7 m."""
    torch.manual_seed(seed)
    shape = {"channels": 16, "growth": 8, "convolutions": 3} | switches
    network = PagNet(ModelConfig(scale=4, residual=True, mask_channel=True, **shape)).eval()
    depth, rgb = torch.rand(1, 1, 12, 16), torch.rand(1, 3, 48, 64) - 0.5
    nn.init.normal_(network.head.weight)
    with torch.no_grad():
        change = network(depth, rgb).depth - network.bicubic_up(depth)
        network.head.weight.mul_(residual_rms / change.square().mean().sqrt())
    return network


def infer(engine, depth, rgb, options=EVERYTHING, limits=LIMITS):
    return engine.infer(depth, rgb, working_size(depth.shape, rgb.shape[:2], engine.scale), limits, options)


EITHER = pytest.mark.parametrize(("make", "kept"), [(random_network, 1.0), (small_surfaces, 0.998)])
"""Both kinds of network; where two surfaces are equally likely the last bits choose, so a few pixels may differ."""


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


@pytest.mark.parametrize("make", [partial(random_network, log_sigma=True), small_surfaces], ids=["depth", "surfaces"])
def test_results_do_not_change_with_later_frames(make, device_precision_tolerance):
    device, precision, _ = device_precision_tolerance
    engine = Engine(make(), device, precision)
    depth, rgb = scene()
    first = infer(engine, depth, rgb)
    copies = [array.copy() for array in (first.depth, first.sigma, first.provenance)]
    for seed in (1, 2):
        infer(engine, *scene(seed=seed))
    for array, copy in zip((first.depth, first.sigma, first.provenance), copies, strict=True):
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


class Stub(nn.Module):
    """A network of scale 4 that returns bicubic after doing something else first."""

    scale = 4

    def __init__(self, act):
        super().__init__()
        self.act = act

    def cast_features(self, dtype):
        return self

    def forward(self, depth, rgb, valid=None):
        up = Bicubic(4)(depth, rgb).depth
        return PagNetOutput(self.act(up), None)


def test_only_an_engine_on_a_gpu_sets_what_the_process_does_with_float32(monkeypatch):
    for flag, value in (("allow_tf32", True), ("benchmark", False)):
        monkeypatch.setattr(torch.backends.cudnn, flag, value)
    infer(Engine(Bicubic(4), "cpu"), *scene())
    assert torch.backends.cudnn.allow_tf32
    compute_float32_exactly()
    assert not torch.backends.cudnn.allow_tf32  # its 10 bits would cost 2 mm
    assert torch.backends.cudnn.benchmark


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_not_believed(value):
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
    assert "smaller network" in str(caught.value)
    assert "more lines" not in str(caught.value)
    assert np.isfinite(infer(engine, *scene()).depth).all()


def test_an_error_of_memory_holds_nothing_of_the_frame_that_failed():
    held = []

    def act(up):
        large = torch.empty(4)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemoryError) as caught:
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


def test_sigma_comes_in_the_unit_of_the_depth_and_is_missing_where_depth_is():
    depth, rgb = scene(holes=0.3)
    network = PagNet(ModelConfig(scale=4, channels=8, growth=4, residual=True, log_sigma=True))
    out = infer(Engine(network, "cpu", "fp32"), depth, rgb, TrustOptions(fill="none"))
    # an untrained head gives log sigma 0: one span of the frame
    span = (int(depth.max()) - int(depth[depth > 0].min())) / 1000
    assert np.array_equal(np.isnan(out.sigma), np.isnan(out.depth))
    assert out.sigma[np.isfinite(out.sigma)] == pytest.approx(span, rel=1e-5)
    assert infer(Engine(Bicubic(4), "cpu"), depth, rgb).sigma is None


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_time_of_every_stage_is_reported(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")
    stages = infer(Engine(Bicubic(4), device), *scene()).stage_ms
    assert list(stages) == ["upload", "network", "trust", "download"]
    assert all(milliseconds >= 0 for milliseconds in stages.values())


@pytest.mark.parametrize("backend", ["auto", "native", "eager"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_way_to_run_gives_the_same_depth(backend, precision):
    depth, rgb = scene()
    expected = infer(Engine(random_network(feature_stride=2), "cpu", "fp32", "eager"), depth, rgb).depth
    try:
        engine = Engine(random_network(feature_stride=2), "cpu", precision, backend)
    except DeviceError as error:
        pytest.skip(str(error))
    ours = infer(engine, depth, rgb).depth
    assert np.sqrt(np.nanmean((ours - expected) ** 2)) < CLOSE_M[precision]
    assert engine.backend == backend or backend == "auto"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_compiled_network_gives_the_same_depth():
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    tiny = {"channels": 4, "growth": 2, "convolutions": 1, "blocks": 1, "attention": False}
    expected = infer(Engine(random_network(**tiny), "cpu", "fp32", "eager"), *scene()).depth
    ours = infer(Engine(random_network(**tiny), "cpu", "fp32", "compiled"), *scene()).depth
    assert np.sqrt(np.nanmean((ours - expected) ** 2)) < CLOSE_M["fp32"]


def test_without_a_compiler_torch_runs_and_the_engine_says_why(monkeypatch):
    def unavailable():
        raise NativeUnavailableError("no C++ compiler on PATH")

    monkeypatch.setattr(engine_module, "load_library", unavailable)
    engine = Engine(random_network(), "cpu", "fp32")
    assert engine.backend == "eager"
    assert "no C++ compiler" in engine.fallback_reason
    assert np.isfinite(infer(engine, *scene()).depth).all()
    with pytest.raises(DeviceError, match="'native' is not to be had: torch instead of C"):
        Engine(random_network(), "cpu", "fp32", "native")
    with pytest.raises(DeviceError, match="it takes a PagNet"):
        Engine(Bicubic(4), "cpu", "fp32", "native")
    with pytest.raises(DeviceError, match="'graph' does not run on cpu"):
        Engine(Bicubic(4), "cpu", "fp32", "graph")


class Louder(PagNet):
    """A network of somebody's own."""

    def forward(self, depth, rgb, valid=None):
        out = super().forward(depth, rgb, valid)
        return PagNetOutput(torch.full_like(out.depth, 0.5), None)


def with_another_head(network):
    network.head = nn.Sequential(network.head, nn.Threshold(0.0, 0.0))
    return network


def with_a_hook(network):
    network.head.register_forward_hook(lambda module, inputs, output: 0 * output)
    return network


def with_a_forward_of_its_own(network):
    forward = network.enter_depth.forward
    network.enter_depth.forward = lambda x: 0 * forward(x)
    return network


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda network: Louder(network.config), "the network is a Louder, expected a PagNet"),
        (with_another_head, "head is a Sequential, expected a Conv2d"),
        (with_a_hook, "head has a hook"),
        (with_a_forward_of_its_own, "enter_depth has a hook or a forward of its own"),
    ],
)
def test_what_is_not_exactly_the_known_network_runs_as_it_is_and_the_engine_says_why(change, said):
    depth, rgb = scene()
    expected = infer(Engine(change(random_network()), "cpu", "fp32", "eager"), depth, rgb).depth
    assert not np.array_equal(expected, infer(Engine(random_network(), "cpu", "fp32", "eager"), depth, rgb).depth)
    engine = Engine(change(random_network()), "cpu", "fp32")
    assert np.array_equal(infer(engine, depth, rgb).depth, expected)
    assert engine.backend == "eager"
    assert said in engine.fallback_reason or "compiler" in engine.fallback_reason
    with pytest.raises(DeviceError, match="'native' is not to be had"):
        Engine(change(random_network()), "cpu", "fp32", "native")


class Recordings:
    """A cache of recordings that are none; notes which part of a frame was recorded."""

    def __init__(self, engine):
        self.parts = []
        engine._graphs = GraphCache(self._record, new_pool=object)

    def _record(self, function, inputs, pool):
        self.parts.append(function.func.__name__)
        return Recording(function, inputs)


class Recording:
    def __init__(self, function, inputs):
        self.function, self.inputs = function, [tensor.clone() for tensor in inputs]
        self.outputs = [torch.empty_like(tensor) for tensor in function(*self.inputs)]

    def replay(self):
        for own, new in zip(self.outputs, self.function(*self.inputs), strict=True):
            own.copy_(new)


def parts_recorded(make, *, equal):
    """A function that runs a frame with a changed setting and tells which parts of it were recorded anew."""
    engine, plain = (Engine(make(), "cpu", "fp32", "eager") for _ in range(2))
    recordings = Recordings(engine)
    depth, rgb = scene((12, 16))
    rgb = rgb[: depth.shape[0], : depth.shape[1]].copy() if equal else rgb

    def parts(**changes):
        recordings.parts.clear()
        limits = LIMITS._replace(**{name: changes.pop(name) for name in [*changes] if name in LIMITS._fields})
        changed = replace(UpsamplerOptions(), **changes)
        expected, ours = (infer(each, depth, rgb, changed, limits) for each in (plain, engine))
        assert np.array_equal(ours.depth, expected.depth, equal_nan=True)
        assert np.array_equal(ours.provenance, expected.provenance)
        return recordings.parts

    assert parts() == ["_predict", "_believe"]
    assert parts() == []
    return parts


@pytest.mark.parametrize("pooled", [False, True])
def test_a_live_parameter_records_only_the_part_of_a_frame_that_reads_it(pooled):
    parts = parts_recorded(random_network, equal=pooled)
    assert parts(flying_gap=0.1) == ["_believe"]
    assert parts(fill="none") == ["_believe"]
    assert parts(noise=0.01) == (["_believe"] if pooled else [])
    assert parts(maximum=2.0) == ["_predict"]
    assert parts(registration="none") == []


@pytest.mark.parametrize("scale", [1, 4])
def test_a_live_parameter_records_only_the_part_of_a_choice_that_reads_it(scale):
    parts = parts_recorded(partial(small_surfaces, scale), equal=scale == 1)
    assert parts(estimate="mean") == ["_predict"]
    assert parts(fill="none") == ["_believe"]
    assert parts(noise=0.01) == (["_believe"] if scale == 1 else [])
    assert parts(maximum=2.0) == ["_predict", "_believe"]
    assert parts(registration="none") == []


@EITHER
def test_after_one_recording_that_failed_none_is_tried_again_and_the_engine_says_why(make, kept):
    engine = Engine(make(), "cpu", "fp32", "eager")
    engine.backend, tries = "graph", []

    def fail(function, inputs, pool):
        tries.append(pool)
        raise NotRecordableError("CUDA out of memory. Tried to allocate 2.00 GiB")

    engine._graphs = GraphCache(fail, new_pool=object)
    expected = infer(Engine(make(), "cpu", "fp32", "eager"), *scene()).depth
    for _ in range(2):
        assert np.array_equal(infer(engine, *scene()).depth, expected, equal_nan=True)
    assert len(tries) == 1
    assert (engine.backend, engine.fallback_reason) == (
        "eager",
        "without CUDA graphs: CUDA out of memory. Tried to allocate 2.00 GiB",
    )


def test_a_frame_that_is_not_recorded_waits_while_another_thread_records():
    engine = Engine(Stub(lambda up: ran.set() or up), "cpu")
    engine._alone, ran = RECORDING, threading.Event()
    with RECORDING:
        thread = threading.Thread(target=infer, args=(engine, *scene()))
        thread.start()
        assert not ran.wait(0.2)
    thread.join(30)
    assert ran.is_set()


@pytest.mark.gpu
@pytest.mark.parametrize(
    "backend", ["graph", "eager", pytest.param("compiled", marks=[pytest.mark.slow, pytest.mark.timeout(400)])]
)
@EITHER
def test_a_gpu_takes_changing_sizes_and_settings(make, kept, backend):
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")
    shape = {"channels": 4, "growth": 2, "convolutions": 1, "blocks": 1} if backend == "compiled" else {}
    engine = Engine(make(**shape), "cuda", "fp32", backend)
    eager = Engine(make(**shape), "cpu", "fp32", "eager")
    for size in ((24, 32), (40, 20), (24, 32), (16, 16), (12, 30), (24, 32)):
        for options in (EVERYTHING, TrustOptions()):
            depth, rgb = scene(size)
            ours, expected = infer(engine, depth, rgb, options), infer(eager, depth, rgb, options)
            assert rms(ours.depth, expected.depth, kept) < CLOSE_M["fp32"]
    assert (engine.backend, engine.fallback_reason) == (backend, "")


@pytest.mark.gpu
def test_a_gpu_without_room_says_so_and_recovers():
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")
    engine = Engine(random_network(channels=64, growth=32), "cuda", "fp32")
    torch.cuda.set_per_process_memory_fraction(0.0005)
    try:
        with pytest.raises(OutOfMemoryError):
            infer(engine, *scene((120, 160)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert np.isfinite(infer(engine, *scene((120, 160))).depth).all()


@pytest.mark.gpu
@EITHER
def test_on_a_gpu_engines_in_several_threads_compute_what_each_computes_alone(make, kept):
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")
    ways = [("fp32", "graph"), ("fp16", "graph"), ("fp32", "eager")]
    frames = [scene((24, 32)), scene((40, 20)), scene((12, 30))]
    alone = {way: [infer(Engine(make(), "cuda", *way), *frame).depth for frame in frames] for way in ways}
    close, problems = {"fp32": 5e-5, "fp16": 1e-3}, []
    networks = {way: make() for way in ways}  # here: threads share torch's seed

    def work(way):
        try:
            engine = Engine(networks[way], "cuda", *way)
            for i in range(12):
                assert rms(infer(engine, *frames[i % 3]).depth, alone[way][i % 3], kept) < close[way[0]]
            assert engine.fallback_reason == ""
        except Exception as error:
            problems.append((way, error))

    threads = [threading.Thread(target=work, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
