"""What this machine can do: multiplications of large matrices, copies of large memory, and what it is called."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

import pagnet_ros
from pagnet_ros.runtime.devices import PRECISIONS, named_device_errors

REPEATS = 20


class MachineRates(NamedTuple):
    """The best of a few tries.

    Attributes:
        matrix_gflops: multiplying large square matrices, by precision, 1e9 operations per second.
        copy_gbs: copying a large block of memory on the device, read and write counted, 1e9 bytes per second.
    """

    matrix_gflops: dict[str, float]
    copy_gbs: float


def measure_machine(device: torch.device, precisions: list[str]) -> MachineRates:
    """Measure on the threads torch is set to.

    Raises:
        OutOfMemoryError: the device has not even the memory for this.
    """
    with named_device_errors(device):
        return _measured(device, precisions)


def _measured(device: torch.device, precisions: list[str]) -> MachineRates:
    on_gpu = device.type == "cuda"
    rates = {precision: matrix_gflops(device, precision) for precision in precisions}
    room = torch.cuda.mem_get_info(device)[0] // 32 if on_gpu else 1 << 25  # a quarter of it for two blocks of float32
    block = torch.ones(min(room, 1 << 28), device=device)
    target = torch.empty_like(block)
    copied = 2 * block.numel() * block.element_size()
    return MachineRates(rates, copied / _best_seconds(lambda: target.copy_(block), device) / 1e9)


def matrix_gflops(device: torch.device, precision: str, side: int | None = None, repeats: int = REPEATS) -> float:
    """The best of a few multiplications of large square matrices, 1e9 operations per second.

    Args:
        device: where, on the threads torch is set to.
        precision: a key of `PRECISIONS`.
        side: rows of a matrix; None takes enough for the device's full rate.
        repeats: how many.
    """
    side = side or (8192 if device.type == "cuda" else 1536)
    a = torch.rand(side, side, device=device).to(PRECISIONS[precision])
    return 2 * side**3 / _best_seconds(lambda: a @ a, device, repeats) / 1e9


def _best_seconds(work: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    best = float("inf")
    for _ in range(repeats):
        _settle(device)
        begin = time.perf_counter()
        work()
        _settle(device)
        best = min(best, time.perf_counter() - begin)
    return best


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe_machine(device: torch.device, threads: int) -> dict[str, Any]:
    """Device, versions, commit: what a figure depends on."""
    on_gpu = device.type == "cuda"
    return {
        "device": device_name(device),
        "threads": threads,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if on_gpu else None,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,  # type: ignore[no-untyped-call]
        "pagnet_ros": pagnet_ros.__version__,
        "commit": commit(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "default"),
    }


def device_name(device: torch.device) -> str:
    """What the device is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Version of the source this package lies in; empty outside a repository."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
