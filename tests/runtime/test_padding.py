"""Padding to multiples of eight changes no result, and leaves no inner channel that is none."""

import copy

import pytest
import torch
from torch import nn

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import AttentionGuidance, PagNet, ResidualDenseBlock
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.runtime.padding import pad_for_tensor_cores

CONFIGS = {
    "rt": ModelConfig.rt(4),
    "odd": ModelConfig(scale=2, channels=10, growth=3, convolutions=4, blocks=2, residual=True),
    "plain": ModelConfig(scale=2, channels=16, growth=8, attention=False),
}


def network(config):
    """Random weights and biases everywhere."""
    torch.manual_seed(0)
    net = PagNet(config).eval().requires_grad_(False)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.05)
    return net


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_padded_network_computes_the_same(config):
    net = network(config)
    padded = pad_for_tensor_cores(copy.deepcopy(net))
    depth, rgb = torch.rand(1, 1, 7, 9), torch.rand(1, 3, 7 * config.scale, 9 * config.scale) - 0.5
    valid = (torch.rand(1, 1, 7, 9) > 0.2).float()
    ours, theirs = padded(depth, rgb, valid), net(depth, rgb, valid)
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)
    assert theirs.abs().max() > 0.01


def inner_channels(net):
    """Between the convolutions of each module that padding looks into."""
    for module in net.modules():
        if type(module) is ResidualDenseBlock:
            yield from (layer[0].out_channels for layer in module.layers)
        elif type(module) is AttentionGuidance:
            yield from (branch[0].out_channels for branch in (module.vertical_first, module.horizontal_first))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_inner_channel_becomes_a_multiple_of_eight_and_others_stay(config):
    net = network(config)
    before = [*inner_channels(net)]
    padded = pad_for_tensor_cores(copy.deepcopy(net))
    after = [*inner_channels(padded)]
    assert after == [-(-each // 8) * 8 for each in before]
    for module, other in zip(net.stages, padded.stages, strict=True):
        assert module.fuse.weight.shape == other.fuse.weight.shape


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("family", [ModelConfig.fast, ModelConfig.wide])
def test_what_a_network_of_surfaces_computes_in_half_precision_has_multiples_of_eight(family, scale):
    net = pad_for_tensor_cores(SurfaceNetwork(family(scale))).cast_features(torch.float16)
    found = [each for each in net.modules() if isinstance(each, nn.Conv2d) and each.weight.dtype == torch.float16]
    inner = [each.in_channels for each in found] + [each.out_channels for each in found if each.out_channels > 1]
    assert len(found) > 10
    assert not any(channels % 8 for channels in inner)  # one is the attention map itself


def test_a_network_that_needs_no_padding_keeps_its_very_weights():
    net = network(CONFIGS["plain"])
    weights = [*net.parameters()]
    assert all(ours is theirs for ours, theirs in zip(pad_for_tensor_cores(net).parameters(), weights, strict=True))


def test_modules_of_other_types_are_left_alone():
    class Own(ResidualDenseBlock):
        pass

    own = Own(10, 3, 2)
    pad_for_tensor_cores(nn.Sequential(own))
    assert own.layers[0][0].out_channels == 3
