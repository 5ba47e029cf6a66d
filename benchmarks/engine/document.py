"""Runs on a GPU -> the page's table: ``python -m benchmarks.engine.document bench.json more.json docs/benchmarks.md``.

What stands between the two marks of the page is replaced; everything else stays.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine.report import Report
from pagnet_ros.system.files import replaced

BEGIN = "<!-- figures of a GPU: begin -->"
END = "<!-- figures of a GPU: end -->"


def with_figures(page: str, reports: Sequence[Report]) -> str:
    """The page with the tables of some runs between its marks.

    Raises:
        ValueError: The page lacks a mark, or a run has no result.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected a line {BEGIN!r} and after it a line {END!r}")
    if not all(report.results for report in reports):
        raise ValueError("a run has no result; nothing is replaced")
    tables = io.StringIO()
    for report in reports:
        report.print(tables)
        tables.write("\n")
    lines = (line.rstrip() for line in tables.getvalue().strip().splitlines())
    return "\n".join([before + BEGIN, *lines, END + after])


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns the exit code."""
    parser = argparse.ArgumentParser(description="Put the figures of runs between the marks of a page.")
    parser.add_argument("runs", nargs="+", type=Path, help="what `python -m benchmarks.engine --json` wrote")
    parser.add_argument("page", type=Path, help="with both marks")
    given = parser.parse_args(arguments)
    name: Path = given.page
    try:
        page = with_figures(name.read_text(encoding="utf-8"), [Report.read(run) for run in given.runs])
    except ValueError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    with replaced(name) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
