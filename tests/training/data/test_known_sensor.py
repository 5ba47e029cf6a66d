"""Patches seen through described sensors: metric, masked, deterministic, without effect on recipes that name none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, max_pool2d

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PROFILES, SensorProfile, save_profile
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.folders import read_frames, read_middlebury
from pagnet_training.data.images import RgbdImage, make_image
from pagnet_training.data.known_sensor import (
    LEVELS_OF_A_FRAME,
    MetricPatch,
    Sensors,
    focal_length,
    metres_of,
    observe,
)
from pagnet_training.data.patches import Patches, Source
from pagnet_training.data.procedural import render_scene

ALWAYS = Augmentation.paper()
THROUGH_A_SENSOR = Augmentation(**{**vars(ALWAYS), "sensor": 1.0})


def metric_image(height: int = 96, width: int = 128) -> RgbdImage:
    """A wall at 3 m behind a box at 1 m, in metres and in levels."""
    depth_m = np.full((height, width), 3.0, np.float32)
    depth_m[20:70, 30:90] = 1.0
    rgb = np.where(depth_m[..., None] < 2, 200, 60).astype(np.uint8).repeat(3, axis=2)
    return make_image("box", rgb, 250 / depth_m, depth_m)


def patches_of(image: RgbdImage, sensors: Sensors, scale: int = 4, patch: int = 64) -> Patches:
    return Patches([Source([image], 1.0)], scale, patch, 7, THROUGH_A_SENSOR, sensors)


def profile_file(tmp_path: Path, **fields: object) -> str:
    path = tmp_path / "mine.yaml"
    save_profile(SensorProfile("mine", **fields), path)
    return str(path)


@pytest.mark.parametrize("name", ["kinect_v1", "tof", "azure_kinect", "tof_paper", "kinect_paper"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_patches_are_a_pure_function_of_their_number(name: str, scale: int) -> None:
    first, second = (patches_of(metric_image(), Sensors([name, "unknown"], 0.4), scale) for _ in range(2))
    samples = [first[i] for i in range(8)]
    for i in reversed(range(8)):
        again = second[i]
        assert all(torch.equal(again[key], samples[i][key]) for key in again)
    for sample in samples:
        assert sample["low"].shape == sample["measured"].shape == (1, 64 // scale, 64 // scale)
        assert all(torch.isfinite(value).all() for value in sample.values())
        assert set(sample["measured"].unique().tolist()) <= {0.0, 1.0}
    assert len({float(sample["low"].sum()) for sample in samples}) > 4


def test_a_recipe_that_names_no_sensor_gets_the_patches_it_always_got(data_root: Path) -> None:
    images = read_middlebury(data_root / "pairs", [])
    odds = Augmentation(sensor=0.5)
    before, after = (Patches([Source(images, 1.0)], 4, 32, 3, odds, s) for s in (None, Sensors(["unknown"])))
    for i in range(12):
        one, other = before[i], after[i]
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_truth_and_measurement_of_a_noise_free_sensor_agree(tmp_path: Path) -> None:
    sensors = Sensors([profile_file(tmp_path, max_range_m=50.0)])
    patches = patches_of(metric_image(), sensors)
    for i in range(6):
        sample = patches[i]
        truth = avg_pool2d(sample["truth"], 4)
        assert (sample["measured"] == 1).all()
        torch.testing.assert_close(sample["low"], truth, atol=2e-5, rtol=0)


def test_a_frame_spans_as_many_levels_whatever_its_metres(tmp_path: Path) -> None:
    sample = patches_of(metric_image(), Sensors([profile_file(tmp_path, max_range_m=50.0)]), patch=96)[0]
    step = float((sample["truth"].max() - sample["truth"].min()) * sample["span"])
    assert step == pytest.approx(LEVELS_OF_A_FRAME, rel=1e-3)


def test_noise_has_the_profiles_strength_in_metres(tmp_path: Path) -> None:
    sensors = Sensors([profile_file(tmp_path, noise_floor_m=0.05, max_range_m=50.0)])
    patches = patches_of(metric_image(), sensors)
    errors = []
    for i in range(12):
        sample = patches[i]
        truth = avg_pool2d(sample["truth"], 4)
        flat = max_pool2d(sample["truth"], 4) == -max_pool2d(-sample["truth"], 4)
        errors.append(((sample["low"] - truth) * sample["span"])[flat])
    metres_per_level = 2.0 / LEVELS_OF_A_FRAME  # before the random enlargement of the scene
    found = float(torch.cat(errors).std()) * metres_per_level
    assert 0.05 * np.exp(-0.45) < found < 0.05 * np.exp(0.45)


def test_missing_pixels_are_marked_and_filled_and_the_far_wall_is_not_to_be_learnt(tmp_path: Path) -> None:
    sensors = Sensors([profile_file(tmp_path, max_range_m=1.9, missing=0.1)])
    patches = patches_of(metric_image(), sensors, patch=96)
    sample = patches[0]
    near = sample["truth"] < sample["truth"].mean()
    assert float(sample["known"][near].mean()) > 0.99
    assert float(sample["known"][~near].mean()) < 0.01
    share = float(sample["measured"].mean())
    assert 0.1 < share < float(near.float().mean())
    assert torch.isfinite(sample["low"]).all()


def test_where_nothing_is_measured_the_patch_is_taken_as_it_is(tmp_path: Path) -> None:
    sample = patches_of(metric_image(), Sensors([profile_file(tmp_path, missing=1.0)]))[0]
    assert (sample["measured"] == 1).all()
    assert torch.isfinite(sample["low"]).all()


def test_the_papers_noise_counts_levels() -> None:
    levels = np.full((96, 128), 120.0, np.float32)
    image = make_image("flat", np.zeros((96, 128, 3), np.uint8), levels)
    patches = patches_of(image, Sensors(["tof_paper"]))
    error = torch.cat([(s["low"] - s["truth"].mean()) * s["span"] for s in (patches[i] for i in range(10))])
    assert float(error.std()) == pytest.approx(5.0, rel=0.1)
    assert all(float(patches[i]["measured"].min()) == 1 for i in range(10))


def test_disparity_becomes_plausible_metres_near_where_it_is_large() -> None:
    metres = metres_of(np.array([20.0, 110.0, 200.0], np.float32), (20.0, 200.0), (0.5, 2.0))
    assert metres.tolist() == pytest.approx([2.0, 0.8, 0.5])


def test_a_known_focal_length_is_kept() -> None:
    dice = np.random.default_rng(0)
    assert focal_length(500.0, 640, dice) == 500.0
    assert 400 < focal_length(0.0, 640, dice) < 800


def test_holes_prefer_dark_surfaces_as_the_profile_says(tmp_path: Path) -> None:
    profile = SensorProfile("mine", missing_brightness_curve=((0.0, 0.6), (0.5, 0.0)))
    bright = np.full((128, 128), 0.9, np.float32)
    bright[:, :64] = 0.0
    depth = np.full((128, 128), 2.0, np.float32)
    low, kept = observe(MetricPatch(depth, bright, bright, None, 100.0), profile, 2, np.random.default_rng(1))
    assert (~kept[:, :32]).mean() == pytest.approx(0.6, abs=0.05)
    assert kept[:, 32:].all()
    assert (low[~kept] == 0).all()


def test_the_shadow_stays_on_its_side_however_the_patch_is_turned() -> None:
    profile = SensorProfile("mine", shadow_side="left", baseline_m=0.1)
    depth = np.full((64, 64), 3.0, np.float32)
    depth[:, 32:48] = 1.0
    patch = MetricPatch(depth, depth * 0, depth * 0, None, 200.0)
    _, kept = observe(patch, profile, 1, np.random.default_rng(1))
    assert not kept[:, 24:31].any()
    assert kept[:, 49:].all()


def test_spread_varies_noise_and_holes_and_nothing_else() -> None:
    sensors, dice = Sensors(["kinect_v1"], 0.5), np.random.default_rng(0)
    drawn = [sensors.draw(dice) for _ in range(50)]
    plain = PROFILES["kinect_v1"]
    factors = np.array([[p.noise_floor_m / plain.noise_floor_m, p.missing_edge / plain.missing_edge] for p in drawn])
    assert factors.min() >= np.exp(-0.5) - 1e-6
    assert factors.max() <= np.exp(0.5) + 1e-6
    assert (factors.std(axis=0) > 0.1).all()
    assert {p.lateral_px for p in drawn} == {plain.lateral_px}
    assert all(p.noise_quadratic_per_m / p.noise_floor_m == pytest.approx(19 / 12) for p in drawn)


def test_unknown_sensors_are_mixed_in_where_named() -> None:
    sensors, dice = Sensors(["kinect", "unknown"]), np.random.default_rng(0)
    drawn = [sensors.draw(dice) for _ in range(200)]
    assert 60 < sum(profile is None for profile in drawn) < 140
    with pytest.raises(ConfigError, match="kinekt"):
        Sensors(["kinekt"])


def test_rendered_scenes_know_their_metres(tmp_path: Path) -> None:
    image = render_scene(3, (48, 64))
    assert image.metric is not None
    assert image.metric.depth_m.shape == image.metric.albedo.shape == image.metric.cosine.shape == (48, 64)
    assert 0.1 < image.metric.depth_m.min() < image.metric.depth_m.max() < 60
    assert image.metric.focal_px > 20
    sample = Patches([Source([image], 1.0)], 2, 32, 1, THROUGH_A_SENSOR, Sensors(["kinect_v1"]))[0]
    assert 0.1 < float(sample["measured"].mean()) <= 1


def test_recorded_frames_know_their_metres(tmp_path: Path) -> None:
    import cv2

    depth = np.full((40, 50), 1500, np.uint16)
    depth[:10] = 0
    depth[30:] = 2500
    cv2.imwrite(str(tmp_path / "a.color.png"), np.full((40, 50, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "a.depth.png"), depth)
    (image,) = read_frames(tmp_path, [])
    assert image.metric is not None
    assert set(np.unique(image.metric.depth_m[image.valid]).tolist()) == {1.5, 2.5}
    assert np.isfinite(image.metric.depth_m).all()
    assert not image.valid[:10].any()
