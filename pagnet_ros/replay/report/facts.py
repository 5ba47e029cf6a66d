"""The report's plain facts: latency table, pairing, what could not be read, provenance, and what each figure means.

Results come in, tables and lists go out. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.report.charts import short_number
from pagnet_ros.replay.report.markup import Html, Node, element, fragment
from pagnet_ros.replay.report.wording import columns, unit
from pagnet_ros.replay.results import Results

__all__ = ["definitions", "latency_table", "pairing_facts", "provenance", "trouble"]

PERCENTILES = ("p50", "p95", "p99", "mean")


def latency_table(results: Results) -> Html:
    """Percentiles of every method and stage, and the run's pace."""
    timings = results.timings
    rows = [
        element("tr", element("th", name, scope="row"), [element("td", _ms(row.get(key))) for key in PERCENTILES])
        for group in ("methods", "stages")
        for name, row in dict(timings.get(group) or {}).items()
        if isinstance(row, Mapping)
    ]
    heads = element(
        "tr", element("th", "per frame, ms", scope="col"), [element("th", k, scope="col") for k in PERCENTILES]
    )
    table = element("table", element("thead", heads), element("tbody", rows))
    pace = [
        (f"{short_number(float(timings[key]))}{after}")
        for key, after in (
            ("frames_per_s", " frames per second"),
            ("realtime_factor", " times real time"),
            ("wall_s", " s in all"),
            ("peak_rss_mb", " MB of memory at most"),
        )
        if timings.get(key) is not None
    ]
    return fragment(
        element("p", "The whole run: ", ", ".join(pace), "." if pace else "not timed."),
        element("div", table, class_="scroll", role="region", aria_label="Times", tabindex=0) if rows else None,
        element(
            "p",
            "Times are of this machine under its load then; no figure of quality depends on them.",
            class_="small soft",
        ),
    )


def pairing_facts(results: Results) -> Html:
    """How depth and colour came together."""
    pairing, counts = results.pairing, results.counts
    offset = pairing.offset_ms
    spread = ", ".join(
        f"{key} {short_number(float(value))}" for key, value in (offset or {}).items() if value is not None
    )
    return _facts(
        (
            ("depth, colour read", f"{counts.depth}, {counts.color}"),
            ("paired", f"{pairing.paired}, within {pairing.slop_ms:g} ms, {pairing.queue_size} waiting at most"),
            ("offset, ms", spread or None),
            ("without partner", f"{pairing.depth_unmatched} depth, {pairing.color_unmatched} colour"),
            ("stamps", f"{pairing.duplicate} repeated, {pairing.backward_jumps} jumps back, "
             f"{pairing.forward_jumps} ahead, {pairing.zero_stamps} zero"),
            ("evaluated", f"{counts.evaluated}; {counts.refused} refused, {counts.skipped} left out by --every, "
             f"{counts.without_reference} without reference"),
        )
    )  # fmt: skip


def trouble(results: Results) -> Html:
    """What could not be read, and what was odd."""
    if not results.damage and not results.problems:
        return element("p", "Everything was read; nothing was odd.")
    rows = [
        element(
            "tr",
            element("th", problem.kind, scope="row"),
            element("td", problem.level),
            element("td", problem.count),
            element("td", problem.text, class_="words"),
        )
        for problem in results.problems
    ]
    heads = element(
        "tr",
        [element("th", name, scope="col") for name in ("what", "level", "times")],
        element("th", "the first time", scope="col", class_="words"),
    )
    table = element("table", element("thead", heads), element("tbody", rows))
    return fragment(
        element("ul", [element("li", text) for text in results.damage]) if results.damage else None,
        element("div", table, class_="scroll", role="region", aria_label="Problems", tabindex=0) if rows else None,
    )


def provenance(results: Results) -> Html:
    """What computed this, from what, with which settings."""
    recording = results.recording
    known = dict(results.provenance)
    command = known.pop("command", None) or results.timings.get("command")
    return fragment(
        element("pre", element("code", command if isinstance(command, str) else _words(command))) if command else None,
        element("h3", "Recording"),
        _facts(
            (
                ("folder" if recording.kind == "frames" else recording.kind, ", ".join(recording.paths)),
                ("depth", recording.depth),
                ("colour", recording.color),
                ("reference", recording.reference),
                ("calibration", recording.camera_info),
                ("part", _span(results)),
            )
        ),
        element("h3", "Methods"),
        _facts(
            (method.name, f"{method.kind}; {_inline(method.detail)}" if method.detail else method.kind)
            for method in results.methods
        ),
        element("h3", "Settings"),
        _facts((name, _inline(value)) for name, value in results.settings.items()),
        element("h3", "Versions") if known else None,
        _facts((name, _inline(value)) for name, value in known.items()),
    )


def definitions(results: Results) -> Html:
    """What each figure of the report measures; in back quotes, the settings it depends on."""
    terms: list[Html] = []
    for column in columns(results):
        metric = column.metric
        better = {"lower": "lower is better", "higher": "higher is better"}.get(
            metric.better, f"best at {metric.target}"
        )
        shown = f"{unit(metric)}, " if unit(metric) else ""
        name = element("code", metric.name)
        term = (
            element("dt", metric.label, " ", element("span", f"({shown}{better})", class_="small soft")),
            element(
                "dd",
                _with_code(metric.definition),
                " ",
                element("span", "Source: ", metric.source, ". ", name, class_="small soft"),
            ),
        )
        terms.append(element("div", term))
    absent = len(METRICS) - len(terms)
    note = f"{absent} further figures need what this run did not have (a reference, a predicted sigma, several frames)."
    intro = "d is a method's depth at a pixel, z the reference's; scored pixels are those where both are known."
    return fragment(
        element("p", intro, class_="small soft"),
        element("dl", terms, class_="terms"),
        element("p", note, class_="small soft") if absent else None,
    )


def _facts(rows: Sequence[tuple[str, Node]] | Any) -> Html:
    listed = [(element("dt", name), element("dd", value)) for name, value in rows if value is not None]
    return element("dl", listed, class_="facts")


def _with_code(text: str) -> Html:
    """Back quotes as code."""
    parts = text.split("`")
    return fragment(element("code", part) if i % 2 else part for i, part in enumerate(parts))


def _inline(value: Any) -> str:
    """A value of the settings in one line."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_inline(item)}" for key, item in value.items())
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(_inline(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value)


def _words(command: Any) -> str:
    import shlex

    return shlex.join(str(word) for word in command) if isinstance(command, list | tuple) else str(command)


def _span(results: Results) -> str:
    recording = results.recording
    until = "to the end" if recording.duration_s is None else f"for {recording.duration_s:g} s"
    every = "" if recording.every == 1 else f", every {recording.every}th pair"
    return f"from {recording.start_s:g} s {until}{every}"


def _ms(value: Any) -> str:
    return "–" if value is None else f"{float(value):.2f}"
