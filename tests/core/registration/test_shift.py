"""Moving by whole pixels: nothing is interpolated, and the result lies on the colour image."""

import numpy as np
import pytest

from pagnet_ros.core.registration.shift import Shift

DEPTH, RGB = (12, 16), (48, 64)


def frame():
    dice = np.random.default_rng(0)
    return dice.uniform(1, 4, DEPTH).astype(np.float32), dice.integers(0, 256, (*RGB, 3), np.uint8)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.4, -0.3)])
def test_less_than_half_a_pixel_is_nothing(offset):
    assert Shift.of(offset, DEPTH, RGB).is_none


@pytest.mark.parametrize("offset", [(5.2, -5.4), (-7.0, 2.0), (0.0, 9.9), (1.0, 0.0), (-2.0, -2.0)])
@pytest.mark.parametrize("depth_size", [DEPTH, (18, 24), (48, 64), (10, 13)])
def test_depth_and_result_together_move_by_the_offset(offset, depth_size):
    shift = Shift.of(offset, depth_size, RGB)
    ratios = np.array(RGB[::-1]) / depth_size[::-1]
    total = np.array(shift.depth) * ratios + shift.back
    assert np.abs(total - offset).max() <= 0.5
    assert (np.abs(shift.back) <= ratios / 2 + 0.5).all()


def test_measurements_move_untouched_and_what_comes_in_was_not_measured():
    depth, _ = frame()
    moved = Shift(depth=(2, -3)).moved_depth(depth)
    np.testing.assert_array_equal(moved[:-3, 2:], depth[3:, :-2])
    assert np.isnan(moved[-3:]).all()
    assert np.isnan(moved[:, :2]).all()
    millimetres = (1000 * depth).astype(np.uint16)
    assert (Shift(depth=(2, -3)).moved_depth(millimetres)[:, :2] == 0).all()


def test_colour_moves_one_way_and_the_result_back():
    _, rgb = frame()
    shift = Shift(back=(1, -2))
    seen = shift.moved_rgb(rgb)
    np.testing.assert_array_equal(seen[2:, :-1], rgb[:-2, 1:])
    placed = shift.placed(seen)
    repeated = shift.repeated(RGB)
    np.testing.assert_array_equal(placed[~repeated], rgb[~repeated])
    assert repeated.sum() == 2 * 64 + 1 * 48 - 2


def test_an_offset_larger_than_the_image_leaves_nothing_measured():
    depth, _ = frame()
    assert np.isnan(Shift.of((500.0, 0.0), DEPTH, RGB).moved_depth(depth)).all()
