"""An offset as a user writes it, and moving by whole pixels: nothing is interpolated, the result lies on colour."""

import numpy as np
import pytest

from pagnet_ros.core.alignment.offset import Shift, offset_px
from pagnet_ros.errors import ConfigError

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
    depth, rgb = frame()
    far = Shift.of((500.0, -500.0), DEPTH, RGB)
    assert np.isnan(far.moved_depth(depth)).all()
    np.testing.assert_array_equal(far.moved_rgb(rgb), np.broadcast_to(rgb[0, -1], rgb.shape))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("none", (0.0, 0.0)),
        ("5,-4.5", (5.0, -4.5)),
        ("(+5, -.5)", (5.0, -0.5)),
        ("[ 0 ,0 ]", (0.0, 0.0)),
        ("sensor", (6.4, -3.2)),
    ],
)
def test_an_offset_is_none_two_numbers_or_the_sensors(text, offset):
    assert offset_px(text, (0.01, -0.005), 640) == pytest.approx(offset)


@pytest.mark.parametrize("text", ["yes", "5", "5,4,3", "nan,0", "1e5,0", "201,0", "", "none,none"])
def test_anything_else_is_refused_with_what_is_expected(text):
    with pytest.raises(ConfigError, match=r"expected none, sensor .*, or an offset X,Y of depth"):
        offset_px(text, (0.0, 0.0), 640)


def test_estimating_while_frames_come_is_refused_with_the_way_to_do_it():
    with pytest.raises(ConfigError, match=r"python -m pagnet_ros\.replay\.alignment"):
        offset_px("auto", (0.0, 0.0), 640)


@pytest.mark.parametrize("offset", [(130.0, 0.0), (-130.0, 0.0), (0.0, 199.0)])
def test_an_offset_beyond_the_image_leaves_its_size(offset):
    shift = Shift.of(offset, DEPTH, RGB)
    assert shift.placed(np.zeros(RGB, np.float32)).shape == RGB
    assert shift.moved_rgb(np.zeros((*RGB, 3), np.uint8)).shape == (*RGB, 3)
