"""What runs on a GPU, run on tensors without numbers that claim to lie on one: no GPU is needed.

Finds what would fail or wait there: tensors of two devices in one operation, types that do not fit, results that are
read back, shapes that depend on values. A CUDA graph can hold none of these.
"""

from functools import partial

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pagnet_ros.core.depth import working_size
from pagnet_ros.core.validity import ValidityOptions
from pagnet_ros.model.config import SURFACE_SCALES, ModelConfig
from pagnet_ros.model.network import Bicubic, PagNet
from pagnet_ros.model.surface_network import choose_surfaces
from pagnet_ros.model.weights import build_network
from pagnet_ros.runtime.engine import Engine
from pagnet_ros.runtime.frame_settings import FrameLimits, FrameSettings, for_mask, for_network

LIMITS = FrameLimits(0.1, 10.0, 0.001425, 0.001)
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero", "bincount")
SMALL = {"channels": 8, "growth": 4, "convolutions": 1, "blocks": 1, "residual": True, "mask_channel": True}
NETWORKS = {
    "full": ModelConfig(scale=4, **SMALL),
    "rt": ModelConfig(scale=2, feature_stride=2, **SMALL),
    "everything": ModelConfig(scale=8, feature_stride=2, planar_gate=True, back_projections=1, **SMALL),
}
SURFACES = {
    f"fast-x{scale}": ModelConfig(scale=scale, channels=8, blocks=1, feature_stride=4, output="surfaces")
    for scale in SURFACE_SCALES
}
OPTIONS = {
    "default": ValidityOptions(),
    "all filled": ValidityOptions(fill="all"),
    "as measured": ValidityOptions(fill="none", remove_flying=False),
}
ESTIMATES = [ValidityOptions(), ValidityOptions(estimate="mean", fill="all")]


class OnTheGpu(TorchDispatchMode):
    """Notes every operation that a CUDA graph could not hold."""

    def __init__(self):
        super().__init__()
        self.wrong, self.operations = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, out)) if isinstance(each, torch.Tensor)]
        self.operations += 1
        name = function.overloadpacket.__name__
        if name in WAITING or any(each.device.type != "cuda" for each in tensors):
            self.wrong.append((name, [str(each.device) for each in tensors]))
        return out


class WithoutCuda(TorchFunctionMode):
    """The two methods of a tensor that torch without CUDA refuses, by others that mean the same."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.__getitem__:
            return by_views(*args)
        if function is torch.Tensor.__invert__:
            function = torch.logical_not
        return function(*args, **(kwargs or {}))


def by_views(tensor, key):
    key = key if isinstance(key, tuple) else (key,)
    left_out = tensor.ndim - sum(part is not None and part is not ... for part in key)
    dim = 0
    for part in key:
        if part is ...:
            dim += left_out
        elif isinstance(part, int):
            tensor = tensor.select(dim, part)
        else:
            tensor = (
                tensor.unsqueeze(dim)
                if part is None
                else torch.ops.aten.slice(tensor, dim, part.start, part.stop, part.step or 1)
            )
            dim += 1
    return tensor


def moved(network):
    """The network on the GPU that is none; `to` would ask for CUDA."""
    for module in network.modules():
        for name, value in module.named_parameters(recurse=False):
            there = torch.empty(value.shape, dtype=value.dtype, device="cuda")
            module._parameters[name] = nn.Parameter(there, requires_grad=False)
        for name, value in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device="cuda")
    return network


def run(network, dtype, depth_size, rgb_size, raw=torch.uint16, options=OPTIONS["default"], act=None):
    """What a frame takes between upload and download; returns the results and the watch on them."""
    engine = Engine(Bicubic(), "cpu", "fp32", "eager")
    network = network.eval().cast_features(dtype)
    with FakeTensorMode(), torch.no_grad():
        engine._dtype, engine.device, engine._chooses = dtype, torch.device("cuda:0"), hasattr(network, "chooses")
        engine._forward = partial(choose_surfaces, moved(network)) if engine._chooses else moved(network)
        if act is not None:
            forward = engine._forward
            engine._forward = lambda *given, **more: act(forward(*given, **more))
        size = working_size(depth_size, rgb_size, network.scale)
        frame = FrameSettings(size, rgb_size, LIMITS, options)
        depth = torch.empty(depth_size, dtype=raw, device="cuda")
        rgb = torch.empty((*rgb_size, 3), dtype=torch.uint8, device="cuda")
        with WithoutCuda(), OnTheGpu() as watch:
            predicted = engine._predict(for_network(frame), depth, rgb)
            results = engine._mask(for_mask(frame), *predicted)
    return results, watch


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("config", (NETWORKS | SURFACES).values(), ids=NETWORKS | SURFACES)
def test_a_network_stays_on_the_gpu_in_every_precision(config, dtype):
    low = (12, 16)
    results, watch = run(build_network(config), dtype, low, (12 * config.scale, 16 * config.scale))
    assert watch.operations > 50
    assert watch.wrong == []
    images = [torch.float32, torch.uint8, torch.float32, torch.uint8]  # depth, provenance, sigma, confidence
    kinds = [*images, torch.int32]  # and a count
    assert [each.dtype for each in results] == kinds[: len(results)]
    assert all(each.shape[-2:] == (12 * config.scale, 16 * config.scale) for each in results[: len(images)])


@pytest.mark.parametrize("raw", [torch.uint16, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("config", "options"),
    [*((NETWORKS["full"], each) for each in OPTIONS.values()), *((SURFACES["fast-x4"], each) for each in ESTIMATES)],
    ids=[*(f"full, {name}" for name in OPTIONS), *(f"fast-x4, {each.estimate}" for each in ESTIMATES)],
)
@pytest.mark.parametrize(
    ("depth_size", "rgb_size"),
    [((9, 13), (36, 52)), ((20, 30), (31, 47)), ((20, 30), (20, 30))],
    ids=["fitting", "odd ratio", "equal sizes"],
)
def test_every_size_input_and_setting_stays_on_the_gpu(depth_size, rgb_size, config, options, raw):
    results, watch = run(build_network(config), torch.float16, depth_size, rgb_size, raw, options)
    assert watch.wrong == []
    assert all(each.shape == (1, 1, *rgb_size) for each in results if each.dtype != torch.int32)  # which is a count


def test_one_list_from_the_host_in_a_choice_would_be_seen():
    def spoil(choice):
        return choice._replace(depth=choice.depth * torch.tensor([1.0], device=choice.depth.device))

    network = build_network(SURFACES["fast-x4"])
    _, watch = run(network, torch.float16, (9, 13), (36, 52), act=spoil)
    assert "cpu" in str(watch.wrong)


def test_a_tensor_left_on_the_cpu_would_be_seen():
    def spoil(out):
        return torch.where(out > 0, out, torch.ones(()).to("cpu"))

    _, watch = run(PagNet(NETWORKS["full"]), torch.float16, (9, 13), (36, 52), act=spoil)
    assert "cpu" in str(watch.wrong)


def test_a_value_read_back_would_be_seen():
    with pytest.raises(DataDependentOutputException):
        run(PagNet(NETWORKS["full"]), torch.float16, (9, 13), (36, 52), act=lambda out: out.max().item())
