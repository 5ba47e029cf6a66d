"""The report's charts: error by distance, metrics and times over the recording, expected beside observed error.

Results come in; each chart goes out as a `data:` URL of an SVG picture, whose text cannot become markup of the page.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pagnet_ros.replay.metrics import METRICS, Metric
from pagnet_ros.replay.pictures import label, new_figure
from pagnet_ros.replay.results import MethodResult, Results
from pagnet_ros.replay.tables import COMPARED_WITH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_SHARE = 0.001
"""Distances with a smaller share of the reference's pixels are not drawn: a handful of pixels would set the scale."""


def by_range(results: Results) -> str | None:
    """Error, bias and coverage by distance, one line a method."""
    methods = [method for method in results.methods if method.by_range]
    if not methods:
        return None
    pixels = [int(row["pixels"]) for row in methods[0].by_range]
    kept = [i for i, count in enumerate(pixels) if count and count >= LEAST_SHARE * sum(pixels)]
    names = ["–".join(f"{row[k]:g}" for k in ("from_m", "to_m") if row[k] is not None) for row in methods[0].by_range]

    def draw(axis: Any, key: str, scale: float) -> None:
        for method in methods:
            values = [scale * (float("nan") if (v := method.by_range[i][key]) is None else v) for i in kept]
            axis.plot(values, "o-", ms=3, **_style(results, method))
        axis.set_xticks(range(len(kept)), [names[i] for i in kept], fontsize=8)
        axis.set_xlabel("distance, m")
        if key != "bias_m":
            _keep_possible(axis, is_share=key == "coverage")

    charts = [
        (title, lambda axis, key=key, scale=scale: draw(axis, key, scale))
        for title, key, scale in (
            ("RMSE, mm", "rmse_m", 1e3),
            ("mean absolute error, mm", "mae_m", 1e3),
            ("bias, mm (above 0: too far)", "bias_m", 1e3),
            ("coverage, %", "coverage", 1e2),
        )
    ]
    return _drawn(charts) if kept else None


def over_time(results: Results) -> str | None:
    """The leading metrics of the judged method and the baseline over the recording."""
    series = {str(entry["name"]): entry for entry in results.timeline}
    pair = [method for method in results.methods if method.name in (results.main, COMPARED_WITH)]
    charts = []
    for metric in METRICS.values():
        lines = [(m, series[key]) for m in pair if (key := f"{m.name}/{metric.name}") in series]
        if metric.lead and lines:
            scale = 1e3 if metric.unit == "m" else 1e2 if metric.is_share else 1.0
            title = f"{metric.label}, {metric.shown_unit}".removesuffix(", ")

            def draw(axis: Any, metric: Metric = metric, lines: Any = lines, scale: float = scale) -> None:
                _lines(axis, results, lines, scale)
                _keep_possible(axis, is_share=metric.is_share)

            charts.append((title, draw))
    return _drawn(charts) if charts else None


def calibration(results: Results) -> str | None:
    """Expected against observed error of the methods that predict their error."""
    methods = [method for method in results.methods if method.calibration]

    def draw(axis: Any) -> None:
        for method in methods:
            rows = sorted((row["expected_m"], row["observed_m"]) for row in method.calibration)
            axis.loglog(*([1e3 * row[i] for row in rows] for i in (0, 1)), "o-", ms=3, **_style(results, method))
        low, high = axis.get_xlim()
        axis.plot([low, high], [low, high], ":", color="0.5", label="as predicted")
        axis.set_xlabel("predicted sigma, mm")

    return _drawn([("observed error (RMS), mm", draw)]) if methods else None


def times(results: Results) -> str | None:
    """Time per frame of the methods, and the offset of the pairs' stamps."""
    series = {str(entry["name"]): entry for entry in results.timings.get("timeline", ())}
    pair = [method for method in results.methods if method.name in (results.main, COMPARED_WITH)]
    lines = [(method, series[f"{method.name}/ms"]) for method in pair if f"{method.name}/ms" in series]
    offsets = [entry for entry in results.timeline if entry["name"] == "pairing/offset_ms"]
    charts: list[tuple[str, Callable[[Any], None]]] = []
    if lines:
        charts.append(("time per frame, ms", lambda axis: _lines(axis, results, lines, 1.0)))
    if offsets:
        charts.append(("colour minus depth stamp, ms", lambda axis: _band(axis, offsets[0], 1.0, {"label": "pairs"})))
    return _drawn(charts) if charts else None


def _lines(axis: Any, results: Results, lines: Iterable[tuple[MethodResult, Mapping[str, Any]]], scale: float) -> None:
    for method, entry in lines:
        _band(axis, entry, scale, _style(results, method))


def _keep_possible(axis: Any, *, is_share: bool) -> None:
    """No axis of what cannot be below 0, or above 100 %, goes on beyond that, but for the width of a line."""
    low, high = axis.get_ylim()
    high = min(high, 100 + 0.03 * (100 - low)) if is_share else high
    axis.set_ylim(max(low, -0.03 * high), high)


def _band(axis: Any, entry: Mapping[str, Any], scale: float, style: Mapping[str, Any]) -> None:
    """The mean of each bin, and between which values its frames lie."""
    mean, low, high = ([scale * value for value in entry[key]] for key in ("mean", "low", "high"))
    (line,) = axis.plot(entry["time_s"], mean, marker="." if len(mean) == 1 else "", **style)
    axis.fill_between(entry["time_s"], low, high, color=line.get_color(), alpha=0.2, lw=0)
    axis.set_xlabel("time, s")
    axis.ticklabel_format(axis="y", useOffset=False)


def _style(results: Results, method: MethodResult) -> dict[str, Any]:
    """A method's colour is the same in every chart; the judged one's line is the thickest."""
    place = [other.name for other in results.methods].index(method.name)
    name = label(method.name)
    return {
        "color": f"C{place % 10}",
        "lw": 2.2 if method.name == results.main else 1.2,
        "label": f" {name}" if name.startswith("_") else name,  # matplotlib leaves out labels that begin so
    }


def _drawn(charts: Sequence[tuple[str, Callable[..., None]]]) -> str:
    """Charts side by side, with a legend in the first."""
    columns = min(len(charts), 4 if len(charts) in (4, 7, 8) else 3)
    rows = -(-len(charts) // columns)
    figure = new_figure(max(3.6 * columns, 5.0), 2.6 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(charts) :]:
        axis.set_axis_off()
    for axis, (title, draw) in zip(axes.flat, charts, strict=False):
        draw(axis)
        axis.set_title(label(title), fontsize=10)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    axes.flat[0].legend(fontsize=7)
    return _svg_url(figure)


def _svg_url(figure: Figure) -> str:
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "replay"}):  # text stays text, and bytes the same
        figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
