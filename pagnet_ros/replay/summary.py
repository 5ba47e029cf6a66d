"""The table that the replay prints: one row per figure, one column per method, the best of each row in bold."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from pagnet_ros.replay.metrics import METRICS, Metric
from pagnet_ros.replay.results import Results

__all__ = ["print_summary", "shown"]

_AGAINST = {"reference": "the reference", "self": "the recorded depth", "none": "the measurement"}
_MIN_WIDTH = 60


def print_summary(results: Results, console: Console) -> None:
    """Print what was replayed, every figure, and how long it took."""
    if not console.is_terminal:
        console = Console(file=console.file, width=max(_MIN_WIDTH, 34 + 18 * len(results.methods)), highlight=False)
    recording, counts = results.recording, results.counts
    against = _AGAINST[results.mode] + (f", made {results.scale} times coarser as input" if results.scale else "")
    sizes = "" if recording.depth_size is None or recording.color_size is None else (
        f"; {recording.depth_size[1]}x{recording.depth_size[0]} -> {recording.color_size[1]}x{recording.color_size[0]}"
    )  # fmt: skip
    console.print(f"{', '.join(recording.paths)}: {counts.evaluated} frames against {against}{sizes}", markup=False)
    console.print(_table(results))
    for problem in results.problems:
        console.print(
            f"{problem.level}: {problem.kind} ({problem.count}x): {problem.text}", markup=False, soft_wrap=True
        )
    timings = results.timings
    console.print(
        f"{counts.pairs} pairs of {counts.depth} depth and {counts.color} colour images, {counts.refused} refused; "
        f"{timings['frames_per_s']:.1f} frames/s, {timings['peak_rss_mb']:.0f} MB at most",
        markup=False,
        soft_wrap=True,
    )


def shown(metric: Metric, value: float | None) -> str:
    """A figure for people: metres as millimetres, shares in per cent."""
    if value is None or not math.isfinite(value):
        return "-"
    if metric.unit == "m":
        return f"{value * 1e3:.1f}"
    if metric.better == "higher" or metric.name.endswith("_share"):
        return f"{value:.2%}"
    return f"{value:.4g}"


def _table(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for method in results.methods:
        table.add_column(method.name, justify="right")
    for name, metric in METRICS.items():
        values = [method.figures.get(name) for method in results.methods]
        if all(value is None for value in values):
            continue
        cells = [shown(metric, value) for value in values]
        losses = [math.inf if value is None else metric.loss(value) for value in values]
        best = min(losses) if len(cells) > 1 else None
        marked = [f"[bold]{cell}[/]" if loss == best else cell for cell, loss in zip(cells, losses, strict=True)]
        unit = {"m": " \\[mm]", "": ""}.get(metric.unit, f" \\[{metric.unit}]")
        table.add_row(f"{metric.label}{unit}", *marked)
    times = results.timings.get("methods", {})
    medians = [f"{times[m.name]['p50']:.1f}" if m.name in times else "-" for m in results.methods]
    table.add_row("time p50 \\[ms]", *medians)
    return table
