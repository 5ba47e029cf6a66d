"""The catalogue of figures, and its table in the docs."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

from pagnet_ros.replay.metrics import METRICS, MetricSettings
from pagnet_ros.replay.metrics.catalogue import markdown_table

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_docs_hold_the_table_of_the_catalogue():
    assert markdown_table() in DOCS.read_text(encoding="utf-8"), (
        "docs/metrics.md is not what the catalogue says; paste the output of `python -c 'from "
        "pagnet_ros.replay.metrics.catalogue import markdown_table as t; print(t())'` in the place of its table"
    )


def test_the_docs_give_every_setting_and_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    for field in dataclasses.fields(MetricSettings):
        assert field.name in rows, f"docs/metrics.md does not name {field.name}"
        expected = field.default
        shown = ", ".join(f"{edge:g}" for edge in expected) if isinstance(expected, tuple) else str(expected)
        assert rows[field.name] in {shown, f"{expected:g}" if isinstance(expected, float) else shown}, field.name


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_definitions_name_settings_that_exist(metric):
    settings = {field.name for field in dataclasses.fields(MetricSettings)}
    assert set(re.findall(r"`(\w+)`", metric.definition)) <= settings
    assert (metric.better == "target") == (metric.target is not None)
    assert METRICS[metric.name] is metric


def test_loss_is_lower_for_better_whatever_the_figure():
    assert METRICS["rmse_m"].loss(0.02) == 0.02
    assert METRICS["coverage"].loss(0.75) == 0.25
    assert METRICS["sigma_error_ratio"].loss(1.5) == METRICS["sigma_error_ratio"].loss(0.5) == 0.5


def test_regression_is_the_growth_of_the_loss():
    assert METRICS["rmse_m"].regression(0.02, 0.03) == pytest.approx(0.5)
    assert METRICS["coverage"].regression(0.5, 0.75) == pytest.approx(-0.5)
    assert METRICS["flying_pixels"].regression(0, 0) == 0
    assert METRICS["flying_pixels"].regression(0, 3) == math.inf
