"""Metrics over time in bounded memory."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.replay.timeline import Timeline


def only(timeline):
    (series,) = timeline.series()
    return series


def test_mean_low_and_high_of_the_values_in_a_bin():
    timeline = Timeline(bins=2)
    for time_s, value in ((0.0, 1.0), (0.001, 3.0), (0.02, 8.0)):
        timeline.add(time_s, {"a": value})
    series = only(timeline)
    assert (series["mean"], series["low"], series["high"], series["count"]) == (
        [2.0, 8.0],
        [1.0, 8.0],
        [3.0, 8.0],
        [2, 1],
    )


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(2, 20))
def test_no_value_is_lost_and_the_bins_stay_within_their_number(values, bins):
    timeline = Timeline(bins)
    for time_s, value in values:
        timeline.add(time_s, {"a": value})
    series = only(timeline)
    assert len(series["mean"]) <= bins
    assert sum(series["count"]) == len(values)
    assert min(series["low"]) == min(value for _, value in values)
    assert max(series["high"]) == max(value for _, value in values)
    total = sum(mean * count for mean, count in zip(series["mean"], series["count"], strict=True))
    assert math.isclose(total, sum(value for _, value in values), rel_tol=1e-9, abs_tol=1e-3)


def test_an_hour_keeps_its_shape():
    timeline = Timeline(bins=100)
    times = np.arange(0, 3600, 0.1)
    for time_s in times:
        timeline.add(float(time_s), {"a": float(time_s)})
    series = only(timeline)
    assert np.allclose(series["mean"], series["time_s"], atol=series["bin_s"])


def test_values_that_are_not_finite_are_left_out():
    timeline = Timeline()
    timeline.add(0.0, {"a": math.nan, "b": math.inf, "c": 1.0})
    assert [series["name"] for series in timeline.series()] == ["c"]


def test_a_clock_that_went_back_is_survived():
    timeline = Timeline()
    timeline.add(-5.0, {"a": 1.0})
    timeline.add(math.nan, {"a": 2.0})
    assert only(timeline)["count"] == [2]
