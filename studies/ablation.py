"""``python -m studies.ablation STUDY.yaml``: variants of a network at equal training budgets, as one table.

Data flows: a study file -> one recipe per variant and seed -> `pagnet_training.train` in processes of their own, each
resumable -> RMSE on the validation images, texture copying -> table and JSON. What is already trained is not trained
again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.weights import build_network
from pagnet_ros.system.files import replaced
from pagnet_training.checkpoint import Checkpoint, read_checkpoint
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.data.sources import without_missing
from pagnet_training.json_file import explained, write_json
from pagnet_training.module import as_exported
from pagnet_training.protocol import ProtocolImage, make_case, network_upsampler, read_protocol_images, rmse
from pagnet_training.recipe import Recipe, load_recipe, parse_recipe
from pagnet_training.recipe_file import merged, read_yaml
from pagnet_training.scene_validation import Figures, HeldOut, beside_interpolation, held_out_scenes, ratios
from pagnet_training.train_options import train_parser, with_options
from studies.texture import texture_copying


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        base: the recipe that every variant starts from; its steps are the budget.
        recipes: complete recipe per variant, in the order of the file.
        seeds: each variant is trained once per seed.
    """

    base: Recipe
    recipes: dict[str, Recipe]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class VariantScore:
    """One row of the study.

    Attributes:
        name: of the variant.
        errors: means over seeds. RMSE in levels on each validation image with a floating-point input; of a network that
            chooses surfaces, each of `Figures` over that of interpolation, on held-out scenes.
        mean: over the images; of a network that chooses surfaces, over `rmse` and `mae`, geometric.
        spread: largest minus smallest mean over the seeds; 0 for one seed.
        texture: RMSE on textured planes with the true colour image over that with a grey one, mean over seeds; None for
            a network that chooses surfaces.
    """

    name: str
    errors: dict[str, float]
    mean: float
    spread: float
    texture: float | None


def load_study(path: Path, steps: int | None = None) -> Study:
    """Read a study file: ``recipe`` (path beside it), ``steps``, ``seeds``, ``variants: {name: {recipe keys}}``.

    Raises:
        ConfigError: unreadable, unknown keys, or a variant that is not a valid recipe.
    """
    content = read_yaml(path, "study")
    expected = {"recipe", "steps", "seeds", "variants"}
    if not isinstance(content, dict) or set(content) != expected or not content["variants"]:
        came = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ConfigError(f"study {path}: came with {came}; expected the keys {', '.join(sorted(expected))}")
    base = replace(load_recipe(path.parent / str(content["recipe"])), warm_start="", steps=steps or content["steps"])
    recipes = {}
    for name, changes in content["variants"].items():
        values = merged(_plain(base), changes or {})
        recipes[str(name)] = parse_recipe(values | {"name": str(name)}, f"{path}, variant {name}")
    return Study(base, recipes, tuple(int(seed) for seed in content["seeds"]))


def run_study(study: Study, out: Path, data: Path, train_arguments: Sequence[str]) -> Iterator[VariantScore]:
    """Train what is not trained yet, then score everything, one variant after the other.

    Args:
        study: what to compare.
        out: folder of the runs.
        data: data root.
        train_arguments: passed on to `pagnet_training.train`, for example ``--devices 2``.

    Raises:
        ConfigError: no validation images are named, a run was trained by another recipe, a training failed, or its
            recipe cannot be written.
    """
    surfaces = study.base.model.output == "surfaces"
    if not (study.base.data.held_out if surfaces else study.base.data.validation):
        key = "held_out" if surfaces else "validation"
        raise ConfigError(f"study: the recipe names no data.{key}; a study needs images to compare on")
    for seed in study.seeds:
        for name, recipe in study.recipes.items():
            _train(replace(recipe, seed=seed), out / f"{name}-s{seed}", data, train_arguments)
    if surfaces:
        scenes = held_out_scenes(study.base)
        yield from (_score_surfaces(name, recipe, study.seeds, out, scenes) for name, recipe in study.recipes.items())
        return
    images = read_protocol_images(data / study.base.data.validation)
    yield from (_score(name, recipe, study.seeds, out, images) for name, recipe in study.recipes.items())


def _plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as YAML would give it."""
    plain: dict[str, Any] = json.loads(json.dumps(recipe.to_dict()))
    return plain


def _train(recipe: Recipe, folder: Path, data: Path, arguments: Sequence[str]) -> None:
    path = folder / "recipe.yaml"
    if (done := _checkpoint(folder)) is not None:
        now = with_options(recipe, train_parser().parse_args([str(path), *arguments]))
        _check_same_recipe(done, replace(now, data=without_missing(now.data, data)), folder)
        if done.step >= recipe.steps:
            return
    with explained(path, "the recipe of this run"), replaced(path) as temporary:
        temporary.write_text(yaml.safe_dump(_plain(recipe)), encoding="utf-8")
    command = [sys.executable, "-m", "pagnet_training.train", str(path), "--data", str(data), "--out", str(folder)]
    done_process = subprocess.run([*command, "--resume", "--quiet", *arguments], check=False)
    if done_process.returncode:
        raise ConfigError(f"study: training of {folder.name} ended with {done_process.returncode}; see its message")


def _check_same_recipe(done: Checkpoint, recipe: Recipe, folder: Path) -> None:
    """Refuse to go on with, or to score, what another recipe has trained."""
    try:
        model = ModelConfig.from_dict(done.recipe.get("model", {})).to_dict()
        before, now = (
            _deciding(each) for each in (parse_recipe(done.recipe | {"model": model}, "in its checkpoint"), recipe)
        )
        keys = [key for key in before | now if before.get(key) != now.get(key)]
        changed = [f"{key}: {before.get(key)!r} then, {now.get(key)!r} now" for key in keys]
    except ConfigError as error:
        changed = [str(error)]
    if changed:
        raise ConfigError(
            f"{folder}: trained by another recipe than the study's is now ({'; '.join(changed)}); delete the folder to "
            "train anew, or choose another --out"
        )


def _deciding(recipe: Recipe) -> dict[str, Any]:
    """What decides about the weights, by dotted names."""
    sources = tuple(replace(source, cache="") for source in recipe.data.sources)
    recipe = replace(recipe, precision="auto", checkpoint_every=1, validate_every=1)
    return _flat(_plain(replace(recipe, data=replace(recipe.data, sources=sources))))


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if isinstance(values, list):
        values = dict(enumerate(values))
    if not isinstance(values, dict):
        return {name: values}
    return {k: v for key, value in values.items() for k, v in _flat(value, f"{name}.{key}".lstrip(".")).items()}


def _checkpoint(folder: Path) -> Checkpoint | None:
    path = folder / "checkpoint.safetensors"
    return read_checkpoint(path) if path.is_file() else None


def _score(name: str, recipe: Recipe, seeds: Sequence[int], out: Path, images: Sequence[ProtocolImage]) -> VariantScore:
    scale = recipe.model.scale
    cases = {image.name: make_case(image, scale, rounded=False) for image in images}
    per_seed, texture = [], []
    for seed in seeds:
        net = _trained(recipe, out / f"{name}-s{seed}" / "checkpoint.safetensors")
        assert isinstance(net, PagNet)
        run = network_upsampler(net)
        per_seed.append({key: rmse(run(case.low, case.rgb, scale), case.truth) for key, case in cases.items()})
        texture.append(texture_copying(run, scale).ratio)
    means = [statistics.fmean(scores.values()) for scores in per_seed]
    mean = {key: statistics.fmean(scores[key] for scores in per_seed) for key in per_seed[0]}
    return VariantScore(name, mean, statistics.fmean(means), max(means) - min(means), statistics.fmean(texture))


def _score_surfaces(
    name: str, recipe: Recipe, seeds: Sequence[int], out: Path, scenes: Sequence[HeldOut]
) -> VariantScore:
    per_seed = []
    for seed in seeds:
        net = _trained(recipe, out / f"{name}-s{seed}" / "checkpoint.safetensors")
        assert isinstance(net, SurfaceNetwork)
        per_seed.append(ratios(beside_interpolation(net, scenes)))
    means = [figures.judged for figures in per_seed]
    errors = {key: statistics.fmean(getattr(each, key) for each in per_seed) for key in Figures._fields}
    return VariantScore(name, errors, statistics.fmean(means), max(means) - min(means), None)


def _trained(recipe: Recipe, checkpoint: Path) -> PagNet | SurfaceNetwork:
    net = build_network(recipe.model)
    net.load_state_dict(read_checkpoint(checkpoint).part("ema"))
    return as_exported(net.eval(), recipe)


def table(study: Study, scores: Sequence[VariantScore]) -> Table:
    """The study as a table, in the file's own order."""
    first = next(iter(study.recipes.values()))
    title = (
        f"{study.base.name}, {study.base.model.scale}x, {first.steps} steps of {first.batch} patches of {first.patch} "
        f"each, {len(study.seeds)} seed(s)"
    )
    images = list(scores[0].errors)
    rows = Table("variant", "mean", "spread", *images, "texture", title=title)
    for score in scores:
        figures = (score.mean, score.spread, *(score.errors[image] for image in images))
        texture = "-" if score.texture is None else f"{score.texture:.2f}"
        rows.add_row(score.name, *(f"{figure:.3f}" for figure in figures), texture)
    return rows


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status. Options it does not know go to `pagnet_training.train`."""
    parser = argparse.ArgumentParser(prog="python -m studies.ablation", description=description_of(__doc__))
    parser.add_argument("study", type=Path, help="YAML file, see studies/recipes/")
    parser.add_argument("--data", type=Path, required=True, help="data root")
    parser.add_argument("--out", type=Path, help="folder of the runs (default: runs/<study's file name>)")
    parser.add_argument("--steps", type=int, help="budget, replaces the study's")
    parser.add_argument("--held-out", type=int, help="scenes that networks which choose surfaces are judged on")
    parser.add_argument("--json", type=Path, help="write every figure here")
    options, passed_on = parser.parse_known_args(arguments)
    study = load_study(options.study, options.steps)
    scores: list[VariantScore] = []
    if options.held_out:
        study = replace(study, base=replace(study.base, data=replace(study.base.data, held_out=options.held_out)))
    try:
        for score in run_study(study, options.out or Path("runs") / options.study.stem, options.data, passed_on):
            scores.append(score)
    finally:  # what was measured before a failure is shown and kept
        if scores:
            Console(width=max(180, Console().width)).print(table(study, scores))
            if options.json:
                write_json(options.json, [asdict(score) for score in scores])


if __name__ == "__main__":
    sys.exit(main())
