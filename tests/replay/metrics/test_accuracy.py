"""Errors against a reference, worked out by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pagnet_ros.replay.metrics import METRICS, MetricSettings, Scorer
from tests.replay.metrics.frames import black, scored

NAN = float("nan")


def test_errors_over_the_pixels_that_both_know(score):
    found = score([[1.0, 2.0], [4.0, NAN]], [[1.08, 2.0], [NAN, 3.0]])
    assert found["rmse_m"] == pytest.approx(math.sqrt(0.08**2 / 2), rel=1e-6)
    assert found["mae_m"] == pytest.approx(0.04, rel=1e-6)
    assert found["abs_rel"] == pytest.approx(0.04, rel=1e-6)
    assert found["coverage"] == pytest.approx(2 / 3)


def test_deltas_count_factors_in_both_directions(score):
    reference = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    found = score(reference, [[1.04, 1 / 1.04, 1.08], [1 / 1.2, 1.5, 1.9]])
    names = ("delta_1_05", "delta_1_10", "delta_1_25", "delta_1_25_2", "delta_1_25_3")
    assert [found[name] for name in names] == pytest.approx([2 / 6, 3 / 6, 4 / 6, 5 / 6, 6 / 6])


def test_a_pixel_left_out_is_not_accurate(score):
    found = score([[1.0, 1.0], [1.0, 1.0]], [[1.0, NAN], [1.02, 3.0]])
    assert found["delta_1_05"] == pytest.approx(2 / 3)
    assert found["accurate_share"] == pytest.approx(2 / 4)


@pytest.mark.parametrize("nothing", [0.0, -1.0, NAN, math.inf, -math.inf])
def test_what_is_no_depth_is_not_given(score, nothing):
    assert score([[1.0, 2.0], [1.0, 2.0]], [[nothing, 2.0], [1.0, 2.0]])["coverage"] == pytest.approx(3 / 4)
    assert score([[nothing, 2.0], [1.0, 2.0]], [[1.0, 2.5], [1.0, 2.0]])["mae_m"] == pytest.approx(0.5 / 3)


def test_common_pixels_are_those_of_every_method(score):
    common = np.array([[True, True], [False, True]])
    found = score([[1.0, 1.0], [1.0, NAN]], [[1.3, 1.1], [9.0, 5.0]], common=common)
    assert found["rmse_common_m"] == pytest.approx(math.sqrt((0.09 + 0.01) / 2), rel=1e-5)
    assert found["mae_common_m"] == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize(("common", "mean"), [("given", 0.1 + 16 / 96), ("measured", 0.1)])
def test_where_common_says_measured_no_pixel_beside_a_hole_of_the_input_counts(score, common, mean):
    measured, result = np.ones((4, 6)), np.full((8, 12), 1.1)
    measured[1, 2] = np.nan
    result[1:5, 3:7] += 1  # what is interpolated from the hole
    settings = MetricSettings(common=common)
    found = score(np.ones((8, 12)), result, measured=measured, common=np.ones((8, 12), bool), settings=settings)
    assert found["mae_common_m"] == pytest.approx(mean, rel=1e-4)


def test_flat_areas_and_those_beside_a_step_of_the_input_are_judged_apart(score):
    measured = np.repeat([[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]], 4, axis=0)
    reference = measured.repeat(2, axis=0).repeat(2, axis=1)
    result = reference + 0.1
    result[:, 4:8] += 0.4
    found = score(reference, result, measured=measured, common=np.ones((8, 12), bool))
    assert found["rmse_flat_common_m"] == pytest.approx(0.1, rel=1e-4)
    assert found["rmse_rest_common_m"] == pytest.approx(0.5, rel=1e-4)


def test_without_anything_given_errors_are_undefined_and_coverage_is_zero(score):
    found = score([[1.0, 2.0], [1.0, 2.0]], np.full((2, 2), NAN))
    assert math.isnan(found["rmse_m"])
    assert found["coverage"] == 0
    assert found["accurate_share"] == 0


def test_range_bands_hold_their_lower_limit():
    settings = MetricSettings(range_edges_m=(1.0, 2.0, 3.0))
    scorer = Scorer(settings, has_reference=True)
    reference = np.array([[0.5, 1.0, 1.5], [2.0, NAN, 7.0]], np.float32)
    result = np.array([[0.5, 1.25, 1.0], [NAN, 2.0, 6.0]], np.float32)
    scored(black(reference), result, settings=settings, scorer=scorer)
    rows = scorer.summary()["by_range"]
    assert [(row["from_m"], row["to_m"]) for row in rows] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, None)]
    near, band, empty, far = (SimpleNamespace(**row) for row in rows)
    assert (near.pixels, near.rmse_m) == (1, 0)
    assert (band.pixels, band.coverage, band.mae_m, band.bias_m) == (2, 1, 0.375, -0.125)
    assert band.rmse_m == pytest.approx(math.sqrt((0.0625 + 0.25) / 2))
    assert band.abs_rel == pytest.approx((0.25 + 0.5 / 1.5) / 2)
    assert (empty.pixels, empty.coverage, empty.rmse_m) == (0, 0, None)
    assert (far.pixels, far.bias_m) == (1, -1)


def test_bands_beyond_the_limits_are_only_listed_where_something_is():
    settings = MetricSettings(range_edges_m=(1.0, 2.0))
    scorer = Scorer(settings, has_reference=True)
    reference = np.full((2, 2), 1.5, np.float32)
    scored(black(reference), reference, settings=settings, scorer=scorer)
    assert [(row["from_m"], row["to_m"]) for row in scorer.summary()["by_range"]] == [(1.0, 2.0)]


def step(width=20, at=10, near=1.0, far=2.0):
    """A wall with a box before its left part."""
    return np.where(np.arange(width) < at, near, far) * np.ones((6, 1))


def test_edges_are_within_three_pixels_of_a_step(score):
    reference = step()
    result = reference.copy()
    result[:, 6], result[:, 7], result[:, 12], result[:, 13] = 9.0, 1.5, 2.5, 9.0
    settings = MetricSettings(edge_px=2)
    found = score(reference, result, settings=settings)  # columns 7 to 12 are within two pixels of 9 or 10
    assert found["rmse_edges_m"] == pytest.approx(math.sqrt(2 * 0.25 / 6))
    assert found["coverage_edges"] == 1


def test_a_pixel_left_out_at_an_edge_lowers_the_coverage_there(score):
    result = step()
    result[:, 10] = NAN
    assert score(step(), result)["coverage_edges"] == pytest.approx(7 / 8)


def test_without_an_edge_there_is_no_error_at_edges(score):
    found = score(np.full((6, 20), 2.0), np.full((6, 20), 2.1))
    assert math.isnan(found["rmse_edges_m"])


def test_holes_are_judged_where_the_input_has_none_nearest(score):
    reference = np.full((4, 4), 2.0)
    result = reference.copy()
    result[:2, :2], result[0, 0] = 2.5, NAN
    found = score(reference, result, measured=[[NAN, 2.0], [2.0, 0.0]])
    assert found["rmse_holes_m"] == pytest.approx(math.sqrt(3 * 0.25 / 7))
    assert found["coverage_holes"] == pytest.approx(7 / 8)


def test_texture_is_judged_where_grey_has_an_edge(score):
    reference = np.full((8, 40), 2.0)
    rgb = np.full((8, 40, 3), 100, np.uint8)
    rgb[:, 20:] = 200
    result = reference + 0.01
    result[:, 18] = result[:, 21] = 2.04  # grey rises between 19 and 20: the gradient is seen there, one pixel further
    result[:, 17] = result[:, 22] = 3.0  # and no more
    expected = math.sqrt((0.04**2 + 0.01**2) / 2)
    assert score(reference, result, rgb=rgb)["rmse_texture_m"] == pytest.approx(expected, rel=1e-4)


def checkered(cell=2, size=(48, 64)):
    rows, columns = np.indices(size)
    return ((rows // cell + columns // cell) % 2).astype(np.float32)


def coloured(pattern):
    return np.repeat((100 + 100 * pattern[..., None]).astype(np.uint8), 3, axis=2)


def test_a_pattern_that_depth_copies_has_its_own_size(score):
    """Levels 2 cm apart are a standard deviation of 1 cm, all of it explained by grey."""
    reference = np.full((48, 64), 2.0)
    found = score(reference, reference + 0.02 * checkered(), rgb=coloured(checkered()))
    assert found["texture_copying_m"] == pytest.approx(0.01, rel=0.02)
    assert score(reference, reference - 0.02 * checkered(), rgb=coloured(checkered()))[
        "texture_copying_m"
    ] == pytest.approx(0.01, rel=0.02)


def test_an_offset_or_another_pattern_is_not_copied(score):
    reference = np.full((48, 64), 2.0)
    stripes = np.indices((48, 64))[0] % 4 // 2
    for result in (reference + 0.5, reference + 0.02 * stripes):
        assert score(reference, result, rgb=coloured(checkered()))["texture_copying_m"] < 0.0015


def test_noise_is_copied_by_a_ninth(score):
    reference = np.full((48, 64), 2.0)
    noise = 0.01 * np.random.default_rng(0).standard_normal(reference.shape)
    found = score(reference, reference + noise, rgb=coloured(checkered()))
    assert found["texture_copying_m"] == pytest.approx(0.01 / 9, rel=0.2)


def test_a_colour_edge_on_a_depth_edge_is_no_texture(score):
    rgb = np.full((6, 20, 3), 100, np.uint8)
    rgb[:, 10:] = 200
    found = score(step(), step(), rgb=rgb)
    assert math.isnan(found["rmse_texture_m"])
    assert math.isnan(found["texture_copying_m"])


def test_pixels_say_what_metrics_stand_on():
    scorer = Scorer(MetricSettings(), has_reference=True)
    reference = step().astype(np.float32)
    reference[0, 0] = NAN
    result = reference.copy()
    result[1, :] = NAN
    scored(black(reference), result, scorer=scorer)
    pixels = scorer.summary()["pixels"]
    assert pixels == {"known": 119, "scored": 99, "edges": 40, "holes": 0, "texture": 0}


depths = arrays.arrays(np.float32, (5, 7), elements=st.floats(0.5, 8, width=32))


@given(depths, depths, st.randoms(use_true_random=False))
def test_plain_errors_do_not_care_where_a_pixel_is(reference, result, random):
    order = list(range(reference.size))
    random.shuffle(order)
    before = scored(black(reference), result)
    moved = [array.ravel()[order].reshape(5, 7) for array in (reference, result)]
    after = scored(black(moved[0]), moved[1])
    for name in ("rmse_m", "mae_m", "abs_rel", "delta_1_05", "delta_1_25", "coverage", "accurate_share"):
        assert after[name] == pytest.approx(before[name], rel=1e-6, abs=1e-9), name


@given(depths, depths)
def test_relative_metrics_do_not_depend_on_the_unit(reference, result):
    metres = scored(black(reference), result)
    halved = scored(black(reference / 2), result / 2)
    for name in ("abs_rel", "delta_1_05", "delta_1_10", "delta_1_25", "accurate_share"):
        assert halved[name] == metres[name], name
    assert halved["rmse_m"] == pytest.approx(metres["rmse_m"] / 2, rel=1e-6)


@given(depths, depths)
def test_metrics_keep_their_order(reference, result):
    found = scored(black(reference), result)
    assert found["mae_m"] <= found["rmse_m"] * (1 + 1e-6)
    deltas = [found[name] for name in METRICS if name.startswith("delta")]
    assert deltas == sorted(deltas)
