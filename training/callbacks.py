"""What happens beside the steps of a training: checkpoints, the time limit, validation with pictures."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from pagnet_training.checkpoint import write_checkpoint
from pagnet_training.data.patches import PatchBatch
from pagnet_training.module import SuperResolution
from pagnet_training.protocol import Case, ProtocolImage, bicubic, make_case, network_upsampler, rmse

__all__ = ["Checkpoints", "ProtocolValidation", "Throughput", "TimeLimit", "TimedLoader"]

TIME_CHECK_STEPS = 10
PICTURE_SIDE = 384


class Checkpoints(Callback):
    """Writes the state every so many steps and when training ends or is interrupted."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if the step number says so."""
        assert isinstance(pl_module, SuperResolution)
        if pl_module.step_number % self.every == 0 and trainer.is_global_zero:
            write_checkpoint(self.path, pl_module.state())

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last state."""
        assert isinstance(pl_module, SuperResolution)
        if trainer.is_global_zero:
            write_checkpoint(self.path, pl_module.state())


class TimedLoader(DataLoader[PatchBatch]):
    """A data loader that knows how long it was waited for.

    Attributes:
        waits_s: seconds until each batch was there. On a GPU, steps are queued, so that a wait only shows once the
            queue has run dry, which is when it costs anything.
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


class Throughput(Callback):
    """Patches per second of a slice, and the share of its time spent waiting for them; one JSON line per slice.

    Validation, checkpoints and the first steps, in which things are compiled, are not counted. Must come before the
    other callbacks.
    """

    WARM_UP_STEPS = 5

    def __init__(self, batch: int, journal: Path) -> None:
        self.batch, self.journal = batch, journal
        self.steps_s: list[float] = []
        self._start = 0.0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The patches are here."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step is done, or queued."""
        self.steps_s.append(time.perf_counter() - self._start)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Append this slice's figures to the journal."""
        loader = trainer.train_dataloader
        assert isinstance(loader, TimedLoader)
        steps = len(self.steps_s) - self.WARM_UP_STEPS
        if not trainer.is_global_zero or steps <= 0:
            return
        waiting = sum(loader.waits_s[self.WARM_UP_STEPS : len(self.steps_s)])
        seconds = waiting + sum(self.steps_s[self.WARM_UP_STEPS :])
        figures = {"steps": steps, "patches_per_s": steps * self.batch / seconds, "waiting_share": waiting / seconds}
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(figures) + "\n")


class TimeLimit(Callback):
    """Ends a slice after so many minutes; all processes together, so that none waits for one that has left."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop once the time is over."""
        assert isinstance(pl_module, SuperResolution)
        if pl_module.step_number % TIME_CHECK_STEPS == 0:
            over = time.monotonic() >= self.end
            trainer.should_stop = bool(trainer.strategy.reduce_boolean_decision(over, all=False))


class ProtocolValidation(Callback):
    """Measures the averaged weights on images that are never trained on; one JSON line per validation."""

    def __init__(self, images: list[ProtocolImage], every: int, journal: Path) -> None:
        self.images, self.every, self.journal = images, every, journal

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure if the step number says so."""
        assert isinstance(pl_module, SuperResolution)
        if pl_module.step_number % self.every == 0 and trainer.is_global_zero:
            self.measure(pl_module)

    def measure(self, module: SuperResolution) -> dict[str, float]:
        """RMSE per image with the low-resolution input in floating point."""
        scale = module.recipe.model.scale
        precision = torch.bfloat16 if module.recipe.precision == "bf16" else torch.float32
        run = network_upsampler(module.averaged.eval(), precision=precision)
        scores = {}
        for image in self.images:
            case = make_case(image, scale, rounded=False)
            result = run(case.low, case.rgb, scale)
            scores[image.name] = rmse(result, case.truth)
            self._show(module, image.name, case, result, scale)
        module.log_dict({f"validation/{name}": value for name, value in scores.items()})
        entry = {"step": module.step_number, "seconds": round(module.state().seconds, 1), **scores}
        with open(self.journal, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        return scores

    def _show(self, module: SuperResolution, name: str, case: Case, result: NDArray[np.float32], scale: int) -> None:
        """Colour, bicubic, result, truth side by side, and both errors eightfold, as a TensorBoard picture."""
        if module.logger is None:
            return
        base = bicubic(case.low, case.rgb, scale)
        grey = [base, result, case.truth, 8 * np.abs(base - case.truth), 8 * np.abs(result - case.truth)]
        columns = [case.rgb, *(np.repeat(each[..., None], 3, axis=2).clip(0, 255).astype(np.uint8) for each in grey)]
        strip = np.concatenate([each[:PICTURE_SIDE, :PICTURE_SIDE] for each in columns], axis=1)
        experiment: Any = module.logger.experiment  # type: ignore[attr-defined]
        experiment.add_image(f"validation/{name}", strip, module.step_number, dataformats="HWC")
