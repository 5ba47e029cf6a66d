"""Minutes under random faults: what comes out, how soon after each fault, and whether anything of the node grows.

``python -m benchmarks.faults.soak --minutes 30`` (``make soak MINUTES=30``). One node lives through all of it; a fault
every few seconds, with calm stretches between them in which its memory, descriptors, threads, shared memory and the
age of its output are measured. Exit status 1 where the node ended, a fault did not hold, or something grew too much.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.faults import live
from benchmarks.faults.own_files import enter_own_files
from benchmarks.faults.rig import FAULTS, FaultError, Outcome, Rig, try_fault
from benchmarks.run import write_figures
from pagnet_ros.system.transport import enter_own_domain
from pagnet_training.command import Arguments, command_line

CALM_S = 6.0
WARM_UP_ROUNDS = 2
"""Rounds of all faults before growth is measured: code and heap take in the first, and a little in the second, what
they take once (another size of image most of it)."""
MOST_MB_PER_10_MIN = 1.0
MOST_MORE = {"descriptors": 8, "threads": 2, "shm": 4}
SLOWEST_RECOVERY_S = 2.0


class Sample(NamedTuple):
    """The node in a calm stretch: seconds since the start, megabytes, counts, age of its outputs in milliseconds."""

    at_s: float
    own_mb: float
    total_mb: float
    descriptors: int
    threads: int
    shm: int
    age_ms: float
    longest_ms: float


@command_line
def main(arguments: Arguments = None) -> int:
    """Run it."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="time to run (default 30)")
    parser.add_argument("--rate", type=float, default=30.0, help="of the camera, Hz (default 30)")
    parser.add_argument("--weights", default="bicubic", help="the node's parameter (default bicubic)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the order of the faults (it is printed)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(given)
    enter_own_files("benchmarks.faults.soak", given)
    enter_own_domain()
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    live.DICE.seed(options.seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        Rig(Path(folder), rate_hz=options.rate, weights=options.weights).running() as rig,
    ):
        samples, outcomes = _soak(rig, options.minutes * 60.0)
        frames = rig.frames_in, rig.frames_out
    rclpy.try_shutdown()
    broken = _report(options, frames, samples, outcomes)
    rows = {"samples": [s._asdict() for s in samples], "outcomes": [o._asdict() for o in outcomes]}
    write_figures(options.json, {"seed": options.seed, "frames": frames, **rows})
    return int(bool(broken))


def _soak(rig: Rig, seconds: float) -> tuple[list[Sample], list[Outcome]]:
    begin = time.monotonic()
    samples, outcomes = [], []
    faults = list(FAULTS.values())
    order: list[int] = []
    while time.monotonic() - begin < seconds and rig.node.is_running:
        order = order or live.DICE.sample(range(len(faults)), len(faults))  # each once a round
        outcomes.append(try_fault(rig, faults[order.pop()]))
        if outcomes[-1].broken:
            sys.stderr.write(f"{outcomes[-1].name}: {outcomes[-1].broken}\n")
        try:
            rig.set(size="160x120", streams="both", stamps="now", clock="none")
            samples.append(_sample(rig, begin))
        except FaultError as error:
            outcomes.append(Outcome("calm", float("nan"), (), str(error)))
    return samples, outcomes


def _sample(rig: Rig, begin: float) -> Sample:
    rig.take_outputs()
    time.sleep(CALM_S)
    ages = [output.age_ms for output in rig.take_outputs()] or [float("nan")]
    process, memory = Path(f"/proc/{rig.node.pid}"), rig.memory()
    segments = {line.split()[-1] for line in (process / "maps").read_text().splitlines() if "/dev/shm/" in line}
    counts = len(os.listdir(process / "fd")), len(os.listdir(process / "task")), len(segments)
    return Sample(
        time.monotonic() - begin, memory.own, memory.total, *counts, float(np.median(ages)), float(np.max(ages))
    )


def _report(
    options: argparse.Namespace, frames: tuple[int, int], samples: list[Sample], outcomes: list[Outcome]
) -> list[str]:
    """Print the tables; what did not hold."""
    broken = [f"{outcome.name}: {outcome.broken}" for outcome in outcomes if outcome.broken]
    lines = [f"seed {options.seed}, {options.weights}, {options.rate:g} Hz; frames in {frames[0]}, out {frames[1]}"]
    lines += ["", "| fault | times | frames again after, median | longest |", "|---|---|---|---|"]
    recovered: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        recovered[outcome.name].append(outcome.recovery_s)
    for name, values in sorted(recovered.items()):
        lines.append(f"| {name} | {len(values)} | {np.median(values):.2f} s | {max(values):.2f} s |")
        if max(values) > SLOWEST_RECOVERY_S:
            broken.append(f"{name}: frames again after {max(values):.1f} s; expected {SLOWEST_RECOVERY_S:g} s")
    kept = samples[WARM_UP_ROUNDS * len(FAULTS) :]
    if len(kept) < 3:
        broken.append("too short to tell whether anything grows")
        sys.stdout.write("\n".join([*lines, "", *broken]) + "\n")
        return broken
    at_s = [sample.at_s for sample in kept]
    lines += ["", f"| of the node, after {kept[0].at_s:.0f} s | first third | last third | per 10 minutes |"]
    lines.append("|---|---|---|---|")
    third = max(len(kept) // 3, 1)
    for name in Sample._fields[1:]:
        values = [getattr(sample, name) for sample in kept]
        slope = float(np.polyfit(at_s, values, 1)[0]) * 600.0
        first, last = float(np.median(values[:third])), float(np.median(values[-third:]))
        lines.append(f"| {name} | {first:.1f} | {last:.1f} | {slope:+.2f} |")
        if name == "own_mb" and slope > MOST_MB_PER_10_MIN and last - first > MOST_MB_PER_10_MIN:
            broken.append(f"memory grows by {slope:.1f} MB in 10 minutes; expected at most {MOST_MB_PER_10_MIN:g}")
        if name in MOST_MORE and last - first > MOST_MORE[name]:
            broken.append(f"{name} grow from {first:.0f} to {last:.0f}")
        if name == "age_ms" and last > 2.0 * first + 5.0:
            broken.append(f"outputs get older: {first:.1f} to {last:.1f} ms")
    sys.stdout.write("\n".join([*lines, "", *(broken or ["held"])]) + "\n")
    return broken


if __name__ == "__main__":
    sys.exit(main())
