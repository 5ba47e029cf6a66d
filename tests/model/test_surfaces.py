"""Candidates and choice: exact on planes, never between surfaces, local bit for bit."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.model.surfaces import (
    CANDIDATES,
    CENTRE,
    LEAVING,
    Placement,
    Rays,
    _across,
    candidates,
    choose,
    entering_features,
    nearest_measured,
)

RATIOS = [((12, 16), (48, 64)), ((12, 16), (12, 16)), ((11, 15), (28, 41)), ((12, 13), (192, 208))]


def plane(size, tilt=(0.01, -0.006), depth=1.0):
    rows, columns = torch.arange(size[0]).view(-1, 1), torch.arange(size[1]).view(1, -1)
    return (depth + tilt[0] * rows + tilt[1] * columns).float()[None, None]


def chosen(depth, high, valid=None, logits=None, **options):
    valid = depth > 0 if valid is None else valid
    low = (depth.shape[-2], depth.shape[-1])
    rays = nearest_measured(depth, valid, torch.zeros(1, 3, *low), 32)
    found = candidates(rays, Placement.of(low, high), torch.zeros(1, 3, *high), options.get("limits", (0, math.inf)))
    return choose(found, torch.zeros(1, LEAVING, *high) if logits is None else logits, **options)


@pytest.mark.parametrize(("low", "high"), RATIOS)
def test_a_plane_stays_that_plane_at_any_ratio(low, high):
    depth = plane(low)
    rows = (torch.arange(high[0]) + 0.5) * low[0] / high[0] - 0.5
    columns = (torch.arange(high[1]) + 0.5) * low[1] / high[1] - 0.5
    truth = 1.0 + 0.01 * rows.view(-1, 1) - 0.006 * columns.view(1, -1)
    error = (chosen(depth, high).depth[0, 0] - truth).abs()
    inner = error[high[0] // 4 : -high[0] // 4, high[1] // 4 : -high[1] // 4]
    assert inner.max() < 1e-6


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.0, 3.0))
def test_a_chosen_depth_never_hangs_between_two_surfaces(seed, strength):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.where(torch.rand(1, 1, 9, 11, generator=generator) < 0.5, 1.0, 3.0)
    logits = strength * torch.randn(1, LEAVING, 36, 44, generator=generator)
    logits[:, CANDIDATES - 1] = -50.0  # the smooth surface is for cameras that deliver ramps
    out = chosen(depth, (36, 44), logits=logits).depth
    assert torch.minimum((out - 1).abs(), (out - 3).abs()).max() < 1e-5


def test_a_ray_finds_the_nearest_measurement_across_a_hole_and_no_farther_than_its_reach():
    depth = torch.zeros(1, 1, 1, 60)
    depth[..., 0], depth[..., 5] = 2.0, 4.0
    rays = nearest_measured(depth, depth > 0, torch.zeros(1, 3, 1, 60), 32)
    left, right = rays.depth[0, 3, 0], rays.depth[0, 5, 0]
    assert left[3] == 2.0
    assert rays.distance[0, 3, 0, 3] == 3
    assert right[3] == 4.0
    assert rays.distance[0, 5, 0, 3] == 2
    assert left[37] == 4.0
    assert rays.distance[0, 3, 0, 37] == 32
    assert rays.distance[0, :, 0, 38].max() == 0


def test_without_a_measurement_in_reach_there_is_no_depth():
    depth = torch.zeros(1, 1, 3, 80)
    depth[..., 0] = 1.0
    out = chosen(depth, (3, 80)).depth[0, 0]
    assert torch.isfinite(out[1, :33]).all()
    assert torch.isnan(out[:, 40:]).all()


def test_a_filled_hole_lies_on_one_of_the_surfaces_around_it():
    depth = torch.ones(1, 1, 9, 9)
    depth[..., 5:] = 3.0
    depth[..., 3:6, 3:6] = 0.0
    logits = torch.zeros(1, LEAVING, 9, 9)
    logits[:, CANDIDATES - 1] = -50.0
    out = chosen(depth, (9, 9), logits=logits).depth[0, 0, 3:6, 3:6]
    assert torch.minimum((out - 1).abs(), (out - 3).abs()).max() < 1e-5


def test_no_smooth_surface_passes_through_what_is_out_of_range():
    depth = torch.full((1, 1, 4, 8), 2.0)
    depth[..., 4:] = 2.04
    logits = torch.zeros(1, LEAVING, 16, 32)
    logits[:, CANDIDATES - 1] = 50.0
    free = chosen(depth, (16, 32), logits=logits).depth[0, 0, 8]
    held = chosen(depth, (16, 32), logits=logits, limits=(0.1, 2.02)).depth[0, 0, 8]
    assert ((free > 2.005) & (free < 2.035)).any()
    assert not ((held > 2.005) & (held < 2.035)).any()


def test_the_mean_leaves_out_what_is_out_of_range():
    depth = torch.full((1, 1, 4, 8), 1.0)
    depth[..., 4:] = 9.0
    everything = chosen(depth, (16, 32), mean=True).depth[0, 0, 8, 15]
    in_range = chosen(depth, (16, 32), mean=True, limits=(0.1, 5.0)).depth[0, 0, 8, 15]
    assert everything > 1.5
    assert in_range == pytest.approx(1.0, abs=1e-3)


def test_the_mean_lies_between_and_its_sigma_says_so():
    depth = torch.full((1, 1, 4, 8), 1.0)
    depth[..., 4:] = 3.0
    surface, mean = chosen(depth, (16, 32)), chosen(depth, (16, 32), mean=True)
    assert 1.2 < mean.depth[0, 0, 8, 15] < 2.8
    assert mean.sigma[0, 0, 8, 15] > 0.3
    assert surface.sigma[0, 0, 8, 15] > 0.9  # as likely as not it is the other surface, two metres away
    assert surface.sigma[0, 0, 8, 2] < 0.05
    assert surface.probability[0, 0, 8, 2] > surface.probability[0, 0, 8, 15]
    assert surface.rival[0, 0, 8, 15] == pytest.approx(1 - surface.probability[0, 0, 8, 15].item(), abs=0.01)
    assert surface.rival[0, 0, 8, 2] < 0.01


def test_colour_decides_between_equally_near_surfaces():
    depth = torch.full((1, 1, 4, 8), 1.0)
    depth[..., 4:] = 3.0
    rgb = torch.zeros(1, 3, 16, 32)
    rgb[..., 18:] = 0.5  # the edge in colour lies two pixels inside the farther surface
    footprints = torch.zeros(1, 3, 4, 8)
    footprints[..., 4:] = 0.5
    rays = nearest_measured(depth, depth > 0, footprints, 32)
    logits = torch.zeros(1, LEAVING, 16, 32)
    logits[:, CANDIDATES - 1] = -50.0
    out = choose(candidates(rays, Placement.of((4, 8), (16, 32)), rgb), logits).depth[0, 0, 8]
    assert (out[:18] - 1).abs().max() < 1e-5
    assert (out[18:] - 3).abs().max() < 1e-5


def test_the_features_of_a_pixel_know_its_neighbours_and_nothing_else():
    depth = torch.rand(1, 1, 40, 40) + 1
    colour = torch.zeros(1, 3, 40, 40)
    before = entering_features(nearest_measured(depth, depth > 0, colour, 32))
    depth[..., 5, 5] = 9.9
    after = entering_features(nearest_measured(depth, depth > 0, colour, 32))
    changed = (before != after).any(dim=1)[0].nonzero()
    assert len(changed)
    assert (changed - torch.tensor([5, 5])).abs().max() <= 1


def test_places_are_the_same_for_a_part_of_the_image_as_for_the_whole():
    whole, part = Placement.of((30, 40), (120, 160)), Placement.of((30, 20), (120, 80))
    assert torch.equal(whole.columns[:80], part.columns)
    assert torch.equal(whole.offset_x[:80], part.offset_x)
    np.testing.assert_allclose(whole.offset_x[:4], [-0.375, -0.125, 0.125, 0.375])


def test_a_measured_pixel_does_not_choose_a_surface_from_beyond_a_hole():
    depth = torch.full((1, 1, 3, 24), 1.0)
    depth[..., 8:14] = 0.0
    depth[..., 14:] = 3.0
    rgb = torch.zeros(1, 3, 3, 24)
    rgb[..., 7] = 0.9  # the last pixel before the hole has the colour of the surface behind it
    rgb[..., 14:] = 0.9
    footprints = torch.zeros(1, 3, 3, 24)
    footprints[..., 14:] = 0.9
    rays = nearest_measured(depth, depth > 0, footprints, 32)
    out = choose(candidates(rays, Placement.of((3, 24), (3, 24)), rgb), torch.full((1, LEAVING, 3, 24), 2.0)).depth
    assert (out[0, 0, 1, :8] - 1).abs().max() < 1e-5


@pytest.mark.parametrize(("own", "reaches"), [(1.0, False), (0.0, True)])
def test_only_a_pixel_that_was_not_measured_may_choose_a_surface_from_beyond_a_hole(own, reaches):
    distance = torch.ones(1, 9, 1, 1)
    distance[0, 0], distance[0, 1], distance[0, CENTRE] = 3.0, 2.0, own
    nothing = torch.zeros(1, 9, 1, 1)
    rays = Rays(torch.ones(1, 9, 1, 1), nothing, nothing, distance, torch.zeros(1, 9, 3, 1, 1))
    known = candidates(rays, Placement.of((1, 1), (1, 1)), torch.zeros(1, 3, 1, 1)).known[0, :9, 0, 0].tolist()
    assert known == [reaches, True, True, True, own > 0, True, True, True, True]


def test_across_a_hole_the_nearer_ends_count_more_and_a_diagonal_is_longer():
    depth, distance = torch.ones(1, 9, 1, 1), torch.zeros(1, 9, 1, 1)
    distance[0, [1, 7, 0, 8]] = 1.0
    depth[0, [0, 8]] = 1.06
    assert _across(depth, distance)[0].item() == pytest.approx((1 + 0.5 * 1.06) / 1.5)
    distance[0, [0, 8]] = 2.0
    assert _across(depth, distance)[0].item() == pytest.approx((1 + 0.125 * 1.06) / 1.125)
