"""The report's charts: axes that do not go on where no value can be, and values that are seen."""

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from pagnet_ros.replay.charts import _band, _keep_possible
from pagnet_ros.replay.pictures import new_figure


@pytest.fixture
def axis():
    return new_figure(4, 3).subplots()


@pytest.mark.parametrize(
    ("values", "is_share", "low", "high"), [([100, 100], True, 90, 101), ([0, 0], False, -0.01, 1)]
)
def test_an_axis_ends_where_values_do(axis, values, is_share, low, high):
    axis.plot(values)
    _keep_possible(axis, is_share=is_share)
    assert low < axis.get_ylim()[0] <= min(values) <= max(values) <= axis.get_ylim()[1] < high


def test_a_single_value_is_seen_as_a_point(axis):
    _band(axis, {"time_s": [0.5], "mean": [83.0], "low": [82.0], "high": [84.0]}, 1.0, {})
    assert axis.lines[0].get_marker() == "."


def test_values_that_hardly_differ_are_labelled_as_they_are(axis):
    _band(axis, {"time_s": [0, 1], "mean": [99.99, 100.0], "low": [99.99, 100.0], "high": [99.99, 100.0]}, 1.0, {})
    assert not axis.yaxis.get_major_formatter().get_useOffset()
