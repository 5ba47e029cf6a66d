"""Metrics as tables: what the replay prints, what its report shows, and the CSV files.

Each row marks its best value, and each value its difference from that of `COMPARED_WITH`.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.metrics import METRICS, FrameTruth, Metric
from pagnet_ros.replay.results import Results
from pagnet_ros.replay.run_options import MethodOutputs, Scores

COMPARED_WITH = "bilinear"
"""The method that others are compared with."""
_AGAINST = {"reference": "the reference", "self": "the recorded depth", "none": "the measurement"}
_MIN_WIDTH = 60
_FRAME_COLUMNS = ("index", "name", "depth_stamp_ns", "color_stamp_ns", "method")


@dataclass(frozen=True)
class Cell:
    """One value of a table: its text, whether it is the best of its row, and how it differs from the baseline's."""

    text: str
    is_best: bool
    change: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Row:
    """One metric of every method."""

    metric: Metric
    cells: tuple[Cell, ...]

    @property
    def head(self) -> str:
        """Its label and the unit of its cells."""
        unit = self.metric.shown_unit
        return f"{self.metric.label} [{unit}]" if unit else self.metric.label


def metric_rows(results: Results) -> list[Row]:
    """Every metric that some method has, those that lead first."""
    baseline = results.method(COMPARED_WITH)
    rows = []
    for metric in sorted(METRICS.values(), key=lambda metric: not metric.lead):
        values = [method.metrics.get(metric.name) for method in results.methods]
        texts = [metric.shown(value) for value in values]
        losses = {text: metric.loss(value) for text, value in zip(texts, values, strict=True) if value is not None}
        if not losses:
            continue
        best = min(losses, key=lambda text: losses[text]) if len(losses) > 1 else None  # of equals, none
        against = None if baseline is None else baseline.metrics.get(metric.name)
        cells = [
            Cell(text, text == best, *(("", "") if method is baseline else change(metric, value, against)))
            for method, value, text in zip(results.methods, values, texts, strict=True)
        ]
        rows.append(Row(metric, tuple(cells)))
    return rows


def change(metric: Metric, value: float | None, baseline: float | None) -> tuple[str, str]:
    """A value beside the baseline's: ("−23 %", "better"); empty where either is undefined or best at a target."""
    if value is None or baseline is None or metric.better == "target" or (baseline == 0) != (value == 0):
        return "", ""
    if metric.is_share:
        text, is_same = f"{100 * (value - baseline):+.1f} pt", abs(value - baseline) < 0.0005
    else:
        growth = value / baseline - 1 if baseline else 0.0
        text, is_same = f"{100 * growth:+.0f} %" if growth < 10 else f"×{growth + 1:.0f}", abs(growth) < 0.005
    if is_same:
        return "same", "same"
    return text.replace("-", "−"), "better" if metric.loss(value) < metric.loss(baseline) else "worse"


def print_summary(results: Results, console: Console) -> None:
    """Print what was replayed, every metric, and how long it took."""
    if not console.is_terminal:
        console = Console(file=console.file, width=max(_MIN_WIDTH, 34 + 18 * len(results.methods)), highlight=False)
    recording, counts = results.recording, results.counts
    against = _AGAINST[results.mode] + (f", made {results.scale} times coarser as input" if results.scale else "")
    sizes = ""
    if recording.depth_size and recording.color_size:
        (h, w), (height, width) = recording.depth_size, recording.color_size
        sizes = f"; {w}x{h} -> {width}x{height}"
    console.print(f"{', '.join(recording.paths)}: {counts.evaluated} frames against {against}{sizes}", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for method in results.methods:
        table.add_column(escape(method.name), justify="right")
    for row in metric_rows(results):
        table.add_row(escape(row.head), *(f"[bold]{cell.text}[/]" if cell.is_best else cell.text for cell in row.cells))
    times = results.timings.get("methods", {})
    medians = [f"{times[method.name]['p50']:.1f}" if method.name in times else "–" for method in results.methods]
    table.add_row(r"time p50 \[ms]", *medians)
    console.print(table)
    said = [f"{problem.level}: {problem.kind} ({problem.count}x): {problem.text}" for problem in results.problems]
    said.append(
        f"{counts.pairs} pairs of {counts.depth} depth and {counts.color} colour images, {counts.refused} refused; "
        f"{results.timings['frames_per_s']:.1f} frames/s, {results.timings['peak_rss_mb']:.0f} MB at most"
    )
    for text in said:
        console.print(text, markup=False, soft_wrap=True)


class FrameTable:
    """Writes `frames.csv`, a row per frame and method; an observer of the run and a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file and write its head."""
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow([*_FRAME_COLUMNS, *METRICS])

    def __enter__(self) -> FrameTable:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: MethodOutputs, scores: Scores) -> None:
        """Write one row for each method."""
        which = (frame.index, frame.name, frame.depth_stamp_ns, frame.color_stamp_ns)
        for name, values in scores.items():
            self._rows.writerow([*which, name, *(_cell(values.get(metric)) for metric in METRICS)])


def write_methods(path: Path, results: Results) -> None:
    """Write `methods.csv`: one row per method, one column per metric."""
    names = [name for name in METRICS if any(name in method.metrics for method in results.methods)]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["method", "kind", "frames", "failed", *names])
        for method in results.methods:
            cells = [_cell(method.metrics.get(name)) for name in names]
            rows.writerow([method.name, method.kind, method.frames, method.failed, *cells])


def _cell(value: float | None) -> str:
    """Nine digits, as many as a float32 has; nothing where undefined."""
    return "" if value is None or not math.isfinite(value) else f"{value:.9g}"
