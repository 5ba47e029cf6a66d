"""Whether anything grows: the age of the output and the node's memory over many frames, or minutes of overload.

``python -m benchmarks.soak --frames 5000 --weights bicubic`` counts memory;
``python -m benchmarks.soak --minutes 5 --overload 4`` feeds four times what the network can take.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.run import FrameSizes, Memory, Output, Run, node_under_load
from pagnet_ros.system.transport import enter_own_domain

__all__ = ["main"]

SETTLE_S = 5.0
CALIBRATION_HZ, CALIBRATION_S = 2.0, 12.0


class _Window(NamedTuple):
    """One stretch of the run; ages in milliseconds."""

    end_s: float
    frames: int
    p50: float
    p99: float
    longest: float
    memory_mb: Memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, help="outputs to take after warming up")
    parser.add_argument("--minutes", type=float, help="time to run, instead of a number of frames")
    parser.add_argument("--rate", type=float, default=30.0, help="input, Hz (default 30)")
    parser.add_argument("--overload", type=float, help="input in units of what the network can take, instead of a rate")
    parser.add_argument("--windows", type=int, default=10, help="rows of the table (default 10)")
    parser.add_argument("--warm-up", type=int, default=300, metavar="FRAMES", help="not counted (default 300)")
    parser.add_argument("--weights", default="auto", help="the node's parameter")
    parser.add_argument("--width", type=int, default=640, help="of colour, pixels")
    parser.add_argument("--height", type=int, default=480, help="of colour, pixels")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    if (options.frames is None) == (options.minutes is None):
        parser.error("expected either --frames or --minutes")
    enter_own_domain()
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    try:
        _soak(options)
    finally:
        rclpy.try_shutdown()
    return 0


def _soak(options: argparse.Namespace) -> None:
    sizes = FrameSizes(options.width, options.height, options.scale)
    network_ms, rate_hz = float("nan"), options.rate
    if options.overload is not None:
        with node_under_load(CALIBRATION_HZ, sizes, weights=options.weights) as run:
            run.wait(CALIBRATION_S)
            network_ms = run.median_ms("upsample")
        rate_hz = options.overload * 1e3 / network_ms
    with node_under_load(rate_hz, sizes, weights=options.weights) as run:
        run.wait(SETTLE_S)
        _wait_for_frames(run, options.warm_up)
        before_mb = run.memory_mb()
        windows = [_window(run, options) for _ in range(options.windows)]
        loaded_ms = run.median_ms("upsample")
    _print(options, rate_hz, (network_ms, loaded_ms), before_mb, windows)


def _wait_for_frames(run: Run, count: int) -> list[Output]:
    taken: list[Output] = []
    while len(taken) < count:
        run.wait(0.5)
        taken += run.take_outputs()
    return taken


def _window(run: Run, options: argparse.Namespace) -> _Window:
    if options.frames is not None:
        outputs = _wait_for_frames(run, -(-options.frames // options.windows))
    else:
        run.take_outputs()
        run.wait(60.0 * options.minutes / options.windows)
        outputs = run.take_outputs()
    ages = [output.age_ms for output in outputs] or [float("nan")]
    p50, p99 = np.percentile(ages, (50, 99)).tolist()
    return _Window(run.now_s, len(outputs), p50, p99, max(ages), run.memory_mb())


def _print(
    options: argparse.Namespace,
    rate_hz: float,
    network_ms: tuple[float, float],
    before_mb: Memory,
    windows: list[_Window],
) -> None:
    from rich.console import Console
    from rich.table import Table

    title = (
        f"{options.weights}, {rate_hz:.1f} Hz in, {options.width}x{options.height} out; up-sampling takes "
        f"{network_ms[1]:.0f} ms under this load"
        + (f", {network_ms[0]:.0f} ms at {CALIBRATION_HZ:g} Hz" if options.overload else "")
    )
    of_memory = ("memory MB", "growth MB", "own", "files", "shared")
    table = Table("until s", "frames", "age p50 ms", "p99 ms", "max ms", *of_memory, title=title)
    for window in windows:
        growth = (after - before for after, before in zip(window.memory_mb, before_mb, strict=True))
        figures = (*window[2:5], window.memory_mb.total, *growth)
        table.add_row(f"{window.end_s:.0f}", str(window.frames), *(f"{value:.1f}" for value in figures))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json is not None:
        settings = {name: str(value) for name, value in vars(options).items() if value is not None}
        figures_out = {"rate_hz": rate_hz, "upsample_ms": network_ms, "memory_before_mb": before_mb._asdict()}
        rows = [window._asdict() | {"memory_mb": window.memory_mb._asdict()} for window in windows]
        options.json.write_text(json.dumps({"settings": settings, **figures_out, "windows": rows}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
