"""Figures as CSV: one row per method, and, while the replay runs, one row per frame and method."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.metrics import METRICS, FrameTruth
from pagnet_ros.replay.results import Results
from pagnet_ros.replay.run import Figures, Outputs

__all__ = ["FrameTable", "write_methods"]

_FRAME_COLUMNS = ("index", "depth_stamp_ns", "color_stamp_ns", "method")


class FrameTable:
    """Writes `frames.csv`; an observer of the run and a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file and write its head."""
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow([*_FRAME_COLUMNS, *METRICS])

    def __enter__(self) -> FrameTable:
        """The table itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self._file.close()

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: Outputs, figures: Figures) -> None:
        """Write one row for each method."""
        for name, row in figures.items():
            stamps = (frame.index, frame.depth_stamp_ns, frame.color_stamp_ns)
            self._rows.writerow([*stamps, name, *(_cell(row.get(metric)) for metric in METRICS)])


def write_methods(path: Path, results: Results) -> None:
    """Write `methods.csv`: one row per method, one column per figure."""
    names = [name for name in METRICS if any(name in method.figures for method in results.methods)]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["method", "kind", "frames", "failed", *names])
        for method in results.methods:
            cells = _cells(method.figures, names)
            rows.writerow([method.name, method.kind, method.frames, method.failed, *cells])


def _cells(figures: Mapping[str, float | None], names: list[str]) -> list[str]:
    return [_cell(figures.get(name)) for name in names]


def _cell(value: float | None) -> str:
    """Nine digits, as many as a float32 has; nothing where undefined."""
    return "" if value is None or not math.isfinite(value) else f"{value:.9g}"
