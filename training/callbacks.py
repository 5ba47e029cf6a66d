"""What happens beside the steps of a training: checkpoints, the time limit, validation with pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.utilities.exceptions import SIGTERMException
from numpy.typing import NDArray

from pagnet_ros.model.network import PagNet
from pagnet_training.best import Best
from pagnet_training.checkpoint import write_checkpoint
from pagnet_training.json_file import append_json
from pagnet_training.module import Training
from pagnet_training.protocol import Case, ProtocolImage, bicubic, make_case, network_upsampler, rmse
from pagnet_training.throughput import Pauses

LOOK_STEPS = 10
PICTURE_SIDE = 384


class Periodic(Callback):
    """Does something every so many steps, in one process, as a pause of training.

    Args:
        every: steps from one time to the next.
        pauses: grow by the time it takes.
    """

    def __init__(self, every: int, pauses: Pauses) -> None:
        self.every, self.pauses = every, pauses

    def act(self, module: Training) -> Any:
        """Do it."""
        raise NotImplementedError

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Do it if the step number says so."""
        assert isinstance(pl_module, Training)
        if pl_module.step_number % self.every == 0 and trainer.is_global_zero:
            with self.pauses.pause(pl_module.device):
                self.act(pl_module)


class Checkpoints(Periodic):
    """Writes the state every so many steps, when training ends, and when SIGTERM ends it after a step."""

    def __init__(self, path: Path, every: int, pauses: Pauses) -> None:
        super().__init__(every, pauses)
        self.path = path

    def act(self, module: Training) -> None:
        """Write the state."""
        write_checkpoint(self.path, module.state())

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last state."""
        assert isinstance(pl_module, Training)
        if trainer.is_global_zero:
            self.act(pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Write the state that SIGTERM found, which Lightning answers between two steps."""
        if isinstance(exception, SIGTERMException):
            self.on_train_end(trainer, pl_module)


class TimeLimit(Callback):
    """Ends a slice in time; all processes together, so that none waits for one that has left.

    A process alone looks at the clock after every step; several look every `LOOK_STEPS`, because they have to agree.
    Room is left for as many steps again as since the last look, and for the longest pause so far, since the next
    step may bring a validation.

    Args:
        minutes: from now on.
        pauses: of the other callbacks.
    """

    def __init__(self, minutes: float, pauses: Pauses) -> None:
        self._looked = time.monotonic()
        self.end = self._looked + 60 * minutes
        self.pauses = pauses

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if the time might be over at the next look."""
        if trainer.world_size > 1 and (batch_idx + 1) % LOOK_STEPS:
            return
        now = time.monotonic()
        since = 0.0 if batch_idx < LOOK_STEPS else now - self._looked  # the first steps compile, the next ones do not
        self._looked = now
        over = now + since + self.pauses.longest_s >= self.end
        trainer.should_stop = bool(trainer.strategy.reduce_boolean_decision(over, all=False))


class StepsBar(TQDMProgressBar):
    """Lightning's bar, counting the steps of the whole run; its estimate is right after a run was resumed, too."""

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin at the steps that are done."""
        super().on_train_epoch_start(trainer)
        assert isinstance(trainer.lightning_module, Training)
        bar, recipe, done = (
            self.train_progress_bar,
            trainer.lightning_module.recipe,
            trainer.lightning_module.step_number,
        )
        bar.total, bar.initial, bar.n = recipe.steps, done, done
        bar.set_description(f"steps of {recipe.name}")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on, every so many steps."""
        assert isinstance(pl_module, Training)
        if pl_module.step_number % self.refresh_rate == 0 or pl_module.step_number == pl_module.recipe.steps:
            self.train_progress_bar.n = pl_module.step_number
            self.train_progress_bar.set_postfix(self.get_metrics(trainer, pl_module))


class ProtocolValidation(Periodic):
    """Measures what would be exported on images that are never trained on; one JSON line per validation.

    Args:
        images: what it measures on.
        every: steps between validations.
        journal: the file that grows by a line per validation.
        pauses: grow by the time it takes.
        best: is offered the geometric mean over the images of RMSE over that of bicubic interpolation, if given.
    """

    def __init__(
        self, images: list[ProtocolImage], every: int, journal: Path, pauses: Pauses, best: Best | None = None
    ) -> None:
        super().__init__(every, pauses)
        self.images, self.journal, self.best = images, journal, best

    def act(self, module: Training) -> dict[str, float]:
        """RMSE per image with the low-resolution input in floating point."""
        scale = module.recipe.model.scale
        precision = torch.bfloat16 if module.recipe.precision == "bf16" else torch.float32
        net = module.exported()
        assert isinstance(net, PagNet)
        run = network_upsampler(net, precision=precision)
        scores, logs = {}, []
        for image in self.images:
            case = make_case(image, scale, rounded=False)
            result = run(case.low, case.rgb, scale)
            scores[image.name] = rmse(result, case.truth)
            logs.append(np.log(scores[image.name] / max(rmse(bicubic(case.low, case.rgb, scale), case.truth), 1e-6)))
            self._show(module, image.name, case, result, scale)
        module.log_dict({f"validation/{name}": value for name, value in scores.items()})
        entry = {"step": module.step_number, "seconds": round(module.state().seconds, 1), **scores}
        append_json(self.journal, entry)
        if self.best and logs:
            self.best.offer(module, float(np.exp(np.mean(logs))))
        return scores

    def _show(self, module: Training, name: str, case: Case, result: NDArray[np.float32], scale: int) -> None:
        """Colour, bicubic, result, truth side by side, and both errors eightfold, as a TensorBoard picture."""
        if module.logger is None:
            return
        base = bicubic(case.low, case.rgb, scale)
        grey = [base, result, case.truth, 8 * np.abs(base - case.truth), 8 * np.abs(result - case.truth)]
        columns = [case.rgb, *(np.repeat(each[..., None], 3, axis=2).clip(0, 255).astype(np.uint8) for each in grey)]
        strip = np.concatenate([each[:PICTURE_SIDE, :PICTURE_SIDE] for each in columns], axis=1)
        experiment: Any = module.logger.experiment  # type: ignore[attr-defined]
        experiment.add_image(f"validation/{name}", strip, module.step_number, dataformats="HWC")
