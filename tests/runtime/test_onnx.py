"""Every shipped network as ONNX gives what torch gives, at any size, alone and inside the engine."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pagnet_ros.core.depth import working_size
from pagnet_ros.core.validity import ValidityOptions
from pagnet_ros.errors import ConfigError, DeviceError, InputError, WeightsError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, load_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.runtime import export_onnx as exporter
from pagnet_ros.runtime import onnx as onnx_network
from pagnet_ros.runtime.engine import Engine
from pagnet_ros.runtime.export_onnx import MOST_DIFFERENT, MOST_FLIPPED, difference_to_torch, export_onnx
from pagnet_ros.runtime.frame_settings import FrameLimits
from pagnet_ros.runtime.onnx import OnnxNetwork
from tests.builders import small_surfaces

for _needed in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(_needed, reason=f"{_needed} is not installed here (the onnx extra)")

SMALL = ModelConfig(scale=4, channels=6, growth=2, convolutions=1, blocks=1, residual=True, mask_channel=True)
pytestmark = pytest.mark.filterwarnings("ignore")


def random_network(config):
    torch.manual_seed(0)
    net = PagNet(config).eval().requires_grad_(False)
    nn.init.normal_(net.head.weight, std=0.05)
    return net


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(network, its ONNX file of free size)."""
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    net = random_network(SMALL)
    export_onnx(net, WeightsHeader("small", SMALL), path)
    return net, path


REGRESSING = [name for name, header in zoo().items() if header.config.output == "depth"]
CHOOSING = [name for name in zoo() if name not in REGRESSING]


@pytest.mark.slow
@pytest.mark.parametrize("name", REGRESSING)
def test_a_shipped_network_gives_what_torch_gives_at_any_size(name, tmp_path):
    net, header = load_weights(zoo_path(name))
    export_onnx(net.requires_grad_(False), header, tmp_path / "net.onnx")
    assert OnnxNetwork(tmp_path / "net.onnx").header == header
    for low_size in ((2, 2), (5, 9), (16, 12)):
        assert difference_to_torch(net, tmp_path / "net.onnx", low_size).largest <= MOST_DIFFERENT["fp32"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", list(MOST_DIFFERENT))
@pytest.mark.parametrize("name", CHOOSING)
def test_a_shipped_network_chooses_what_it_chooses_in_torch(name, precision, tmp_path):
    net, header = load_weights(zoo_path(name))
    low = (96 // net.scale, 128 // net.scale)
    export_onnx(net.requires_grad_(False), header, tmp_path / "net.onnx", (96, 128), precision)
    found = difference_to_torch(net, tmp_path / "net.onnx", low)
    assert (found.largest <= MOST_DIFFERENT[precision], found.flipped <= MOST_FLIPPED[precision]) == (True, True), found
    assert_only_the_features_are_half(tmp_path / "net.onnx", precision, ("enter_depth", "head", "tint"))


@pytest.mark.parametrize("low_size", [(2, 2), (3, 17), (20, 15)], ids=str)
def test_a_file_of_free_size_runs_at_any(small, low_size):
    assert difference_to_torch(*small, low_size).largest <= MOST_DIFFERENT["fp32"]


def test_every_part_of_a_network_is_exported(tmp_path):
    config = replace(SMALL, back_projections=1, feature_stride=2, planar_gate=True)
    net = random_network(config)
    export_onnx(net, WeightsHeader("part", config), tmp_path / "part.onnx")
    assert difference_to_torch(net, tmp_path / "part.onnx", (6, 7)).largest <= MOST_DIFFERENT["fp32"]


@pytest.fixture(scope="module")
def fixed(small, tmp_path_factory):
    """The file of the same network for colour of 32x24."""
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    export_onnx(small[0], WeightsHeader("fixed", SMALL), path, (24, 32))
    return path


def test_a_fixed_size_is_fixed(small, fixed, tmp_path):
    net = small[0]
    assert difference_to_torch(net, fixed, (6, 8)).largest <= MOST_DIFFERENT["fp32"]
    with pytest.raises(InputError, match="takes depth of 8x6, not 6x8, rgb of 32x24, not 24x32"):
        difference_to_torch(net, fixed, (8, 6))
    with pytest.raises(ConfigError, match="size 30x24 does not fit scale 4"):
        export_onnx(net, WeightsHeader("fixed", SMALL), tmp_path / "other.onnx", (24, 30))


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """(network, its ONNX file with features in half precision, of free size)."""
    path = tmp_path_factory.mktemp("onnx") / "small-fp16.onnx"
    net = random_network(SMALL)
    export_onnx(net, WeightsHeader("small", SMALL), path, precision="fp16")
    return net, path


def assert_only_the_features_are_half(path, precision, exact):
    """The weights of the features, and of nothing else that has a name, are of the precision; no end is half."""
    import onnx

    graph = onnx.load(path).graph
    types = onnx.TensorProto
    kinds = {each.name: each.data_type for each in graph.initializer if len(each.dims) == 4 and "." in each.name}
    features = {name for name in kinds if not any(part in name for part in exact)}
    assert len(features) > len(kinds) / 2
    assert {kinds[name] for name in features} == {types.FLOAT16 if precision == "fp16" else types.FLOAT}
    assert {kinds[name] for name in kinds.keys() - features} == {types.FLOAT}
    ends = {each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)}
    assert ends <= {types.FLOAT, types.BOOL}


def test_in_half_precision_only_the_features_are_half_and_the_result_is_close(half):
    net, path = half
    assert next(net.parameters()).dtype == torch.float32
    assert 0 < difference_to_torch(net, path, (6, 7)).largest <= MOST_DIFFERENT["fp16"]
    assert_only_the_features_are_half(path, "fp16", ("enter_depth", "head", "bicubic"))


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """(a network that chooses surfaces, its ONNX file for depth of 17x13 and colour of 57x45)."""
    path = tmp_path_factory.mktemp("onnx") / "chosen.onnx"
    net = small_surfaces(4).requires_grad_(False)
    export_onnx(net, WeightsHeader("chosen", net.config, normalisation="local"), path, (45, 57), depth_size=(13, 17))
    return net, path


@pytest.mark.timeout(400)  # the file is written first
def test_the_choice_is_exported_with_its_network(chosen):
    found = difference_to_torch(*chosen, (13, 17), (45, 57))
    assert found.largest <= MOST_DIFFERENT["fp32"]
    assert found.flipped <= MOST_FLIPPED["fp32"]


@pytest.mark.parametrize("changed", [{}, {"estimate": "mean"}, {"max_depth_m": 2.0}], ids=str)
def test_an_exported_choice_is_the_up_samplers_with_every_live_parameter(chosen, changed):
    net, path = chosen
    options = UpsamplerOptions(registration="none", **changed)
    random = np.random.default_rng(0)
    depth = np.kron(random.integers(600, 2500, (4, 5)), np.ones((4, 4))).astype(np.uint16)[:13, :17]
    depth[random.random(depth.shape) < 0.15] = 0
    rgb = random.integers(0, 256, (45, 57, 3), np.uint8)
    ours = DepthUpsampler.from_file(path, device="cpu", options=options)
    eager = DepthUpsampler("eager", {4: lambda: net}, device="cpu", precision="fp32", options=options)
    result, expected = ours(depth, rgb), eager(depth, rgb)
    assert (ours.backend, ours.precision, ours.name, ours.fallback_reason) == ("onnx", "fp32", "chosen", "")
    for name in ("depth", "sigma", "provenance"):
        one, other = (getattr(each, name).astype(np.float64) for each in (result, expected))
        assert np.mean(~np.isclose(one, other, atol=1e-4, equal_nan=True)) <= MOST_FLIPPED["fp32"]


def test_a_file_of_one_size_names_its_sizes(chosen):
    up = DepthUpsampler.from_file(chosen[1], device="cpu")
    with pytest.raises(InputError, match=r"takes depth of 17x13, not 16x12.*--depth-size"):
        up(np.full((12, 16), 1500, np.uint16), np.zeros((48, 64, 3), np.uint8))


def test_the_engine_reports_the_precision_of_the_file_and_refuses_another(small, half):
    for (_, path), precision, other in ((small, "fp32", "bf16"), (half, "fp16", "fp32")):
        engine = Engine(OnnxNetwork(path), "cpu")
        assert (engine.precision, engine.backend) == (precision, "onnx")
        with pytest.raises(DeviceError, match=f"{other!r} was asked for, and this network computes in {precision}"):
            Engine(OnnxNetwork(path), "cpu", other)
    up = DepthUpsampler.from_file(half[1], device="cpu")
    up(np.full((6, 8), 1500, np.uint16), np.zeros((24, 32, 3), np.uint8))
    assert up.precision == "fp16"


BOTH = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


def providers(path, monkeypatch, tensorrt, present=BOTH):
    monkeypatch.setattr(onnx_network, "_tensorrt_version", lambda: tensorrt)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    network = OnnxNetwork(path)
    return network, dict(network._gpu_providers(present, 1, 7))


def test_no_provider_rounds_float32_to_tf32_and_all_use_the_engine_s_stream(small, monkeypatch):
    network, found = providers(small[1], monkeypatch, 10)
    assert list(found) == BOTH[:2]
    assert found["CUDAExecutionProvider"]["use_tf32"] == "0"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert all((each["device_id"], each["user_compute_stream"]) == ("1", "7") for each in found.values())
    assert list(providers(small[1], monkeypatch, 10, BOTH[1:])[1]) == BOTH[1:2]
    assert network.fallback_reason == ""


def test_tensorrt_keeps_what_it_builds_and_is_told_the_sizes_that_a_file_leaves_free(
    small, fixed, tmp_path, monkeypatch
):
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "cache"))
    options = providers(small[1], monkeypatch, 10)[1]["TensorrtExecutionProvider"]
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path / "cache")
    assert options["trt_profile_min_shapes"] == "depth:1x1x2x2,rgb:1x3x8x8,valid:1x1x2x2"
    assert options["trt_profile_opt_shapes"] == "depth:1x1x120x160,rgb:1x3x480x640,valid:1x1x120x160"
    assert options["trt_profile_max_shapes"] == "depth:1x1x270x480,rgb:1x3x1080x1920,valid:1x1x270x480"
    of_one_size = providers(fixed, monkeypatch, 10)[1]["TensorrtExecutionProvider"]
    assert not any("profile" in name for name in of_one_size)


def test_a_cache_that_cannot_be_used_is_said(small, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PAGNET_CACHE", str(tmp_path / "file"))
    network, found = providers(small[1], monkeypatch, 10)
    assert "trt_engine_cache_enable" not in found["TensorrtExecutionProvider"]
    assert "TensorRT builds its engine at every start" in network.fallback_reason


@pytest.mark.parametrize("tensorrt", [0, 10, 11])
def test_half_precision_goes_to_tensorrt_only_where_it_obeys_the_types(half, monkeypatch, tensorrt):
    network, found = providers(half[1], monkeypatch, tensorrt)
    assert ("TensorrtExecutionProvider" in found) == (tensorrt == 11)
    assert ("instead of TensorRT" in network.fallback_reason) == (tensorrt < 11)
    assert not any("fp16_enable" in name for options in found.values() for name in options)


def test_the_engine_runs_a_file_like_the_network(small):
    net, path = small
    rng = np.random.default_rng(0)
    depth = rng.integers(500, 4000, (12, 16)).astype(np.uint16)
    rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
    arguments = (
        depth,
        rgb,
        working_size((12, 16), (48, 64), 4),
        FrameLimits(0.1, 10.0, 0.001),
        ValidityOptions(fill="all"),
    )
    engine = Engine(OnnxNetwork(path), "cpu", "fp32")
    assert engine.backend == "onnx"
    ours = engine.infer(*arguments)
    expected = Engine(net, "cpu", "fp32", "eager").infer(*arguments)
    assert np.nanmax(np.abs(ours.depth - expected.depth)) < 1e-4
    assert np.array_equal(np.isnan(ours.depth), np.isnan(expected.depth))


def test_the_pipeline_takes_a_file_by_its_name(small):
    up = DepthUpsampler.from_file(small[1], device="cpu", precision="fp32")
    assert (up.name, up.scales) == ("small", (4,))
    for _ in range(2):
        out = up(np.full((6, 8), 1500, np.uint16), np.zeros((24, 32, 3), np.uint8))
        assert np.isfinite(out.depth).all()
        up.rebuild()


def test_files_that_are_not_ours_are_refused(small, tmp_path, monkeypatch):
    import onnx

    with pytest.raises(WeightsError, match="is missing, expected an ONNX file"):
        OnnxNetwork(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(WeightsError, match="not a readable ONNX file"):
        OnnxNetwork(tmp_path / "text.onnx")
    model = onnx.load(small[1])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(WeightsError, match="no 'pagnet' header"):
        OnnxNetwork(tmp_path / "bare.onnx")
    onnx.helper.set_model_props(model, {"pagnet": "{}"})
    onnx.save(model, tmp_path / "empty.onnx")
    with pytest.raises(WeightsError, match="format version"):
        OnnxNetwork(tmp_path / "empty.onnx")
    monkeypatch.setattr("pagnet_ros.model.weights.MAX_FILE_BYTES", 100)
    with pytest.raises(WeightsError, match="expected at most 100"):
        OnnxNetwork(small[1])


def test_a_gpu_that_this_onnx_runtime_cannot_use_is_said(small, monkeypatch):
    network = OnnxNetwork(small[1])
    monkeypatch.setattr(network._runtime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="expected CUDAExecutionProvider for cuda:0"):
        network.on(torch.device("cuda:0"))


def test_the_command_compares_with_torch(tmp_path, capsys, monkeypatch):
    from pagnet_ros.model.weights import save_weights

    save_weights(tmp_path / "small.safetensors", random_network(SMALL), WeightsHeader("small", SMALL))
    arguments = [str(tmp_path / "small.safetensors"), "--out", str(tmp_path), "--size", "32x24"]
    assert exporter.main(arguments) == 0
    assert "small.onnx" in (said := capsys.readouterr().out)
    assert "differs from torch by" in said
    assert "of the frame's range" in said
    monkeypatch.setitem(exporter.MOST_DIFFERENT, "fp16", -1.0)
    monkeypatch.setattr(
        exporter, "export_onnx", lambda network, header, target, *_: shutil.copy(tmp_path / "small.onnx", target)
    )
    assert exporter.main([*arguments, "--precision", "fp16"]) == 1
    said = capsys.readouterr()
    assert "small-fp16.onnx" in said.out
    assert "expected at most -1.0" in said.err
    assert exporter.main(["no-such-network", "--out", str(tmp_path)]) == 1
    assert "no shipped network" in capsys.readouterr().err


def test_ctrl_c_ends_the_command_in_one_line(tmp_path, monkeypatch, capsys):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "export_onnx", pressed)
    assert exporter.main(["rt-x4-clean", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "export_onnx: stopped\n"
