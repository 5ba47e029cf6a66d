from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_training.data import surface_patches
from pagnet_training.data.images import RgbdImage, make_image
from pagnet_training.data.known_sensor import MetricDepth, Sensors
from pagnet_training.data.patches import Source
from pagnet_training.data.surface_patches import SurfacePatches, change_colours, draw_scene, record

OTHER_EFFECTS = (
    *("PARALLAX", "BENT", "RAGGED", "FATTENED", "MEDIAN", "STEREO", "NOISY", "QUANTISED", "FLYING", "WRONG"),
    *("SHADOW", "BLOBS", "SPECKLE", "HIDDEN"),
)


@pytest.fixture
def image() -> RgbdImage:
    """A near box before a wall with a hole in it, recorded in metres."""
    depth = np.full((80, 96), 3.0, np.float32)
    depth[20:50, 30:60] = 1.0
    depth[60:70, 5:25] = 0
    rgb = np.random.default_rng(1).integers(0, 255, (80, 96, 3), np.uint8)
    return make_image("box", rgb, depth * 80, depth)


def disparity(image: RgbdImage) -> RgbdImage:
    return make_image("stereo", image.rgb, np.where(image.valid, 1e4 / image.depth, np.nan))


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16])
def test_a_patch_is_a_pure_function_of_seed_and_number(image: RgbdImage, scale: int) -> None:
    sources = [Source([image], 2.0), Source([disparity(image)], 1.0)]
    patches, again, other = (SurfacePatches(sources, scale, 32, seed) for seed in (3, 3, 4))
    seen = 0.0
    for number in range(16):
        patch, repeated = patches[number], again[number]
        assert all(torch.equal(patch[key], repeated[key]) for key in patch)
        assert patch["low"].shape == patch["measured"].shape == (1, 32 // scale, 32 // scale)
        assert patch["rgb"].shape == (3, 32, 32)
        assert patch["truth"].shape == patch["known"].shape == (1, 32, 32)
        assert torch.equal(patch["measured"], patch["low"] > 0)
        assert patch["measured"].dtype == patch["known"].dtype == torch.bool
        assert all(patch[key].dtype == torch.float32 for key in ("low", "rgb", "truth"))
        assert 0 < patch["truth"].min() <= patch["truth"].max() < 40
        assert patch["rgb"].abs().max() <= 0.5
        seen += float(patch["measured"].float().mean()) / 16
    assert 0.3 < seen < 0.99
    assert not torch.equal(patches[0]["rgb"], other[0]["rgb"])


def test_what_was_filled_never_counts_as_truth_nor_as_measured(image: RgbdImage) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scene = draw_scene(image, 48, rng)
        recording = record(scene, 4, rng)
        assert not recording.present[~recording.known].any()
        assert not recording.seen[~recording.present].any()
    nothing = RgbdImage("unknown", image.rgb, image.depth, np.zeros_like(image.valid), image.metric)
    patch = SurfacePatches([Source([nothing], 1.0)], 1, 32, 1)
    assert not any(patch[number]["known"].any() for number in range(6))


@pytest.mark.parametrize("effect", ["OFF_COLOUR", "PARALLAX", "BENT", "RAGGED"])
def test_what_is_not_known_moves_with_depth(image: RgbdImage, monkeypatch: pytest.MonkeyPatch, effect: str) -> None:
    """What was filled has a depth of its own here, by which it is found again."""
    changed = ("OFF_COLOUR", "PARALLAX", "BENT", "RAGGED", "FATTENED", "MEDIAN", "STEREO", "RECORDED_TRUTH")
    for name in changed:
        monkeypatch.setattr(surface_patches, name, float(name == effect))
    monkeypatch.setattr(surface_patches, "at_random_distance", lambda depth, rng: depth)
    assert image.metric is not None
    depth = np.where(image.valid, image.metric.depth_m, np.float32(2.0))
    image = replace(image, metric=MetricDepth(depth))
    moved = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = draw_scene(image, 64, rng)
        assert np.array_equal(scene.known, scene.depth != 2.0)
        recording = record(scene, 4, rng)
        assert np.array_equal(recording.known, recording.surfaces != 2.0)
        assert not recording.present[~recording.known].any()
        moved += not np.array_equal(recording.known, scene.known)
    assert moved > 2
    patches = SurfacePatches([Source([image], 1.0)], 4, 64, 1)
    for number in range(6):
        assert torch.equal(patches[number]["known"], patches[number]["truth"] != 2.0)


@pytest.mark.parametrize("effect", ["DARK", "SILENT"])
def test_surfaces_that_do_not_answer_are_missing_where_depth_lies(
    image: RgbdImage, monkeypatch: pytest.MonkeyPatch, effect: str
) -> None:
    """The box is dark, and painted unlike the wall."""
    for name in ("OFF_COLOUR", "DARK", "SILENT", *OTHER_EFFECTS):
        monkeypatch.setattr(surface_patches, name, float(name in ("OFF_COLOUR", effect)))
    monkeypatch.setattr(surface_patches, "at_random_distance", lambda depth, rng: depth)
    depth = np.full((80, 96), 3.0, np.float32)
    depth[20:50, 30:60] = 1.0
    box = depth == 1.0
    rgb = np.where(box[..., None], np.uint8(30), np.uint8(200)).repeat(3, axis=2)
    albedo, cosine = np.where(box, np.uint8(5), np.uint8(200)), np.full_like(box, 255, np.uint8)
    image = RgbdImage("dark", rgb, depth, np.ones_like(box), MetricDepth(depth, albedo=albedo, cosine=cosine))
    missing = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        recording = record(draw_scene(image, 64, rng), 4, rng)
        near, gone = recording.surfaces == 1.0, ~recording.present
        inside = (cv2.erode(part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for part in (near, ~near))
        on_box, on_wall = (gone[part] for part in inside)
        if effect == "DARK":
            assert not on_wall.any()
        else:
            assert all(part.all() or not part.any() for part in (on_box, on_wall))
        missing += gone.any()
    assert missing > 5


def test_scale_1_always_hides_something_to_be_filled(image: RgbdImage) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        recording = record(draw_scene(image, 64, rng), 1, rng)
        assert (recording.present & ~recording.seen).any()


def test_at_scale_1_what_the_network_is_given_is_not_its_own_truth(
    image: RgbdImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OUTLIERS", "FOREIGN_PATCH"):
        monkeypatch.setattr(surface_patches, name, 0.0)
    for recorded in (0.0, 1.0):
        monkeypatch.setattr(surface_patches, "RECORDED_TRUTH", recorded)
        batch = SurfacePatches([Source([image], 1.0)], 1, 64, 1)
        patches = [batch[number] for number in range(8)]
        judged = torch.stack([patch["known"] & patch["measured"] for patch in patches])
        assert judged.any() == (recorded == 0)
        assert all((patch["known"] & ~patch["measured"]).any() for patch in patches)
    coarser = SurfacePatches([Source([image], 1.0)], 2, 64, 1)
    assert all(coarser[number]["known"].float().mean() > 0.3 for number in range(8))


def test_disparity_becomes_depth_whose_order_is_kept(image: RgbdImage) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = draw_scene(disparity(image), 48, rng)
        assert scene.rgb.shape == (48, 48, 3)
        assert 0.1 < scene.depth.min() <= scene.depth.max() <= 25
        both = np.unique(scene.depth[scene.known])
        assert len(both) <= 2


def test_scenes_far_beyond_any_range_are_brought_into_it(image: RgbdImage) -> None:
    assert image.metric is not None
    far = make_image("far", image.rgb, image.depth, image.metric.depth_m * 100)
    assert draw_scene(far, 48, np.random.default_rng(1)).depth.max() <= 25


def test_a_described_sensor_reports_nothing_beyond_its_range(image: RgbdImage) -> None:
    patches = SurfacePatches([Source([image], 1.0)], 4, 32, 1, Sensors(["kinect_v1"]))
    for number in range(8):
        patch = patches[number]
        assert patch["low"].shape == (1, 8, 8)
        assert patch["truth"][patch["known"]].numel() == 0 or patch["truth"][patch["known"]].max() < 11


def test_a_sensor_free_of_units_is_refused(image: RgbdImage) -> None:
    with pytest.raises(ConfigError, match="kinect_paper"):
        SurfacePatches([Source([image], 1.0)], 4, 32, 1, Sensors(["kinect_paper"]))


def test_changed_colours_stay_colours() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    results = [change_colours(rgb, np.random.default_rng(seed)) for seed in range(12)]
    assert all(result.shape == rgb.shape and result.dtype == np.uint8 for result in results)
    assert np.array_equal(results[3], change_colours(rgb, np.random.default_rng(3)))
    assert len({result.tobytes() for result in results}) > 8


@pytest.mark.parametrize("nearest_m", [1, 100])
def test_in_a_zoomed_scene_depth_lies_on_its_colour(monkeypatch: pytest.MonkeyPatch, nearest_m: int) -> None:
    """Where the slope is gentle it is interpolated: no stairs, whose steps are off by 0.3 pixels of the image."""
    column = np.tile(np.arange(64), (64, 1))
    rgb = np.repeat(4 * column[..., None], 3, -1).astype(np.uint8)
    ramp = make_image("ramp", rgb, column + nearest_m, column + nearest_m)
    monkeypatch.setattr("pagnet_training.data.surface_patches.at_random_distance", lambda depth, rng: depth)
    apart_px, stairs_px = [], []
    for seed in range(60):
        scene = draw_scene(ramp, 40, np.random.default_rng(seed))
        inside = np.s_[5:-5, 5:-5]
        from_colour, from_depth = scene.rgb[inside][..., 0] / 4.0, scene.depth[inside] - float(nearest_m)
        if abs(np.ptp(from_colour) - 29) > 2:
            apart_px.append(float((from_depth - from_colour).mean()))
            along = max(np.diff(from_depth, 2, axis=axis).std() for axis in (0, 1))
            stairs_px.append(float(along))
    assert len(apart_px) > 20
    assert abs(np.mean(apart_px)) < 0.05
    assert nearest_m == 1 or max(stairs_px) < 0.01


def test_zooming_puts_no_depth_between_surfaces(image: RgbdImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface_patches, "at_random_distance", lambda depth, rng: depth)
    for seed in range(20):
        scene = draw_scene(image, 48, np.random.default_rng(seed))
        depth = scene.depth[scene.known]
        assert np.minimum(abs(depth - 1), abs(depth - 3)).max() < 1e-5
