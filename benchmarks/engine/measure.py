"""Times engines against each other: every frame goes to all of them in turn, so that noise meets all alike."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.depth import working_size
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.runtime.engine import Engine, EngineOutput

WARM_UPS = 2
OPTIONS = UpsamplerOptions(metric=True)

Frame = tuple[NDArray[np.generic], NDArray[np.uint8]]


class Measured(NamedTuple):
    """One engine on one frame.

    Attributes:
        milliseconds: of each call.
        stage_ms: median per stage.
        output: of the last call.
    """

    milliseconds: NDArray[np.float64]
    stage_ms: dict[str, float]
    output: EngineOutput


def call(engine: Engine, frame: Frame) -> EngineOutput:
    """One frame through an engine, from NumPy to NumPy."""
    depth, rgb = frame
    size = working_size((depth.shape[0], depth.shape[1]), (rgb.shape[0], rgb.shape[1]), engine.scale)
    return engine.infer(depth, rgb, size, OPTIONS.limits(metric=True), OPTIONS)


def measure(engines: Mapping[str, Engine], frame: Frame, count: int) -> dict[str, Measured]:
    """`count` calls of each engine, in turn, after a warm-up."""
    taken: dict[str, list[tuple[float, dict[str, float]]]] = {name: [] for name in engines}
    latest: dict[str, EngineOutput] = {}  # all of them would make every frame ask the kernel for new memory
    for i in range(count + WARM_UPS):
        for name, engine in engines.items():
            begin = time.perf_counter()
            latest[name] = call(engine, frame)
            if i >= WARM_UPS:
                taken[name].append(((time.perf_counter() - begin) * 1e3, latest[name].stage_ms))
    return {
        name: Measured(
            np.array([milliseconds for milliseconds, _ in calls]),
            {stage: float(np.median([stage_ms[stage] for _, stage_ms in calls])) for stage in calls[0][1]},
            latest[name],
        )
        for name, calls in taken.items()
    }


def memory_mb(engine: Engine, frame: Frame) -> float:
    """What an engine takes at its peak, 1e6 bytes.

    On a GPU what torch holds there while a frame runs, weights and recordings included, once the first frames are
    over: while cuDNN measures its algorithms it takes all that the slowest of them asks for. On a CPU what the first
    frames add to the resident memory of the process, so memory that an earlier engine left is not counted twice.
    """
    before = _resident_mb()
    for _ in range(WARM_UPS):
        call(engine, frame)
    if engine.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(engine.device)
        call(engine, frame)
        return torch.cuda.max_memory_reserved(engine.device) / 1e6
    return max(0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before)


def _resident_mb() -> float:
    """Resident memory now; from here on the kernel's peak counts anew, where it lets us ask for that."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return pages * resource.getpagesize() / 1e6
