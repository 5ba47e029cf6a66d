from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import Placement, Rays, candidates, entering_features, footprint_colour, nearest_measured
from pagnet_training.surface_loss import BORDER_SHARE, SPECIAL_WEIGHT, mixture_loss, sample_footprints, surface_loss

SIZE = (8, 12)


def toy(scale: int, missing: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Coarse depth, colour and truth of a near red box before a blue wall."""
    truth = torch.full((1, 1, SIZE[0] * scale, SIZE[1] * scale), 2.0)
    box = (..., slice(2 * scale + scale // 2, 6 * scale), slice(3 * scale + scale // 2, 9 * scale))
    truth[box] = 1.0
    rgb = torch.zeros(1, 3, *truth.shape[-2:])
    rgb[:, 2] = 0.4
    rgb[box] = torch.tensor([0.4, 0.0, -0.4])[None, :, None, None].expand_as(rgb[box])
    low = truth[..., scale // 2 :: scale, scale // 2 :: scale].clone()
    if missing:
        low[..., 5, 2:5] = 0
    return low, rgb, truth


def rays_of(low: Tensor, rgb: Tensor) -> Rays:
    return nearest_measured(low, low > 0, footprint_colour(rgb, (low.shape[-2], low.shape[-1])), 32)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_with_every_footprint_taken_it_is_the_loss_of_the_whole_image(scale: int) -> None:
    torch.manual_seed(scale)
    low, rgb, truth = toy(scale)
    rays, known = rays_of(low, rgb), torch.rand(truth.shape) > 0.2
    logits = torch.randn(1, 20, *truth.shape[-2:])
    sampled = surface_loss(logits, rays, rgb, truth, known, (1.0, 1.0), torch.Generator().manual_seed(3))
    found = candidates(rays, Placement.of(SIZE, (truth.shape[-2], truth.shape[-1])), rgb)
    taken = sample_footprints(rays, (1.0, 1.0), torch.Generator().manual_seed(3))
    weight = torch.zeros(1, 1, *SIZE)
    weight[taken.batch, 0, taken.row, taken.column] = taken.weight
    weight = weight.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    whole = mixture_loss(found, logits, truth, weight * known)
    assert set(taken.weight.tolist()) == {1.0, SPECIAL_WEIGHT}
    for ours, expected in zip(sampled, whole, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_sample_stands_for_all_of_them() -> None:
    low, rgb, truth = toy(4, missing=False)
    rays = rays_of(low, rgb)
    dice = torch.Generator().manual_seed(1)

    def mean_weight(shares: tuple[float, float]) -> Tensor:
        total = torch.zeros(SIZE)
        for _ in range(400):
            _, row, column, weight = sample_footprints(rays, shares, dice)
            total[row, column] += weight / 400
        return total

    every, drawn = mean_weight((1.0, 1.0)), mean_weight((0.5, 0.25))
    assert drawn.sum() == pytest.approx(float(every.sum()), rel=0.05)
    inner = every[1:-1, 1:-1]
    assert set(inner.unique().round(decimals=3).tolist()) == {1.0, SPECIAL_WEIGHT}
    border = torch.cat((every[0], every[-1], every[1:-1, 0], every[1:-1, -1]))
    assert border.mean() == pytest.approx(BORDER_SHARE * SPECIAL_WEIGHT, rel=0.1)
    assert border.min() > 0
    logits = torch.zeros(1, 20, *truth.shape[-2:])
    known = torch.ones_like(truth, dtype=torch.bool)
    once, again = (
        surface_loss(logits, rays, rgb, truth, known, generator=torch.Generator().manual_seed(7)).value
        for _ in range(2)
    )
    assert torch.equal(once, again)


def test_pixels_whose_truth_is_not_known_do_not_count() -> None:
    low, rgb, truth = toy(2)
    rays, known = rays_of(low, rgb), torch.rand(truth.shape) > 0.5
    logits = torch.zeros(1, 20, *truth.shape[-2:])

    def value(truth: Tensor) -> Tensor:
        return surface_loss(logits, rays, rgb, truth, known, (1.0, 1.0), torch.Generator().manual_seed(1)).value

    torch.testing.assert_close(value(torch.where(known, truth, float("nan"))), value(truth))


def test_nothing_measured_is_no_error_and_no_gradient() -> None:
    low, rgb, truth = toy(4)
    logits = torch.zeros(1, 20, *truth.shape[-2:], requires_grad=True)
    known = torch.ones_like(truth, dtype=torch.bool)
    loss = surface_loss(logits, rays_of(0 * low, rgb), rgb, truth, known)
    loss.value.backward()
    assert loss.value == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_few_steps_on_a_toy_scene_lower_it_and_what_it_consists_of() -> None:
    torch.manual_seed(2)
    low, rgb, truth = toy(4)
    net = SurfaceNetwork(ModelConfig(scale=4, channels=8, blocks=1, feature_stride=4, output="surfaces"))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    rays, known = rays_of(low, rgb), torch.ones_like(truth, dtype=torch.bool)
    losses = []
    for _ in range(40):
        loss = surface_loss(net(entering_features(rays), rgb), rays, rgb, truth, known, (1.0, 1.0))
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
        losses.append(loss)
    assert losses[-1].value < losses[0].value - 0.5
    assert losses[-1].likelihood < losses[0].likelihood
    assert losses[-1].score < losses[0].score


def test_the_least_loss_is_surer_than_honest_and_not_certain() -> None:
    """A third of equal places lies on the far surface."""
    low = torch.full((1, 1, 3, 3), 1.0)
    low[..., 2] = 1.5
    rgb = torch.zeros(1, 3, 12, 12)
    found = candidates(rays_of(low, rgb), Placement.of((3, 3), (12, 12)), rgb)
    here = (..., slice(5, 6), slice(7, 8))  # two candidates only, the pixel's own and the one beside it
    place = type(found)(*(each[here] for each in found))
    place = place._replace(known=torch.zeros_like(place.known), prior=torch.zeros_like(place.prior))
    place.known[:, [4, 5]] = True

    def loss(far_share: float) -> float:
        logits = torch.zeros(1, 20, 1, 1)
        logits[:, 10], logits[:, 11:] = -1.0, -3.0
        logits[:, 5] = torch.tensor(far_share / (1 - far_share)).log()
        near, far = (
            mixture_loss(place, logits, torch.full((1, 1, 1, 1), d), torch.ones(1, 1, 1, 1)) for d in (1.0, 1.5)
        )
        return float((2 * near.value + far.value) / 3)

    shares = [0.01 * n for n in range(1, 60)]
    assert 0.1 < min(shares, key=loss) < 0.3


def test_a_truth_that_lies_on_no_measured_surface_teaches_nothing_of_which_to_average() -> None:
    low, rgb, truth = toy(4)
    rays, known = rays_of(low, rgb), torch.ones_like(truth, dtype=torch.bool)
    logits = torch.zeros(1, 20, *truth.shape[-2:])
    near = surface_loss(logits, rays, rgb, 1.005 * truth, known, (1.0, 1.0))
    far = surface_loss(logits, rays, rgb, 1.5 * truth, known, (1.0, 1.0))
    assert near.surface > 0.5
    assert far.surface < 0.1 * near.surface
    assert far.score > near.score
