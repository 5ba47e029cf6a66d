"""The report: one HTML file that needs nothing else, no network, no script, no other file.

`Results` and drawn frames come in; jinja2 fills `report.html` beside this module, with automatic escaping, so that
nothing from a recording (topic names, file names, error texts) becomes markup. The same results give the same bytes.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pagnet_ros.replay import charts
from pagnet_ros.replay.highlights import Picture
from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.pictures import visible
from pagnet_ros.replay.results import Results
from pagnet_ros.replay.tables import COMPARED_WITH, change, metric_rows

AGAINST = {
    "self": "scored against the recorded depth, made {scale} times coarser as input",
    "reference": "scored against {reference}",
    "none": "scored by what can be told without a reference",
}


def render(results: Results, pictures: Sequence[Picture] = ()) -> str:
    """The page.

    Args:
        results: of a run, or read again from its JSON.
        pictures: drawn frames.

    Returns:
        HTML.

    Raises:
        ImportError: jinja2 or matplotlib is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = _inline
    rows = metric_rows(results)
    against = AGAINST[results.mode].format(scale=results.scale, reference=results.recording.reference or "a reference")
    command = results.timings.get("command") or results.provenance.get("command")
    return environment.get_template("report.html").render(
        results=results,
        recording=results.recording,
        against=against,
        verdict=_verdict(results),
        baseline=COMPARED_WITH if results.method(COMPARED_WITH) else "",
        tables=[[row for row in rows if row.metric.lead == lead] for lead in (True, False)],
        rows=rows,
        absent=len(METRICS) - len(rows),
        pictures=pictures,
        charts={
            "distance": charts.by_range(results),
            "time": charts.over_time(results),
            "sigma": charts.calibration(results),
            "times": charts.times(results),
        },
        command=shlex.join(map(str, command)) if isinstance(command, list | tuple) else command,
    )


def write_report(path: Path, results: Results, pictures: Sequence[Picture] = ()) -> None:
    """Write the page; see `render`."""
    path.write_text(render(results, pictures), encoding="utf-8")


def _verdict(results: Results) -> str:
    """The answer in two sentences, from the same values as the table."""
    main, baseline = results.method(results.main), results.method(COMPARED_WITH)
    names = ("rmse_common_m", "rmse_m", "consistency_m")
    name = next((name for name in names if main is not None and main.metrics.get(name) is not None), None)
    if main is None or name is None:
        return f"{results.main} gave nothing that could be scored."
    metric = METRICS[name]
    text = f"{main.name}: {metric.label} {metric.shown(main.metrics[name])} {metric.shown_unit}"
    theirs = baseline.metrics.get(name) if baseline is not None and main is not baseline else None
    if theirs is not None:
        difference, _ = change(metric, main.metrics[name], theirs)
        text += ", " + f"{difference} against {COMPARED_WITH} ({metric.shown(theirs)} {metric.shown_unit})".lstrip()
    place = results.methods.index(main)
    scored = [row for row in metric_rows(results) if row.metric.lead and any(cell.is_best for cell in row.cells)]
    behind = [row.metric.label for row in scored if not row.cells[place].is_best]
    if scored:
        text += f". Best of {len(results.methods)} methods in {len(scored) - len(behind)} of the {len(scored)} metrics"
        text += " below where they differ" + (f"; not in {'; '.join(behind)}" if behind else "")
    return f"{text}."


def _visible(value: Any) -> Any:
    """What stands in the page for a value: None is a dash; numbers and markup stay as they are."""
    if value is None:
        return "–"
    return visible(value) if type(value) is str else value


def _inline(value: Any) -> str:
    """A value of the settings in one line."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_inline(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_inline(item) for item in value)
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
