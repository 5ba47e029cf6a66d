"""The network under training: loss, optimiser, averaged weights. What Lightning drives.

Data flows: `PatchBatch` -> `PagNet` -> `patch_loss` -> Adam -> averaged weights, which are what gets validated and
exported.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pagnet_ros.model.network import PagNet, PagNetOutput
from pagnet_training.checkpoint import Checkpoint, adam_tensors, restore_adam
from pagnet_training.data.patches import PatchBatch
from pagnet_training.losses import patch_loss
from pagnet_training.precision import keep_depth_in_float32
from pagnet_training.recipe import Recipe

__all__ = ["SuperResolution"]


class SuperResolution(L.LightningModule):
    """Training of one recipe, from step 0 or from a checkpoint.

    Args:
        recipe: what to compute.
        resumed: state to go on from, or None.
        teacher: the network that the recipe's distillation learns from, or None.
        compiled: run the network through ``torch.compile``.
    """

    def __init__(
        self,
        recipe: Recipe,
        resumed: Checkpoint | None = None,
        teacher: PagNet | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.net = keep_depth_in_float32(PagNet(recipe.model))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.names = [name for name, _ in self.net.named_parameters()]
        self.averaged = copy.deepcopy(self.net).requires_grad_(False)
        self.teacher = None if teacher is None else keep_depth_in_float32(teacher).eval().requires_grad_(False)
        self._run: Callable[..., PagNetOutput] = torch.compile(self.net) if compiled else self.net
        self.step_number = 0
        self.seconds_before = 0.0
        self._started = time.monotonic()
        self._resumed = resumed
        if resumed is not None:
            self.net.load_state_dict(resumed.part("net"))
            self.averaged.load_state_dict(resumed.part("ema"))
            self.step_number = resumed.step
            self.seconds_before = resumed.seconds

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, with its moments restored when resuming; on a GPU as one kernel instead of one per operation."""
        optimiser = torch.optim.Adam(
            self.net.parameters(),
            self.recipe.optimiser.rate,
            self.recipe.optimiser.betas,
            fused=True if self.device.type == "cuda" else None,
        )
        if self._resumed is not None:
            restore_adam(optimiser, self.names, self._resumed)
        return optimiser

    def on_train_batch_start(self, batch: PatchBatch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        rate = self.recipe.optimiser.rate_at(self.step_number, self.recipe.steps)
        for group in self._optimiser().param_groups:
            group["lr"] = rate

    def training_step(self, batch: PatchBatch, batch_idx: int) -> Tensor:
        """One step's loss."""
        rgb = batch["rgb"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            output = self._run(batch["low"], rgb, batch["measured"])
            taught = None
            if self.teacher is not None:
                with torch.no_grad():
                    taught = self.teacher(batch["low"], rgb, batch["measured"]).depth
        loss = patch_loss(output, batch, self.recipe.loss, taught)
        self.log("train/loss", loss.value, prog_bar=True)
        self.log("train/rmse_levels", loss.rmse, prog_bar=True)
        return loss.value

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then average the weights; early steps count more, so that the average forgets the random start."""
        super().optimizer_step(*args, **kwargs)
        self.step_number += 1
        decay = min(self.recipe.optimiser.ema, (1 + self.step_number) / (10 + self.step_number))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.net.parameters()), 1 - decay)

    def state(self) -> Checkpoint:
        """Everything needed to go on."""
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        tensors |= adam_tensors(self._optimiser(), self.names)
        seconds = self.seconds_before + time.monotonic() - self._started
        return Checkpoint(self.step_number, seconds, self.recipe.to_dict(), tensors)

    def _optimiser(self) -> torch.optim.Optimizer:
        optimiser = self.trainer.optimizers[0]
        return optimiser
