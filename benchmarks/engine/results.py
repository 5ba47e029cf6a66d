"""Results of the benchmark: engines that are measured together, each with figures or the reason for none."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.engine.cases import frame, make_engine, need_named, network_named
from benchmarks.engine.measure import Frame, Measured, call, measure, memory_mb
from pagnet_ros.errors import DeviceError, DeviceLostError
from pagnet_ros.runtime.devices import PRECISIONS, named_device_errors
from pagnet_ros.runtime.engine import Engine
from pagnet_training.machine import MachineRates
from pagnet_training.roofline import Need

Key = tuple[str, str, str]
"""Weights, way, precision."""


class Result(NamedTuple):
    """One network, run in one way; times in milliseconds.

    Attributes:
        rms_to_fp32_mm: None where fp32 could not be run beside it.
        matrix_share: of the operations per second that large matrices reach.
    """

    weights: str
    size: str
    way: str
    precision: str
    gflop: float
    p50: float
    p99: float
    network: float
    mask: float
    memory_mb: float
    rms_to_fp32_mm: float | None
    matrix_share: float
    roofline: float


class Failure(NamedTuple):
    """What was not measured, and why."""

    weights: str
    size: str
    way: str
    precision: str
    reason: str


class Plan(NamedTuple):
    """What to measure, and how.

    Attributes:
        ways: of `benchmarks.engine.cases.WAYS`.
        precisions: those wanted; what a way does not offer is left out.
        device: where.
        frames: per result.
        rates: what the machine can do.
        until: the time of `time.monotonic` from which on no result is begun.
    """

    ways: Sequence[str]
    precisions: Sequence[str]
    device: torch.device
    frames: int
    rates: MachineRates
    until: float = float("inf")


def measure_results(
    names: Sequence[str], size: tuple[str, tuple[int, int]], plan: Plan
) -> Iterator[tuple[list[Result], list[Failure]]]:
    """Networks of one scale on one frame. On a CPU in turn, so that noise meets all alike, with one answer.

    On a GPU, where there is little noise and less memory, one after the other, with an answer each: one that fails
    leaves the others alone.

    Raises:
        DeviceLostError: no further result can be had from this process.
    """
    keys = list(itertools.product(names, plan.ways, plan.precisions))
    if time.monotonic() > plan.until:
        yield _left_out(keys, size[0])
        return
    images = frame(size[1], network_named(names[0])[1].config.scale)
    on_gpu = plan.device.type == "cuda"
    references = {} if on_gpu else {name: _reference(name, images, plan) for name in names}
    for together in [[key] for key in keys] if on_gpu else [keys]:
        if time.monotonic() > plan.until:
            yield _left_out(together, size[0])
            continue
        for name in {key[0] for key in together} - {*references}:
            references = {name: _reference(name, images, plan)}  # of one network at a time
        yield _measure(together, size[0], images, references, plan)
        if on_gpu:
            with named_device_errors(plan.device):
                _give_back()


def _left_out(keys: Sequence[Key], size: str) -> tuple[list[Result], list[Failure]]:
    return [], [Failure(key[0], size, *key[1:], "not begun within --time-limit") for key in keys]


def _give_back() -> None:
    """Let no engine's memory or compiled code meet the next one: torch compiles a function for eight settings only."""
    gc.collect()
    torch.compiler.reset()
    torch.cuda.empty_cache()


def _reference(name: str, images: Frame, plan: Plan) -> NDArray[np.float32] | None:
    try:
        return call(make_engine(name, "eager", "fp32", str(plan.device)), images).depth
    except DeviceLostError:
        raise
    except Exception:  # the result of this very way says what it was
        return None


def _measure(
    keys: Sequence[Key],
    size: str,
    images: Frame,
    references: dict[str, NDArray[np.float32] | None],
    plan: Plan,
) -> tuple[list[Result], list[Failure]]:
    engines: dict[Key, Engine] = {}
    memory: dict[Key, float] = {}
    failures: list[Failure] = []
    for key in keys:
        try:
            engine = make_engine(*key, str(plan.device), (images[1].shape[0], images[1].shape[1]))
            memory[key] = memory_mb(engine, images)
            engines[key] = engine
        except DeviceLostError:
            raise
        except Exception as error:
            if type(error) is not DeviceError:  # which says that this device does not offer it
                failures.append(_failure(key, size, error))
    try:
        taken = measure({"|".join(key): engine for key, engine in engines.items()}, images, plan.frames)
        low_size = (images[0].shape[0], images[0].shape[1])
        needs = {key[0]: need_named(key[0], low_size) for key in engines}
        results = [
            _result(key, size, needs[key[0]], plan, taken["|".join(key)], references[key[0]], memory[key])
            for key in engines
        ]
    except DeviceLostError:
        raise
    except Exception as error:
        return [], failures + [_failure(key, size, error) for key in engines]
    return results, failures


def _failure(key: Key, size: str, error: Exception) -> Failure:
    text = f"{type(error).__name__}: {error}"
    return Failure(key[0], size, *key[1:], text.splitlines()[0])


def _result(
    key: Key,
    size: str,
    need: Need,
    plan: Plan,
    taken: Measured,
    reference: NDArray[np.float32] | None,
    memory: float,
) -> Result:
    name, way, precision = key
    p50, p99 = (float(value) for value in np.percentile(taken.milliseconds, (50, 99)))
    rms_mm = None
    if reference is not None:
        both = np.isfinite(taken.output.depth) & np.isfinite(reference)
        rms_mm = float(np.sqrt(np.mean((taken.output.depth - reference)[both] ** 2))) * 1e3
    rates, copy_gbs = plan.rates.matrix_gflops, plan.rates.copy_gbs
    rate = rates.get(precision, rates["fp32"])  # a CPU multiplies no fp16, yet runs an ONNX file with fp16 features
    width = PRECISIONS[precision].itemsize
    stages = taken.stage_ms
    share = need.gflop / (stages["network"] / 1e3) / rate
    times = p50, p99, stages["network"], stages["mask"]
    roofline = need.roofline_ms(rate, copy_gbs, width)
    return Result(name, size, way, precision, need.gflop, *times, memory, rms_mm, share, roofline)
