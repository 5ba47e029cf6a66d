"""Metrics that need no reference: consistency, flicker, edge distance."""

import math

import numpy as np
import pytest

from pagnet_ros.replay.metrics import FrameContexts, MetricSettings, Scorer
from pagnet_ros.replay.metrics.groups import depth_ridges
from tests.replay.metrics.frames import truth

NAN = float("nan")


def test_consistency_compares_each_footprint_with_its_measurement(score):
    result = np.ones((4, 4))
    result[:2, :2] = [[1.001, 1.003], [1.001, 1.003]]
    result[2:, 2:] = NAN
    found = score(None, result, measured=[[1.0, 1.0], [NAN, 1.0]], rgb=np.zeros((4, 4, 3), np.uint8))
    assert found["consistency_m"] == pytest.approx(0.002 / math.sqrt(2), rel=1e-3)
    assert found["answered_share"] == pytest.approx(2 / 3)
    assert found["given_share"] == pytest.approx(12 / 16)


def test_an_edge_inside_a_footprint_is_consistent_with_the_surface_of_most_pixels(score):
    result = np.ones((4, 4))
    result[:, 3] = 3.0
    assert score(None, result, measured=np.ones((2, 2)), rgb=np.zeros((4, 4, 3), np.uint8))["consistency_m"] == 0


def plain(measured=2.0, size=(32, 48), level=128):
    rgb = np.full((*size, 3), level, np.uint8)
    return truth(None, np.full((size[0] // 4, size[1] // 4), measured), rgb)


def flicker(scorer):
    metrics = scorer.summary()["metrics"]
    return metrics["flicker_m"], metrics["flicker_edges_m"]


def test_flicker_is_the_standard_deviation_of_independent_noise(replay):
    rng = np.random.default_rng(1)
    frames = [plain() for _ in range(20)]
    results = [2.0 + 0.01 * rng.standard_normal((32, 48)) for _ in frames]
    assert flicker(replay(frames, results, has_reference=False))[0] == pytest.approx(0.01, rel=0.03)


def test_flicker_by_hand(replay):
    """One change of 2 cm: half its square is the variance."""
    found = flicker(replay([plain(), plain()], [np.full((32, 48), 2.0), np.full((32, 48), 2.02)], has_reference=False))
    assert found == (pytest.approx(0.02 / math.sqrt(2), rel=1e-4), None)


def test_one_frame_does_not_flicker(replay):
    assert flicker(replay([plain()], [np.full((32, 48), 2.0)], has_reference=False)) == (None, None)


def test_a_camera_that_comes_nearer_is_no_flicker(replay):
    frames = [plain(measured) for measured in (2.0, 1.98, 1.96)]
    results = [np.full((32, 48), depth) for depth in (2.0, 1.98, 1.96)]
    assert flicker(replay(frames, results, has_reference=False))[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("changed", [plain(2.05), plain(level=140), plain(NAN)])
def test_where_the_measurement_or_colour_changed_nothing_is_static(replay, changed):
    results = [np.full((32, 48), 2.0), np.full((32, 48), 2.05)]
    assert flicker(replay([plain(), changed], results, has_reference=False)) == (None, None)


def test_what_changes_in_part_of_the_image_is_left_out_there(replay):
    moved = plain()
    moved.rgb[:, 24:] = 255
    result = np.full((32, 48), 2.0)
    result[:, 22:] = 5.0  # the 3x3 mean of grey changes at column 23, and one pixel around that is left out, too
    assert flicker(replay([plain(), moved], [np.full((32, 48), 2.0), result], has_reference=False))[0] == 0


def test_around_a_measured_pixel_that_changed_nothing_is_static(replay):
    moved = plain()
    moved.measured_m[4, 6] = 2.1
    result = np.full((32, 48), 2.0)
    result[12:24, 20:32] = 5.0  # that pixel's footprint and those of its neighbours
    found = flicker(replay([plain(), moved], [np.full((32, 48), 2.0), result], has_reference=False))[0]
    assert found < 0.01  # the smoothed change of the measurement


def test_frames_that_are_not_consecutive_are_not_compared():
    contexts, scorer = FrameContexts(MetricSettings()), Scorer(MetricSettings(), has_reference=False)
    for index, depth in enumerate((2.0, 2.5, 2.02)):
        context = contexts.next(plain())
        if index != 1:
            scorer.add(context, np.full((32, 48), depth, np.float32))
    assert flicker(scorer) == (None, None)


def box_before_wall(shift=0):
    """A depth step at column 24 under plain colour, with stripes left and right of it."""
    rgb = np.full((32, 48, 3), 128, np.uint8)
    stripes = (np.arange(48) + shift) // 2 % 2 == 0
    rgb[:, stripes & (abs(np.arange(48) - 24) > 12)] = 200
    return truth(None, np.where(np.arange(12) < 6, 1.0, 2.0) * np.ones((8, 1)), rgb)


def shaking_edge():
    first = np.where(np.arange(48) < 24, 1.0, 2.0) * np.ones((32, 1))
    second = first.copy()
    second[:, 24] = 1.0
    return first, second


def test_an_edge_that_jumps_flickers_when_the_camera_stands_still(replay):
    found = flicker(replay([box_before_wall()] * 2, shaking_edge(), has_reference=False))
    assert found[0] == 0
    assert found[1] == pytest.approx(math.sqrt(32 * 1.0 / (32 * 16) / 2))  # two measured pixels on either side


def test_an_edge_is_not_judged_when_the_camera_moved(replay):
    """Colour beside the edge is the same, but the stripes are not."""
    found = flicker(replay([box_before_wall(), box_before_wall(shift=2)], shaking_edge(), has_reference=False))
    assert found[1] is None


def edges(colour_at, depth_at):
    rgb = np.full((40, 60, 3), 50, np.uint8)
    rgb[:, colour_at:] = 200
    result = np.where(np.arange(60) < depth_at, 1.0, 2.0) * np.ones((40, 1))
    return truth(None, result, rgb), result


@pytest.mark.parametrize(("apart", "expected"), [(0, 0), (3, 3), (-4, 4), (20, 8)])
def test_edge_distance_counts_pixels_up_to_the_cap(replay, apart, expected):
    frame, result = edges(30, 30 + apart)
    found = replay([frame], [result], has_reference=False).summary()["metrics"]["edge_distance_px"]
    assert found == pytest.approx(expected, abs=0.05)


def test_a_blurred_edge_is_judged_at_its_steepest(replay):
    frame, _ = edges(30, 30)
    ramp = np.clip(np.arange(60) - 25, 0, 9) / 9  # from column 25 to 34
    found = replay([frame], [np.exp(0.7 * (3 * ramp**2 - 2 * ramp**3)) * np.ones((40, 1))], has_reference=False)
    assert found.summary()["metrics"]["edge_distance_px"] <= 1


def test_without_depth_edges_there_is_no_distance(replay):
    frame, _ = edges(30, 30)
    assert replay([frame], [np.ones((40, 60))], has_reference=False).summary()["metrics"]["edge_distance_px"] is None


def test_the_border_of_a_hole_is_no_depth_edge():
    depth = np.full((30, 40), 2.0, np.float32)
    depth[10:20, 15:25] = np.nan
    assert not depth_ridges(depth, 0.01).any()
    depth[:, 32:] = 3.0
    assert depth_ridges(depth, 0.01)[:, 30:34].any(axis=1).mean() > 0.9
