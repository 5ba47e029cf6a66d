"""The choice as C++ against torch: the same surfaces, at every scale and any ratio of sizes."""

import pytest
import torch

from pagnet_ros.model.surface_network import choose_surfaces
from pagnet_ros.model.surfaces import as_range_of_one
from pagnet_ros.runtime.native import NativeSurfaces
from tests.builders import small_surfaces

LIMITS = (0.2, 2.5)
CASES = [(4, (12, 17), (48, 68)), (1, (45, 61), (45, 61)), (2, (15, 21), (30, 42)), (8, (6, 7), (48, 56)),
         (16, (4, 5), (64, 80)), (4, (13, 17), (45, 57))]  # fmt: skip


def frame(scale, low, high):
    """A network with random heads, and a scene of surfaces, noise, holes and things out of range."""
    network = small_surfaces(scale, channels=16, blocks=2)
    patches = torch.rand(1, 1, low[0] // 4 + 1, low[1] // 4 + 1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    depth = 0.5 + 2.5 * patches[..., : low[0], : low[1]] + 0.01 * torch.rand(1, 1, *low)
    seen = torch.rand(1, 1, *low) > 0.15
    guide = torch.randint(0, 256, (1, 3, low[0] * scale, low[1] * scale), dtype=torch.uint8)
    image = guide if high == tuple(guide.shape[-2:]) else torch.randint(0, 256, (1, 3, *high), dtype=torch.uint8)
    return network, depth * seen, seen, guide, image


def by_torch(network, depth, seen, guide, image, *, mean):
    with torch.inference_mode():
        return choose_surfaces(network, depth, seen, as_range_of_one(guide), image, LIMITS, mean=mean)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize(("scale", "low", "high"), CASES)
def test_the_same_surfaces_are_chosen(kernels, scale, low, high, mean):
    network, *images = frame(scale, low, high)
    expected = by_torch(network, *images, mean=mean)
    ours = NativeSurfaces(network, kernels, bf16=False)(*images, LIMITS, mean=mean)
    assert torch.equal(torch.isnan(ours.depth), torch.isnan(expected.depth))
    same = (ours.depth - expected.depth).abs().nan_to_num() < 1e-4
    assert (~same).float().mean() < 1e-3
    for name in ("sigma", "probability", "rival"):
        difference = (getattr(ours, name) - getattr(expected, name)).abs().nan_to_num()
        assert difference[same].max() < 1e-4
    assert torch.equal(ours.own[same], expected.own[same])


def test_one_far_pixel_changes_nothing_elsewhere_bit_for_bit(kernels):
    network, depth, seen, guide, image = frame(4, (64, 96), (256, 384))
    seen = torch.ones_like(seen)
    depth = depth.clamp_min(0.5)
    ours = NativeSurfaces(network, kernels, bf16=False)
    before = ours(depth, seen, guide, image, (0.1, 20.0)).depth.clone()
    depth[..., :2, :2] = 9.9
    after = ours(depth, seen, guide, image, (0.1, 20.0)).depth
    assert not torch.equal(before, after)
    assert torch.equal(before[..., 120:, :], after[..., 120:, :])
    assert torch.equal(before[..., 120:], after[..., 120:])


def test_more_threads_change_nothing(kernels):
    network, *images = frame(4, (24, 32), (96, 128))
    ours = NativeSurfaces(network, kernels, bf16=False)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = ours(*images, LIMITS).depth.clone()
        torch.set_num_threads(3)
        three = ours(*images, LIMITS).depth
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one.nan_to_num(), three.nan_to_num())


def test_bfloat16_features_choose_nearly_the_same(kernels):
    if not kernels.has_bf16:
        pytest.skip("this CPU has no bfloat16 instructions")
    network, *images = frame(4, (24, 32), (96, 128))
    exact = NativeSurfaces(network, kernels, bf16=False)(*images, LIMITS).depth.clone()
    half = NativeSurfaces(network, kernels, bf16=True)(*images, LIMITS).depth
    assert ((exact - half).abs().nan_to_num() > 0.005).float().mean() < 0.05


@pytest.mark.parametrize(("low", "high"), [((12, 16), (48, 64)), ((13, 17), (52, 68))])
def test_a_guide_of_any_type_is_read_as_what_it_is(kernels, low, high):
    network, depth, seen, guide, image = frame(4, low, high)
    guide = (guide.float() / 255 - 0.5).to(torch.bfloat16)
    ours = NativeSurfaces(network, kernels, bf16=False)
    expected = ours(depth, seen, guide.float(), image, LIMITS).depth.clone()
    found = ours(depth, seen, guide, image, LIMITS).depth
    assert torch.equal(found.nan_to_num(), expected.nan_to_num())
