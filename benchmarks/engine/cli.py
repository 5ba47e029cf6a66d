"""The command line of the benchmark: which engines, one table, JSON."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from benchmarks.engine.cases import WAYS, network_named, size_named
from benchmarks.engine.report import Report
from benchmarks.engine.results import Plan, measure_results
from benchmarks.engine.startup import measure_start_up
from benchmarks.neighbours import busy_neighbours
from pagnet_ros.errors import ConfigError, DeviceError, PagnetError
from pagnet_ros.runtime.devices import PRECISIONS, choose_device, choose_precision
from pagnet_training.command import Arguments, command_line
from pagnet_training.machine import describe_machine, measure_machine

DEFAULT_WAYS = {"cpu": ("native", "eager"), "cuda": ("graph", "eager")}


@command_line
def main(arguments: Arguments = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description="How long the engine takes for a frame, from NumPy to NumPy."
    )
    parser.add_argument(
        "--weights", nargs="+", default=["fast-x4-sensor"], help="zoo names, files, bicubic-x4, full-x4 ..."
    )
    parser.add_argument(
        "--sizes", nargs="+", type=_size, default=["640x480"], help="of colour and output, such as 1280x720"
    )
    parser.add_argument("--ways", nargs="+", help=f"CPU: {' '.join(WAYS['cpu'])}; GPU: {' '.join(WAYS['cuda'])}")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    parser.add_argument("--frames", type=int, default=40, help="per result")
    parser.add_argument(
        "--time-limit", type=float, default=float("inf"), help="begin no result after this many seconds"
    )
    parser.add_argument("--busy", type=int, default=0, help="other processes that keep a core busy each")
    parser.add_argument("--start-up", action="store_true", help="also time a new process to its first output")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    until = time.monotonic() + options.time_limit
    torch.set_num_threads(options.threads)
    try:
        plan = _plan(options, until)
        machine = describe_machine(plan.device, options.threads) | plan.rates._asdict() | {"busy": options.busy}
    except PagnetError as error:
        return _failed(error)
    report, failed = Report(machine), 0
    try:
        with busy_neighbours(options.busy):
            _measure(options, plan, report)
        if options.start_up:
            report.start_up = measure_start_up(options.weights[0], options.device)._asdict()
    except PagnetError as error:
        failed = _failed(error)
    except KeyboardInterrupt:
        report.notes.append("interrupted; the results that are missing were not measured")
    written = report.write(options.json)
    if report.results or not failed:
        report.print()
    return failed or int(not report.results or not written)


def _size(text: str) -> str:
    """A size as it was written, once it can be read."""
    try:
        size_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}, expected WIDTHxHEIGHT such as 640x480") from error
    return text


def _failed(error: PagnetError) -> int:
    sys.stderr.write(f"bench: {error}\n")
    return 1


def _plan(options: argparse.Namespace, until: float) -> Plan:
    device = choose_device(options.device)
    ways = options.ways or DEFAULT_WAYS[device.type]
    unknown = [way for way in ways if way not in WAYS[device.type]]
    if unknown:
        raise ConfigError(f"way {unknown[0]!r} is not one of {', '.join(WAYS[device.type])} on {device}")
    rates = measure_machine(device, _offered(device))
    return Plan(ways, options.precisions, device, options.frames, rates, until)


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


def _measure(options: argparse.Namespace, plan: Plan, report: Report) -> None:
    """All results; what there is already is told and written after each step, for a long run may end early."""
    for size in options.sizes:
        for names in _by_scale(options.weights):
            for results, failures in measure_results(names, (size, size_named(size)), plan):
                report.add(results, failures)
                report.write(options.json)
    if not report.results and not report.failures:
        asked = f"{', '.join(options.weights)} on {plan.device} in {', '.join(plan.precisions)}"
        raise DeviceError(f"none of {', '.join(plan.ways)} runs {asked}; give other --ways or --precisions")
