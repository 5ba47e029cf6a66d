"""The head of the report: what was evaluated, the answer in a sentence and a few figures, and the table of all methods.

Results come in, HTML goes out. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from pagnet_ros.replay.metrics import METRICS, Metric
from pagnet_ros.replay.report.markup import Html, element, fragment
from pagnet_ros.replay.report.wording import (
    BASELINE,
    Column,
    Delta,
    best_of,
    columns,
    delta,
    in_words,
    pooled,
    shown,
    unit,
)
from pagnet_ros.replay.results import MethodResult, Results

__all__ = ["full_table", "head", "summary_table"]

# What a robot's owner asks first; the table of all figures is below the definitions.
KEY = ("rmse_common_m", "rmse_edges_m", "flying_pixels", "false_obstacles")
KEY_UNREFERENCED = ("consistency_m", "flicker_m", "edge_distance_px", "flying_rate")
SUMMARY = (
    "rmse_m", "rmse_common_m", "mae_m", "coverage", "rmse_edges_m", "rmse_holes_m", "texture_copying_m",
    "flying_pixels", "false_obstacles", "missed_obstacles", "flicker_m", "edge_distance_px",
)  # fmt: skip
SUMMARY_UNREFERENCED = (
    "given_share", "answered_share", "consistency_m", "flicker_m", "edge_distance_px", "flying_rate",
)  # fmt: skip


def head(results: Results) -> Html:
    """Title, what was done, the answer, and the key figures."""
    recording = results.recording
    return fragment(
        element("h1", "Depth quality of ", ", ".join(recording.paths)),
        element("p", _what(results), class_="lead"),
        element("p", _verdict(results)),
        _warning(results),
        _cards(results),
    )


def summary_table(results: Results) -> Html:
    """All methods beside each other: the figures that matter first."""
    wanted = SUMMARY if results.mode != "none" else SUMMARY_UNREFERENCED
    note = (
        f"Small print: difference from {BASELINE}; pt is percentage points."
        if results.method(BASELINE)
        else f"{BASELINE} was not among the methods, so no differences are shown."
    )
    return fragment(
        _table(results, columns(results, wanted), "Figures of all methods", with_deltas=True),
        element(
            "p",
            "Arrows say which way is better. ",
            element("span", class_="swatch", style="background:var(--mark)"),
            f" best of its column. Bold: {results.main}, the method judged. {note}",
            class_="small soft",
        ),
    )


def full_table(results: Results) -> Html:
    """Every figure of every method."""
    return _table(results, columns(results), "All figures of all methods", with_deltas=False)


def _what(results: Results) -> str:
    counts, recording = results.counts, results.recording
    against = {
        "reference": f"scored against {recording.reference or 'a reference'}",
        "self": f"scored against the recorded depth, which was made {results.scale} times coarser to be the input",
        "none": "without a reference: scored by what can be told without one",
    }[results.mode]
    sizes = ""
    if recording.depth_size and recording.color_size:
        (h, w), (H, W) = recording.depth_size, recording.color_size
        sizes = f", depth {w} × {h} to {W} × {H}"
    return f"{counts.evaluated} of {counts.depth} depth images in {recording.seconds:.1f} s{sizes}, {against}."


def _verdict(results: Results) -> Html:
    """The answer in one or two sentences, from the same figures as the table."""
    main, baseline = results.method(results.main), results.method(BASELINE)
    name = element("b", results.main)
    key = next(
        (k for k in ("rmse_common_m", "rmse_m", "consistency_m") if main and main.figures.get(k) is not None), None
    )
    if main is None or key is None:
        return fragment(name, " gave no figure that could be scored.")
    parts: list[str | Html] = [name, f": {in_words(METRICS[key])} {pooled(main.figures, key)}"]
    if baseline is not None and main is not baseline:
        change = delta(METRICS[key], main.figures[key], baseline.figures.get(key))
        if change is not None:
            how = element("b", change.text, class_=change.verdict)
            parts += [", ", how, f" against {BASELINE} ({pooled(baseline.figures, key)})"]
    parts.append(".")
    scored = columns(results, SUMMARY if results.mode != "none" else SUMMARY_UNREFERENCED)
    if len(results.methods) > 1 and scored:
        place = results.methods.index(main)
        best = [column for column in scored if place in best_of(column)]
        parts.append(f" Best of {len(results.methods)} methods in {len(best)} of the {len(scored)} figures below")
        behind = [in_words(c.metric) for c in scored if c.values[place] is not None and best_of(c) and c not in best]
        parts.append(f"; not in {', '.join(behind)}." if behind else ".")
    return fragment(parts)


def _warning(results: Results) -> Html | None:
    if not results.damage:
        return None
    return element(
        "div",
        element("b", "Not everything could be read. "),
        results.damage[0],
        " ",
        element("a", "More", href="#trouble"),
        class_="warning",
        role="note",
    )


def _cards(results: Results) -> Html | None:
    main, baseline = results.method(results.main), results.method(BASELINE)
    if main is None:
        return None
    cards = []
    for name in KEY if results.mode != "none" else KEY_UNREFERENCED:
        value = main.figures.get(name)
        if name not in METRICS or value is None:
            continue
        metric = METRICS[name]
        change = delta(metric, value, baseline.figures.get(name)) if baseline and baseline is not main else None
        cards.append(
            element(
                "div",
                element("span", in_words(metric)),
                element("b", shown(metric, value), " ", element("small", unit(metric))),
                element("span", _against(change), class_=change.verdict) if change else None,
                class_="card",
            )
        )
    return element("div", cards, class_="cards") if cards else None


def _against(change: Delta) -> str:
    words = f", {change.verdict}" if change.verdict != "same" else ""
    return f"{change.text} against {BASELINE}{words}"


def _table(results: Results, found: Sequence[Column], caption: str, *, with_deltas: bool) -> Html:
    baseline = results.method(BASELINE) if with_deltas else None
    best = [best_of(column) for column in found]
    header = element("tr", element("th", "method", scope="col"), (_head_cell(column.metric) for column in found))
    rows = []
    for place, method in enumerate(results.methods):
        cells = [_cell(column, place, place in best[i], method, baseline) for i, column in enumerate(found)]
        kind = "main" if method.name == results.main else None
        rows.append(element("tr", element("th", method.name, scope="row", title=method.name), cells, class_=kind))
    table = element("table", element("thead", header), element("tbody", rows), aria_label=caption)
    return element("div", table, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _head_cell(metric: Metric) -> Html:
    arrow = {"lower": "↓", "higher": "↑"}.get(metric.better, "")
    target = f"→ {metric.target:g}" if metric.better == "target" and metric.target is not None else arrow
    return element(
        "th", metric.label, element("small", f"{unit(metric)} {target}".strip()), scope="col", title=metric.definition
    )


def _cell(column: Column, place: int, is_best: bool, method: MethodResult, baseline: MethodResult | None) -> Html:
    value = column.values[place]
    change = None
    if baseline is not None and baseline is not method:
        change = delta(column.metric, value, baseline.figures.get(column.metric.name))
    note = element("small", change.text, class_=change.verdict) if change else None
    return element(
        "td", shown(column.metric, value), note, class_="best" if is_best else None, title="best" if is_best else None
    )
