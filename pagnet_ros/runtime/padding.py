"""A network whose inner channels are multiples of eight, as the tensor cores of a GPU need them for half precision.

With other numbers cuDNN converts or pads in every frame, or takes a path without tensor cores. What is added is
filters of zeros and inputs with weights of zero: the network computes the same. Only channels inside a module are
padded, so its neighbours, and whatever network it is part of, need not know.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pagnet_ros.model.network import AttentionGuidance, ResidualDenseBlock

MULTIPLE = 8


def pad_for_tensor_cores(network: nn.Module) -> nn.Module:
    """Pad the dense blocks' growth and the attention's inner channels, in place. Call it before features are cast.

    Args:
        network: any network that may hold `ResidualDenseBlock` and `AttentionGuidance`.

    Returns:
        The network.
    """
    for module in network.modules():
        if type(module) is ResidualDenseBlock:
            _pad_dense_block(module)
        elif type(module) is AttentionGuidance:
            for branch in (module.vertical_first, module.horizontal_first):
                _pad_pair(branch)
    return network


def _pad_dense_block(block: ResidualDenseBlock) -> None:
    """Each layer sees the block's input and all that the layers before it made, growth by growth."""
    convolutions = [_first(layer) for layer in block.layers]
    growth = convolutions[0].weight.shape[0]
    wide = _rounded(growth)
    if wide == growth:
        return
    channels = convolutions[0].weight.shape[1]
    for i, convolution in enumerate(convolutions):
        _replace(convolution, _kept(channels, growth, wide, i), range(growth), channels + i * wide, wide)
    fuse = block.fuse
    count = len(convolutions)
    _replace(
        fuse, _kept(channels, growth, wide, count), range(fuse.out_channels), channels + count * wide, fuse.out_channels
    )


def _pad_pair(branch: nn.Sequential) -> None:
    """Two convolutions in a row; what lies between them."""
    first, second = branch
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    half = first.out_channels
    wide = _rounded(half)
    if wide != half:
        _replace(first, range(first.in_channels), range(half), first.in_channels, wide)
        _replace(second, range(half), range(second.out_channels), wide, second.out_channels)


def _first(layer: nn.Module) -> nn.Conv2d:
    assert isinstance(layer, nn.Sequential)
    assert isinstance(layer[0], nn.Conv2d)
    return layer[0]


def _rounded(channels: int) -> int:
    return -(-channels // MULTIPLE) * MULTIPLE


def _kept(channels: int, growth: int, wide: int, count: int) -> list[int]:
    """Where the inputs of a dense layer lie once each growth before it is `wide`."""
    return [*range(channels), *(channels + i * wide + j for i in range(count) for j in range(growth))]


def _replace(
    convolution: nn.Conv2d, inputs: list[int] | range, outputs: range, in_channels: int, out_channels: int
) -> None:
    """Give a convolution more channels, zeros but for those it has."""
    weight = convolution.weight.data
    padded = weight.new_zeros(out_channels, in_channels, *weight.shape[2:])
    padded[: len(outputs), torch.tensor(list(inputs))] = weight
    convolution.weight = nn.Parameter(padded, requires_grad=convolution.weight.requires_grad)
    if convolution.bias is not None:
        bias: Tensor = convolution.bias.data.new_zeros(out_channels)
        bias[: len(outputs)] = convolution.bias.data
        convolution.bias = nn.Parameter(bias, requires_grad=convolution.bias.requires_grad)
    convolution.in_channels, convolution.out_channels = in_channels, out_channels
