"""Depth edges are range discontinuities, at their place; colour edges stand out from what is around them."""

import numpy as np
import pytest

from pagnet_ros.core.alignment.edges import colour_edges, depth_edges, working_scale

SIZE = (60, 80)


def step(column=40, near=1.0, far=2.0):
    depth = np.full(SIZE, far, np.float32)
    depth[:, :column] = near
    return depth


@pytest.mark.parametrize("unit", [1.0, 1000.0, 0.01])
def test_a_step_lies_between_its_pixels_whatever_the_unit(unit):
    across, along = depth_edges(step() * np.float32(unit), SIZE)
    np.testing.assert_allclose(across.x, 39.5)
    np.testing.assert_allclose(across.weight, 1.0)
    assert sorted(across.y) == list(range(60))
    assert not along.weight.size


def test_a_step_in_a_coarse_image_lies_where_the_same_step_lies_in_the_working_image():
    across, _ = depth_edges(step()[::4, ::4].copy(), SIZE)
    np.testing.assert_allclose(across.x, 39.5)
    assert across.weight.sum() == pytest.approx(60), "as long a line, from fewer points"


def test_a_smeared_step_is_one_step_at_its_centre():
    depth = step()
    depth[:, 40] = 1.5
    across, _ = depth_edges(depth, SIZE)
    assert across.x.size == 60
    np.testing.assert_allclose(across.x, 40.0, atol=0.25)


def test_a_noisy_slope_makes_hardly_an_edge():
    slope = np.linspace(1.0, 2.0, 80, dtype=np.float32)[None].repeat(60, axis=0)
    noise = np.random.default_rng(0).normal(1, 0.003, SIZE).astype(np.float32)
    assert sum(points.weight.sum() for points in depth_edges(slope * noise, SIZE)) < 0.005 * slope.size


def test_holes_make_no_edge():
    depth = np.full(SIZE, 2.0, np.float32)
    depth[20:30, 30:50] = np.nan
    depth[::7, ::5] = np.nan
    assert not any(points.weight.size for points in depth_edges(depth, SIZE))


@pytest.mark.parametrize(("near", "far", "place"), [(1.0, 2.0, 39.5), (2.0, 1.0, 42.5)])
def test_across_a_narrow_hole_the_step_lies_at_the_nearer_side(near, far, place):
    depth = step(near=near, far=far)
    depth[:, 40:43] = np.nan
    across, _ = depth_edges(depth, SIZE)
    np.testing.assert_allclose(across.x, place)
    assert (across.weight < 1).all()


def test_nothing_is_seen_across_a_wide_hole():
    depth = step()
    depth[:, 38:44] = np.nan
    assert not depth_edges(depth, SIZE)[0].weight.size


def test_a_colour_edge_stands_out_and_an_even_texture_does_not():
    rgb = np.full((*SIZE, 3), 60, np.uint8)
    rgb[:, 40:] = 180
    across, along = colour_edges(rgb, reach=6)
    assert across[:, 39:41].min() > 3
    assert np.abs(along).max() == 0
    stripes = np.zeros((*SIZE, 3), np.uint8)
    stripes[:, ::4] = 200
    assert np.abs(colour_edges(stripes, reach=6)[0][:, 8:-8].mean()) < 0.05


def test_a_large_image_is_looked_at_in_small():
    assert working_scale((480, 640)) == 0.5
    assert working_scale((100, 200)) == 1.0
    assert colour_edges(np.zeros((480, 640, 3), np.uint8), reach=6)[0].shape == (240, 320)
