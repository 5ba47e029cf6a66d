"""The network under training: loss, optimiser, averaged weights. What Lightning drives.

Data flows: a batch -> the network -> its loss -> Adam -> averaged weights, which are what gets validated and exported.
`SuperResolution` trains a network that regresses depth, `SurfaceChoice` one that chooses among measured surfaces.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import entering_features, footprint_colour, nearest_measured
from pagnet_training.checkpoint import Checkpoint, adam_tensors, restore_adam
from pagnet_training.data.patches import PatchBatch
from pagnet_training.data.surface_patches import SurfaceBatch
from pagnet_training.losses import patch_loss
from pagnet_training.precision import keep_depth_in_float32
from pagnet_training.recipe import Recipe
from pagnet_training.surface_loss import surface_loss


def see_brightness_only(net: PagNet) -> None:
    """Make a network treat its colour image as if it were grey, in place, at no cost.

    The convolution that reads colour is linear: with each of its weights replaced by the mean over the three
    channels, it computes from any colour image what it would from that image's mean of red, green and blue.
    """
    convolution = net.guidance.enter[0]
    assert isinstance(convolution, nn.Conv2d)
    weight = convolution.weight.data
    by_channel = weight.view(weight.shape[0], 3, -1, *weight.shape[2:])
    convolution.weight.data = by_channel.mean(dim=1, keepdim=True).expand_as(by_channel).reshape(weight.shape).clone()


def as_exported(net: PagNet | SurfaceNetwork, recipe: Recipe) -> PagNet | SurfaceNetwork:
    """Averaged weights as `export` writes them, in place: guided by brightness where all of the training was."""
    if isinstance(net, PagNet) and recipe.augmentation.grey >= 1:
        see_brightness_only(net)
    return net


class Training(L.LightningModule):
    """Training of one recipe, from step 0 or from a checkpoint, whatever the network and its loss.

    Args:
        recipe: what to compute.
        net: the network, which nothing else holds.
        resumed: state to go on from, or None.
        compiled: run the network through ``torch.compile``.
    """

    def __init__(
        self, recipe: Recipe, net: PagNet | SurfaceNetwork, resumed: Checkpoint | None = None, compiled: bool = False
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.net = net
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.names = [name for name, _ in self.net.named_parameters()]
        self.averaged = copy.deepcopy(self.net).requires_grad_(False)
        self._run: Callable[..., Any] = torch.compile(self.net) if compiled else self.net
        self.step_number = 0
        self.gradient_norm = torch.zeros(())
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

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of this step, and its place in the curves; Lightning counts each slice from 0."""
        self.log("step", float(self.step_number))
        rate = self.recipe.optimiser.rate_at(self.step_number, self.recipe.steps)
        for group in self._optimiser().param_groups:
            group["lr"] = rate

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient to the recipe's norm, and log what it was."""
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), gradient_clip_val or math.inf)
        self.log("train/gradient_norm", self.gradient_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then average the weights; early steps count more, so that the average forgets the random start."""
        super().optimizer_step(*args, **kwargs)
        self.step_number += 1
        decay = min(self.recipe.optimiser.ema, (1 + self.step_number) / (10 + self.step_number))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.net.parameters()), 1 - decay)

    def exported(self) -> PagNet | SurfaceNetwork:
        """The averaged weights as `export` writes them, in a copy."""
        return as_exported(copy.deepcopy(self.averaged).eval(), self.recipe)

    def state(self) -> Checkpoint:
        """Everything needed to go on."""
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        tensors |= adam_tensors(self._optimiser(), self.names)
        seconds = self.seconds_before + time.monotonic() - self._started
        return Checkpoint(self.step_number, seconds, self.recipe.to_dict(), tensors)

    def _optimiser(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]


class SuperResolution(Training):
    """Training of a network that regresses depth.

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
        torch.manual_seed(recipe.seed)
        super().__init__(recipe, keep_depth_in_float32(PagNet(recipe.model)), resumed, compiled)
        self.teacher = None if teacher is None else keep_depth_in_float32(teacher).eval().requires_grad_(False)

    def training_step(self, batch: PatchBatch, batch_idx: int) -> Tensor:
        """One step's loss."""
        rgb = batch["rgb"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            output: Tensor = self._run(batch["low"], rgb, batch["measured"])
            taught = None
            if self.teacher is not None:
                with torch.no_grad():
                    taught = self.teacher(batch["low"], rgb, batch["measured"])
        loss = patch_loss(output, batch, self.recipe.loss, taught)
        self.log("train/loss", loss.value, prog_bar=True)
        self.log("train/rmse_levels", loss.rmse, prog_bar=True)
        return loss.value


class SurfaceChoice(Training):
    """Training of a network that chooses among measured surfaces.

    Which footprints enter the loss is a pure function of seed, step and process, so that a run resumes exactly.

    Args:
        recipe: what to compute; its model's output is ``surfaces``.
        resumed: state to go on from, or None.
        compiled: run the network through ``torch.compile``.
    """

    def __init__(self, recipe: Recipe, resumed: Checkpoint | None = None, compiled: bool = False) -> None:
        torch.manual_seed(recipe.seed)
        net = SurfaceNetwork(recipe.model)
        super().__init__(recipe, net, resumed, compiled)
        self._reach = net.reach

    def training_step(self, batch: SurfaceBatch, batch_idx: int) -> Tensor:
        """One step's loss."""
        low, rgb = batch["low"], batch["rgb"].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            colour = footprint_colour(rgb, (low.shape[-2], low.shape[-1]))
            rays = nearest_measured(low, batch["measured"], colour, self._reach)
            entering = entering_features(rays)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            logits = self._run(entering, rgb)
        dice = torch.Generator(self.device)
        drawn = np.random.SeedSequence((self.recipe.seed, self.step_number, self.global_rank)).generate_state(1)
        dice.manual_seed(int(drawn[0]))
        loss = surface_loss(logits, rays, rgb, batch["truth"], batch["known"], generator=dice)
        self.log("train/loss", loss.value, prog_bar=True)
        for name in ("likelihood", "surface", "score"):
            self.log(f"train/{name}", getattr(loss, name))
        return loss.value

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As of every training; a step whose gradient is not finite is left out."""
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
        if not torch.isfinite(self.gradient_norm):
            optimizer.zero_grad(set_to_none=True)
