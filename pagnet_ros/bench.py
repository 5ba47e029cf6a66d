"""The engine alone: time per frame, memory and accuracy of every precision the device offers, in one interleaved run.

``python -m pagnet_ros.bench``; with ``--busy N`` beside N processes that keep N cores busy, as on a robot.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from pagnet_ros.engine import choose_device
from pagnet_ros.errors import DeviceError, PagnetError
from pagnet_ros.pipeline import DepthUpsampler, UpsampledDepth, UpsamplerOptions
from pagnet_ros.simulation import PROFILES, PinholeCamera, Renderer, Scene, sense, to_millimetres

__all__ = ["main"]

PRECISIONS = ("fp32", "bf16", "fp16")
SIZES = {"640x480": (640, 480), "1280x720": (1280, 720), "1920x1080": (1920, 1080)}


class _Row(NamedTuple):
    """One network at one precision; times in milliseconds, accuracy in millimetres."""

    weights: str
    precision: str
    gflop: float
    p50: float
    p99: float
    network_p50: float
    trust_p50: float
    rms_to_fp32: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_ros.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", nargs="+", default=["rt-x4-sensor"], help="zoo names")
    parser.add_argument("--size", choices=SIZES, default="640x480", help="of colour and output")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    parser.add_argument("--frames", type=int, default=40, help="per row")
    parser.add_argument("--busy", type=int, default=0, help="other processes that keep a core busy each")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        choose_device(options.device)
        with _busy_neighbours(options.busy):
            rows = [row for weights in options.weights for row in _measure(weights, options)]
    except PagnetError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    _print(rows, options)
    return 0


def _measure(weights: str, options: argparse.Namespace) -> list[_Row]:
    upsamplers: dict[str, DepthUpsampler] = {}
    for precision in PRECISIONS:
        try:
            upsamplers[precision] = DepthUpsampler.from_zoo(
                weights, device=options.device, precision=precision, options=UpsamplerOptions(metric=True)
            )
        except DeviceError:
            continue  # this device does not offer it
    scale = next(iter(upsamplers.values())).scales[0]
    depth, rgb = _frame(SIZES[options.size], scale)
    with FlopCounterMode(display=False) as counter:
        reference = upsamplers["fp32"](depth, rgb).depth
    times: dict[str, list[tuple[float, UpsampledDepth]]] = {precision: [] for precision in upsamplers}
    for i in range(options.frames + 3):
        for precision, upsampler in upsamplers.items():  # interleaved: noise of the machine meets all alike
            begin = time.perf_counter()
            out = upsampler(depth, rgb)
            if i >= 3:
                times[precision].append(((time.perf_counter() - begin) * 1e3, out))
    return [_row(weights, p, counter.get_total_flops() / 1e9, taken, reference) for p, taken in times.items()]


def _row(
    weights: str,
    precision: str,
    gflop: float,
    taken: list[tuple[float, UpsampledDepth]],
    reference: NDArray[np.float32],
) -> _Row:
    p50, p99 = np.percentile([milliseconds for milliseconds, _ in taken], (50, 99))
    stage = {name: float(np.median([out.stage_ms[name] for _, out in taken])) for name in ("network", "trust")}
    difference = (taken[-1][1].depth - reference)[np.isfinite(taken[-1][1].depth) & np.isfinite(reference)]
    rms_mm = float(np.sqrt(np.mean(difference**2))) * 1e3
    return _Row(weights, precision, gflop, float(p50), float(p99), stage["network"], stage["trust"], rms_mm)


def _frame(size: tuple[int, int], scale: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    camera = PinholeCamera.from_fov(*size)
    frame = Renderer(Scene.random(7, "room"))(camera)
    coarse = sense(
        frame.depth_m, camera, PROFILES["tof"], 0, factor=scale, albedo=frame.albedo, cos_incidence=frame.cos_incidence
    )
    return to_millimetres(coarse), frame.rgb[: size[1] // scale * scale, : size[0] // scale * scale].copy()


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


def _print(rows: list[_Row], options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {options.threads} threads"
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    waiting = os.environ.get("OMP_WAIT_POLICY", "default")
    title = f"{options.size} out, {name}, {options.busy} busy neighbours, OMP_WAIT_POLICY {waiting}"
    heads = ("weights", "precision", "GFLOP", "p50 ms", "p99 ms", "network", "trust", "RMS to fp32, mm")
    table = Table(*heads, title=title, caption=f"peak memory of the process {peak_mb:.0f} MB")
    for row in rows:
        table.add_row(row.weights, row.precision, *(f"{value:.1f}" for value in row[2:7]), f"{row.rms_to_fp32:.2f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json is not None:
        machine: dict[str, Any] = {"device": name, "torch": torch.__version__, "python": platform.python_version()}
        figures = {"machine": machine, "size": options.size, "busy": options.busy, "peak_mb": peak_mb}
        options.json.write_text(json.dumps({**figures, "rows": [row._asdict() for row in rows]}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
