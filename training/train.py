"""``python -m pagnet_training.train RECIPE``: train, in one go or in slices, resumable at any moment.

Data flows: recipe -> data sources -> `SuperResolution` or `SurfaceChoice`, by the kind of the recipe's network ->
checkpoints and TensorBoard curves in the run's folder.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console

from pagnet_ros.errors import ConfigError, PagnetError, WeightsError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import load_depth_weights, load_weights
from pagnet_ros.model.zoo import weights_file
from pagnet_training.best import LAST
from pagnet_training.callbacks import Checkpoints, StepsBar, TimeLimit
from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.command import description_of
from pagnet_training.data.known_sensor import Sensors
from pagnet_training.data.patches import Patches, PatchStream, Source
from pagnet_training.data.sources import load_sources, without_missing
from pagnet_training.data.surface_patches import SurfacePatches
from pagnet_training.json_file import check_room
from pagnet_training.module import SuperResolution, SurfaceChoice, Training
from pagnet_training.phases import Phase, phases_on, silent
from pagnet_training.precision import training_precision
from pagnet_training.recipe import Recipe, SourceRecipe
from pagnet_training.throughput import Pauses, Throughput, TimedLoader
from pagnet_training.train_options import chosen_recipe, train_parser, validated_on
from pagnet_training.validations import validations
from pagnet_training.warm_start import warm_start

SHARED_MEMORY = Path("/dev/shm")
PATCH_BYTES = 4 * 6
"""Of one pixel of a patch: colour, truth, what is known, and at most one more for everything low-resolution."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    resume: bool = False,
    time_limit: float | None = None,
    threads: int | None = None,
    workers: int = 0,
    progress: bool = True,
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    compiled: bool = False,
    validate_on: Sequence[SourceRecipe] = (),
    phase: Callable[[str, int], Phase] = silent,
) -> Training:
    """Train a recipe.

    Args:
        recipe: what to compute.
        folder: where ``checkpoint.safetensors``, ``validation.jsonl`` and the TensorBoard curves go.
        data_root: replaces the recipe's data root.
        resume: go on from the folder's checkpoint where there is one.
        time_limit: minutes from now after which this slice ends, with everything that comes before the first step.
        threads: CPU threads of the arithmetic; None leaves PyTorch's choice.
        workers: processes that render scenes and cut patches; 0 does both in the training process.
        progress: show a progress bar.
        accelerator: Lightning's: "auto", "cpu" or "gpu".
        devices: processes on this machine.
        nodes: machines.
        compiled: let ``torch.compile`` make the network faster; worth its minute on a GPU.
        validate_on: recordings to validate on too, beside the recipe's held-out scenes, at absolute paths.
        phase: is told what goes on before the first step, see `phases`.

    Raises:
        ConfigError: the recipe and the machine or the checkpoint disagree.
        RecordingError: data missing or damaged; all problems at once.
    """
    pauses = Pauses()
    limits = [] if time_limit is None else [TimeLimit(time_limit, pauses)]
    if threads is not None:
        torch.set_num_threads(threads)
    ranks = devices * nodes
    if recipe.batch % ranks:
        raise ConfigError(f"batch={recipe.batch} cannot be dealt to {ranks} processes; make it a multiple of {ranks}")
    recipe = replace(recipe, precision=training_precision(recipe.precision, _device(accelerator)))
    recipe = replace(recipe, data=without_missing(recipe.data, data_root))
    checkpoint_path = folder / LAST
    if checkpoint_path.is_file() and not resume:
        raise ConfigError(f"{checkpoint_path}: a run is there already; add --resume to go on, or choose another --out")
    resumed = read_checkpoint(checkpoint_path) if checkpoint_path.is_file() else None
    _check_same_model(recipe, resumed.recipe if resumed else None)
    judges = validations(recipe, folder, pauses, data_root, validate_on, resumed=resumed is not None)
    teacher = _teacher(recipe)
    module: Training = (
        SurfaceChoice(recipe, resumed, compiled)
        if recipe.model.output == "surfaces"
        else SuperResolution(recipe, resumed, teacher, compiled)
    )
    if resumed is None and recipe.warm_start:
        _warm_start(module, weights_file(recipe.warm_start))
    sources = load_sources(recipe.data, data_root, workers, phase)
    folder.mkdir(parents=True, exist_ok=True)
    callbacks: list[Callback] = [
        Throughput(recipe, teacher.config if teacher else None, folder / "throughput.jsonl", pauses),
        *judges,
        Checkpoints(checkpoint_path, recipe.checkpoint_every, pauses),
        *limits,
    ]
    if progress:
        callbacks.append(StepsBar(refresh_rate=20))
    trainer = _trainer(recipe, folder, callbacks, recipe.steps - module.step_number, accelerator, devices, nodes)
    loader = TimedLoader(
        _patches(recipe, sources),
        recipe.batch // ranks,
        sampler=PatchStream(module.step_number, recipe.steps, recipe.batch, trainer.global_rank, ranks),
        num_workers=_workers_that_fit(workers, recipe.batch // nodes * recipe.patch**2 * PATCH_BYTES, SHARED_MEMORY),
        pin_memory=trainer.strategy.root_device.type == "cuda",
    )
    # on a GPU, the fastest algorithms, which are found by trying; and what is said to be float32 is not rounded to TF32
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        if module.step_number < recipe.steps:
            trainer.fit(module, loader)
    return module


def _patches(recipe: Recipe, sources: Sequence[Source]) -> Patches | SurfacePatches:
    """What the network is shown: patches in metres where it chooses surfaces, else in levels."""
    sensors = Sensors(recipe.sensor.profiles, recipe.sensor.spread)
    if recipe.model.output == "surfaces":
        return SurfacePatches(sources, recipe.model.scale, recipe.patch, recipe.seed, sensors)
    return Patches(sources, recipe.model.scale, recipe.patch, recipe.seed, recipe.augmentation, sensors)


def _workers_that_fit(workers: int, batch_bytes: int, shared_memory: Path) -> int:
    """As many as have room for the batches that they, one per process, hand over: two waiting and one on its way.

    A container may have 64 MB of shared memory, and a worker that finds none left dies.
    """
    free = shutil.disk_usage(shared_memory).free if shared_memory.is_dir() else 3 * batch_bytes * workers
    return min(workers, free // (3 * batch_bytes))


def _trainer(
    recipe: Recipe, folder: Path, callbacks: list[Callback], steps: int, accelerator: str, devices: int, nodes: int
) -> L.Trainer:
    return L.Trainer(
        max_steps=max(1, steps),
        max_epochs=1,
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        logger=TensorBoardLogger(folder, name="", version="curves"),
        callbacks=callbacks,
        gradient_clip_val=recipe.optimiser.clip or None,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(each, StepsBar) for each in callbacks),
        log_every_n_steps=20,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        strategy="ddp" if devices * nodes > 1 else "auto",
    )


def _check_same_model(recipe: Recipe, before: dict[str, Any] | None) -> None:
    if before is None:
        return
    now = recipe.to_dict()
    before = before | {"model": ModelConfig.from_dict(before["model"]).to_dict()}
    then, today = ({"batch": each["batch"], "seed": each["seed"], **each["model"]} for each in (before, now))
    changed = [key for key in today if json.dumps(then.get(key)) != json.dumps(today[key])]
    if changed:
        pairs = "; ".join(f"{key}: {then.get(key)} then, {today[key]} now" for key in changed)
        raise ConfigError(f"the checkpoint was written by another recipe ({pairs}); use that recipe, or another --out")


def _device(accelerator: str) -> torch.device:
    """The kind of device that Lightning will take."""
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def _teacher(recipe: Recipe) -> PagNet | None:
    if not recipe.teacher:
        return None
    if recipe.model.output == "surfaces":
        raise ConfigError(f"teacher {recipe.teacher}: a network that chooses surfaces learns from none; leave it out")
    net = load_depth_weights(weights_file(recipe.teacher))[0]
    if net.scale != recipe.model.scale:
        raise ConfigError(
            f"teacher {recipe.teacher} up-samples {net.scale}x, the recipe {recipe.model.scale}x; expected equal "
            "scales; choose a teacher of that scale"
        )
    return net


def _warm_start(module: Training, path: Path) -> None:
    """Start from a checkpoint of a run, or from a weights file."""
    if not path.is_file():
        raise ConfigError(
            f"warm start from {path}: no such file; train that recipe first, name a weights file with --warm-start, or "
            "start from random weights with --warm-start ''"
        )
    try:
        tensors = read_checkpoint(path).part("ema")
    except WeightsError:
        tensors = load_weights(path)[0].state_dict()
    for net in (module.net, module.averaged):
        if not warm_start(net, tensors):
            raise ConfigError(
                f"warm start from {path}: none of its weights fits the recipe's network; expected one of the same "
                f"kind ({module.recipe.model.output}), of any scale; name another with --warm-start"
            )


def _process_age_s() -> float:
    """Seconds since this process was started, while it imported this; 0 where the system does not tell."""
    try:
        started = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = train_parser(description_of(__doc__)).parse_args(arguments)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    try:
        recipe = chosen_recipe(options)
        limit = None if options.time_limit is None else options.time_limit - _process_age_s() / 60
        folder = options.out or Path("runs") / recipe.name
        check_room(folder)
        train(
            recipe,
            folder,
            data_root=options.data,
            resume=options.resume,
            time_limit=limit,
            threads=options.threads,
            workers=options.workers,
            progress=not options.quiet,
            accelerator=options.accelerator,
            devices=options.devices,
            nodes=options.nodes,
            compiled=options.compile,
            validate_on=validated_on(options),
            phase=silent if options.quiet else phases_on(Console(stderr=True)),
        )
    except (PagnetError, OSError) as error:
        mend = f"; expected room in {folder}: free some, and go on with --resume" if isinstance(error, OSError) else ""
        sys.stderr.write(f"error: {error}{mend}\n")
        return 2
    except SIGTERMException:
        sys.stderr.write(f"ended by a signal; {folder} holds what was reached: go on with --resume\n")
        return 128 + signal.SIGTERM
    return 0


def interrupted(*_: object) -> None:
    """Ctrl-C: ends a training as SIGTERM does, after a step; before, when nobody waits for SIGTERM, at once."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        sys.stderr.write("stopped before the first step: nothing was trained\n")
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # an exception could be caught by whoever imports or renders
        os.kill(os.getpid(), signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupted)
    sys.exit(main())
