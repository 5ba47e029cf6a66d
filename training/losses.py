"""What training minimises: squared plus absolute error (paper section 2) over known pixels, in levels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pagnet_training.data.patches import PatchBatch
from pagnet_training.recipe import LossRecipe

NORMALISED_LEVELS = 128.0


class Loss(NamedTuple):
    """The value to minimise, and the root mean square error in levels of the image (for curves), both scalars."""

    value: Tensor
    rmse: Tensor


def patch_loss(output: Tensor, batch: PatchBatch, recipe: LossRecipe, taught: Tensor | None = None) -> Loss:
    """Loss of a batch: averaged over each patch's known pixels, then over patches.

    A patch with less than a quarter of its pixels known counts less. Because patches are averaged last, the mean
    over several processes equals that of one process with all their patches.

    Args:
        output: of the network, ``[B, 1, p, p]``, normalised.
        batch: the patches, see `PatchBatch`.
        recipe: weights of the terms.
        taught: what the teacher makes of the same patches, ``[B, 1, p, p]``, normalised; needed with
            ``recipe.distillation`` (Hinton et al. 2015), whose share of the error is counted against it.
    """
    weight = batch["known"]
    if recipe.filled < 1:
        measured = F.interpolate(batch["measured"], size=weight.shape[-2:], mode="nearest")
        weight = weight * (recipe.filled + (1 - recipe.filled) * measured)
    axes = (1, 2, 3)
    total = weight.sum(axes).clamp_min(0.25 * weight[0].numel())
    difference = output - batch["truth"]
    unit = batch["span"] if recipe.unit == "levels" else NORMALISED_LEVELS
    error = _penalty(difference * unit, recipe)
    if taught is not None:
        error = torch.lerp(error, _penalty((output - taught) * unit, recipe), recipe.distillation)
    value = ((weight * error).sum(axes) / total).mean()
    with torch.no_grad():
        rmse = ((weight * (difference * batch["span"]).square()).sum(axes) / total).mean().sqrt()
    return Loss(value, rmse)


def _penalty(error: Tensor, recipe: LossRecipe) -> Tensor:
    return recipe.absolute * error.abs() + recipe.squared * error.square()
