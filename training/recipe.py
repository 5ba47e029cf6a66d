"""A training recipe: one YAML file <-> one frozen dataclass. Everything wrong with it is listed in one error."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError, did_you_mean, quoted
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.simulation.scene import STYLES as SCENE_STYLES
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.folders import LAYOUTS
from pagnet_training.data.known_sensor import Sensors
from pagnet_training.recipe_file import read_recipe

_MAX_KEYS = 200
PRECISIONS = ("auto", "fp32", "bf16")
SCHEDULES = ("constant", "cosine", "linear-end")
KINDS = (*LAYOUTS, "bag", "recording", "procedural")


@dataclass(frozen=True)
class SourceRecipe:
    """One origin of images.

    Attributes:
        kind: folder layout (middlebury, sintel, frames), bag, recording (a bag or a folder of frames), or procedural.
        optional: left out, with a warning, where its folder is not there.
        path: folder or bag below the data root, or an absolute path; unused for procedural.
        weight: relative share of the patches, above 0.
        every: bag, recording: take every n-th frame, 1 or more; each of a short folder or one of stills.
        depth_topic: of a bag: empty finds it.
        color_topic: of a bag: empty finds it.
        depth_unit_m: bag, recording, frames: metres per count of 16-bit depth, 1e-6 to 1; 0 for what the recording
            proves, else millimetres.
        leave_out: of a folder: names of images in it that are not read, such as ``a`` of ``a_rgb.png``.
        scenes: procedural only: number of scenes rendered before training, 1 or more.
        size: procedural only: (H, W) of a rendered scene in pixels.
        seed: procedural only: first scene's seed, at least 0.
        cache: procedural only: folder in which rendered scenes are kept between runs; empty keeps them in memory.
        style: procedural only: the style of every scene; empty takes several in turn.
    """

    kind: str = "middlebury"
    path: str = ""
    weight: float = 1.0
    every: int = 10
    depth_topic: str = ""
    color_topic: str = ""
    depth_unit_m: float = 0.0
    leave_out: tuple[str, ...] = ()
    scenes: int = 200
    size: tuple[int, int] = (384, 512)
    seed: int = 0
    cache: str = ""
    style: str = ""
    optional: bool = False


@dataclass(frozen=True)
class DataRecipe:
    """Where training and validation images come from.

    Attributes:
        root: folder that `path` entries start from; the command line's ``--data`` replaces it.
        sources: at least one.
        validation: folder of protocol images below `root`, never trained on; empty for none. For networks that regress
            depth.
        held_out: number of rendered scenes that are validated on and never trained on, seen through the recipe's
            sensors; 0 for none. They are as large as those of the first procedural source.
    """

    root: str = "."
    sources: tuple[SourceRecipe, ...] = (SourceRecipe(kind="procedural"),)
    validation: str = ""
    held_out: int = 0


@dataclass(frozen=True)
class SensorRecipe:
    """Which sensors patches are seen through: of networks that regress depth, the share `augmentation.sensor` of them.

    Attributes:
        profiles: names of shipped sensor profiles (``config/sensors``) or paths of YAML files; each patch draws one.
            "unknown" among them is a random sensor that nobody described; so is every one where none is named. Networks
            that regress depth take profiles without a unit only (``kinect_paper``, ``tof_paper``).
        spread: noise and missing probabilities of a patch differ from the profile's by a factor of up to
            ``exp(spread)`` either way, 0 to 2.
    """

    profiles: tuple[str, ...] = ()
    spread: float = 0.0


@dataclass(frozen=True)
class LossRecipe:
    """Squared plus absolute error (paper section 2), in levels (8-bit units of the normalised frame).

    For networks that regress depth; what trains a network that chooses surfaces is in `surface_loss`.

    Attributes:
        absolute: weight of the absolute error, at least 0.
        squared: weight of the squared error, at least 0.
        unit: "normalised" counts an error of a full normalised range as 128 levels whatever the patch; "levels"
            counts it as what it is in the image.
        filled: weight of pixels whose low-resolution measurement was hidden, 0 to 1.
        distillation: share of the absolute and squared error that is counted against the teacher's output instead of
            the truth, 0 to 1.
    """

    absolute: float = 1.0
    squared: float = 1.0
    unit: str = "normalised"
    filled: float = 0.25
    distillation: float = 0.0


@dataclass(frozen=True)
class OptimiserRecipe:
    """Adam and its schedule.

    Attributes:
        rate: largest learning rate, above 0.
        betas: Adam's two decay rates, 0 to 1.
        warmup: steps of linear rise from 0.
        schedule: "constant"; "cosine" down to `floor` over all steps; "linear-end": constant, then linear down to
            `floor` over the last `ending` of the steps, so that a run can be prolonged before its end begins.
        ending: share of the steps of that descent, 0 to 1.
        floor: last rate as a share of `rate`, 0 to 1.
        clip: largest gradient norm, above 0; 0 switches clipping off.
        ema: decay of the averaged weights, 0 to 1; 0 switches averaging off.
    """

    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: int = 200
    schedule: str = "cosine"
    ending: float = 0.35
    floor: float = 0.01
    clip: float = 1.0
    ema: float = 0.999

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step `step` of `steps`, a pure function so that it resumes exactly."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        if self.schedule == "cosine":
            done = (step - self.warmup) / max(1, steps - self.warmup)
            return self.rate * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
        if self.schedule == "linear-end":
            left = min(1.0, max(0.0, (steps - step) / max(1.0, self.ending * steps)))
            return self.rate * (self.floor + (1 - self.floor) * left)
        return self.rate


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run computes.

    Attributes:
        name: name of the weights file it leads to.
        model: the network's shape.
        data: where images come from.
        augmentation: what may happen to a patch.
        sensor: the depth sensors that patches are seen through.
        loss: what is minimised.
        optimiser: how.
        patch: side of a high-resolution patch in pixels, a multiple of the scale.
        batch: patches per step, over all processes together.
        steps: length of the run.
        precision: "bf16" computes features in bfloat16; depth enters and leaves in float32 either way. "auto" does so
            where the device has instructions for it, and computes in "fp32" elsewhere.
        seed: initial weights and data order, 0 to 2^64 - 1.
        warm_start: weights file, checkpoint or shipped network of any scale to start from; empty starts from random
            weights.
        teacher: weights file or shipped network of the same scale that `loss.distillation` learns from; empty for none.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
    """

    name: str = "unnamed"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataRecipe = field(default_factory=DataRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)
    sensor: SensorRecipe = field(default_factory=SensorRecipe)
    loss: LossRecipe = field(default_factory=LossRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    patch: int = 128
    batch: int = 8
    steps: int = 10000
    precision: str = "auto"
    seed: int = 1
    warm_start: str = ""
    teacher: str = ""
    checkpoint_every: int = 200
    validate_every: int = 1000

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)


def load_recipe(path: Path, scale: int | None = None, sensor: str | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a file of `training/recipes`, or one's own.
        scale: of up-sampling; None takes the file's.
        sensor: for which kind of depth, see `recipe_file`; None takes the file's first.

    Raises:
        ConfigError: unreadable, or anything unknown, mistyped or out of range, all listed at once.
    """
    return parse_recipe(read_recipe(path, scale, sensor), str(path))


def parse_recipe(content: object, origin: str) -> Recipe:
    """Build a recipe from plain values; `origin` names them in messages.

    Raises:
        ConfigError: anything unknown, mistyped or out of range, all listed at once.
    """
    problems: list[str] = []
    recipe = _build(Recipe, content, "", problems)
    if not problems:
        problems += _out_of_range(recipe)
    if len(problems) == 1:
        raise ConfigError(f"recipe {origin}: {problems[0]}")
    if problems:
        raise ConfigError(f"recipe {origin}:\n" + "\n".join(f"  - {problem}" for problem in problems))
    assert isinstance(recipe, Recipe)
    return recipe


def _build(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    """`value` as `kind` (a dataclass, a tuple type or a scalar); appends to `problems` what does not fit."""
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        return _build_dataclass(kind, value, where, problems)
    if typing.get_origin(kind) is tuple:
        return _build_tuple(kind, value, where, problems)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    if kind is float and isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    if type(value) is kind:
        return value
    problems.append(f"{where}={quoted(value)}, expected {kind.__name__}")
    return None


def _build_dataclass(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{where or 'the file'} is {type(value).__name__}, expected a mapping of keys")
        return None
    hints = typing.get_type_hints(kind)
    known = [each.name for each in fields(kind)]
    built: dict[str, Any] = {}
    before = len(problems)
    if len(value) > _MAX_KEYS:
        problems.append(f"{where or 'the file'} has {len(value)} keys, expected at most {_MAX_KEYS}")
        return None
    for key, entry in value.items():
        here = f"{where}.{key}" if where else str(key)
        if key not in known:
            problems.append(f"unknown key {quoted(here)}, {did_you_mean(key, known, 'known: ' + ', '.join(known))}")
        else:
            built[key] = _build(hints[key], entry, here, problems)
    if len(problems) > before:
        return None
    try:
        return kind(**built)
    except ConfigError as error:
        problems.append(f"{where}: {error}")
        return None


def _build_tuple(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    inner = typing.get_args(kind)
    if not isinstance(value, list | tuple):
        problems.append(f"{where}={quoted(value)}, expected a list")
        return None
    if inner[-1] is not Ellipsis and len(value) != len(inner):
        problems.append(f"{where}={quoted(value)}, expected {len(inner)} entries")
        return None
    return tuple(_build(inner[0], entry, f"{where}[{i}]", problems) for i, entry in enumerate(value))


def _out_of_range(recipe: Recipe) -> list[str]:
    """One line per value outside its documented range."""
    optimiser, loss, scale = recipe.optimiser, recipe.loss, recipe.model.scale
    checks = [
        (
            recipe.patch >= 4 * scale and recipe.patch % scale == 0,
            f"patch={recipe.patch}, expected a multiple of the scale {scale}, at least {4 * scale}",
        ),
        (recipe.batch >= 1, f"batch={recipe.batch}, expected at least 1"),
        (recipe.steps >= 1, f"steps={recipe.steps}, expected at least 1"),
        (recipe.precision in PRECISIONS, f"precision={quoted(recipe.precision)}, expected one of {PRECISIONS}"),
        (0 <= recipe.seed < 2**64, f"seed={recipe.seed}, expected 0 to 2^64 - 1"),
        (recipe.checkpoint_every >= 1, f"checkpoint_every={recipe.checkpoint_every}, expected at least 1"),
        (recipe.validate_every >= 1, f"validate_every={recipe.validate_every}, expected at least 1"),
        (optimiser.rate > 0, f"optimiser.rate={optimiser.rate}, expected above 0"),
        (all(0 <= beta < 1 for beta in optimiser.betas), f"optimiser.betas={optimiser.betas}, expected 0 to below 1"),
        (optimiser.warmup >= 0, f"optimiser.warmup={optimiser.warmup}, expected at least 0"),
        (
            optimiser.schedule in SCHEDULES,
            f"optimiser.schedule={quoted(optimiser.schedule)}, expected {SCHEDULES}",
        ),
        (0 <= optimiser.ending <= 1, f"optimiser.ending={optimiser.ending}, expected 0 to 1"),
        (0 <= optimiser.floor <= 1, f"optimiser.floor={optimiser.floor}, expected 0 to 1"),
        (0 <= optimiser.ema < 1, f"optimiser.ema={optimiser.ema}, expected 0 to below 1"),
        (optimiser.clip >= 0, f"optimiser.clip={optimiser.clip}, expected at least 0"),
        (loss.unit in ("normalised", "levels"), f"loss.unit={quoted(loss.unit)}, expected 'normalised' or 'levels'"),
        (min(loss.absolute, loss.squared) >= 0, "loss weights, expected at least 0"),
        (0 <= loss.filled <= 1, f"loss.filled={loss.filled}, expected 0 to 1"),
        (0 <= loss.distillation <= 1, f"loss.distillation={loss.distillation}, expected 0 to 1"),
        (
            (loss.distillation > 0) == bool(recipe.teacher),
            f"loss.distillation={loss.distillation} with teacher={quoted(recipe.teacher)}, expected both or neither",
        ),
        (recipe.data.held_out >= 0, f"data.held_out={recipe.data.held_out}, expected at least 0"),
        (len(recipe.data.sources) > 0, "data.sources is empty, expected at least one source"),
    ]
    problems = [text for fine, text in checks if not fine]
    problems += _sensor_problems(recipe)
    problems += _without_meaning(recipe)
    for i, source in enumerate(recipe.data.sources):
        if source.kind not in KINDS:
            hint = did_you_mean(source.kind, KINDS, "choose one of them")
            problems.append(f"data.sources[{i}].kind={quoted(source.kind)}, expected one of {KINDS}; {hint}")
        if not source.weight > 0 or source.every < 1:
            problems.append(
                f"data.sources[{i}]: weight={source.weight}, every={source.every}, expected a weight above "
                "0 and every of at least 1"
            )
        if source.scenes < 1 or min(source.size) < 32 or source.seed < 0:
            problems.append(
                f"data.sources[{i}]: scenes={source.scenes}, size={source.size}, seed={source.seed}, expected scenes "
                "of at least 1, a size of at least 32 and a seed of at least 0"
            )
        if source.depth_unit_m != 0 and not 1e-6 <= source.depth_unit_m <= 1:
            problems.append(f"data.sources[{i}].depth_unit_m={source.depth_unit_m}, expected 1e-6 to 1, or 0")
        if source.leave_out and source.kind in ("bag", "procedural"):
            problems.append(
                f"data.sources[{i}].leave_out={quoted(list(source.leave_out))} with kind={source.kind!r}, "
                "which has no files of single images; leave it out"
            )
        if source.style not in ("", *SCENE_STYLES):
            problems.append(f"data.sources[{i}].style={quoted(source.style)}, expected empty or one of {SCENE_STYLES}")
    for each in fields(Augmentation):
        if not 0 <= getattr(recipe.augmentation, each.name) <= 1:
            problems.append(f"augmentation.{each.name}={getattr(recipe.augmentation, each.name)}, expected 0 to 1")
    return problems


def _without_meaning(recipe: Recipe) -> list[str]:
    """What is set although the kind of network has no use for it."""
    kind = recipe.model.output
    unused: dict[str, tuple[object, object]] = {}
    if kind == "surfaces":
        unused = {
            "augmentation": (recipe.augmentation, Augmentation()),
            "loss": (recipe.loss, LossRecipe()),
            "teacher": (recipe.teacher, ""),
            "data.validation": (recipe.data.validation, ""),
        }
    return [
        f"{name} with model.output={kind!r}, where it has no meaning; leave it out"
        for name, (given, usual) in unused.items()
        if given != usual
    ]


def _sensor_problems(recipe: Recipe) -> list[str]:
    sensor, regresses = recipe.sensor, recipe.model.output == "depth"
    problems = [] if 0 <= sensor.spread <= 2 else [f"sensor.spread={sensor.spread}, expected 0 to 2"]
    if regresses and (recipe.augmentation.sensor > 0) != bool(sensor.profiles):
        problems.append(
            f"augmentation.sensor={recipe.augmentation.sensor} with sensor.profiles={quoted(sensor.profiles)}, "
            "expected both or neither for model.output='depth'"
        )
    for i, name in enumerate(sensor.profiles):
        try:
            if not Sensors([name]).unit_free and regresses:
                problems.append(
                    f"sensor.profiles[{i}]={quoted(name)} counts no levels, expected one without a unit, such as "
                    "kinect_paper, for model.output='depth'; networks that choose surfaces take any"
                )
        except ConfigError as error:
            problems.append(f"sensor.profiles[{i}]: {error}")
    return problems
