"""What of a chosen surface is published: contested pixels, policies, confidence, agreement with the measurement."""

import math

import pytest
import torch

from pagnet_ros.core.depth import decode_depth
from pagnet_ros.core.validity import (
    CONTESTED,
    FILLED,
    MEASURED,
    OUT_OF_RANGE,
    ValidityOptions,
    disagreeing,
    mask_choice,
)
from pagnet_ros.model.surfaces import Choice

LIMITS = (0.5, 5.0)
LOW = torch.tensor([[1.0, 1.0, 0.0, 2.0, 2.0, 9.0, 0.2, math.inf]])
"""Measured, measured, missing, measured, measured, too far, too near, infinitely far."""
MISSING, CONTEST, FAR, NEAR, INFINITE = (slice(2 * at, 2 * at + 2) for at in (2, 4, 5, 6, 7))


def state():
    return decode_depth(LOW[None, None], *LIMITS)


def choice(**changes):
    """Twice as large: each pixel its own measurement's surface, the missing one the surface before it."""
    low = state().depth
    low[..., 2] = 1.0
    depth = low.repeat_interleave(2, -1).repeat_interleave(2, -2)
    same = {"sigma": 0.005 * torch.ones_like(depth), "probability": torch.ones_like(depth)}
    made = Choice(depth, **same, rival=torch.zeros_like(depth), own=torch.ones_like(depth, dtype=torch.bool))
    made.probability[..., CONTEST], made.rival[..., CONTEST] = 0.6, 0.35
    return made._replace(**changes)


def published(**options):
    return mask_choice(choice(), state(), LIMITS, ValidityOptions(fill="all", **options))


def test_a_surface_with_a_rival_is_contested_and_published_by_default():
    masked = published()
    assert (masked.origin[0, 0, :, CONTEST] == CONTESTED).all()
    assert (masked.origin[0, 0, :, :4] == MEASURED).all()
    assert (masked.depth[0, 0, :, CONTEST] == 2).all()


@pytest.mark.parametrize(("as_", "value"), [("nan", math.nan), ("inf", math.inf)])
def test_each_kind_of_doubt_has_its_own_policy(as_, value):
    wanted = torch.tensor(value)
    filled, contested = published(publish_filled=as_), published(publish_contested=as_)
    assert filled.depth[0, 0, 0, MISSING].isclose(wanted, equal_nan=True).all()
    assert (filled.depth[0, 0, 0, CONTEST] == 2).all()
    assert contested.depth[0, 0, 0, CONTEST].isclose(wanted, equal_nan=True).all()
    assert (contested.depth[0, 0, 0, MISSING] == 1).all()
    for masked, where in ((filled, MISSING), (contested, CONTEST)):
        sigma, confidence, _ = masked.uncertainty
        assert sigma[0, 0, 0, where].isnan().all()
        assert not confidence[0, 0, 0, where].any()
    assert (filled.origin[0, 0, 0, MISSING] == FILLED).all()


def test_out_of_range_is_nan_or_infinite_on_the_side_where_it_lies():
    assert published().depth[0, 0, 0, FAR].isnan().all()
    masked = published(publish_out_of_range="inf")
    assert (masked.depth[0, 0, 0, FAR] == math.inf).all()
    assert (masked.depth[0, 0, 0, INFINITE] == math.inf).all()
    assert (masked.depth[0, 0, 0, NEAR] == -math.inf).all()
    assert (masked.origin[0, 0, 0, FAR] == OUT_OF_RANGE).all()


def test_what_is_out_of_range_is_not_contested_by_another_surface():
    rivalled = choice()
    rivalled.rival[..., FAR] = 0.9
    options = ValidityOptions(publish_out_of_range="inf", publish_contested="nan")
    masked = mask_choice(rivalled, state(), LIMITS, options)
    assert (masked.origin[0, 0, 0, FAR] == OUT_OF_RANGE).all()
    assert (masked.depth[0, 0, 0, FAR] == math.inf).all()


def test_nothing_is_cleared_where_something_too_near_was_measured_and_the_wall_behind_was_chosen():
    behind = choice()
    behind.depth[..., NEAR] = 9.0
    masked = mask_choice(behind, state(), LIMITS, ValidityOptions(publish_out_of_range="inf"))
    assert (masked.depth[0, 0, 0, NEAR] == -math.inf).all()


def test_a_limit_of_sigma_contests_what_is_above_it():
    wide = choice()
    wide.sigma[..., 0] = 0.2
    masked = mask_choice(wide, state(), LIMITS, ValidityOptions(max_sigma_m=0.1, publish_contested="nan"))
    assert masked.depth[0, 0, :, 0].isnan().all()
    assert (masked.depth[0, 0, :, 1] == 1).all()


def test_a_measurement_that_no_pixel_of_its_footprint_agrees_with_is_contested_and_counted():
    off = choice()
    off.depth[..., :2] = 1.3  # all of the first footprint
    off.depth[..., 0, 2] = 1.3  # one pixel of the second, as an edge may run through it
    masked = mask_choice(off, state(), LIMITS, ValidityOptions(fill="all"))
    assert (masked.origin[0, 0, :, :2] == CONTESTED).all()
    assert (masked.origin[0, 0, :, 2:4] == MEASURED).all()
    assert masked.uncertainty[2].item() == 1


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (3, 4), (2, 3)])
def test_agreement_is_asked_at_any_ratio_of_sizes(size):
    measured = decode_depth(torch.full((1, 1, 3, 4), 2.0), *LIMITS)
    depth, sigma = torch.full((1, 1, *size), 2.0), torch.full((1, 1, *size), 0.01)
    assert not disagreeing(depth, sigma, measured).any()
    assert disagreeing(depth + 0.04, sigma, measured).all()
    assert not disagreeing(depth * math.nan, sigma, measured).any()


def test_confidence_falls_with_sigma_and_with_the_probability_of_the_choice():
    doubt = choice()
    doubt.sigma[..., 0], doubt.probability[..., 1] = 0.02, 0.8
    confidence = mask_choice(doubt, state(), LIMITS, ValidityOptions()).uncertainty[1][0, 0, 0]
    assert confidence.dtype == torch.uint8
    assert confidence[2] == 100  # 2 % are four sigma
    assert confidence[0] == 68  # 2 % are one sigma
    assert confidence[1] == 80


def test_what_nobody_asks_for_is_not_made_and_policies_hold_all_the_same():
    assert published(uncertainty=False).uncertainty == ()
    assert (published(uncertainty=False).origin[0, 0, :, CONTEST] == MEASURED).all()
    assert published(uncertainty=False, publish_contested="nan").depth[0, 0, :, CONTEST].isnan().all()
