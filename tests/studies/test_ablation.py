"""Studies: variants become recipes, are trained once, scored, and tabulated."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from pagnet_training.module import see_brightness_only
from pagnet_training.recipe import OptimiserRecipe
from studies.ablation import VariantScore, load_study, main
from tests.training.conftest import ROOT

STUDIES = sorted((ROOT / "studies/recipes").glob("*.yaml"))
WIDER = ("dense-four", "wide")
"""Variants of which a step takes longer, so that they have fewer of them."""


def write_study(recipe: Path, variants: str, seeds: str = "[1, 2]") -> Path:
    path = recipe.parent / "study.yaml"
    path.write_text(f"recipe: {recipe.name}\nsteps: 2\nseeds: {seeds}\nvariants: {variants}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path):
    study = load_study(path)
    assert study.recipes
    assert study.seeds
    recipes = [recipe for name, recipe in study.recipes.items() if name not in WIDER]
    pixels = [recipe.steps * recipe.batch * recipe.patch**2 for recipe in recipes]
    assert max(pixels) < 1.02 * min(pixels)
    assert len({recipe.warm_start for recipe in study.recipes.values()}) == 1


def test_a_variant_changes_what_it_names_and_nothing_else(recipe_path):
    study = load_study(write_study(recipe_path, "{plain: {}, bare: {model: {attention: false}}}"))
    plain, bare = (study.recipes[name] for name in ("plain", "bare"))
    assert plain.model.attention
    assert not bare.model.attention
    assert bare.model.channels == plain.model.channels == 8
    assert bare.augmentation == plain.augmentation


def test_an_unknown_key_in_a_variant_is_named(recipe_path):
    with pytest.raises(ConfigError, match=r"(?s)variant odd.*unknown key 'model.chanels', did you mean 'channels'"):
        load_study(write_study(recipe_path, "{odd: {model: {chanels: 4}}}"))


@pytest.mark.parametrize("text", ["variants: {a: {}}", "[1, 2]", "{"])
def test_what_is_no_study_is_refused(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="study"):
        load_study(path)


def write_run(folder, recipe, net, steps=2):
    """What a training of that recipe would leave."""
    tensors = {f"ema.{name}": tensor for name, tensor in net.state_dict().items()}
    write_checkpoint(folder / "checkpoint.safetensors", Checkpoint(steps, 0.0, recipe.to_dict(), tensors))


def scored(monkeypatch, *names, then=None):
    """Measurement gives these variants, then fails where an error is given."""

    def run_study(*_):
        for name in names:
            yield VariantScore(name, {"venus": 1.5}, 1.5, 0.0, 1.0)
        if then is not None:
            raise then

    monkeypatch.setattr("studies.ablation.run_study", run_study)


def test_what_was_measured_before_a_failure_is_shown_and_kept(recipe_path, tmp_path, monkeypatch, capsys):
    scored(monkeypatch, "plain", then=ConfigError("training of bare-s1 ended with 1"))
    figures = tmp_path / "new" / "figures.json"
    words = [str(write_study(recipe_path, "{plain: {}}")), "--data", str(tmp_path)]
    assert main([*words, "--json", str(figures)]) == 2
    shown = capsys.readouterr()
    assert "1.500" in shown.out
    assert shown.err == "error: training of bare-s1 ended with 1\n"
    assert [row["name"] for row in json.loads(figures.read_text(encoding="utf-8"))] == ["plain"]


def test_a_folder_for_the_runs_that_cannot_be_is_named(recipe_path, data_root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "runs"
    assert main([str(write_study(recipe_path, "{plain: {}}")), "--data", str(data_root), "--out", str(out)]) == 2
    assert f"{out}/plain-s1/recipe.yaml: the recipe of this run cannot be written" in capsys.readouterr().err


def test_networks_that_choose_surfaces_are_compared_on_held_out_scenes(tmp_path, capsys):
    recipe = tmp_path / "toy.yaml"
    model = "{scale: 4, channels: 8, blocks: 1, feature_stride: 4, output: surfaces}"
    recipe.write_text(f"model: {model}\ndata: {{sources: [{{kind: procedural, size: [64, 80]}}]}}\n", encoding="utf-8")
    study, out, figures = write_study(recipe, "{plain: {}}"), tmp_path / "out", tmp_path / "figures.json"
    for seed in (1, 2):
        torch.manual_seed(seed)
        trained = replace(load_study(study).recipes["plain"], seed=seed, precision="fp32")
        net = SurfaceNetwork(trained.model)
        torch.nn.init.normal_(net.head.weight)
        write_run(out / f"plain-s{seed}", trained, net)
    words = [str(study), "--data", str(tmp_path), "--out", str(out), "--json", str(figures)]
    assert main(words) == 2
    assert "names no data.held_out" in capsys.readouterr().err
    assert main([*words, "--held-out", "1"]) == 0
    (row,) = json.loads(figures.read_text(encoding="utf-8"))
    assert set(row["errors"]) == {"rmse", "mae", "flat", "between"}
    assert row["mean"] > 0
    assert row["spread"] > 0
    assert row["texture"] is None


@pytest.mark.parametrize(
    ("steps", "changes", "says"),
    [
        (2, {"batch": 2}, "(batch: 2 then, 4 now)"),
        (9, {"steps": 9}, "(steps: 9 then, 2 now)"),
        (1, {"optimiser": OptimiserRecipe(rate=0.5)}, "optimiser.rate: 0.5 then, 0.001 now"),
        (2, {"model": ModelConfig(scale=2, channels=4)}, "model.channels: 4 then, 8 now"),
    ],
)
def test_what_another_recipe_trained_is_neither_scored_nor_gone_on_with(
    recipe_path, data_root, tmp_path, capsys, steps, changes, says
):
    study, out = write_study(recipe_path, "{plain: {}}", "[5]"), tmp_path / "out"
    trained = replace(load_study(study).recipes["plain"], **changes)
    write_run(out / "plain-s5", trained, PagNet(trained.model), steps)
    assert main([str(study), "--data", str(data_root), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"{out}/plain-s5: trained by another recipe" in said
    assert says in said
    assert "delete the folder" in said
    assert not (out / "plain-s5" / "recipe.yaml").exists()


def test_options_of_the_training_belong_to_the_recipe(recipe_path, data_root, tmp_path, capsys):
    recipe_path.write_text(recipe_path.read_text().replace("path: pairs}", "path: pairs}, {kind: procedural}"))
    study, out = write_study(recipe_path, "{plain: {}}", "[5]"), tmp_path / "out"
    trained = replace(load_study(study).recipes["plain"], warm_start="rt-x4-clean", precision="bf16")
    write_run(out / "plain-s5", trained, PagNet(trained.model))
    words = [str(study), "--data", str(data_root), "--out", str(out)]
    assert main([*words, "--warm-start", "rt-x4-clean", "--cache", str(tmp_path), "--threads", "1"]) == 0
    assert main(words) == 2
    assert "(warm_start: 'rt-x4-clean' then, '' now)" in capsys.readouterr().err


def test_a_variant_blind_to_colour_is_scored_as_it_would_be_exported(recipe_path, data_root, tmp_path):
    study, out, figures = tmp_path / "study.yaml", tmp_path / "out", tmp_path / "figures.json"
    write_study(recipe_path, "{coloured: {}, grey: {augmentation: {grey: 1.0}}, blind: {}}", "[5]")
    recipes = load_study(study).recipes
    torch.manual_seed(5)
    net = PagNet(recipes["grey"].model)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    for name in ("coloured", "grey", "blind"):
        if name == "blind":
            see_brightness_only(net)
        write_run(out / f"{name}-s5", recipes[name], net)
    assert main([str(study), "--data", str(data_root), "--out", str(out), "--json", str(figures)]) == 0
    coloured, grey, blind = json.loads(figures.read_text(encoding="utf-8"))
    assert grey["mean"] == pytest.approx(blind["mean"], rel=1e-5)
    assert grey["texture"] == pytest.approx(blind["texture"], rel=1e-4)
    assert coloured["mean"] != pytest.approx(blind["mean"], rel=1e-3)


@pytest.mark.timeout(900)
def test_a_study_trains_scores_and_does_not_train_again(recipe_path, data_root, tmp_path, package_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(package_path))
    monkeypatch.syspath_prepend(package_path)
    variants = "{plain: {}, bare: {model: {attention: false}}}"
    study = write_study(recipe_path, variants, "[1]")
    figures = tmp_path / "figures.json"
    arguments = [str(study), "--data", str(data_root), "--out", str(tmp_path / "out"), "--json", str(figures)]
    arguments += ["--accelerator", "cpu", "--threads", "1"]
    assert main(arguments) == 0
    rows = json.loads(figures.read_text(encoding="utf-8"))
    assert [row["name"] for row in rows] == ["plain", "bare"]
    assert all(row["errors"]["scene9"] > 0 for row in rows)
    write_study(recipe_path, variants)
    for name in ("plain", "bare"):  # a second seed that is trained already, with the same outcome
        first = read_checkpoint(tmp_path / "out" / f"{name}-s1" / "checkpoint.safetensors")
        second = replace(first, recipe=first.recipe | {"seed": 2})
        write_checkpoint(tmp_path / "out" / f"{name}-s2" / "checkpoint.safetensors", second)
    runs = sorted((tmp_path / "out").glob("*/checkpoint.safetensors"))
    before = [run.stat().st_mtime_ns for run in runs]
    assert len(runs) == 4
    assert main(arguments) == 0
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert json.loads(figures.read_text(encoding="utf-8")) == rows
