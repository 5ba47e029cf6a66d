"""Effects that a fit measures freely: tabulated noise and holes, tails, bias, holes by the distance to an edge."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pagnet_ros.sensors import (
    PinholeCamera,
    SensorProfile,
    axial_sigma,
    depth_edges,
    edge_distance,
    missing_probability,
    range_bias,
    sense,
)

CAMERA = PinholeCamera(580.0, 580.0, 159.5, 119.5, 320, 240)
CURVE = ((1.0, 0.002), (2.0, 0.004), (3.0, 0.012))


def flat(value: float) -> np.ndarray:
    return np.full((240, 320), value, np.float32)


def sigma_at(profile, z, brightness=0.5, theta=0.0):
    args = (torch.tensor(v) for v in (z, 0.5, math.cos(theta), brightness))
    return axial_sigma(profile, *args).item()


@pytest.mark.parametrize(("z", "expected"), [(1.0, 0.002), (1.5, 0.003), (2.5, 0.008)])
def test_noise_follows_its_curve(z, expected):
    profile = SensorProfile("mine", noise_range_curve=CURVE, noise_quadratic_per_m=0.001)
    assert sigma_at(profile, z) == pytest.approx(expected, rel=1e-5)
    assert np.std(sense(flat(z), CAMERA, profile, 0) - z) == pytest.approx(expected, rel=0.02)


def test_beyond_its_curve_noise_goes_on_as_the_formula_does():
    profile = SensorProfile("mine", noise_range_curve=CURVE, noise_quadratic_per_m=0.001)
    assert sigma_at(profile, 6.0) == pytest.approx(0.012 * 4)
    assert sigma_at(profile, 0.5) == pytest.approx(0.002 / 4)
    plain = SensorProfile("mine", noise_range_curve=CURVE)
    assert sigma_at(plain, 6.0) == pytest.approx(0.012)


def test_noise_takes_the_factors_of_brightness_and_angle():
    profile = SensorProfile(
        "mine",
        noise_floor_m=0.001,
        noise_brightness_curve=((0.0, 4.0), (1.0, 1.0)),
        noise_angle_curve=((0.0, 1.0), (1.0, 3.0)),
    )
    assert sigma_at(profile, 1.0, brightness=0.0) == pytest.approx(0.004)
    assert sigma_at(profile, 1.0, brightness=1.0, theta=0.5) == pytest.approx(0.002)
    image = flat(1.0)
    image[:, :160] = 0.0
    error = sense(flat(1.0), CAMERA, profile, 3, brightness=image) - 1.0
    assert error[:, :160].std() / error[:, 160:].std() == pytest.approx(4, rel=0.05)


def test_without_an_image_the_albedo_stands_for_brightness():
    profile = SensorProfile("mine", noise_floor_m=0.001, noise_brightness_curve=((0.0, 3.0), (1.0, 1.0)))
    error = sense(flat(1.0), CAMERA, profile, 3, albedo=flat(0.0)) - 1.0
    assert error.std() == pytest.approx(0.003, rel=0.03)


@pytest.mark.parametrize("tail", [0.0, 0.1, 0.3])
def test_tails_have_the_stated_quantiles(tail):
    profile = SensorProfile("mine", noise_floor_m=0.01, noise_tail=tail)
    error = np.abs(sense(np.full((800, 800), 9.0, np.float32), PinholeCamera.from_fov(800, 800), profile, 1) - 9.0)
    for normal, share in ((0.6745, 0.5), (1.96, 0.95), (3.2905, 0.999)):
        assert np.quantile(error, share) == pytest.approx(0.01 * normal * math.exp(tail * normal**2 / 2), rel=0.04)


def test_tails_stay_finite_whatever_the_dice():
    profile = SensorProfile("mine", noise_floor_m=0.001, noise_tail=0.4)
    error = sense(np.full((1000, 1000), 50.0, np.float32), PinholeCamera.from_fov(1000, 1000), profile, 1) - 50.0
    assert np.isfinite(error).all()
    assert np.abs(error).max() < 0.001 * 6 * math.exp(0.2 * 25)


def test_bias_is_a_line_or_a_curve_and_a_wiggle():
    line = SensorProfile("mine", bias_m=0.01, bias_scale=-0.002, wiggle_m=0.005, wiggle_phase_rad=math.pi / 2)
    assert range_bias(line, torch.tensor(2.0)).item() == pytest.approx(0.01 - 0.004 + 0.005)
    assert sense(flat(2.0), CAMERA, line, 0) == pytest.approx(2.011)
    curve = SensorProfile("mine", bias_m=9.0, bias_curve=((1.0, -0.01), (3.0, 0.03)))
    assert range_bias(curve, torch.tensor(2.0)).item() == pytest.approx(0.01)


def test_bias_alone_makes_a_sensor_metric_and_noise_free():
    profile = SensorProfile("mine", bias_scale=0.01)
    assert not profile.has_noise
    assert not profile.unit_free
    assert sense(flat(2.0), CAMERA, profile, 0) == pytest.approx(2.02)


def test_holes_follow_their_curves_of_range_brightness_and_angle():
    profile = SensorProfile(
        "mine",
        missing=0.9,
        missing_range_curve=((1.0, 0.1), (3.0, 0.3)),
        missing_brightness_curve=((0.0, 0.3), (0.5, 0.0), (1.0, -0.1)),
        missing_angle_curve=((0.0, 0.0), (1.0, 0.2)),
    )

    def chance(z, brightness, theta):
        return missing_probability(profile, *(torch.tensor(v) for v in (z, 0.5, math.cos(theta), brightness))).item()

    assert chance(2.0, 0.5, 0.0) == pytest.approx(0.2, abs=1e-5)
    assert chance(2.0, 0.0, 0.5) == pytest.approx(0.2 + 0.3 + 0.1, abs=1e-5)
    assert chance(1.0, 1.0, 0.0) == pytest.approx(0.0, abs=1e-5)
    brightness = flat(0.5)
    brightness[:, :160] = 0.0
    gone = np.isnan(sense(flat(2.0), CAMERA, profile, 5, brightness=brightness))
    assert gone[:, :160].mean() == pytest.approx(0.5, abs=0.02)
    assert gone[:, 160:].mean() == pytest.approx(0.2, abs=0.02)


def test_dark_surfaces_are_missing_the_more_the_more_they_slant():
    profile = SensorProfile("mine", missing_dark_angle_curve=((0.5, 0.0), (1.0, 0.6)), dark_brightness=0.4)

    def chance(brightness, theta):
        return missing_probability(profile, *(torch.tensor(v) for v in (2.0, 0.5, math.cos(theta), brightness))).item()

    assert chance(0.0, 1.0) == pytest.approx(0.6, abs=1e-5)
    assert chance(0.2, 1.0) == pytest.approx(0.3, abs=1e-5)
    assert chance(0.5, 1.0) == chance(0.0, 0.4) == 0.0


def test_holes_fade_with_the_distance_to_an_edge():
    curve = ((0.0, 0.8), (2.0, 0.4), (4.0, 0.1))
    profile = SensorProfile("mine", missing_edge_curve=curve, missing=0.02)
    depth = np.full((4000, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    gone = np.isnan(sense(depth, PinholeCamera.from_fov(64, 4000), profile, 1)).mean(axis=0)
    expected = {0: 0.8, 1: 0.6, 2: 0.4, 3: 0.25, 4: 0.1, 5: 0.02, 20: 0.02}
    for distance, share in expected.items():
        assert gone[31 - distance] == pytest.approx(share, abs=0.03), distance
        assert gone[32 + distance] == pytest.approx(share, abs=0.03), distance


def test_edge_distance_counts_king_moves_up_to_its_limit():
    edge = torch.zeros(1, 9, 9, dtype=torch.bool)
    edge[0, 2, 3] = True
    distance = edge_distance(edge, 4)[0]
    rows, columns = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
    expected = torch.maximum((rows - 2).abs(), (columns - 3).abs()).clamp(max=5)
    torch.testing.assert_close(distance, expected.float())
    assert (edge_distance(torch.zeros(1, 3, 3, dtype=torch.bool), 2) == 3).all()


def test_edges_are_both_sides_of_a_step_and_unknown_depth_makes_none():
    depth = torch.full((1, 5, 8), 2.0)
    depth[..., 4:] = 2.2
    depth[0, 0, 3] = math.nan
    marks = depth_edges(depth, 0.04)[0]
    assert marks[1].tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert marks[0].tolist() == [False] * 8
    assert not depth_edges(depth, 0.2).any()


def test_the_span_that_the_papers_noise_counts_in_can_be_given():
    profile = SensorProfile("mine", noise_span=0.1)
    assert np.array_equal(sense(flat(2.0), CAMERA, profile, 1), flat(2.0))
    assert np.std(sense(flat(2.0), CAMERA, profile, 1, span_m=0.5)) == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("name", ["noise_range_curve", "missing_range_curve", "bias_curve"])
def test_unknown_truth_stays_unknown_under_every_curve(name):
    depth = flat(2.0)
    depth[:100] = np.nan
    profile = SensorProfile("mine", **{name: ((1.0, 0.01), (3.0, 0.02))})
    result = sense(depth, CAMERA, profile, 0)
    assert np.isnan(result[:100]).all()
    assert np.isfinite(result[100:]).mean() > 0.95


def test_replacing_one_field_keeps_the_rest():
    profile = SensorProfile("mine", noise_range_curve=CURVE)
    assert dataclasses.replace(profile, missing=0.1).noise_range_curve == CURVE


def test_near_an_edge_the_likelier_of_two_reasons_for_a_missing_pixel_counts():
    depth = flat(2.0)
    depth[:, 160:] = 1.0
    profile = SensorProfile("mine", missing=0.3, missing_edge=0.5, edge_width_px=4.0, hole_size_px=0.0)
    gone = np.mean([np.isnan(sense(depth, CAMERA, profile, seed)) for seed in range(8)], axis=0)
    assert gone[:, 157:163].mean() == pytest.approx(0.5, abs=0.03)
    assert gone[:, :150].mean() == pytest.approx(0.3, abs=0.02)
