"""What a network costs on this machine's CPU: operations, time and memory of one frame."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet

__all__ = ["Cost", "measure_costs"]

FRAME = (480, 640)
_CLEAR_REFS = Path("/proc/self/clear_refs")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Cost:
    """What a network costs for one output of 640x480.

    Attributes:
        parameters: number of weights.
        gflop: operations (a multiplication and an addition count as two), billions.
        fp32_ms: median time in float32, channels-last, milliseconds.
        bf16_ms: the same with features in bfloat16.
        peak_mb: what the process's memory grows by at most while it runs, MiB (Linux).
    """

    parameters: int
    gflop: float
    fp32_ms: float
    bf16_ms: float
    peak_mb: float


def measure_costs(configs: Sequence[ModelConfig], rounds: int = 7) -> dict[ModelConfig, Cost]:
    """Measure every network.

    Times are interleaved over all of them, so that a slow spell of the machine meets each.

    Args:
        configs: shapes; equal ones are measured once.
        rounds: frames per network and precision; the first does not count.
    """
    distinct = list(dict.fromkeys(configs))
    context = multiprocessing.get_context("spawn")
    times: dict[tuple[ModelConfig, str], list[float]] = {}
    nets = {(c, p): PagNet(c).eval().cast_features(_DTYPES[p]) for c in distinct for p in _DTYPES}
    nets = {key: net.to(memory_format=torch.channels_last) for key, net in nets.items()}  # type: ignore[call-overload]
    for _ in range(rounds):
        for key, net in nets.items():
            times.setdefault(key, []).append(_one_frame_ms(net))
    costs = {}
    for config in distinct:
        with FlopCounterMode(display=False) as counter:
            _one_frame_ms(nets[config, "fp32"])
        with ProcessPoolExecutor(1, context) as pool:
            peak = pool.submit(_peak_mb, config).result()
        fp32, bf16 = (statistics.median(times[config, p][1:]) for p in ("fp32", "bf16"))
        parameters = sum(p.numel() for p in nets[config, "fp32"].parameters())
        costs[config] = Cost(parameters, counter.get_total_flops() / 1e9, fp32, bf16, peak)
    return costs


def _one_frame_ms(net: PagNet) -> float:
    depth = torch.rand(1, 1, FRAME[0] // net.scale, FRAME[1] // net.scale)
    rgb = torch.rand(1, 3, *FRAME).contiguous(memory_format=torch.channels_last) - 0.5
    with torch.inference_mode():
        start = time.perf_counter()
        net(depth, rgb)
        return (time.perf_counter() - start) * 1e3


def _peak_mb(config: ModelConfig) -> float:
    net = PagNet(config).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _one_frame_ms(net)  # what libraries allocate once
    _CLEAR_REFS.write_text("5", encoding="ascii")  # Linux: the peak is counted from here on
    before = _status_mb("VmRSS")
    _one_frame_ms(net)
    return _status_mb("VmHWM") - before


def _status_mb(entry: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:")) / 1024
