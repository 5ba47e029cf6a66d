"""A network started from a narrower one computes the same depth, and can learn from there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import ENTERING
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
    return net(depth, rgb)


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


@pytest.mark.parametrize(("theirs", "ours"), [(4, 8), (4, 16), (8, 16)])
def test_coarser_colour_than_the_other_had_is_the_mean_of_the_finer(theirs: int, ours: int) -> None:
    """So the first stage, which is the other's, sees what the other's saw where colour does not change."""
    before, net = _trained(replace(NARROW, scale=theirs)), _trained(replace(NARROW, scale=ours))
    warm_start(net, before.state_dict())
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        fine, coarse = net.guidance(torch.rand((1, 3, 64, 96), generator=generator) - 0.5)[-2:]
        torch.testing.assert_close(coarse, torch.nn.functional.avg_pool2d(fine.relu(), 2), atol=1e-6, rtol=1e-5)
        plain = torch.rand((1, 3, 1, 1), generator=generator).expand(1, 3, 256, 256) - 0.5
        middle = [net.guidance(plain)[-1], before.guidance(plain)[-1]]
    if theirs == 4:
        found, expected = (each[..., each.shape[-2] // 2, each.shape[-1] // 2] for each in middle)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


SURFACES = ModelConfig(scale=8, channels=8, blocks=2, feature_stride=4, output="surfaces")


def _surfaces(config: ModelConfig) -> SurfaceNetwork:
    torch.manual_seed(3)
    net = SurfaceNetwork(config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.1)
    return net


def _logits(net: SurfaceNetwork) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    entering = torch.rand((1, ENTERING, 6, 8), generator=generator)
    return net(entering, torch.rand((1, 3, 6 * net.scale, 8 * net.scale), generator=generator) - 0.5)


@pytest.mark.parametrize("larger", [{"channels": 14}, {"blocks": 4}, {"channels": 12, "blocks": 3}], ids=str)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_larger_network_that_chooses_surfaces_starts_as_the_smaller_one(scale: int, larger: dict[str, int]) -> None:
    small = _surfaces(replace(SURFACES, scale=scale))
    large = _surfaces(replace(small.config, **larger))
    assert warm_start(large, small.state_dict()) == len(small.state_dict())
    with torch.no_grad():
        assert (_logits(large) - _logits(small)).abs().max() < 1e-4
    _logits(large).square().mean().backward()
    assert all(block.second.weight.grad.abs().sum() > 0 for block in large.refine)
    assert large.head.weight.grad.abs().amax(dim=(0, 2, 3)).min() > 0


def _repeated(image: torch.Tensor, times: int) -> torch.Tensor:
    return image.repeat_interleave(times, -1).repeat_interleave(times, -2)


@pytest.mark.parametrize("ours", [1, 2, 4])
@pytest.mark.parametrize("theirs", [1, 2, 4])
def test_finer_depth_enters_a_network_that_chooses_surfaces_as_its_mean(theirs: int, ours: int) -> None:
    """Where four measured pixels tell what one did before, or one what four did, the logits stay the same."""
    from_net, net = (_surfaces(replace(SURFACES, scale=scale)) for scale in (theirs, ours))
    with torch.no_grad():
        net.enter_depth[0].weight.normal_()
        assert warm_start(net, from_net.state_dict()) == len(net.state_dict())
        generator = torch.Generator().manual_seed(5)
        coarse = torch.rand((1, ENTERING, 3, 4), generator=generator)
        rgb = torch.rand((1, 3, 12, 16), generator=generator) - 0.5
        expected, found = (each(_repeated(coarse, 4 // each.scale), rgb) for each in (from_net, net))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("theirs", "ours"), [(4, 8), (4, 16), (8, 16), (16, 8), (2, 8)])
def test_coarser_depth_is_spread_over_the_features_of_a_network_that_chooses_surfaces(theirs: int, ours: int) -> None:
    from_net, net = (_surfaces(replace(SURFACES, scale=scale)) for scale in (theirs, ours))
    features = torch.rand((1, 8, 5, 6), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert warm_start(net, from_net.state_dict()) == len(net.state_dict())
        expected, found = from_net.upsample(features), net.upsample(features)
    if net.spread > from_net.spread:
        expected = _repeated(expected, net.spread // from_net.spread)
    else:
        expected = torch.nn.functional.avg_pool2d(expected, from_net.spread // net.spread)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_wider_network_that_chooses_surfaces_starts_from_another_scale() -> None:
    four, eight = _surfaces(replace(SURFACES, scale=4)), _surfaces(replace(SURFACES, channels=12))
    assert warm_start(eight, four.state_dict()) == len(eight.state_dict())
    features = torch.rand((1, 12, 5, 6), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(eight.upsample(features)[:, :8], _repeated(features, 2)[:, :8])
