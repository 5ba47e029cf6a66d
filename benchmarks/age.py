"""How old the node's output is at any input rate: the promise that delay never builds up, measured.

Three processes: the node; a camera that publishes the same pair of images at a given rate; this one, which takes each
output's age (stamp to arrival) and compares it with the node's own processing time from /diagnostics.
``python -m benchmarks.age --rates 5 15 30 60 120``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.run import FrameSizes, node_under_load
from pagnet_ros.system.transport import enter_own_domain

SETTLE_S = 3.0


class _Row(NamedTuple):
    """One input rate's figures; times in milliseconds."""

    rate_hz: float
    rate_out_hz: float
    processing: float
    ages: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.age", description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 15, 30, 60, 120], help="input, Hz")
    parser.add_argument("--seconds", type=float, default=15.0, help="per rate (default 15)")
    parser.add_argument("--weights", default="auto", help="the node's parameter")
    parser.add_argument("--width", type=int, default=640, help="of colour, pixels")
    parser.add_argument("--height", type=int, default=480, help="of colour, pixels")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    options = parser.parse_args(arguments)
    enter_own_domain()
    _print(_measure(options))
    return 0


def _measure(options: argparse.Namespace) -> list[_Row]:
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    sizes = FrameSizes(options.width, options.height, options.scale)
    rows = []
    try:
        for rate in options.rates:
            with node_under_load(rate, sizes, weights=options.weights) as run:
                run.wait(SETTLE_S)
                run.take_outputs()
                run.wait(options.seconds)
                ages = [output.age_ms for output in run.take_outputs()]
                rows.append(_Row(rate, len(ages) / options.seconds, run.processing_ms(), ages))
    finally:
        rclpy.try_shutdown()
    return rows


def _print(rows: list[_Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "in, Hz", "out, Hz", "processing p50 ms", "age p50 ms", "age p99 ms", "age max ms", "p99 / processing"
    )
    for row in rows:
        p50, p99 = np.percentile(row.ages, (50, 99)) if row.ages else (np.nan, np.nan)
        figures = (row.rate_out_hz, row.processing, p50, p99, max(row.ages, default=np.nan))
        table.add_row(f"{row.rate_hz:g}", *(f"{v:.1f}" for v in figures), f"{p99 / row.processing:.2f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
