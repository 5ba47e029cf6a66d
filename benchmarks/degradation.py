"""The latency ladder at work: the node with a budget that shrinks and grows again, or busy neighbours that come and go.

Prints every step with its time and what the rungs gave, and draws the age of each output over the rung that gave it.
``python -m benchmarks.degradation --picture docs/images/ladder.png``; with ``--neighbours 4`` the budget stays.
"""

from __future__ import annotations

import argparse
import bisect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.run import FrameSizes, Output, Run, busy_neighbours, node_under_load
from pagnet_ros.core.degradation import RUNGS
from pagnet_ros.system.transport import enter_own_domain

__all__ = ["Timeline", "budget_shares", "draw_timeline", "main", "rung_table"]

SETTLE_S, CALIBRATION_S, SAMPLE_S = 3.0, 12.0, 0.1


class Timeline(NamedTuple):
    """What happened.

    Attributes:
        outputs: every output.
        changes: second and rung of the start and of every change.
        budgets: second and value of the node's parameter, milliseconds, at the start and at every change.
        end_s: end of the run, seconds.
        busy_s: when the neighbours were there, seconds, if they were.
    """

    outputs: list[Output]
    changes: list[tuple[float, str]]
    budgets: list[tuple[float, float]]
    end_s: float
    busy_s: tuple[float, float] | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degradation", description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=30.0, help="input, Hz (default 30)")
    parser.add_argument("--budget", type=float, help="latency_budget_ms (default: twice the undisturbed median)")
    parser.add_argument("--lowest", type=float, default=0.1, help="share of it that the budget falls to (default 0.1)")
    parser.add_argument("--steps", type=int, default=14, help="steps down to there, and up again (default 14)")
    parser.add_argument("--step", type=float, default=3.0, help="seconds of each (default 3)")
    parser.add_argument("--neighbours", type=int, default=0, help="instead, processes that keep a core busy")
    parser.add_argument("--before", type=float, default=10.0, help="seconds without them (default 10)")
    parser.add_argument("--during", type=float, default=30.0, help="seconds with them (default 30)")
    parser.add_argument("--after", type=float, default=30.0, help="seconds without them again (default 30)")
    parser.add_argument("--weights", default="auto", help="the node's parameter")
    parser.add_argument("--width", type=int, default=640, help="of colour, pixels")
    parser.add_argument("--height", type=int, default=480, help="of colour, pixels")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    parser.add_argument("--picture", type=Path, help="write the picture here (needs matplotlib)")
    options = parser.parse_args(arguments)
    enter_own_domain()
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    try:
        timeline = _record(options)
    finally:
        rclpy.try_shutdown()
    _print(timeline)
    if options.picture is not None:
        draw_timeline(timeline, options.picture)
    return 0


def _record(options: argparse.Namespace) -> Timeline:
    sizes = FrameSizes(options.width, options.height, options.scale)
    budget_ms = options.budget
    if budget_ms is None:
        with node_under_load(options.rate, sizes, weights=options.weights) as run:
            run.wait(CALIBRATION_S)
            budget_ms = round(2.0 * run.median_ms("total"), 1)
    settings = {"weights": options.weights, "latency_budget_ms": float(budget_ms), "diagnostics_period_s": SAMPLE_S}
    with node_under_load(options.rate, sizes, **settings) as run:
        run.wait(SETTLE_S)
        run.take_outputs()
        start_s, changes = run.now_s, list[tuple[float, str]]()
        budgets, busy_s = [(0.0, float(budget_ms))], None
        if options.neighbours:
            busy_s = _with_neighbours(run, options, changes, start_s)
        else:
            for share in budget_shares(options.lowest, options.steps):
                run.set_parameter("latency_budget_ms", share * budget_ms)
                budgets.append((run.now_s - start_s, share * budget_ms))
                _watch(run, options.step, changes, start_s)
        outputs = [Output(output.at_s - start_s, output.age_ms) for output in run.take_outputs()]
        return Timeline(outputs, changes, budgets, run.now_s - start_s, busy_s)


def budget_shares(lowest: float, steps: int) -> list[float]:
    """From 1 to the lowest and back, each step by the same factor, the ends held a few steps longer."""
    down = [float(share) for share in np.geomspace(1.0, lowest, steps)]
    return [1.0, *down, lowest, lowest, *down[::-1], 1.0, 1.0]


def _with_neighbours(
    run: Run, options: argparse.Namespace, changes: list[tuple[float, str]], start_s: float
) -> tuple[float, float]:
    """Seconds at which they came and went."""
    _watch(run, options.before, changes, start_s)
    came_s = run.now_s - start_s
    with busy_neighbours(options.neighbours):
        _watch(run, options.during, changes, start_s)
    gone_s = run.now_s - start_s
    _watch(run, options.after, changes, start_s)
    return came_s, gone_s


def _watch(run: Run, seconds: float, changes: list[tuple[float, str]], start_s: float) -> None:
    """Let it run; note the rung where it has changed."""
    end_s = run.now_s + seconds
    while run.now_s < end_s:
        rung = run.diagnostics.get("rung")
        if rung and (not changes or changes[-1][1] != rung):
            changes.append((run.now_s - start_s, rung))
        run.wait(SAMPLE_S / 2)


def rung_table(timeline: Timeline) -> list[tuple[str, float, int, float, float]]:
    """By rung: its name, seconds on it, outputs, median and 99th percentile of their age in milliseconds."""
    starts = [at_s for at_s, _ in timeline.changes]
    seconds, ages = dict.fromkeys(RUNGS, 0.0), {rung: list[float]() for rung in RUNGS}
    for (at_s, rung), next_s in zip(timeline.changes, [*starts[1:], timeline.end_s], strict=True):
        seconds[rung] += next_s - at_s
    for output in timeline.outputs:
        ages[timeline.changes[max(0, bisect.bisect(starts, output.at_s) - 1)][1]].append(output.age_ms)
    return [
        (rung, seconds[rung], len(ages[rung]), *np.percentile(ages[rung] or [np.nan], (50, 99)).tolist())
        for rung in RUNGS
        if seconds[rung] > 0
    ]


def _print(timeline: Timeline) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    values = [ms for _, ms in timeline.budgets]
    title = f"budget {max(values):.4g} ms" + (f" to {min(values):.4g} and back" if len(values) > 1 else "")
    if timeline.busy_s is not None:
        title += f", neighbours from {timeline.busy_s[0]:.1f} to {timeline.busy_s[1]:.1f} s"
    table = Table("rung", "seconds", "outputs", "age p50 ms", "age p99 ms", title=title)
    for rung, *figures in rung_table(timeline):
        table.add_row(rung, f"{figures[0]:.1f}", str(figures[1]), *(f"{value:.0f}" for value in figures[2:]))
    console.print(table)
    console.print(", ".join(f"{rung} from {at_s:.1f} s" for at_s, rung in timeline.changes))


def draw_timeline(timeline: Timeline, path: Path) -> None:
    """Write the picture as PNG: age of every output and the budget above, rung below, the neighbours' time shaded."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    age, rung = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes in (age, rung):
        if timeline.busy_s is not None:
            axes.axvspan(*timeline.busy_s, color="#e8e3da", zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    age.plot(*zip(*timeline.outputs, strict=True), ".", markersize=3, color="#20639b")
    starts, values = zip(*timeline.budgets, strict=True)
    age.step([*starts, timeline.end_s], [*values, values[-1]], where="post", color="#b3392f", linewidth=1)
    age.text(timeline.end_s, values[-1], "budget", color="#b3392f", ha="right", va="bottom")
    if timeline.busy_s is not None:
        middle_s = sum(timeline.busy_s) / 2
        age.text(middle_s, 0.97, "busy neighbours", transform=age.get_xaxis_transform(), ha="center", va="top")
    age.set(ylabel="age of the output, ms", ylim=(0, None))
    times = [at_s for at_s, _ in timeline.changes]
    heights = [-RUNGS.index(name) for _, name in timeline.changes]
    rung.step([*times, timeline.end_s], [*heights, heights[-1]], where="post", color="#3c3c3c")
    rung.set_yticks([-i for i in range(len(RUNGS))], RUNGS)
    rung.set(xlabel="seconds", xlim=(0, timeline.end_s))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
