"""Charts: round ticks, short numbers, lines that break where a value is missing, points where they belong."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.replay.report.charts import BOTTOM, LEFT, RIGHT, TOP, Line, line_chart, short_number, ticks


def chart(*lines, **options):
    return line_chart("what it shows", lines, x_label="time, s", y_label="mm", **options)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_inside_evenly_and_are_few(low, span):
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 6
    slack = 1e-6 * max(span, abs(low))
    assert all(low - slack <= value <= low + span + slack for value in found)


def test_ticks_are_round():
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(0.0, 0.9) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert ticks(3.0, 3.0) == [3.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.05, "0.05"), (1.5, "1.5"), (12.34, "12.3"), (999, "999"), (1234.6, "1235"), (36_000, "36k"),
     (2_500_000, "2.5M"), (-0.25, "-0.25"), (math.nan, "–"), (100, "100"), (1000, "1000")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert short_number(value) == text


def test_a_missing_value_breaks_the_line():
    drawn = chart(Line("a", [0, 1, 2, 3], [1.0, 2.0, None, 3.0], "s0"))
    (path,) = re.findall(r'<path d="([^"]+)"', drawn)
    assert path.count("M") == 2
    assert path.count("L") == 1


def test_points_lie_where_their_values_belong():
    drawn = chart(Line("a", [0, 10], [0.0, 100.0], "s0", marks=True))
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert (float(circles[0][0]), float(circles[0][1])) == (LEFT, BOTTOM)
    assert float(circles[1][0]) == RIGHT
    assert TOP < float(circles[1][1]) < TOP + 20


def test_named_places_replace_ticks():
    drawn = chart(Line("a", [0, 1], [1.0, 2.0], "s0"), x_names=["0–1", "1–2"])
    assert ">0–1</text>" in drawn
    assert ">1–2</text>" in drawn


def test_a_chart_without_values_is_a_sentence():
    assert chart(Line("a", [0, 1], [None, None], "s0")) == '<p class="none">No values to draw.</p>'


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0], [-1.0, 1.0]])
def test_single_and_constant_values_are_drawn(values):
    drawn = chart(Line("a", list(range(len(values))), values, "s0", marks=True))
    assert "nan" not in drawn
    assert drawn.count("<circle") == len(values)


def test_a_band_goes_up_and_back():
    drawn = chart(Line("a", [0, 1], [2.0, 3.0], "s0", low=[1.0, 2.0], high=[4.0, 5.0]))
    (band,) = re.findall(r'<path d="([^"]+)Z" class="band s0"', drawn)
    assert band.count("L") == 3
