"""A network started from a narrower one computes the same depth, and can learn from there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_training.warm_start import warm_start

NARROW = ModelConfig(scale=4, channels=8, growth=4, convolutions=2, residual=True, mask_channel=True, feature_stride=2)


def _trained(config: ModelConfig) -> PagNet:
    torch.manual_seed(3)
    net = PagNet(config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.1)
    return net


def _seen(net: PagNet) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    depth = torch.rand((1, 1, 9, 11), generator=generator)
    rgb = torch.rand((1, 3, 9 * net.scale, 11 * net.scale), generator=generator) - 0.5
    return net(depth, rgb).depth


@pytest.mark.parametrize(
    "wider",
    [
        {"channels": 16, "growth": 8},
        {"channels": 10},
        {"growth": 7},
        {"convolutions": 4},
        {"channels": 12, "growth": 6, "convolutions": 3},
    ],
    ids=str,
)
def test_a_wider_network_starts_as_the_narrower_one(wider: dict[str, int]) -> None:
    narrow = _trained(NARROW)
    wide = _trained(replace(NARROW, **wider))
    with torch.no_grad():
        before = (_seen(wide) - _seen(narrow)).abs().max()
        warm_start(wide, narrow.state_dict())
        after = (_seen(wide) - _seen(narrow)).abs().max()
    assert before > 1e-2
    assert after < 1e-5


def test_what_is_new_in_a_wider_network_learns() -> None:
    wide = PagNet(replace(NARROW, channels=16, growth=8))
    warm_start(wide, _trained(NARROW).state_dict())
    _seen(wide).square().mean().backward()
    head = wide.head.weight.grad
    assert head is not None
    assert (head[:, NARROW.channels :] != 0).any()


def test_a_narrower_network_takes_nothing_that_does_not_fit() -> None:
    narrow = PagNet(NARROW)
    copied = warm_start(narrow, _trained(replace(NARROW, channels=16, growth=8)).state_dict())
    assert copied < len(narrow.state_dict()) / 4


def test_another_scale_repeats_the_first_stages_and_keeps_the_last() -> None:
    four = _trained(NARROW)
    eight = PagNet(replace(NARROW, scale=8))
    assert warm_start(eight, four.state_dict()) == len(eight.state_dict()) - sum(
        name.startswith("guidance.down") for name in eight.state_dict()
    )
    name = "refine_depth.smooth.weight"
    assert torch.equal(eight.state_dict()[f"stages.1.{name}"], four.state_dict()[f"stages.0.{name}"])
    assert torch.equal(eight.state_dict()[f"stages.2.{name}"], four.state_dict()[f"stages.1.{name}"])
