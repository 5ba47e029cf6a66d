"""Answers what only a GPU can answer, one question after the other.

Each probe is one line of JSON, written as soon as it is known; the order is that of worth, and none is begun after the
time is over. `scripts/gpu_lease.sh checks` runs it. On a CPU it runs too, to be tried, where its figures mean little.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine.cases import frame, network_named
from benchmarks.engine.measure import call
from pagnet_ros.core.validity import _window_min, pooled_min
from pagnet_ros.errors import ConfigError
from pagnet_ros.runtime.engine import Engine
from pagnet_ros.runtime.padding import pad_for_tensor_cores
from pagnet_ros.system.files import replaced
from pagnet_training.json_file import explained

Figures = dict[str, Any]
REPEATS = 30


class Case:
    """What all probes share: the device, the networks and a simulated frame.

    Attributes:
        device: where.
        networks: names; the widest first, the default last.
        size: ``(width, height)`` of the output.
        half: the half precision of the device.
    """

    def __init__(self, device: str, *, small: bool) -> None:
        """Small: to be tried on a CPU."""
        self.device = device
        self.networks = ["bicubic-x4", "fast-x4-sensor"] if small else ["full-x4", "rt-x4-clean", "fast-x4-sensor"]
        self.size = (128, 96) if small else (640, 480)
        self.half = "fp16" if device.startswith("cuda") else "bf16"
        self.repeats = 2 if small else REPEATS
        self.frame = frame(self.size, 4)

    def engine(self, name: str, precision: str, backend: str = "auto") -> Engine:
        """A new engine."""
        return Engine(network_named(name)[0], self.device, precision, backend)


def half_precision(case: Case) -> Figures:
    """How far half precision is from float32, in millimetres, on a simulated room seen by a simulated camera.

    Where a network chooses surfaces a few pixels fall on another one: more than a hundredth of their depth away.
    """
    found: Figures = {}
    for name in case.networks:
        exact = call(case.engine(name, "fp32"), case.frame).depth
        for precision in dict.fromkeys(("bf16", case.half)):
            difference = np.abs(call(case.engine(name, precision), case.frame).depth - exact) * 1e3
            flipped = float(np.mean(difference > 10.0 * exact))
            difference = difference[np.isfinite(difference)]
            rms, p999 = float(np.sqrt(np.mean(difference**2))), float(np.percentile(difference, 99.9))
            figures = {"rms_mm": rms, "p999_mm": p999, "max_mm": float(difference.max()), "flipped_share": flipped}
            found[f"{name} {precision}"] = figures
    return found


def two_engines(case: Case) -> Figures:
    """Whether two engines in two threads compute what each computes alone, while both record and run eagerly."""
    name, sizes = case.networks[-1], [case.size, (case.size[0] // 2, case.size[1] // 2)]
    frames = [frame(size, 4) for size in sizes]
    plans = [(precision, backend) for precision in ("fp32", case.half) for backend in ("auto", "eager")]
    alone = {plan: [call(case.engine(name, *plan), each).depth for each in frames] for plan in plans}
    differences: dict[str, float] = {}
    errors: list[str] = []

    def work(plan: tuple[str, str]) -> None:
        try:
            engine = case.engine(name, *plan)
            worst = 0.0
            for i in range(2 * case.repeats):
                ours = call(engine, frames[i % 2]).depth
                worst = max(worst, float(np.nanpercentile(np.abs(ours - alone[plan][i % 2]), 99.8)))
            differences[" ".join(plan)] = worst * 1e3
        except Exception as error:
            errors.append(f"{plan}: {type(error).__name__}: {error}".splitlines()[0])

    threads = [threading.Thread(target=work, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"p998_difference_mm": differences, "errors": errors}


def waiting(case: Case) -> Figures:
    """How much of a core a thread takes that mostly waits for the GPU, and what a frame takes beside its stages."""
    found: Figures = {}
    for name in case.networks:
        engine = case.engine(name, case.half)
        for _ in range(3):
            call(engine, case.frame)
        cpu, wall = time.thread_time(), time.perf_counter()
        stages = [sum(call(engine, case.frame).stage_ms.values()) for _ in range(case.repeats)]
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        per_frame = wall / case.repeats * 1e3
        found[name] = {
            "cores": cpu / wall,
            "frame_ms": per_frame,
            "beside_the_stages_ms": per_frame - float(np.median(stages)),
        }
    return found


def padding(case: Case) -> Figures:
    """What channels padded to multiples of eight give: milliseconds of the network alone, without and with."""
    if not case.device.startswith("cuda"):
        return {"skipped": "needs a GPU"}
    found: Figures = {}
    dtype = torch.float16
    for name in ["rt-x4-clean", "mid-x4-clean"]:
        times = {}
        for padded in (False, True):
            network = network_named(name)[0].requires_grad_(False)
            if padded:
                pad_for_tensor_cores(network)
            cast: Any = network.cast_features(dtype)
            moved = cast.to(case.device, memory_format=torch.channels_last)
            width, height = case.size
            low = torch.rand(1, 1, height // 4, width // 4, device=case.device)
            rgb = torch.rand(1, 3, height, width, device=case.device, dtype=dtype) - 0.5
            times["padded" if padded else "as trained"] = _graph_ms(partial(moved, low, rgb))
        found[name] = times
    return found


def fused(case: Case) -> Figures:
    """What cuDNN's convolution, bias and ReLU in one would give, milliseconds: 64 channels at the output's size."""
    if not case.device.startswith("cuda"):
        return {"skipped": "needs a GPU"}
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, device=case.device, dtype=torch.float16).requires_grad_(False)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 64, *case.size[::-1], device=case.device, dtype=torch.float16)
    image = image.contiguous(memory_format=torch.channels_last)
    one = partial(torch.cudnn_convolution_relu, image, layer.weight, layer.bias, (1, 1), (1, 1), (1, 1), 1)
    return {"three kernels": _graph_ms(lambda: torch.relu_(layer(image))), "one": _graph_ms(one)}


def window(case: Case) -> Figures:
    """The smallest value in a window: shifts against pooling, milliseconds at 1280x720."""
    image = torch.rand(1, 1, 720, 1280, device=case.device)
    timed = _graph_ms if case.device.startswith("cuda") else _plain_ms
    return {
        f"radius {radius}": {
            "shifts": timed(partial(_window_min, image, radius)),
            "pooling": timed(partial(pooled_min, image, radius)),
        }
        for radius in (2, 8)
    }


def first_frame(case: Case) -> Figures:
    """Seconds of a new process's first frames, with and without cuDNN's search for the fastest algorithms."""
    found: Figures = {}
    for search in (True, False):
        words = f"--device {case.device} --first {case.networks[0]} --search {search:d}".split()
        words += ["--small"] if case.repeats < REPEATS else []
        done = subprocess.run(
            [sys.executable, __file__, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        found["with search" if search else "without"] = (
            json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr.strip()[-300:]
        )
    return found


def _time_first(case: Case, name: str, search: bool) -> Figures:
    """The child of `first_frame`: begins with a GPU that this process has not used yet."""
    if case.device.startswith("cuda"):
        torch.empty(1, device=case.device)
    engine = case.engine(name, case.half)
    torch.backends.cudnn.benchmark = search
    spans = []
    for _ in range(3 + case.repeats):
        begin = time.perf_counter()
        call(engine, case.frame)
        spans.append(time.perf_counter() - begin)
    return {"first_s": spans[0], "second_s": spans[1], "later_ms": float(np.median(spans[3:])) * 1e3}


def _graph_ms(work: Callable[[], object]) -> float:
    """Median milliseconds of a graph of the work, by the GPU's own clock."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(3):
            work()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            work()
        spans = []
        for _ in range(REPEATS):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record(stream)
            graph.replay()
            end.record(stream)
            end.synchronize()
            spans.append(begin.elapsed_time(end))
    return float(np.median(spans))


def _plain_ms(work: Callable[[], object]) -> float:
    spans = []
    for _ in range(3):
        begin = time.perf_counter()
        work()
        spans.append(time.perf_counter() - begin)
    return float(np.median(spans)) * 1e3


PROBES: list[Callable[[Case], Figures]] = [half_precision, two_engines, waiting, padding, fused, window, first_frame]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status, 1 where a probe failed."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_probes.py", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, help="file that gets a line of JSON per probe")
    parser.add_argument("--seconds", type=float, default=45.0, help="begin no probe after this time")
    parser.add_argument("--small", action="store_true", help="the smallest sizes, to be tried on a CPU")
    parser.add_argument("--first", help=argparse.SUPPRESS)
    parser.add_argument("--search", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    case = Case(options.device, small=options.small)
    if options.first:
        print(json.dumps(_time_first(case, options.first, bool(options.search))))
        return 0
    failed = 0
    for probe in PROBES:
        entry: Figures = {"probe": probe.__name__, "begun_s": round(time.monotonic() - begin, 1)}
        if entry["begun_s"] > options.seconds:
            entry["skipped"] = "no time left"
        else:
            try:
                entry["figures"] = probe(case)
            except Exception as error:
                entry["failed"], failed = f"{type(error).__name__}: {error}".splitlines()[0], 1
        line = json.dumps(entry)
        print(line, flush=True)
        if options.out is not None:
            _add_line(options.out, line)
    return failed


def _add_line(path: Path, line: str) -> None:
    """One more line of a file, whole or not at all; where there is no room, the end in one sentence."""
    try:
        with explained(path, "the probes"):
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            with replaced(path) as temporary:
                temporary.write_text(before + line + "\n", encoding="utf-8")
    except ConfigError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
