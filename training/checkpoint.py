"""The whole state of a training run <-> one safetensors file, written atomically.

Data flows: network, averaged network, optimiser moments and step number -> flat named tensors -> a temporary file
beside the target -> renamed over it. A process killed at any instant leaves the previous checkpoint readable.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pagnet_ros.errors import WeightsError
from pagnet_ros.system.files import replaced

FORMAT = "pagnet-training-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """A training state.

    Attributes:
        step: optimiser steps done.
        seconds: wall time spent so far, over all slices.
        recipe: plain values of the recipe.
        tensors: ``net.*``, ``ema.*``, ``adam.{exp_avg,exp_avg_sq,step}.*``, all named by parameter.
        score: error of the averaged weights over that of interpolation; NaN where it was not measured.
        judged_on: what `score` was measured on.
    """

    step: int
    seconds: float
    recipe: dict[str, Any]
    tensors: dict[str, Tensor]
    score: float = math.nan
    judged_on: str = ""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below ``prefix.``, with that prefix taken off."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write to a temporary file in the same folder, flush it to disk, rename it over `path`.

    Raises:
        WeightsError: the file cannot be written, as on a full disk; what was at `path` is as it was.
    """
    header = {"format": FORMAT, "step": checkpoint.step, "seconds": checkpoint.seconds, "recipe": checkpoint.recipe}
    if checkpoint.judged_on:
        header |= {"score": checkpoint.score, "judged_on": checkpoint.judged_on}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as temporary:
            save_file(tensors, temporary, {"pagnet": json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: the checkpoint cannot be written ({error}); free some space") from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        WeightsError: missing, damaged, or not a training checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("pagnet", "{}"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise WeightsError(f"{path}: not a training checkpoint; expected one written by pagnet_training.train")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        judged = float(header.get("score", math.nan)), str(header.get("judged_on", ""))
        return Checkpoint(int(header["step"]), float(header["seconds"]), dict(header["recipe"]), tensors, *judged)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file; expected a training checkpoint, or the folder of a run") from error
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(f"{path}: unreadable checkpoint ({error}); delete it to start anew") from error


def adam_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Adam's moments as named tensors; `names` in the order of the optimiser's parameters."""
    state = optimiser.state_dict()["state"]
    return {
        f"adam.{key}.{name}": torch.as_tensor(value)
        for i, name in enumerate(names)
        for key, value in state.get(i, {}).items()
    }


def restore_adam(optimiser: torch.optim.Optimizer, names: list[str], checkpoint: Checkpoint) -> None:
    """Put saved moments back, in memory in the order of their weights: a fused Adam walks over both alike."""
    moments = checkpoint.part("adam")
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    content = optimiser.state_dict()
    content["state"] = {
        i: {
            "step": moments[f"step.{name}"],
            **{
                key: torch.empty_like(parameter).detach().copy_(moments[f"{key}.{name}"])
                for key in ("exp_avg", "exp_avg_sq")
            },
        }
        for i, (name, parameter) in enumerate(zip(names, parameters, strict=True))
        if f"exp_avg.{name}" in moments
    }
    optimiser.load_state_dict(content)
