"""How figures are written and compared: units, digits, best of a column, difference from the baseline.

Owns no figure: values come from `results`, what they mean from `metrics.METRICS`. Lengths are shown in millimetres and
shares in per cent, because that is how people speak of them; the JSON beside the report keeps metres. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pagnet_ros.replay.metrics import METRICS, Metric
from pagnet_ros.replay.results import Results

__all__ = ["BASELINE", "Column", "Delta", "best_of", "columns", "delta", "in_words", "pooled", "shown", "unit"]

BASELINE = "bicubic"
"""The method that others are compared with."""


@dataclass(frozen=True)
class Delta:
    """A figure beside the baseline's.

    Attributes:
        text: Such as "−23 %" or "+1.2 pt".
        verdict: "better", "worse" or "same".
    """

    text: str
    verdict: str


@dataclass(frozen=True)
class Column:
    """One figure of every method.

    Attributes:
        metric: What it is.
        values: In the order of methods; None undefined.
    """

    metric: Metric
    values: tuple[float | None, ...]


def unit(metric: Metric) -> str:
    """The unit a figure is shown in."""
    if metric.unit == "m":
        return "mm"
    return "%" if _is_share(metric) else metric.unit


def in_words(metric: Metric) -> str:
    """What a figure is called in a sentence: "RMSE (edges)" for the column head "RMSE, edges"."""
    name, comma, part = metric.label.partition(", ")
    return f"{name} ({part})" if comma else name


def shown(metric: Metric, value: float | None) -> str:
    """A figure in its shown unit, without the unit; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "–"
    scaled = value * (1000.0 if metric.unit == "m" else 100.0 if _is_share(metric) else 1.0)
    if abs(scaled) >= 1000:
        return f"{scaled:,.0f}".replace(",", "\u202f")
    return f"{scaled:.1f}" if abs(scaled) >= 9.995 or metric.unit == "m" else f"{scaled:.2f}"


def columns(results: Results, names: Sequence[str] | None = None) -> list[Column]:
    """The figures that at least one method has.

    Args:
        results: Of a run.
        names: Which, in this order; all of `METRICS` by default. Unknown names are left out.
    """
    found = []
    for name in METRICS if names is None else names:
        if name in METRICS:
            values = tuple(method.figures.get(name) for method in results.methods)
            if any(value is not None for value in values):
                found.append(Column(METRICS[name], values))
    return found


def best_of(column: Column) -> frozenset[int]:
    """Which methods are best in a column; several where they read the same, none where all do."""
    texts = [shown(column.metric, value) for value in column.values]
    losses = {i: column.metric.loss(value) for i, value in enumerate(column.values) if value is not None}
    if not losses or len({texts[i] for i in losses}) == 1:
        return frozenset()
    winner = min(losses, key=lambda i: losses[i])
    return frozenset(i for i in losses if texts[i] == texts[winner])


def delta(metric: Metric, value: float | None, baseline: float | None) -> Delta | None:
    """How a figure differs from the baseline's; None where either is undefined or the metric has a target."""
    if value is None or baseline is None or metric.better == "target":
        return None
    if _is_share(metric):
        points = 100.0 * (value - baseline)
        text = f"{_signed(points, 1 if abs(points) < 9.95 else 0)}\u00a0pt"
        same = abs(points) < 0.05
    else:
        if baseline == 0:
            return Delta("same", "same") if value == 0 else None
        percent = 100.0 * (value - baseline) / abs(baseline)
        text = f"{_signed(percent, 0)}\u00a0%" if percent < 1000 else f"×\u00a0{value / baseline:.0f}"
        same = abs(percent) < 0.5
    if same:
        return Delta("same", "same")
    return Delta(text, "better" if metric.loss(value) < metric.loss(baseline) else "worse")


def pooled(figures: Mapping[str, float | None], name: str) -> str:
    """A figure with its unit, for sentences; empty where it is undefined or unknown."""
    value = figures.get(name)
    if name not in METRICS or value is None:
        return ""
    return f"{shown(METRICS[name], value)}\u00a0{unit(METRICS[name])}".strip("\u00a0")


def _is_share(metric: Metric) -> bool:
    return metric.unit in ("", "1", "share") and metric.better != "target"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
