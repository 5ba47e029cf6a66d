"""The command line of the benchmark: which engines, one table, JSON."""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.bench.floor import Need, need_of
from pagnet_ros.bench.machine import MachineRates, describe_machine, measure_machine
from pagnet_ros.bench.measure import Measured, call, measure, memory_mb, two_under_way_ms, write_trace
from pagnet_ros.bench.startup import measure_start_up
from pagnet_ros.bench.subjects import SIZES, WAYS, frame, make_engine, network_named
from pagnet_ros.devices import PRECISIONS, choose_device
from pagnet_ros.engine import Engine
from pagnet_ros.errors import ConfigError, DeviceError, PagnetError

__all__ = ["main"]

DEFAULT_WAYS = {"cpu": ("native", "eager", "plain"), "cuda": ("graph", "eager")}


class _Row(NamedTuple):
    """One network, run in one way; times in milliseconds."""

    weights: str
    size: str
    way: str
    precision: str
    gflop: float
    p50: float
    p99: float
    network: float
    trust: float
    memory_mb: float
    rms_to_fp32_mm: float
    matrix_share: float  # of the operations per second that large matrices reach
    floor: float
    layered_floor: float
    two_under_way: float | None  # per frame, on a GPU


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
    parser.add_argument("--trace", type=Path, help="write a trace of a few frames of the last row")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        device = choose_device(options.device)
        ways = options.ways or DEFAULT_WAYS[device.type]
        unknown = [way for way in ways if way not in WAYS[device.type]]
        if unknown:
            raise ConfigError(f"way {unknown[0]!r} is not one of {', '.join(WAYS[device.type])} on {device}")
        precisions = [name for name in PRECISIONS if not (name == "fp16" and device.type == "cpu")]
        rates = measure_machine(device, precisions)
        with _busy_neighbours(options.busy):
            rows = []
            for size in options.sizes:
                for scale, names in _by_scale(options.weights).items():
                    rows += _measure(names, scale, size, ways, device, rates, options)
        start_up = measure_start_up(options.weights[0], options.device)._asdict() if options.start_up else None
    except PagnetError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    machine = describe_machine(device, options.threads) | rates._asdict() | {"busy": options.busy}
    _print(rows, machine, start_up)
    if options.json is not None:
        figures = {"machine": machine, "rows": [row._asdict() for row in rows], "start_up": start_up}
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def _by_scale(names: Sequence[str]) -> dict[int, list[str]]:
    """Networks that see the same frame, in the order they were named."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(network_named(name)[1].config.scale, []).append(name)
    return groups


def _measure(
    names: Sequence[str],
    scale: int,
    size: str,
    ways: Sequence[str],
    device: torch.device,
    rates: MachineRates,
    options: argparse.Namespace,
) -> list[_Row]:
    images = frame(SIZES[size], scale)
    low_size = (images[0].shape[0], images[0].shape[1])
    engines: dict[tuple[str, str, str], Engine] = {}
    memory: dict[tuple[str, str, str], float] = {}
    for key in itertools.product(names, ways, options.precisions):
        try:
            engine = make_engine(*key, str(device))
        except DeviceError:
            continue  # this device does not offer it
        engines[key] = engine
        memory[key] = memory_mb(engine, images)
    if not engines:
        asked = f"{', '.join(names)} on {device} in {', '.join(options.precisions)}"
        raise DeviceError(f"none of {', '.join(ways)} runs {asked}; give other --ways or --precisions")
    references = {name: call(make_engine(name, "eager", "fp32", str(device)), images).depth for name in names}
    needs = {name: need_of(network_named(name)[1].config, low_size) for name in names}
    taken = measure({"|".join(key): engine for key, engine in engines.items()}, images, options.frames)
    overlapped = {
        key: two_under_way_ms(engine, images, options.frames) if device.type == "cuda" else None
        for key, engine in engines.items()
    }
    if options.trace is not None:
        write_trace(list(engines.values())[-1], images, options.trace)
    return [
        _row(
            (key[0], size, *key[1:]), needs[key[0]], rates, taken["|".join(key)], references[key[0]], memory[key],
            overlapped[key],
        )
        for key in engines
    ]  # fmt: skip


def _row(
    name: tuple[str, str, str, str],
    need: Need,
    rates: MachineRates,
    taken: Measured,
    reference: NDArray[np.float32],
    memory: float,
    overlapped: float | None,
) -> _Row:
    precision = name[3]
    p50, p99 = (float(value) for value in np.percentile(taken.milliseconds, (50, 99)))
    both = np.isfinite(taken.output.depth) & np.isfinite(reference)
    rms_mm = float(np.sqrt(np.mean((taken.output.depth - reference)[both] ** 2))) * 1e3
    rate = rates.matrix_gflops[precision]
    width = 4 if precision == "fp32" else 2
    stages = taken.stage_ms
    return _Row(
        *name, need.gflop, p50, p99, stages["network"], stages["trust"], memory, rms_mm,
        need.gflop / (stages["network"] / 1e3) / rate, need.floor_ms(rate, rates.copy_gbs, width),
        need.layered_floor_ms(rate, rates.copy_gbs, width), overlapped,
    )  # fmt: skip


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


def _print(rows: list[_Row], machine: dict[str, Any], start_up: dict[str, float] | None) -> None:
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
        table.add_row(*row[:4], *times, f"{row.memory_mb:.0f}", f"{row.rms_to_fp32_mm:.2f}", *share, beside)
    console = Console(width=None if sys.stdout.isatty() else 190)
    console.print(table)
    if start_up is not None:
        console.print(
            f"process start to first output: cold {start_up['cold_s']:.1f} s, warm {start_up['warm_s']:.1f} s"
        )
