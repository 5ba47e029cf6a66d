"""What a run is validated on: scenes through the recipe's sensors, given recordings, the protocol's images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.recipe import Recipe, SensorRecipe, SourceRecipe, load_recipe
from pagnet_training.scene_validation import beside_interpolation, held_out_scenes, ratios, recorded_scenes
from pagnet_training.train import main

pytestmark = pytest.mark.filterwarnings("ignore")


def write_recording(folder: Path, frames: int = 3) -> Path:
    """A near board in front of a wall, moving; a corner without depth."""
    folder.mkdir()
    for number in range(frames):
        depth, rgb = np.full((64, 80), 3000, np.uint16), np.full((64, 80, 3), 90, np.uint8)
        board = np.s_[16:48, 20 + 4 * number : 44 + 4 * number]
        depth[board], rgb[board] = 1200, (200, 40, 40)
        depth[:9, :9] = 0
        cv2.imwrite(str(folder / f"frame-{number:06d}.depth.png"), depth)
        cv2.imwrite(str(folder / f"frame-{number:06d}.color.png"), rgb)
    return folder


def as_source(path: Path) -> SourceRecipe:
    return SourceRecipe(kind="recording", path=str(path))


def test_a_recordings_frames_are_its_own_truth_and_gaps_are_not_counted(tmp_path: Path) -> None:
    scenes = recorded_scenes(as_source(write_recording(tmp_path / "kitchen")), 4)
    assert len(scenes) == 3
    for scene in scenes:
        assert scene.low.shape == (16, 20)
        assert not scene.counted[:8, :8].any()
        assert np.nanmax(scene.truth) == pytest.approx(3.0)
    with pytest.raises(RecordingError, match="absent"):
        recorded_scenes(as_source(tmp_path / "absent"), 4)


@pytest.mark.parametrize("scale", [1, 4])
def test_a_recording_in_another_unit_is_refused_before_training(tmp_path: Path, scale: int) -> None:
    for frame in write_recording(tmp_path / "kitchen").glob("*.depth.png"):  # tenths of a millimetre
        cv2.imwrite(str(frame), 10 * cv2.imread(str(frame), cv2.IMREAD_UNCHANGED))
    with pytest.raises(RecordingError, match=r"kitchen: no pixel can be judged, with depth of 12 to 30 m"):
        recorded_scenes(as_source(tmp_path / "kitchen"), scale)
    tenths = replace(as_source(tmp_path / "kitchen"), depth_unit_m=1e-4)
    assert np.nanmax([scene.truth for scene in recorded_scenes(tenths, scale)]) == pytest.approx(3.0)


def test_sensors_that_see_nothing_of_the_held_out_scenes_are_named(tmp_path: Path) -> None:
    profile = tmp_path / "far.yaml"
    profile.write_text("description: ranges in millimetres\nmin_range_m: 300\nmax_range_m: 4000\n", encoding="utf-8")
    recipe = Recipe(model=ModelConfig.fast(4), sensor=SensorRecipe((str(profile),)))
    with pytest.raises(ConfigError, match=r"no pixel of its 1 held-out scenes can be judged(.|\n)*far\.yaml"):
        held_out_scenes(replace(recipe, data=replace(recipe.data, held_out=1)))


def test_held_out_scenes_are_seen_through_the_recipes_sensor() -> None:
    recipe = Recipe(model=ModelConfig.fast(4))
    recipe = replace(recipe, data=replace(recipe.data, held_out=1))
    (exact,), (kinect,) = (
        held_out_scenes(replace(recipe, sensor=SensorRecipe(profiles))) for profiles in ((), ("kinect_v1",))
    )
    assert (kinect.low == 0).mean() > (exact.low == 0).mean()
    both = (kinect.low > 0) & (exact.low > 0)
    assert np.abs(kinect.low - exact.low)[both].mean() > 0.001


def test_a_network_that_regresses_depth_is_measured_on_scenes_with_gaps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PagNet(ModelConfig(scale=4, channels=8, growth=4, convolutions=1, blocks=1, residual=True)).eval()
    torch.nn.init.zeros_(net.head.weight)
    figures = beside_interpolation(net, recorded_scenes(as_source(write_recording(tmp_path / "kitchen")), 4))
    assert figures.shape == (3, 2, 4)
    assert ratios(figures).judged == pytest.approx(1.0, abs=0.3)  # its base alone: bicubic beside bilinear


def test_given_recordings_are_journalled_and_decide_on_the_best(
    recipe_path: Path, data_root: Path, tmp_path: Path
) -> None:
    folder, recording = tmp_path / "run", write_recording(tmp_path / "kitchen")
    words = [str(recipe_path), "--data", str(data_root), "--out", str(folder), "--accelerator", "cpu", "--quiet"]
    assert main([*words, "--steps", "4", "--validate-on", str(recording), "--threads", "1"]) == 0
    (line,) = [json.loads(text) for text in (folder / "scenes.jsonl").read_text().splitlines()]
    assert line["step"] == 4
    assert line["millimetres"]["interpolated"]["rmse"] > 0
    (images,) = [json.loads(text) for text in (folder / "validation.jsonl").read_text().splitlines()]
    assert images["scene9"] > 0
    best = read_checkpoint(folder / "best.safetensors")
    assert (best.judged_on, best.score) == ("kitchen", pytest.approx((line["rmse"] * line["mae"]) ** 0.5, rel=1e-3))


def test_recordings_of_equal_or_reserved_names_are_told_apart(
    recipe_path: Path, data_root: Path, tmp_path: Path
) -> None:
    named = [tmp_path / name for name in ("a/rec", "b/rec", "b/rmse", "b/hall")]
    for number, path in enumerate(named):
        path.parent.mkdir(exist_ok=True)
        write_recording(path, frames=1 + number)
    words = [str(recipe_path), "--data", str(data_root), "--out", str(tmp_path / "run"), "--accelerator", "cpu"]
    words += [word for path in (*named, named[0]) for word in ("--validate-on", str(path))]
    assert main([*words, "--quiet", "--steps", "4", "--threads", "1"]) == 0
    (line,) = [json.loads(text) for text in (tmp_path / "run" / "scenes.jsonl").read_text().splitlines()]
    figures = {"rmse", "mae", "flat", "between", "millimetres"}
    assert set(line) == {"step", "seconds", *figures, "b/rec", "b/rmse", "hall"}  # the first one's lie at the top
    assert all(set(line[name]) == figures for name in ("b/rec", "b/rmse", "hall"))
    assert line["step"] == 4
    assert read_checkpoint(tmp_path / "run" / "best.safetensors").judged_on == "a/rec, b/rec, b/rmse, hall"


def test_images_without_noise_decide_only_where_none_is_trained_for(
    recipe_path: Path, data_root: Path, tmp_path: Path
) -> None:
    words = ["--data", str(data_root), "--accelerator", "cpu", "--quiet", "--steps", "4", "--threads", "1"]
    assert main([str(recipe_path), *words, "--out", str(tmp_path / "clean")]) == 0
    assert read_checkpoint(tmp_path / "clean" / "best.safetensors").judged_on == "val"
    recipe_path.write_text(
        recipe_path.read_text() + "augmentation: {sensor: 1.0}\nsensor: {profiles: [tof_paper]}\n", encoding="utf-8"
    )
    assert load_recipe(recipe_path).augmentation.sensor == 1.0
    assert main([str(recipe_path), *words, "--out", str(tmp_path / "sensor")]) == 0
    assert not (tmp_path / "sensor" / "best.safetensors").exists()
