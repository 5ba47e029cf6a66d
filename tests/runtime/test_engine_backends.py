"""What runs an engine's network: C++, torch, a compiled network or recordings of a GPU's work, all with one result."""

import shutil
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from pagnet_ros.core.validity import ValidityOptions
from pagnet_ros.errors import DeviceError, OutOfMemoryError
from pagnet_ros.model.network import Bicubic, PagNet
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.runtime import engine as engine_module
from pagnet_ros.runtime.cuda_graph import RECORDING, GraphCache, NotRecordableError
from pagnet_ros.runtime.engine import Engine
from pagnet_ros.runtime.native import NativeUnavailableError
from tests.builders import rms, small_surfaces
from tests.runtime.engines import CLOSE_M, EITHER, EVERYTHING, LIMITS, Stub, infer, random_network, scene


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
@pytest.mark.timeout(1800)
@EITHER
def test_a_compiled_network_gives_the_same_depth(make, kept):
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    tiny = {"channels": 4, "growth": 2, "convolutions": 1, "blocks": 1} if make is random_network else {}
    expected = infer(Engine(make(**tiny), "cpu", "fp32", "eager"), *scene()).depth
    ours = infer(Engine(make(**tiny), "cpu", "fp32", "compiled"), *scene()).depth
    assert rms(ours, expected, kept) < CLOSE_M["fp32"]


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
        return torch.full_like(out, 0.5)


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

    assert parts() == ["_predict", "_mask"]
    assert parts() == []
    return parts


@pytest.mark.parametrize("pooled", [False, True])
def test_a_live_parameter_records_only_the_part_of_a_frame_that_reads_it(pooled):
    parts = parts_recorded(random_network, equal=pooled)
    assert parts(registration="none") == []
    assert parts(flying_gap=0.1) == ["_mask"]
    assert parts(fill="none") == ["_mask"]
    assert parts(noise=0.01) == (["_mask"] if pooled else [])
    assert parts(maximum=2.0) == ["_predict", "_mask"]


@pytest.mark.parametrize("scale", [1, 4])
def test_a_live_parameter_records_only_the_part_of_a_choice_that_reads_it(scale):
    parts = parts_recorded(partial(small_surfaces, scale), equal=scale == 1)
    assert parts(estimate="mean") == ["_predict"]
    assert parts(fill="none") == ["_mask"]
    assert parts(noise=0.01) == (["_mask"] if scale == 1 else [])
    assert parts(maximum=2.0) == ["_predict", "_mask"]
    assert parts(registration="none") == []


@EITHER
def test_after_one_recording_that_failed_none_is_tried_again_and_the_engine_says_why(make, kept, monkeypatch):
    def refuse():
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")  # torch before 2.13 may

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    engine = Engine(make(), "cpu", "fp32", "eager")
    engine.device, engine.backend, tries = torch.device("cuda:0"), "graph", []

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
    shape = {"channels": 4, "growth": 2, "convolutions": 1, "blocks": 1} if backend == "compiled" else {}
    engine = Engine(make(**shape), "cuda", "fp32", backend)
    eager = Engine(make(**shape), "cpu", "fp32", "eager")
    for size in ((24, 32), (40, 20), (24, 32), (16, 16), (12, 30), (24, 32)):
        for options in (EVERYTHING, ValidityOptions()):
            depth, rgb = scene(size)
            ours, expected = infer(engine, depth, rgb, options), infer(eager, depth, rgb, options)
            assert rms(ours.depth, expected.depth, kept) < CLOSE_M["fp32"]
    assert (engine.backend, engine.fallback_reason) == (backend, "")


@pytest.mark.gpu
def test_a_gpu_without_room_says_so_and_recovers():
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
