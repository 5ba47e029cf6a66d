"""What was measured so far, as JSON and as one table in Markdown: also of a run that ended early."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.engine.results import Failure, Result
from pagnet_ros.system.files import replaced


@dataclass
class Report:
    """Filled result by result.

    Attributes:
        machine: what the figures depend on.
        results: in the order they were measured.
        failures: results that there are not, and why.
        start_up: seconds from a new process to its first output, if asked for.
        notes: what else did not work, in whole sentences.
    """

    machine: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    start_up: dict[str, float] | None = None
    notes: list[str] = field(default_factory=list)

    def write(self, path: Path | None) -> bool:
        """All of it as JSON, if a file is named; what stands in the way becomes a note below the table.

        Returns:
            Whether it was written, where a file is named.
        """
        if path is None:
            return True
        tables = {
            "results": [result._asdict() for result in self.results],
            "failures": [each._asdict() for each in self.failures],
        }
        figures = {"machine": self.machine, **tables, "start_up": self.start_up, "notes": self.notes}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as temporary:
                temporary.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        except OSError as error:
            note = f"{path}: not written: {error.strerror or error}; free some space, or choose another file"
            if note not in self.notes:
                self.notes.append(note)
            return False
        return True

    def add(self, results: list[Result], failures: list[Failure]) -> None:
        """Take results in, and tell of them at once on standard error: a long run may end early."""
        self.results += results
        self.failures += failures
        lines = [f"{' '.join(result[:4])}: p50 {result.p50:.2f} ms, p99 {result.p99:.2f} ms" for result in results]
        sys.stderr.write("".join(f"{line}\n" for line in [*lines, *map(_said, failures)]))
        sys.stderr.flush()

    @classmethod
    def read(cls, path: Path) -> Report:
        """What `write` wrote."""
        figures = json.loads(path.read_text(encoding="utf-8"))
        results = [Result(**each) for each in figures["results"]]
        failures = [Failure(**each) for each in figures["failures"]]
        return cls(figures["machine"], results, failures, figures["start_up"], figures["notes"])

    def print(self, file: IO[str] | None = None) -> None:
        """The table, and below it what is missing in it."""
        from rich.console import Console

        file = file or sys.stdout
        console = Console(file=file, width=None if file.isatty() else 240)
        console.print(self._table())
        lines = [*map(_said, self.failures)]
        if self.start_up is not None:
            cold, warm = self.start_up["cold_s"], self.start_up["warm_s"]
            lines.append(f"process start to first output: cold {cold:.1f} s, warm {warm:.1f} s")
        for line in lines + self.notes:
            console.print(line, markup=False)
        file.flush()

    def _table(self) -> Any:
        from rich.box import MARKDOWN
        from rich.table import Table

        machine = self.machine
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in machine["matrix_gflops"].items())
        title = (
            f"{machine['device']}, {machine['threads']} threads, {machine['busy']} busy neighbours; "
            f"matrices, GFLOP/s: {rates}; copies {machine['copy_gbs']:.0f} GB/s"
        )
        heads = ["weights", "size", "way", "precision", "GFLOP", "p50 ms", "p99 ms", "network", "mask", "memory MB"]
        heads += ["RMS to fp32 mm", "of matrix rate", "roofline ms", "p50 / roofline"]
        table = Table(*heads, title=title, title_justify="left", box=MARKDOWN)
        for result in self.results:
            times = (f"{value:.1f}" if value >= 10 else f"{value:.2f}" for value in result[4:9])
            share = (f"{result.matrix_share:.0%}", f"{result.roofline:.3g}", f"{result.p50 / result.roofline:.1f}")
            rms = "n/a" if result.rms_to_fp32_mm is None else f"{result.rms_to_fp32_mm:.3f}"
            table.add_row(*result[:4], *times, f"{result.memory_mb:.0f}", rms, *share)
        return table


def _said(failure: Failure) -> str:
    return f"no result for {' '.join(failure[:4])}: {failure.reason}"
