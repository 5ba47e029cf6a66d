"""The report's curves: error by distance, figures and latency over time, expected against observed error.

Results come in, groups of charts with one legend go out. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.report.charts import Line, line_chart, short_number
from pagnet_ros.replay.report.markup import Html, element, fragment
from pagnet_ros.replay.report.wording import BASELINE, shown, unit
from pagnet_ros.replay.results import MethodResult, Results

__all__ = ["by_range", "calibration", "latency", "over_time", "pairing_offset", "styles"]

OVER_TIME = (
    "rmse_common_m", "rmse_m", "rmse_edges_m", "flying_pixels", "false_obstacles", "missed_obstacles", "consistency_m",
    "flicker_m", "edge_distance_px", "flying_rate", "given_share", "coverage",
)  # fmt: skip
MOST_OVER_TIME = 6
LEAST_SHARE = 0.001
"""Distances with a smaller share of the reference's pixels are not drawn: a handful of pixels would set the scale."""

Series = Mapping[str, Any]


def styles(results: Results) -> dict[str, str]:
    """The class of each method's line: the judged method first, the baseline second, then as they come."""
    found = {results.main: "s0", BASELINE: "s1"}
    for method in results.methods:
        found.setdefault(method.name, f"s{2 + (len(found) - 2) % 8}")
    return found


def by_range(results: Results) -> Html | None:
    """Error, bias and coverage by distance, one line a method."""
    banded = [method for method in results.methods if method.by_range]
    if not banded:
        return None
    pixels = [int(row.get("pixels") or 0) for row in banded[0].by_range]
    kept = [i for i, count in enumerate(pixels) if count and count >= LEAST_SHARE * sum(pixels)]
    if not kept:
        return None
    names = [_band(banded[0].by_range[i]) for i in kept]
    charts: list[Html] = []
    for key, title, scale, y_unit in (
        ("rmse_m", "RMSE by distance", 1000.0, "mm"),
        ("mae_m", "Mean absolute error by distance", 1000.0, "mm"),
        ("bias_m", "Bias by distance (above 0: too far)", 1000.0, "mm"),
        ("coverage", "Coverage by distance", 100.0, "%"),
    ):
        lines = [
            Line(m.name, range(len(names)), _scaled([m.by_range[i] for i in kept], key, scale), style, marks=True)
            for m, style in _styled(results, banded)
        ]
        description = (
            f"{title}, in {y_unit}, of {', '.join(m.name for m in banded)}. {_telling(banded, results, key, scale)}"
        )
        charts.append(
            _titled(title, line_chart(description, lines, x_label="distance, m", y_label=y_unit, x_names=names))
        )
    listed = [
        f"{_band(row)} m {short_number(float(n))}" for row, n in zip(banded[0].by_range, pixels, strict=True) if n
    ]
    left_out = "; distances with less than 0.1 % are not drawn" if len(listed) > len(kept) else ""
    return fragment(
        _keys(results, banded),
        element("div", charts, class_="charts"),
        element("p", f"Scored pixels of {banded[0].name}: {', '.join(listed)}{left_out}.", class_="small soft"),
    )


def over_time(results: Results) -> Html | None:
    """The figures of the judged method and the baseline over the recording."""
    series = {str(s["name"]): s for s in results.timeline}
    pair = [m for m in results.methods if m.name in (results.main, BASELINE)]
    charts: list[Html] = []
    for name in OVER_TIME:
        lines = [
            _over_time(series[f"{m.name}/{name}"], m.name, style, _shown_scale(name), band=m.name == results.main)
            for m, style in _styled(results, pair)
            if name in METRICS and f"{m.name}/{name}" in series
        ]
        if lines and len(charts) < MOST_OVER_TIME:
            metric = METRICS[name]
            worst = max(lines[0].high, default=0.0)
            says = f"{metric.label} over time; highest of {lines[0].name} {short_number(worst)} {unit(metric)}."
            chart = line_chart(says, lines, x_label="time, s", y_label=unit(metric))
            charts.append(_titled(metric.label, chart))
    if not charts:
        return None
    note = f"Line: mean of the frames in one step of time. Band: lowest to highest frame of {results.main}."
    return fragment(
        _keys(results, pair), element("div", charts, class_="charts"), element("p", note, class_="small soft")
    )


def pairing_offset(results: Results) -> Html | None:
    """Colour stamp minus depth stamp over time."""
    found = next((s for s in results.timeline if s["name"] == "pairing/offset_ms"), None)
    if found is None:
        return None
    line = _over_time(found, "colour minus depth stamp", "s0", 1.0, band=True)
    title = "Colour stamp minus depth stamp"
    return _titled(title, line_chart(f"{title} over time, ms.", [line], x_label="time, s", y_label="ms"))


def latency(results: Results) -> Html | None:
    """Time of each method, and of reading and scoring, over the recording."""
    series = [s for s in results.timings.get("timeline", ()) if s.get("time_s")]
    method_names = {m.name for m in results.methods}
    charts: list[Html] = []
    pair = [(n, style) for n, style in styles(results).items() if n in method_names]
    found = {str(s["name"]): s for s in series}
    lines = [
        _over_time(found[f"{name}/ms"], name, style, 1.0, band=name == results.main)
        for name, style in pair
        if f"{name}/ms" in found and name in (results.main, BASELINE)
    ]
    if lines:
        title = "Time per frame"
        charts.append(_titled(title, line_chart(f"{title}, ms.", lines, x_label="time, s", y_label="ms")))
    stages = [s for s in series if str(s["name"]).startswith("stage/")]
    lines = [_over_time(s, str(s["name"])[6:], f"s{3 + i % 7}", 1.0) for i, s in enumerate(stages)]
    if lines:
        title = f"Around the methods: {', '.join(line.name for line in lines)}"
        charts.append(_titled(title, line_chart(f"{title}, ms.", lines, x_label="time, s", y_label="ms")))
    return fragment(charts) if charts else None


def calibration(results: Results) -> Html | None:
    """Expected against observed error of the methods that predict their error."""
    able = [method for method in results.methods if method.calibration]
    if not able:
        return None
    lines = []
    for method, style in _styled(results, able):
        rows = sorted(
            (row for row in method.calibration if row.get("expected_m") is not None),
            key=lambda row: float(row["expected_m"]),
        )
        expected = [1000.0 * float(row["expected_m"]) for row in rows]
        lines.append(Line(method.name, expected, _scaled(rows, "observed_m", 1000.0), style, marks=True))
    title = "Observed error by predicted sigma"
    chart = line_chart(
        f"{title}, both in mm; on the dotted line the prediction is right, above it too confident.",
        lines,
        x_label="predicted sigma, mm",
        y_label="observed RMS error, mm",
        diagonal=True,
    )
    words = []
    for method in able:
        for name in ("within_1_sigma", "within_2_sigma", "sigma_error_ratio"):
            if name in METRICS and method.figures.get(name) is not None:
                value = f"{shown(METRICS[name], method.figures[name])} {unit(METRICS[name])}".strip()
                words.append(f"{METRICS[name].label} {value}")
    note = (
        "On the dotted line sigma is right; above it, too small. A normal error lies within 1 sigma in 68 %, 2 in 95 %."
    )
    return fragment(
        _keys(results, able),
        element("div", _titled(title, chart), class_="charts"),
        element("p", f"{'; '.join(words)}. " if words else None, note, class_="small soft"),
    )


def _styled(results: Results, methods: Sequence[MethodResult]) -> list[tuple[MethodResult, str]]:
    """Methods with their styles, the judged one first."""
    chosen = styles(results)
    ordered = sorted(methods, key=lambda method: method.name != results.main)
    return [(method, chosen[method.name]) for method in ordered]


def _keys(results: Results, methods: Sequence[MethodResult]) -> Html:
    """The legend: a piece of each line and its name."""
    items = []
    for method, style in _styled(results, methods):
        line = element("g", element("path", d="M1 5L29 5"), class_=f"line {style}")
        items.append(element("li", element("svg", line, viewBox="0 0 30 10", aria_hidden="true"), method.name))
    return element("ul", items, class_="keys")


def _titled(title: str, chart: Html) -> Html:
    return element("figure", element("figcaption", title), chart)


def _scaled(rows: Sequence[Mapping[str, Any]], key: str, scale: float) -> list[float | None]:
    return [None if row.get(key) is None else scale * float(row[key]) for row in rows]


def _band(row: Mapping[str, Any]) -> str:
    low = short_number(float(row["from_m"]))
    return f"{low}–{short_number(float(row['to_m']))}" if row.get("to_m") is not None else f"{low}+"


def _telling(methods: Sequence[MethodResult], results: Results, key: str, scale: float) -> str:
    """The judged method's values in words, for the description of a chart."""
    main = next((m for m in methods if m.name == results.main), methods[0])
    values = [
        f"{_band(row)} m: {short_number(scale * float(row[key]))}" for row in main.by_range if row.get(key) is not None
    ]
    return f"{main.name}: {', '.join(values)}." if values else ""


def _shown_scale(name: str) -> float:
    if name not in METRICS:
        return 1.0
    return {"mm": 1000.0, "%": 100.0}.get(unit(METRICS[name]), 1.0)


def _over_time(series: Series, name: str, style: str, scale: float, band: bool = False) -> Line:
    def scaled(key: str) -> list[float]:
        return [scale * float(value) for value in series[key]]

    rims = (scaled("low"), scaled("high")) if band else ([], [])
    return Line(name, [float(t) for t in series["time_s"]], scaled("mean"), style, *rims)
