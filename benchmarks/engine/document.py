"""Runs' figures -> the table in the documentation: ``python -m benchmarks.engine.document bench.json benchmarks.md``.

What stands between the two marks of the document is replaced; everything else stays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN = "<!-- figures of a GPU: begin -->"
END = "<!-- figures of a GPU: end -->"
HEADS: tuple[str, ...] = (
    *("weights", "size", "way", "precision", "p50 ms", "p99 ms", "network ms", "roofline ms", "p50 / roofline"),
    *("RMS to fp32, mm", "memory MB"),
)


def with_figures(document: str, figures: Mapping[str, Any]) -> str:
    """A document with the table of a run between its marks.

    Args:
        document: has both marks, in order.
        figures: what ``python -m benchmarks.engine --json`` wrote.

    Raises:
        ValueError: the document lacks a mark, or the run has no result.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected a line {BEGIN!r} and after it a line {END!r}")
    if not figures["results"]:
        raise ValueError("the run has no result; nothing is replaced")
    return "\n".join(
        [before + BEGIN, _machine(figures["machine"]), "", *_table(figures["results"]), *_notes(figures), END + after]
    )


def _machine(machine: Mapping[str, Any]) -> str:
    rates = ", ".join(f"{name} {rate / 1e3:.0f}" for name, rate in machine["matrix_gflops"].items())
    versions = f"torch {machine['torch']}, CUDA {machine['cuda']}, cuDNN {machine['cudnn']}"
    return (
        f"{machine['device']}; {versions}; large matrices, TFLOP/s: {rates}; copies {machine['copy_gbs']:.0f} GB/s. "
        "Every time is from NumPy to NumPy, each engine alone."
    )


def _table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for each in results:
        rms = "" if each["rms_to_fp32_mm"] is None else f"{each['rms_to_fp32_mm']:.3f}"
        names = (each["weights"], each["size"], each["way"], each["precision"])
        times = (f"{each[name]:.3g}" for name in ("p50", "p99", "network", "roofline"))
        cells = (*names, *times, f"{each['p50'] / each['roofline']:.1f}", rms, f"{each['memory_mb']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _notes(figures: Mapping[str, Any]) -> list[str]:
    """What was not measured, and why."""
    notes = []
    for each in figures["failures"]:
        name = ", ".join(each[part] for part in ("weights", "size", "way", "precision"))
        notes += ["", f"Not measured: {name}: {each['reason']}."]
    return notes


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.document", description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path, nargs="+", help="what `python -m benchmarks.engine --json` wrote")
    parser.add_argument("document", type=Path, help="Markdown file with the two marks")
    options = parser.parse_args(arguments)
    try:
        figures, *others = (json.loads(path.read_text(encoding="utf-8")) for path in options.figures)
        for other in others:  # of the same machine: what the machine can do stands once
            for part in ("results", "failures"):
                figures[part] += other[part]
        text = with_figures(options.document.read_text(encoding="utf-8"), figures)
        options.document.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"document: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
