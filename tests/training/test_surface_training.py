"""Training of a network that chooses surfaces, from its recipe to a weights file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.weights import load_weights, save_weights
from pagnet_ros.model.zoo import zoo_path
from pagnet_ros.runtime import devices
from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.data.sources import without_missing
from pagnet_training.export import export
from pagnet_training.precision import training_precision
from pagnet_training.recipe import Recipe, load_recipe
from pagnet_training.scene_validation import held_out_scenes, measure
from pagnet_training.throughput import patch_gflop
from pagnet_training.train import main, train
from pagnet_training.warm_start import warm_start

FOLDER = Path(__file__).resolve().parents[2] / "training" / "recipes"
SCENES = "[{kind: procedural, scenes: 1, size: [64, 80]}, {kind: middlebury, path: absent, optional: true}]"
RECIPE = f"""
name: toy
model: {{scale: 4, channels: 8, blocks: 1, feature_stride: 4, output: surfaces}}
data: {{held_out: 2, sources: {SCENES}}}
patch: 32
batch: 2
steps: 4
precision: fp32
seed: 5
optimiser: {{rate: 0.001, warmup: 2, schedule: constant, clip: 10.0, ema: 0.9}}
checkpoint_every: 1
validate_every: 2
"""

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    path = tmp_path / "toy.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return load_recipe(path)


def run(recipe: Recipe, folder: Path, **options: object) -> None:
    train(recipe, folder, progress=False, accelerator="cpu", threads=1, **options)  # type: ignore[arg-type]


def test_a_run_cut_in_two_ends_bit_for_bit_like_one_in_one_go_and_leaves_a_file_that_tells_what_it_is(
    recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(recipe, tmp_path / "whole")
    assert "absent" in caplog.text
    run(recipe, tmp_path / "slices", time_limit=0.0)
    assert read_checkpoint(tmp_path / "slices" / "checkpoint.safetensors").step == 1
    run(recipe, tmp_path / "slices", resume=True)
    whole, sliced = (read_checkpoint(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "slices"))
    assert whole.step == sliced.step == 4
    assert all(torch.equal(whole.tensors[name], sliced.tensors[name]) for name in whole.tensors)
    lines = [json.loads(line) for line in (tmp_path / "whole" / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        assert all(line[name] > 0 for name in ("rmse", "mae", "between"))
        assert line["millimetres"]["network"]["rmse"] > 0
    assert patch_gflop(recipe) > 0
    whole_run = tmp_path / "whole"
    scores = {line["step"]: (line["rmse"] * line["mae"]) ** 0.5 for line in lines}
    best = read_checkpoint(whole_run / "best.safetensors")
    assert best.step == min(scores, key=scores.get)
    assert best.score == pytest.approx(scores[best.step], rel=1e-3)
    assert best.judged_on == "held-out scenes"

    target = tmp_path / "toy-x4-sensor.safetensors"
    assert export(whole_run, target).recipe["steps_done"] == best.step
    export(whole_run / "checkpoint.safetensors", target)
    net, header = load_weights(target)
    assert isinstance(net, SurfaceNetwork)
    assert (header.normalisation, header.variant, header.config.scale) == ("local", "sensor", 4)
    assert (header.recipe["steps_done"], header.data) == (4, ("procedural",))
    before = net.head.weight.clone()
    other, mean = tmp_path / "other.safetensors", tmp_path / "mean.safetensors"
    net.head.weight.data += 3.0
    save_weights(other, net, replace(header, name="other"))
    export(tmp_path / "whole" / "checkpoint.safetensors", mean, average_with=[other, other])
    averaged, header = load_weights(mean)
    assert isinstance(averaged, SurfaceNetwork)
    assert torch.allclose(averaged.head.weight, before + 2.0, atol=2e-3)
    assert header.recipe["average_with"] == ["other.safetensors"] * 2
    with pytest.raises(ConfigError, match="only equal networks"):
        export(tmp_path / "whole" / "checkpoint.safetensors", mean, average_with=[zoo_path("fast-x4-sensor")])
    for unfit in ({"grey": True}, {"validation": tmp_path}, {"planar_gate": True}):
        with pytest.raises(ConfigError):
            export(tmp_path / "whole" / "checkpoint.safetensors", target, **unfit)  # type: ignore[arg-type]


def test_another_scale_takes_all_weights_and_the_mean_of_depth(recipe: Recipe) -> None:
    torch.manual_seed(1)
    four, one = (SurfaceNetwork(ModelConfig.fast(scale)) for scale in (4, 1))
    assert warm_start(one, four.state_dict()) == len(one.state_dict())
    assert torch.equal(one.head.weight, four.head.weight)
    assert torch.equal(one.refine[0].first[0].weight, four.refine[0].first[0].weight)
    each = one.enter_depth[0].weight.reshape(32, 18, 16, 3, 3)
    torch.testing.assert_close(each, four.enter_depth[0].weight[:, :, None].expand_as(each) / 16)


def test_weights_of_which_none_fits_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none of its weights fits"):
        run(replace(recipe, warm_start="rt-x4-clean"), tmp_path / "run")


def test_what_has_no_meaning_for_the_kind_of_network_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(RECIPE + "augmentation: {holes: 1.0}\nloss: {absolute: 2.0}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"augmentation .*no meaning(.|\n)*loss .*no meaning"):
        load_recipe(path)
    path.write_text(RECIPE, encoding="utf-8")
    assert main([str(path), "--teacher", "rt-x4-clean", "--out", str(tmp_path / "run"), "--quiet"]) == 2
    assert "teacher with model.output='surfaces', where it has no meaning" in capsys.readouterr().err


def test_the_shipped_recipe_needs_nothing_but_rendered_scenes(tmp_path: Path) -> None:
    recipe = load_recipe(FOLDER / "fast.yaml", 4)
    assert recipe.model == ModelConfig.fast(4)
    assert {source.kind for source in without_missing(recipe.data, tmp_path).sources} == {"procedural"}
    (tmp_path / "middlebury_train").mkdir()
    assert {source.kind for source in without_missing(recipe.data, tmp_path).sources} == {"procedural", "middlebury"}
    assert load_recipe(FOLDER / "fast.yaml", 1).warm_start == "runs/fast-x4-sensor/checkpoint.safetensors"


@pytest.mark.parametrize("scale", [1, 4])
def test_held_out_scenes_are_the_same_each_time_and_the_truth_has_no_error(recipe: Recipe, scale: int) -> None:
    recipe = replace(recipe, model=replace(recipe.model, scale=scale))
    scenes, again = held_out_scenes(recipe), held_out_scenes(recipe)
    assert len(scenes) == 2
    for scene, same in zip(scenes, again, strict=True):
        assert np.array_equal(scene.low, same.low)
        assert scene.counted.any()
        perfect = measure(np.nan_to_num(scene.truth), scene, scene.counted)
        assert (perfect.rmse, perfect.mae, perfect.between) == (0, 0, 1)
        assert measure(scene.plain, scene, scene.counted).rmse > 1
        if scale == 1:
            assert not scene.low[scene.counted].any()


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "fp32")])
def test_bfloat16_is_taken_only_where_it_is_computed(monkeypatch: pytest.MonkeyPatch, has: bool, expected: str) -> None:
    monkeypatch.setattr(devices, "_cpu_has_fast_bf16", lambda: has)
    assert training_precision("auto", torch.device("cpu")) == expected
    assert training_precision("bf16", torch.device("cpu")) == "bf16"
    assert load_recipe(FOLDER / "rt.yaml").precision == "auto"


def test_a_step_whose_gradient_is_not_finite_is_left_out(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pagnet_training import module

    real, calls = module.surface_loss, []

    def sometimes_infinite(*arguments: object, **options: object) -> object:
        loss = real(*arguments, **options)  # type: ignore[arg-type]
        calls.append(loss)
        return loss._replace(value=loss.value * float("inf")) if len(calls) == 2 else loss

    monkeypatch.setattr(module, "surface_loss", sometimes_infinite)
    run(replace(recipe, steps=3, data=replace(recipe.data, held_out=0)), tmp_path / "run")
    checkpoint = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert (checkpoint.step, len(calls)) == (3, 3)
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint.tensors.values())
    assert checkpoint.tensors["adam.step.head.weight"] == 2
