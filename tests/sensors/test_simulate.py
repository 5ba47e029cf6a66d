"""What a sensor makes of the truth: noise, mixing, shadows, holes, quantisation, conventions."""

import dataclasses
import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError, InputError
from pagnet_ros.sensors import (
    PROFILES,
    PinholeCamera,
    SensorProfile,
    axial_sigma,
    missing_probability,
    sense,
    sensor_profile,
    smooth_noise,
    structured_light_shadow,
    to_millimetres,
)

CAMERA = PinholeCamera(580.0, 580.0, 127.5, 95.5, 256, 192)


def flat(depth: float) -> np.ndarray:
    return np.full((192, 256), depth, np.float32)


def step(near: float = 1.0, far: float = 2.0, first: int = 100, last: int = 160) -> np.ndarray:
    depth = flat(far)
    depth[:, first:last] = near
    return depth


def test_the_clean_sensor_without_reduction_is_the_truth():
    depth = np.random.default_rng(0).uniform(0.5, 4.0, (192, 256)).astype(np.float32)
    assert np.array_equal(sense(depth, CAMERA, PROFILES["clean"], 0), depth)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_area_reduction_is_the_mean_of_each_block(factor):
    depth = np.random.default_rng(0).uniform(0.5, 4.0, (192, 256)).astype(np.float32)
    result = sense(depth, CAMERA, SensorProfile("area"), 0, factor=factor)
    h, w = 192 // factor, 256 // factor
    blocks = depth[: h * factor, : w * factor].reshape(h, factor, w, factor).mean((1, 3))
    assert result.shape == (h, w)
    assert np.allclose(result, blocks, rtol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_one_ray_per_block_sees_its_middle(factor):
    y, x = np.mgrid[: 192 // factor, : 256 // factor] * factor + (factor - 1) / 2
    slanted = 1 + np.add.outer(0.002 * np.arange(192), 0.001 * np.arange(256)).astype(np.float32)
    result = sense(slanted, CAMERA, SensorProfile("ray", reduction="nearest"), 0, factor=factor)
    assert np.allclose(result, 1 + 0.002 * y + 0.001 * x, atol=1e-5)


def test_where_the_middle_of_a_block_lies_between_two_surfaces_one_ray_sees_either():
    result = sense(step(first=102), CAMERA, SensorProfile("ray", reduction="nearest"), 0, factor=4)
    assert set(np.unique(result)) == {1.0, 2.0}
    assert np.mean(result[:, 25] == 1.0) == pytest.approx(0.5, abs=0.2)  # its middle is the edge itself


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("factor", [1, 4])
def test_the_same_seed_gives_the_same_frame_and_another_does_not(name, factor):
    depth = step()
    albedo = np.full_like(depth, 0.4)
    first, second, other = (
        sense(depth, CAMERA, PROFILES[name], seed, factor=factor, albedo=albedo) for seed in (5, 5, 6)
    )
    assert first.dtype == np.float32
    assert first.shape == (192 // factor, 256 // factor)
    assert np.array_equal(first, second, equal_nan=True)
    assert (name == "clean") == np.array_equal(first, other, equal_nan=True)


@pytest.mark.parametrize("depth", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("name", ["tof", "kinect"])
def test_measured_noise_has_the_sigma_that_the_profile_states(name, depth):
    profile = dataclasses.replace(
        PROFILES[name], disparity_step_px=0.0, depth_step_m=0.0, wiggle_m=0.0, lateral_px=0.0, lateral_angle_px=0.0
    )
    result = sense(flat(depth), CAMERA, profile, 1)
    sigma = axial_sigma(profile, torch.tensor(depth), torch.tensor(0.5), torch.tensor(1.0)).item()
    assert np.nanstd(result - depth) == pytest.approx(sigma, rel=0.05)
    assert np.nanmean(result) == pytest.approx(depth, abs=4 * sigma / math.sqrt(result.size / 9))


def test_time_of_flight_noise_grows_with_range_and_on_dark_surfaces():
    one, half = torch.tensor(1.0), torch.tensor(0.5)
    sigma = [axial_sigma(PROFILES["tof"], z * one, a * one, c * one).item() for z, a, c in
             ((1, 0.8, 1), (3, 0.8, 1), (3, 0.1, 1), (3, 0.1, 0.3))]  # fmt: skip
    assert sigma == sorted(sigma)
    assert sigma[1] - PROFILES["tof"].noise_floor_m == pytest.approx(9 * (sigma[0] - PROFILES["tof"].noise_floor_m))
    assert half.item() == 0.5


def test_kinect_noise_follows_the_published_curve():
    z, theta = 2.0, math.radians(50)
    expected = 0.0012 + 0.0019 * (z - 0.4) ** 2 + 0.0001 / math.sqrt(z) * theta**2 / (math.pi / 2 - theta) ** 2
    got = axial_sigma(PROFILES["kinect"], torch.tensor(z), torch.tensor(0.5), torch.tensor(math.cos(theta)))
    assert got.item() == pytest.approx(expected, rel=1e-4)


def test_the_paper_noise_is_five_grey_levels_of_the_frames_own_span():
    depth = np.tile(np.linspace(1.0, 3.55, 256, dtype=np.float32), (192, 1))
    result = sense(depth, CAMERA, PROFILES["tof_paper"], 0)
    assert np.nanstd(result - depth) == pytest.approx(5 * 0.01, rel=0.03)


def test_kinect_depth_lies_on_steps_of_an_eighth_of_a_pixel_of_disparity():
    result = sense(flat(2.0), CAMERA, PROFILES["kinect"], 2)
    disparity = 580.0 * 0.075 / result[np.isfinite(result)]
    assert np.allclose(disparity * 8, np.rint(disparity * 8), atol=1e-3)
    assert len(np.unique(np.rint(disparity * 8))) > 1


def test_flying_pixels_lie_between_foreground_and_background_and_only_at_edges():
    profile = dataclasses.replace(SensorProfile("flying"), flying=1.0, footprint_px=0.5)
    result = sense(step(1.0, 2.0, 101, 161), CAMERA, profile, 0, factor=4, albedo=flat(0.5))
    mixed = (result > 1.001) & (result < 1.999)
    assert mixed[:, [25, 40]].all()
    assert set(np.flatnonzero(mixed.any(0))) <= {24, 25, 26, 39, 40, 41}
    without = sense(step(1.0, 2.0, 101, 161), CAMERA, dataclasses.replace(profile, flying=1e-9), 0, factor=4)
    assert np.isin(np.round(without, 4), [1.0, 2.0]).all()


@given(near=st.floats(0.6, 1.5), gap=st.floats(0.3, 3.0), baseline=st.floats(0.03, 0.12))
@settings(max_examples=25, deadline=None)
def test_the_shadow_lies_on_one_side_and_is_as_wide_as_the_geometry_says(near, gap, baseline):
    far = near + gap
    depth = torch.from_numpy(step(near, far, 120, 200))[None]
    left = structured_light_shadow(depth, 580.0, baseline, "left")[0]
    width = 580.0 * baseline * (1 / near - 1 / far)
    rows = left.sum(1).float()
    assert (rows - min(width, 80)).abs().max() <= 1.5  # no wider than what casts it
    assert not left[:, 120:].any()
    assert left[:, 119].all() or not 3 < width < 78
    right = structured_light_shadow(depth, 580.0, baseline, "right")[0]
    assert not right[:, :200].any()


def test_a_share_of_the_shadow_is_missing_in_pieces():
    depth = np.full((400, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    camera = PinholeCamera(100.0, 100.0, 32.0, 200.0, 64, 400)
    whole = SensorProfile("shadow", shadow_side="left", baseline_m=0.1)
    part = dataclasses.replace(whole, shadow_share=0.4)
    gone = [
        np.mean([np.isnan(sense(depth, camera, profile, seed)) for seed in range(20)], axis=0)
        for profile in (whole, part)
    ]
    assert gone[0].max() == 1
    assert gone[1][gone[0] == 1].mean() == pytest.approx(0.4, abs=0.06)
    assert gone[1][gone[0] == 0].max() == 0
    rows = np.isnan(sense(depth, camera, part, 1)).any(1)
    assert 1 < np.count_nonzero(np.diff(rows.astype(int))) < 40  # pieces of many rows


def test_a_slanted_surface_casts_no_shadow_on_itself():
    depth = np.tile(np.linspace(0.8, 2.5, 256, dtype=np.float32), (192, 1))
    for image in (depth, depth[:, ::-1].copy()):
        assert not structured_light_shadow(torch.from_numpy(image)[None], 580.0, 0.075, "left").any()


def test_the_shadow_of_a_thin_pole_is_as_thin_as_the_pole():
    depth = torch.from_numpy(step(1.0, 2.0, 150, 154))[None]
    shadow = structured_light_shadow(depth, 580.0, 0.075, "left")[0].sum(1)
    assert ((shadow >= 3) & (shadow <= 5)).all()


@pytest.mark.parametrize(
    ("z", "cosine", "albedo"), [(1.0, 1.0, 0.5), (5.0, 0.9, 0.5), (2.0, 0.35, 0.5), (5.0, 1.0, 0.05)]
)
def test_holes_have_the_share_that_the_profile_states(z, cosine, albedo):
    profile = dataclasses.replace(PROFILES["kinect"], hole_size_px=1.0)
    args = (torch.tensor(z), torch.tensor(albedo), torch.tensor(cosine))
    expected = missing_probability(profile, *args).item()
    camera = PinholeCamera(580.0, 580.0, 399.5, 299.5, 800, 600)
    result = sense(
        np.full((600, 800), z, np.float32), camera, profile, 7,
        albedo=np.full((600, 800), albedo, np.float32), cos_incidence=np.full((600, 800), cosine, np.float32),
    )  # fmt: skip
    assert np.isnan(result).mean() == pytest.approx(expected, abs=0.012)


def test_holes_come_in_blobs():
    profile = SensorProfile("holes", missing=0.1)
    neighbours = []
    for size in (0.0, 2.0):
        gone = np.isnan(sense(flat(2.0), CAMERA, dataclasses.replace(profile, hole_size_px=size), 3))
        neighbours.append((gone[:, 1:] & gone[:, :-1]).sum() / gone.sum())
    assert neighbours[0] < 0.2
    assert neighbours[1] > 0.6


def test_holes_of_two_sizes_keep_their_share_and_join_into_larger_ones():
    camera = PinholeCamera.from_fov(640, 480)
    depth = np.full((480, 640), 2.0, np.float32)
    largest = []
    for share in (0.0, 0.9):
        profile = SensorProfile("holes", missing=0.1, hole_size_px=1.0, hole_large_px=25.0, hole_large_share=share)
        gone = np.stack([np.isnan(sense(depth, camera, profile, seed)) for seed in range(6)])
        assert gone.mean() == pytest.approx(0.1, abs=0.02)
        sizes = cv2.connectedComponentsWithStats(gone[0].astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
        largest.append(sizes.max())
    assert largest[1] > 10 * largest[0]


def test_paper_holes_follow_the_edges():
    result = sense(step(), CAMERA, PROFILES["kinect_paper"], 0, factor=4)
    missing = np.isnan(result).mean(0)
    assert missing[[24, 25, 39, 40]].min() > 0.5
    assert np.delete(missing, range(22, 43)).mean() < 0.1


def test_a_steep_floor_is_no_edge():
    floor = (1.2 / np.linspace(0.9, 0.3, 192, dtype=np.float32))[:, None].repeat(256, 1)
    profile = SensorProfile("edges", missing_edge=1.0, edge_width_px=1.0)
    assert np.isfinite(sense(floor, CAMERA, profile, 0, factor=8)).all()


def test_dark_far_surfaces_are_not_reported_by_time_of_flight():
    albedo = np.full((192, 256), 0.5, np.float32)
    albedo[:, :128] = 0.01
    result = sense(flat(4.0), CAMERA, PROFILES["tof"], 0, albedo=albedo)
    assert np.isnan(result[:, :128]).all()
    assert np.isnan(result[:, 128:]).mean() < 0.1


def test_depth_out_of_range_is_missing():
    depth = flat(2.0)
    depth[:, :50], depth[:, 200:] = 0.1, 9.0
    for name in ("tof", "kinect"):
        result = sense(depth, CAMERA, dataclasses.replace(PROFILES[name], shadow_side="none"), 0)
        assert np.isnan(result[:, :48]).all()
        assert np.isnan(result[:, 204:]).all()


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf, -1.0])
@pytest.mark.parametrize("name", sorted(PROFILES))
def test_unknown_truth_stays_unknown_and_infects_nothing_far_away(name, bad):
    depth = flat(2.0)
    depth[:96] = bad
    result = sense(depth, CAMERA, PROFILES[name], 0, factor=4)
    assert np.isnan(result[:22]).all()
    assert np.isnan(result[28:]).mean() < 0.2
    assert np.nanmin(result) > 1.5
    assert np.nanmax(result) < 2.5


def test_batches_tensors_and_generators_work_alike():
    depth = torch.stack([torch.from_numpy(step()), torch.from_numpy(flat(1.5))])
    result = sense(depth, CAMERA, PROFILES["tof"], torch.Generator().manual_seed(4), factor=4)
    assert isinstance(result, torch.Tensor)
    assert result.shape == (2, 48, 64)
    again = sense(depth, CAMERA, PROFILES["tof"], 4, factor=4)
    assert torch.equal(result.nan_to_num(), again.nan_to_num())


@given(correlation=st.floats(0, 3))
@settings(max_examples=10, deadline=None)
def test_smooth_noise_keeps_unit_variance(correlation):
    noise = smooth_noise((4, 200, 200), correlation, torch.Generator().manual_seed(1), torch.device("cpu"))
    assert noise.std().item() == pytest.approx(1.0, abs=0.08)
    assert noise.shape == (4, 200, 200)


@pytest.mark.parametrize("correlation", [3.9, 4.1, 9.0, 30.0])
def test_wide_noise_is_as_strong_and_as_smooth_as_its_kernel(correlation):
    noise = smooth_noise((400, 60, 70), correlation, torch.Generator().manual_seed(1), torch.device("cpu"))
    assert noise.shape == (400, 60, 70)
    assert noise.std(0).mean().item() == pytest.approx(1.0, abs=0.03)
    assert noise.std(0).std().item() < 0.08
    for distance in (1, 3, 10):
        expected = math.exp(-(distance**2) / (4 * correlation**2))
        for axis in (1, 2):
            size = noise.shape[axis] - distance
            found = (noise.narrow(axis, 0, size) * noise.narrow(axis, distance, size)).mean().item()
            assert found == pytest.approx(expected, abs=0.08), (distance, axis)


def test_millimetres_are_whole_and_zero_where_missing():
    depth = np.array([[1.2344, np.nan, np.inf, 70.0, -1.0, 0.0]], np.float32)
    assert to_millimetres(depth).tolist() == [[1234, 0, 0, 0, 0, 0]]
    assert to_millimetres(depth).dtype == np.uint16


def test_a_bad_profile_lists_everything_wrong_with_it():
    with pytest.raises(ConfigError) as caught:
        SensorProfile("mine", flying=1.5, noise_floor_m=-1.0, reduction="mean", max_range_m=math.nan)
    for part in ("'mine'", "flying=1.5", "0 to 1", "noise_floor_m=-1.0", "area, bicubic, nearest", "max_range_m=nan"):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match="expected more than min_range_m=2"):
        SensorProfile("mine", min_range_m=2.0, max_range_m=1.0)


def test_an_unknown_profile_name_lists_the_known_ones():
    assert sensor_profile("tof") is PROFILES["tof"]
    with pytest.raises(ConfigError, match=r"'kinekt' is not known; .*clean, kinect, .*did you mean 'kinect'"):
        sensor_profile("kinekt")


def test_arguments_that_do_not_fit_together_are_named():
    with pytest.raises(InputError, match="100 x 192 pixels but the camera 256 x 192"):
        sense(flat(1.0)[:, :100], CAMERA, PROFILES["clean"], 0)
    with pytest.raises(InputError, match=r"\[H, W\] or \[B, H, W\]"):
        sense(flat(1.0)[0], CAMERA, PROFILES["clean"], 0)
    with pytest.raises(InputError, match="factor is 0"):
        sense(flat(1.0), CAMERA, PROFILES["clean"], 0, factor=0)
    with pytest.raises(InputError, match=r"albedo has shape \[3, 3\]"):
        sense(flat(1.0), CAMERA, PROFILES["clean"], 0, albedo=np.ones((3, 3), np.float32))
