"""What each metric is, and the table of them in the docs."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pagnet_ros.replay.metrics import METRICS, MetricSettings
from pagnet_ros.replay.metrics.registry import Group, Metric, add_metrics, markdown_table

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "metrics.md"


def test_the_docs_hold_the_table_of_the_metrics():
    assert markdown_table() in DOCS.read_text(encoding="utf-8"), (
        "docs/metrics.md is not what the metrics say; paste the output of `python -c 'from "
        "pagnet_ros.replay.metrics.registry import markdown_table as t; print(t())'` in the place of its table"
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


def test_loss_is_lower_for_better_whatever_the_metric():
    assert METRICS["rmse_m"].loss(0.02) == 0.02
    assert METRICS["coverage"].loss(0.75) == 0.25
    assert METRICS["sigma_error_ratio"].loss(1.5) == METRICS["sigma_error_ratio"].loss(0.5) == 0.5


def test_regression_is_the_growth_of_the_loss():
    assert METRICS["rmse_m"].regression(0.02, 0.03) == pytest.approx(0.5)
    assert METRICS["coverage"].regression(0.5, 0.75) == pytest.approx(-0.5)
    assert METRICS["flying_pixels"].regression(0, 0) == 0
    assert METRICS["flying_pixels"].regression(0, 3) == math.inf


def test_the_example_in_contributing_is_all_that_a_new_metric_takes(frame_folder, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    (example,) = (each for each in examples if "add_metrics" in each)
    assert len([line for line in example.splitlines() if line]) <= 10
    script = f"{example}\nimport sys\nfrom pagnet_ros.replay.cli import main\nsys.exit(main(sys.argv[1:]))"
    words = ["--weights", "identity", "--baselines", "nearest", "--json", "--csv", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", script, str(frame_folder(2)), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "beyond 1.5 m [%]" in done.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert all(0 < method["metrics"]["far_share"] < 1 for method in results["methods"])
    assert any(series["name"] == "identity/far_share" for series in results["timeline"])
    assert "far_share" in (tmp_path / "out" / "frames.csv").read_text().splitlines()[0]


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="rmse_m is there already"):
        add_metrics(Metric("rmse_m", "RMSE", "Another."))(Group)


@pytest.mark.parametrize(("value", "text"), [(0.25, "0.25"), (588.04, "588"), (13180.4, "13180"), (None, "–")])
def test_a_count_is_written_in_full(value, text):
    assert METRICS["flying_pixels"].shown(value) == text
