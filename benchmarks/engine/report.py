"""What was measured so far, as JSON and as one table: also of a run that ended early."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine.rows import Failure, Row

__all__ = ["Report"]


@dataclass
class Report:
    """Filled row by row.

    Attributes:
        machine: what the figures depend on.
        rows: in the order they were measured.
        failures: rows that there are not, and why.
        start_up: seconds from a new process to its first output, if asked for.
        remarks: what else did not work, in whole sentences.
    """

    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    start_up: dict[str, float] | None = None
    remarks: list[str] = field(default_factory=list)

    def write(self, path: Path | None) -> bool:
        """All of it as JSON, if a file is named; what stands in the way becomes a remark below the table.

        Returns:
            Whether it was written, where a file is named.
        """
        if path is None:
            return True
        tables = {"rows": [row._asdict() for row in self.rows], "failures": [each._asdict() for each in self.failures]}
        figures = {"machine": self.machine, **tables, "start_up": self.start_up, "remarks": self.remarks}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        except OSError as error:
            remark = f"{path}: not written: {error.strerror or error}; free some space, or choose another file"
            if remark not in self.remarks:
                self.remarks.append(remark)
            return False
        return True

    def add(self, rows: list[Row], failures: list[Failure]) -> None:
        """Take rows in, and tell of them at once on standard error: a long run may end early."""
        self.rows += rows
        self.failures += failures
        lines = [f"{' '.join(row[:4])}: p50 {row.p50:.2f} ms, p99 {row.p99:.2f} ms" for row in rows]
        sys.stderr.write("".join(f"{line}\n" for line in [*lines, *map(_said, failures)]))
        sys.stderr.flush()

    def print(self) -> None:
        """The table, and below it what is missing in it."""
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else 190)
        console.print(self._table())
        lines = [*map(_said, self.failures)]
        lines += [
            f"{' '.join(row[:4])}: {row.upload_hidden:.0%} of the uploads' time lies beside a forward"
            for row in self.rows
            if row.upload_hidden is not None
        ]
        if self.start_up is not None:
            cold, warm = self.start_up["cold_s"], self.start_up["warm_s"]
            lines.append(f"process start to first output: cold {cold:.1f} s, warm {warm:.1f} s")
        for line in lines + self.remarks:
            console.print(line, markup=False)
        sys.stdout.flush()

    def _table(self) -> Any:
        from rich.table import Table

        machine = self.machine
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in machine["matrix_gflops"].items())
        title = (
            f"{machine['device']}, {machine['threads']} threads, {machine['busy']} busy neighbours; "
            f"matrices, GFLOP/s: {rates}; copies {machine['copy_gbs']:.0f} GB/s"
        )
        heads = ["weights", "size", "way", "precision", "GFLOP", "p50 ms", "p99 ms", "network", "trust", "memory MB"]
        heads += ["RMS to fp32 mm", "of matrix rate", "floor ms", "p50 / floor", "two under way"]
        table = Table(*heads, title=title)
        for row in self.rows:
            times = (f"{value:.1f}" if value >= 10 else f"{value:.2f}" for value in row[4:9])
            share = (f"{row.matrix_share:.0%}", f"{row.floor:.3g}", f"{row.p50 / row.floor:.1f}")
            beside = "" if row.two_under_way is None else f"{row.two_under_way:.2f}"
            rms = "n/a" if row.rms_to_fp32_mm is None else f"{row.rms_to_fp32_mm:.2f}"
            table.add_row(*row[:4], *times, f"{row.memory_mb:.0f}", rms, *share, beside)
        return table


def _said(failure: Failure) -> str:
    return f"no row for {' '.join(failure[:4])}: {failure.reason}"
