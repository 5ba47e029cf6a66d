"""Which points float between two surfaces: with a reference, and as far as the result itself tells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.replay.metrics import FrameTruth, MetricSettings
from tests.replay.metrics.frames import black, scored

NAN = float("nan")
WIDTH = 40


def wall_and_box(height=8, near=1.0, far=3.0):
    """A box up to column 19, a wall from there."""
    return np.where(np.arange(WIDTH) < 20, near, far) * np.ones((height, 1))


def test_points_between_two_surfaces_fly(score):
    result = wall_and_box()
    result[2, 19], result[3, 20], result[4, 18:22] = 2.0, 1.5, (1.4, 1.8, 2.2, 2.6)
    assert score(wall_and_box(), result)["flying_pixels"] == 6


def test_a_sharp_edge_in_the_wrong_place_does_not_fly(score):
    assert score(wall_and_box(), np.roll(wall_and_box(), 3, axis=1))["flying_pixels"] == 0


def test_before_the_nearest_or_behind_the_farthest_surface_nothing_flies(score):
    result = wall_and_box()
    result[:, 18], result[:, 21] = 0.5, 3.5
    assert score(wall_and_box(), result)["flying_pixels"] == 0


def test_a_third_surface_between_carries_points(score):
    reference = wall_and_box()
    reference[:, 20:24] = 2.0
    result = reference.copy()
    result[:, 19] = 2.02
    assert score(reference, result)["flying_pixels"] == 0


@pytest.mark.parametrize(("depth", "flies"), [(1.04, 0), (1.06, 1), (2.93, 1), (2.945, 0)])
def test_flying_starts_beyond_the_margin(score, depth, flies):
    result = wall_and_box()
    result[4, 19] = depth  # 5 cm from the box, 2 % of its depth (6 cm) from the wall
    assert score(wall_and_box(), result)["flying_pixels"] == flies


def test_surfaces_out_of_reach_do_not_make_a_point_fly(score):
    result = wall_and_box()
    result[:, 10] = 2.0  # the wall begins ten pixels away
    assert score(wall_and_box(), result, settings=MetricSettings(flying_px=8))["flying_pixels"] == 0
    assert score(wall_and_box(), result, settings=MetricSettings(flying_px=10))["flying_pixels"] == 8


def test_a_hole_of_the_reference_between_surfaces_is_judged_by_them(score):
    reference = wall_and_box()
    reference[:, 18:22] = NAN
    result = wall_and_box()
    result[:, 18:22] = 2.0
    assert score(reference, result)["flying_pixels"] == 4 * 8


def test_a_slanted_surface_does_not_fly(score):
    plane = np.linspace(1, 4, WIDTH) * np.ones((8, 1))
    assert score(plane, plane)["flying_pixels"] == 0


def test_flying_pixels_are_a_mean_per_frame(replay):
    flying = wall_and_box()
    flying[:, 20] = 2.0
    frame = black(wall_and_box().astype(np.float32))
    assert replay([frame, frame], [wall_and_box(), flying]).summary()["metrics"]["flying_pixels"] == 4


CAMERA = np.array([[500.0, 0, 20], [0, 500, 4], [0, 0, 1]])


def rate(result, intrinsics=CAMERA, **settings):
    result = np.asarray(result, np.float32)
    frame = FrameTruth(None, result, np.zeros((*result.shape, 3), np.uint8), intrinsics)
    return scored(frame, result, settings=MetricSettings(**settings))["flying_rate"] * result.size


@pytest.mark.parametrize("pixels", [1, 2, 7, 15])
def test_the_inside_of_a_ramp_flies_whatever_its_length(pixels):
    result = wall_and_box()
    result[:, 20 : 20 + pixels] = np.linspace(1, 3, pixels + 2)[1:-1]
    assert rate(result) == pytest.approx(8 * pixels)
    assert rate(result.T) == pytest.approx(8 * pixels)


def test_a_ramp_longer_than_the_limit_is_a_surface():
    result = wall_and_box()
    result[:, 20:28] = np.linspace(1, 3, 10)[1:-1]
    assert rate(result, ramp_px=9) == pytest.approx(64)
    assert rate(result, ramp_px=8) == 0


def test_a_sharp_edge_has_no_inside():
    assert rate(wall_and_box()) == 0


def test_a_ramp_of_less_than_a_step_is_a_surface():
    steep = np.full((8, WIDTH), 1.0)
    steep[:, 20:] = 1.04
    steep[:, 20] = 1.02
    assert rate(steep) == 0
    assert rate(steep, edge_step=0.03) == pytest.approx(8)


def test_steepness_is_an_angle_in_space():
    result = np.full((8, WIDTH), 1.0) + 0.02 * np.clip(np.arange(WIDTH) - 20, 0, 8)  # 2 cm per pixel at a metre
    wide, narrow = (np.array([[f, 0, 20], [0, f, 4], [0, 0, 1.0]]) for f in (100.0, 1000.0))
    assert rate(result, wide) == 0  # a pixel is 1 cm wide: 63 degrees
    assert rate(result, narrow) == pytest.approx(8 * 7)  # a pixel is 1 mm wide: 87 degrees


def test_a_lonely_point_flies_and_a_wire_does_not():
    result = np.full((8, WIDTH), 3.0)
    result[4, 10] = 1.0
    result[:, 25] = 1.0
    assert rate(result) == pytest.approx(1)


def test_a_wire_across_the_image_does_not_fly():
    result = np.full((8, WIDTH), 3.0)
    result[np.arange(8), 10 + np.arange(8)] = 1.0
    result[np.arange(8), 37 - np.arange(8)] = 1.0
    assert rate(result) == 0


def test_a_point_without_neighbours_flies():
    result = np.full((8, WIDTH), NAN)
    result[:, :5] = 2.0
    result[4, 10] = 2.0
    assert rate(result) / result.size == pytest.approx(1 / 41)


def test_ramps_of_both_directions_that_meet_are_two():
    result = np.full((8, WIDTH), 1.0)
    result[:, 10:15] = (1.5, 2.0, 2.5, 2.0, 1.5)
    assert rate(result) == pytest.approx(8 * 4)  # the crest itself is no inside of either


@given(st.integers(0, 2**32 - 1))
def test_mirrored_scenes_have_the_same_flying_pixels(seed):
    rng = np.random.default_rng(seed)
    reference = rng.choice([1.0, 1.5, 3.0], (4, 5)).repeat(4, axis=0).repeat(4, axis=1).astype(np.float32)
    result = reference.copy()
    result[rng.random(result.shape) < 0.2] *= np.float32(1.3)
    result[rng.random(result.shape) < 0.1] = NAN
    found = []
    for turn in (lambda a: a, np.fliplr, np.flipud, np.transpose):
        frame = black(np.ascontiguousarray(turn(reference)), None, np.array([[50.0, 0, 10], [0, 50, 8], [0, 0, 1]]))
        metrics = scored(frame, np.ascontiguousarray(turn(result)))
        found.append((metrics["flying_pixels"], metrics["flying_rate"]))
    assert len(set(found)) == 1
