"""Patches seen through described sensors: masked, deterministic, without effect on recipes that name none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PROFILES, SensorProfile, save_profile
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.folders import read_frames
from pagnet_training.data.images import RgbdImage, make_image
from pagnet_training.data.known_sensor import MetricPatch, Sensors, focal_length, observe
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


@pytest.mark.parametrize("name", ["tof_paper", "kinect_paper"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_patches_are_a_pure_function_of_their_number(name: str, scale: int) -> None:
    first, second = (patches_of(metric_image(), Sensors([name], 0.4), scale) for _ in range(2))
    samples = [first[i] for i in range(8)]
    for i in reversed(range(8)):
        again = second[i]
        assert all(torch.equal(again[key], samples[i][key]) for key in again)
    for sample in samples:
        assert sample["low"].shape == sample["measured"].shape == (1, 64 // scale, 64 // scale)
        assert all(torch.isfinite(value).all() for value in sample.values())
        assert set(sample["measured"].unique().tolist()) <= {0.0, 1.0}
    assert len({float(sample["low"].sum()) for sample in samples}) > 4


def test_a_share_of_the_patches_is_seen_through_a_sensor() -> None:
    image, half = metric_image(), Augmentation(**{**vars(ALWAYS), "sensor": 0.5})
    plain = Patches([Source([image], 1.0)], 4, 64, 7, half)
    seen = Patches([Source([image], 1.0)], 4, 64, 7, half, Sensors(["kinect_paper"]))
    changed = [not torch.equal(plain[i]["low"], seen[i]["low"]) for i in range(40)]
    assert 8 < sum(changed) < 32
    assert all(torch.equal(plain[i]["rgb"], seen[i]["rgb"]) for i in range(40))


def test_missing_pixels_are_marked_and_filled() -> None:
    patches = patches_of(metric_image(), Sensors(["kinect_paper"]))
    samples = [patches[i] for i in range(20)]
    assert 0.5 < np.mean([float(sample["measured"].mean()) for sample in samples]) < 0.95
    assert all(torch.isfinite(sample["low"]).all() for sample in samples)


def test_where_nothing_is_measured_the_patch_is_taken_as_it_is(tmp_path: Path) -> None:
    sample = patches_of(metric_image(), Sensors([profile_file(tmp_path, noise_span=0.01, missing=1.0)]))[0]
    assert (sample["measured"] == 1).all()
    assert torch.isfinite(sample["low"]).all()


def test_the_papers_noise_counts_levels() -> None:
    levels = np.full((96, 128), 120.0, np.float32)
    image = make_image("flat", np.zeros((96, 128, 3), np.uint8), levels)
    patches = patches_of(image, Sensors(["tof_paper"]))
    error = torch.cat([(s["low"] - s["truth"].mean()) * s["span"] for s in (patches[i] for i in range(10))])
    assert float(error.std()) == pytest.approx(5.0, rel=0.1)
    assert all(float(patches[i]["measured"].min()) == 1 for i in range(10))


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
