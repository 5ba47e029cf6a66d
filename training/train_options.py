"""The command line of a training: its options, and the recipe with what they replace in it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SURFACE_SCALES
from pagnet_training.data.known_sensor import Sensors
from pagnet_training.recipe import Recipe, SensorRecipe, SourceRecipe, load_recipe, parse_recipe

_LEAST = {"time_limit": 0, "threads": 1, "workers": 0, "devices": 1, "nodes": 1}


def train_parser(description: str | None = None) -> argparse.ArgumentParser:
    """The options of ``python -m pagnet_training.train``."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_training.train", description=description)
    parser.add_argument("recipe", type=Path, help="YAML file, see training/recipes/")
    parser.add_argument("--scale", type=int, choices=SURFACE_SCALES, help="of up-sampling (default: the recipe's)")
    parser.add_argument(
        "--sensor", help="for which kind of depth: a name of the recipe's `sensors` (default: its first)"
    )
    parser.add_argument("--data", type=Path, help="data root, replaces the recipe's")
    parser.add_argument("--recording", type=Path, help="bag or folder of frames, replaces the recipe's recording")
    parser.add_argument(
        "--validate-on",
        type=Path,
        action="append",
        default=[],
        metavar="RECORDING",
        help="bag or folder of frames to validate on too, which should not be trained on; may be given several times",
    )
    for role, kind in (("depth", "depth"), ("color", "colour")):
        parser.add_argument(
            f"--{role}", default="", metavar="TOPIC", help=f"{kind} of the recordings, where a bag does not tell it"
        )
    parser.add_argument(
        "--depth-unit", type=float, metavar="M", help="metres per count of the recordings' 16-bit depth (0.001)"
    )
    parser.add_argument("--profile", help="sensor profile that patches are seen through: a name, or a .yaml file")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<recipe name>)")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument(
        "--time-limit", type=float, metavar="MIN", help="end this slice so many minutes after the program's start"
    )
    parser.add_argument("--steps", type=int, help="length of the whole run, replaces the recipe's")
    parser.add_argument("--warm-start", help="checkpoint or weights file to start from, replaces the recipe's")
    parser.add_argument("--cache", type=Path, help="folder in which rendered scenes are kept, replaces the recipe's")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--workers", type=int, default=0, help="processes that render scenes and cut patches")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"))
    parser.add_argument("--devices", type=int, default=1, help="processes (GPUs) on this machine")
    parser.add_argument("--nodes", type=int, default=1, help="machines")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network; for GPUs")
    parser.add_argument("--teacher", help="weights file to distil from, replaces the recipe's")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the command line names, with what it replaces, checked as a file is.

    Args:
        options: of `train_parser`.

    Raises:
        ConfigError: the recipe, or a number on the command line, is not usable.
    """
    given = {name: getattr(options, name) for name in _LEAST}
    wrong = [
        f"--{name.replace('_', '-')} {value}, expected at least {_LEAST[name]}"
        for name, value in given.items()
        if value is not None and not value >= _LEAST[name]
    ]
    if options.depth_unit is not None and not 1e-6 <= options.depth_unit <= 1:
        wrong.append(f"--depth-unit {options.depth_unit}, expected metres per count, 1e-6 to 1")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return with_options(load_recipe(options.recipe, options.scale, options.sensor), options)


def with_options(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """A recipe with what the command line replaces in it.

    Args:
        recipe: as its file has it.
        options: of `train_parser`.

    Raises:
        ConfigError: what comes of it is no usable recipe.
    """
    recordings = any(each.kind == "recording" for each in recipe.data.sources)
    if options.recording is not None and not recordings:
        raise ConfigError(
            f"--recording {options.recording}: the recipe {recipe.name} has no source of kind `recording`; expected "
            "one such as training/recipes/my_camera.yaml"
        )
    if (options.depth or options.color or options.depth_unit) and not (recordings or options.validate_on):
        raise ConfigError(
            f"--depth, --color and --depth-unit say how recordings are read, and {recipe.name} has none; "
            "expected --validate-on, or a recipe such as training/recipes/my_camera.yaml"
        )
    sources = (
        _read_as(each, options.recording, options) if each.kind == "recording" else each for each in recipe.data.sources
    )
    recipe = replace(recipe, data=replace(recipe.data, sources=tuple(sources)))
    if options.profile is not None:
        recipe = _seen_by(recipe, options.profile)
    named = {"steps": options.steps, "warm_start": options.warm_start, "teacher": options.teacher}
    recipe = replace(recipe, **{key: value for key, value in named.items() if value is not None})
    if options.cache is not None:
        recipe = _with_cache(recipe, options.cache)
    return parse_recipe(recipe.to_dict(), f"{options.recipe} with the options of the command line")


def validated_on(options: argparse.Namespace) -> list[SourceRecipe]:
    """The recordings that the command line names to validate on."""
    return [_read_as(SourceRecipe(kind="recording"), path, options) for path in options.validate_on]


def _read_as(source: SourceRecipe, path: Path | None, options: argparse.Namespace) -> SourceRecipe:
    """A recording that is read as the command line says; what that leaves open is the source's."""
    named = "" if path is None else str(path.expanduser().absolute())
    given = {
        "path": named,
        "depth_topic": options.depth,
        "color_topic": options.color,
        "depth_unit_m": options.depth_unit,
    }
    return replace(source, **{key: value for key, value in given.items() if value})


def _with_cache(recipe: Recipe, cache: Path) -> Recipe:
    """Rendered scenes kept in `cache`."""
    sources = (replace(each, cache=str(cache)) if each.kind == "procedural" else each for each in recipe.data.sources)
    return replace(recipe, data=replace(recipe.data, sources=tuple(sources)))


def _seen_by(recipe: Recipe, profile: str) -> Recipe:
    """The recipe for the sensor that a profile describes."""
    Sensors([profile])
    if recipe.model.output != "surfaces":
        raise ConfigError(
            f"--profile {profile}: the network of {recipe.name} regresses depth; expected a recipe whose network "
            "chooses surfaces, such as training/recipes/my_camera.yaml"
        )
    return replace(recipe, sensor=SensorRecipe((profile,) * 3 + ("unknown",), 0.3))
