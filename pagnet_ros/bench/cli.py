"""The command line of the benchmark: which engines, one table, JSON."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from pagnet_ros.bench.machine import describe_machine, measure_machine
from pagnet_ros.bench.rows import Failure, Plan, Row, measure_rows
from pagnet_ros.bench.startup import measure_start_up
from pagnet_ros.bench.subjects import SIZES, WAYS, network_named
from pagnet_ros.devices import PRECISIONS, choose_device, choose_precision
from pagnet_ros.errors import ConfigError, DeviceError, PagnetError

__all__ = ["main"]

DEFAULT_WAYS = {"cpu": ("native", "eager", "plain"), "cuda": ("graph", "eager")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_ros.bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", nargs="+", default=["rt-x4-sensor"], help="zoo names, files, or full-x4, rt-x8 ..."
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["640x480"], help="of colour and output")
    parser.add_argument("--ways", nargs="+", help=f"CPU: {' '.join(WAYS['cpu'])}; GPU: {' '.join(WAYS['cuda'])}")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    parser.add_argument("--frames", type=int, default=40, help="per row")
    parser.add_argument("--busy", type=int, default=0, help="other processes that keep a core busy each")
    parser.add_argument("--start-up", action="store_true", help="also time a new process to its first output")
    parser.add_argument("--trace", type=Path, help="write a trace of a few frames of the first way")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    start_up = None
    try:
        device = choose_device(options.device)
        ways = options.ways or DEFAULT_WAYS[device.type]
        unknown = [way for way in ways if way not in WAYS[device.type]]
        if unknown:
            raise ConfigError(f"way {unknown[0]!r} is not one of {', '.join(WAYS[device.type])} on {device}")
        rates = measure_machine(device, _offered(device))
        machine = describe_machine(device, options.threads) | rates._asdict() | {"busy": options.busy}
        plan = Plan(ways, options.precisions, device, options.frames, rates, options.trace)
        with _busy_neighbours(options.busy):
            rows, failures = _measure(options, plan, machine)
        if options.start_up:
            start_up = measure_start_up(options.weights[0], options.device)._asdict()
    except PagnetError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    _write(options.json, machine, rows, failures, start_up)
    _print(rows, failures, machine, start_up)
    return 1 if failures and not rows else 0


def _by_scale(names: Sequence[str]) -> list[list[str]]:
    """Networks that see the same frame, in the order they were named."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(network_named(name)[1].config.scale, []).append(name)
    return list(groups.values())


def _offered(device: torch.device) -> list[str]:
    """The precisions of a device."""
    offered = []
    for name in PRECISIONS:
        with suppress(DeviceError):
            offered.append(choose_precision(name, device))
    return offered


def _measure(options: argparse.Namespace, plan: Plan, machine: dict[str, Any]) -> tuple[list[Row], list[Failure]]:
    """All rows; what there is already is written after each step, for a long run may end early."""
    rows, failures = list[Row](), list[Failure]()
    for size in options.sizes:
        for names in _by_scale(options.weights):
            for more, failed in measure_rows(names, (size, SIZES[size]), plan):
                rows, failures = rows + more, failures + failed
                _write(options.json, machine, rows, failures)
    if not rows and not failures:
        asked = f"{', '.join(options.weights)} on {plan.device} in {', '.join(plan.precisions)}"
        raise DeviceError(f"none of {', '.join(plan.ways)} runs {asked}; give other --ways or --precisions")
    return rows, failures


def _write(
    path: Path | None,
    machine: dict[str, Any],
    rows: list[Row],
    failures: list[Failure],
    start_up: dict[str, float] | None = None,
) -> None:
    if path is not None:
        tables = {"rows": [row._asdict() for row in rows], "failures": [failure._asdict() for failure in failures]}
        path.write_text(json.dumps({"machine": machine, **tables, "start_up": start_up}, indent=1), encoding="utf-8")


@contextmanager
def _busy_neighbours(count: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    neighbours = [context.Process(target=_spin_for_ever, daemon=True) for _ in range(count)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()


def _spin_for_ever() -> None:
    while True:
        pass


def _print(
    rows: list[Row], failures: list[Failure], machine: dict[str, Any], start_up: dict[str, float] | None
) -> None:
    from rich.console import Console
    from rich.table import Table

    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in machine["matrix_gflops"].items())
    title = (
        f"{machine['device']}, {machine['threads']} threads, {machine['busy']} busy neighbours; "
        f"matrices, GFLOP/s: {rates}; copies {machine['copy_gbs']:.0f} GB/s"
    )
    heads = ["weights", "size", "way", "precision", "GFLOP", "p50 ms", "p99 ms", "network", "trust", "memory MB"]
    heads += ["RMS to fp32 mm", "of matrix rate", "floor ms", "p50 / floor", "two under way"]
    table = Table(*heads, title=title)
    for row in rows:
        times = (f"{value:.1f}" if value >= 10 else f"{value:.2f}" for value in row[4:9])
        share = (f"{row.matrix_share:.0%}", f"{row.floor:.3g}", f"{row.p50 / row.floor:.1f}")
        beside = "" if row.two_under_way is None else f"{row.two_under_way:.2f}"
        rms = "n/a" if row.rms_to_fp32_mm is None else f"{row.rms_to_fp32_mm:.2f}"
        table.add_row(*row[:4], *times, f"{row.memory_mb:.0f}", rms, *share, beside)
    console = Console(width=None if sys.stdout.isatty() else 190)
    console.print(table)
    for failure in failures:
        console.print(f"no row for {' '.join(failure[:4])}: {failure.reason}", markup=False)
    for row in rows:
        if row.upload_hidden is not None:
            console.print(f"{' '.join(row[:4])}: {row.upload_hidden:.0%} of the uploads' time lies beside a forward")
    if start_up is not None:
        console.print(
            f"process start to first output: cold {start_up['cold_s']:.1f} s, warm {start_up['warm_s']:.1f} s"
        )
