"""Studies: variants become recipes, are trained once, scored, and tabulated."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_training.checkpoint import Checkpoint, write_checkpoint
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
        net = SurfaceNetwork(load_study(study).recipes["plain"].model)
        torch.nn.init.normal_(net.head.weight)
        tensors = {f"ema.{name}": tensor for name, tensor in net.state_dict().items()}
        write_checkpoint(out / f"plain-s{seed}" / "checkpoint.safetensors", Checkpoint(2, 0.0, {}, tensors))
    words = [str(study), "--data", str(tmp_path), "--out", str(out), "--json", str(figures)]
    assert main(words) == 2
    assert "names no data.held_out" in capsys.readouterr().err
    assert main([*words, "--held-out", "1"]) == 0
    (row,) = json.loads(figures.read_text(encoding="utf-8"))
    assert set(row["errors"]) == {"rmse", "mae", "flat", "between"}
    assert row["mean"] > 0
    assert row["spread"] > 0
    assert row["texture"] is None


def test_a_run_of_another_network_is_named(recipe_path, data_root, tmp_path, capsys):
    study, out = write_study(recipe_path, "{plain: {}}"), tmp_path / "out"
    other = replace(load_study(study).recipes["plain"].model, channels=4)
    tensors = {f"ema.{name}": tensor for name, tensor in PagNet(other).state_dict().items()}
    for seed in (1, 2):
        write_checkpoint(out / f"plain-s{seed}" / "checkpoint.safetensors", Checkpoint(2, 0.0, {}, tensors))
    assert main([str(study), "--data", str(data_root), "--out", str(out)]) == 2
    assert "plain-s1/checkpoint.safetensors: trained as another network than plain" in capsys.readouterr().err


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
        shutil.copytree(tmp_path / "out" / f"{name}-s1", tmp_path / "out" / f"{name}-s2")
    runs = sorted((tmp_path / "out").glob("*/checkpoint.safetensors"))
    before = [run.stat().st_mtime_ns for run in runs]
    assert len(runs) == 4
    assert main(arguments) == 0
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert json.loads(figures.read_text(encoding="utf-8")) == rows
