"""How fast a slice of training goes, and what share that is of what its devices can multiply.

Data flows: steps, waits and pauses counted while training runs -> one JSON line per slice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from pagnet_ros.model.config import ModelConfig
from pagnet_training.json_file import append_json
from pagnet_training.machine import device_name, matrix_gflops
from pagnet_training.recipe import Recipe
from pagnet_training.roofline import need_of

BACKWARD_AND_FORWARD = 3
"""Operations of a training step over those of its forward pass: each convolution has two backward ones of its size."""

CPU_MATRIX_SIDE, CPU_MATRIX_REPEATS = 512, 5
"""Small, so that a slice starts at once; a CPU's caches hold these, so that it reaches its rate."""


def patch_gflop(recipe: Recipe, teacher: ModelConfig | None = None) -> float:
    """Operations that training on one patch takes, 1e9; a multiplication and an addition count as two.

    Args:
        recipe: what is trained.
        teacher: the network that it also learns from, which only runs forward.
    """
    side = recipe.patch // recipe.model.scale
    forward = need_of(recipe.model, (side, side)).gflop
    return BACKWARD_AND_FORWARD * forward + (need_of(teacher, (side, side)).gflop if teacher else 0.0)


class TimedLoader(DataLoader[Any]):
    """A data loader that knows how long it was waited for.

    Attributes:
        waits_s: seconds until each batch was there. On a GPU, whose steps are queued, a wait costs less than it
            lasts: only once the queue has run dry.
    """

    def __iter__(self) -> Any:
        """The batches."""
        self.waits_s: list[float] = []
        batches = super().__iter__()
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            self.waits_s.append(time.perf_counter() - start)
            yield batch


class Pauses:
    """What a slice spends beside training: validation, checkpoints.

    Attributes:
        seconds: all pauses so far.
        longest_s: the longest of them.
    """

    def __init__(self) -> None:
        self.seconds = self.longest_s = 0.0

    @contextmanager
    def pause(self, device: torch.device) -> Iterator[None]:
        """Count what happens inside, from the end of what the device was given before."""
        begin = _settled(device)
        try:
            yield
        finally:
            passed = _settled(device) - begin
            self.seconds += passed
            self.longest_s = max(self.longest_s, passed)


class _Mark(NamedTuple):
    time_s: float
    paused_s: float
    batches: int


class Throughput(Callback):
    """Figures of a slice, one JSON line each; must come before the other callbacks.

    The first steps, in which things are compiled and tried out, and all pauses are not counted. A line holds:

    =============== ====================================================================================
    steps           counted ones
    patches_per_s   of all processes together
    waiting_share   of the time, waiting for patches
    gflop_per_patch operations that training on a patch takes, see `patch_gflop`, 1e9
    gflops          operations per second of all processes together, 1e9
    matrix_gflops   what large matrices reach in the training's precision on all devices together, 1e9
    matrix_share    `gflops` over `matrix_gflops`
    device          of the first process
    processes       as many devices
    workers         processes that cut patches, of each of them; 0 where it cuts them itself
    precision       of the features
    =============== ====================================================================================

    Args:
        recipe: what is trained.
        teacher: the network that it also learns from, if there is one.
        journal: the file that grows by a line per slice.
        pauses: of the other callbacks.
    """

    WARM_UP_STEPS = 5

    def __init__(self, recipe: Recipe, teacher: ModelConfig | None, journal: Path, pauses: Pauses) -> None:
        self.recipe, self.teacher, self.journal, self.pauses = recipe, teacher, journal, pauses
        self._matrix_gflops = 0.0
        self._steps = 0
        self._begin: _Mark | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure what the devices can multiply, all at the same time."""
        device = trainer.strategy.root_device
        sizes = (CPU_MATRIX_SIDE, CPU_MATRIX_REPEATS) if device.type == "cpu" else ()
        rate = torch.tensor(matrix_gflops(device, self.recipe.precision, *sizes), device=device)
        self._matrix_gflops = float(trainer.strategy.reduce(rate, reduce_op="sum"))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step; begin to measure after the first few."""
        self._steps += 1
        if self._steps == self.WARM_UP_STEPS:
            self._begin = self._mark(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Append this slice's figures to the journal."""
        if self._begin is None or self._steps == self.WARM_UP_STEPS or not trainer.is_global_zero:
            return
        end, steps = self._mark(trainer), self._steps - self.WARM_UP_STEPS
        seconds = end.time_s - self._begin.time_s - (end.paused_s - self._begin.paused_s)
        waiting = sum(_loader(trainer).waits_s[self._begin.batches : end.batches])
        patches_per_s = steps * self.recipe.batch / seconds
        gflop = patch_gflop(self.recipe, self.teacher)
        figures = {
            "patches_per_s": patches_per_s,
            "waiting_share": waiting / seconds,
            "gflop_per_patch": gflop,
            "gflops": gflop * patches_per_s,
            "matrix_gflops": self._matrix_gflops,
            "matrix_share": gflop * patches_per_s / self._matrix_gflops,
        }
        entry: dict[str, Any] = {"steps": steps, **{name: float(f"{value:.4g}") for name, value in figures.items()}}
        entry |= {"device": device_name(trainer.strategy.root_device), "processes": trainer.world_size}
        entry |= {"workers": _loader(trainer).num_workers, "precision": self.recipe.precision}
        append_json(self.journal, entry)

    def _mark(self, trainer: L.Trainer) -> _Mark:
        now = _settled(trainer.strategy.root_device)
        return _Mark(now, self.pauses.seconds, len(_loader(trainer).waits_s))


def _loader(trainer: L.Trainer) -> TimedLoader:
    loader = trainer.train_dataloader
    assert isinstance(loader, TimedLoader)
    return loader


def _settled(device: torch.device) -> float:
    """Seconds of a clock at which everything given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
