"""Fits of recordings whose sensor is known."""

from itertools import chain

import numpy as np
import pytest

pytest.importorskip("pagnet_training.sensors.fit")
from pagnet_ros.sensors import load_profile, save_profile
from pagnet_training.sensors.fit import fit_recording
from studies.known_sensors import KNOWN, Recording
from studies.sequences import SequencePlan
from tests.training.sensors.fit_worlds import FOCAL, gaussian, record


def quadratic(z):
    return 0.001 + 0.0016 * z**2


@pytest.fixture(scope="module")
def still():
    return fit_recording(record(gaussian(quadratic, 0.08), 16), name="still")


@pytest.fixture(scope="module")
def moving():
    return fit_recording(record(gaussian(quadratic, 0.05), 16, step_m=0.04), name="moving")


def check_sigma(result, tolerance=0.1):
    z = np.linspace(*result.curves.covered_m, 12)
    assert result.curves.sigma(z) == pytest.approx(quadratic(z), rel=tolerance)
    low, high = result.curves.sigma_interval(z)
    assert ((low <= quadratic(z)) & (quadratic(z) <= high)).mean() > 0.8


def test_noise_of_a_still_camera_is_found(still):
    assert still.motion.mode == "still"
    check_sigma(still)


def test_noise_of_a_moving_camera_is_found(moving):
    assert moving.motion.mode == "poses"
    check_sigma(moving)


@pytest.mark.parametrize(("fixture", "rate"), [("still", 0.08), ("moving", 0.05)])
def test_missing_pixels_are_found(fixture, rate, request):
    result = request.getfixturevalue(fixture)
    z = np.linspace(*result.curves.covered_m, 9)
    assert result.curves.missing(z) == pytest.approx(np.full(9, rate), abs=0.02)
    assert result.profile.hole_size_px < 0.4


def test_pixels_that_never_deliver_while_the_camera_moves_are_no_holes():
    def rimmed(depth, rng):
        seen = gaussian(quadratic, 0.05)(depth, rng)
        seen[:, :8] = np.nan
        return seen

    result = fit_recording(record(rimmed, 12, step_m=0.04))
    z = np.linspace(*result.curves.covered_m, 9)
    assert result.curves.missing(z) == pytest.approx(np.full(9, 0.05), abs=0.02)


def test_sideways_jitter_on_slopes_is_not_taken_for_heavy_tails():
    profile = next(profile for profile in KNOWN if profile.name == "structured light")
    plan = SequencePlan(710200, "tabletop", (120, 160), 24, moving=False)
    noise = fit_recording(Recording(profile, plan, None).frames()).noise
    assert noise.lateral_px == pytest.approx(profile.lateral_px, abs=0.1)
    assert not noise.tail.known or noise.tail.value < 0.03


def test_profile_knows_its_evidence_and_survives_the_file(still, tmp_path):
    evidence = still.profile.evidence["noise_range_curve"]
    assert evidence.samples > 10_000
    assert len(evidence.low) == len(still.profile.noise_range_curve)
    save_profile(still.profile, tmp_path / "still.yaml")
    assert load_profile(tmp_path / "still.yaml") == still.profile


def test_beyond_the_recording_nothing_is_claimed(still):
    low, high = still.curves.covered_m
    assert np.isnan(still.curves.sigma(np.array([0.5 * low, 1.5 * high]))).all()
    assert any(f"beyond {still.noise.z[-1]:.2f} m" in warning for warning in still.warnings)
    assert any("no reference" in warning for warning in still.warnings)


def test_correlated_noise_is_told_from_white_noise():
    import cv2

    def sensor(depth, rng):
        noise = cv2.GaussianBlur(rng.standard_normal(depth.shape), (0, 0), 1.2)
        return depth + 0.004 * noise / noise.std()

    result = fit_recording(record(sensor, 12))
    assert result.noise.correlation_px.value == pytest.approx(1.2, abs=0.2)
    assert result.curves.sigma(np.array([2.0])) == pytest.approx([0.004], rel=0.1)


def test_noise_that_lingers_is_measured_whole():
    past = []

    def sensor(depth, rng):
        new = rng.standard_normal(depth.shape)
        past.append(new if not past else 0.6 * past[-1] + 0.8 * new)
        return depth + 0.005 * past[-1]

    result = fit_recording(record(sensor, 30))
    assert result.noise.persistence.value == pytest.approx(0.6, abs=0.08)
    assert result.curves.sigma(np.array([2.0])) == pytest.approx([0.005], rel=0.1)


def shadowed(share: float, sides: tuple[int, ...]):
    """A sensor that misses the shadows of near things on their left (1), right (-1), in a share of the rows."""

    def sensor(depth, rng):
        seen = depth + 0.003 * rng.standard_normal(depth.shape)
        columns = np.arange(depth.shape[1])
        casts = np.random.default_rng(3).uniform(size=depth.shape[0]) < share
        for row in np.flatnonzero(casts):
            for side in sides:
                reach = np.zeros(depth.shape[1], bool)
                for column in columns[1:][np.diff(depth[row, ::side]) < -0.3]:
                    near, far = depth[row, ::side][column], depth[row, ::side][column - 1]
                    width = round(FOCAL * 0.075 * (1 / near - 1 / far))
                    reach[max(0, column - width) : column] = True
                seen[row, ::side][reach] = np.nan
        return seen

    return sensor


@pytest.mark.parametrize("share", [1.0, 0.35])
def test_a_shadow_on_one_side_of_near_things_is_found(share):
    profile = fit_recording(record(shadowed(share, (1,)), 12)).profile
    assert profile.shadow_side == "left"
    assert profile.baseline_m == pytest.approx(0.075, abs=0.02)
    assert profile.shadow_share == pytest.approx(share, abs=0.12)


def test_holes_on_both_sides_of_near_things_are_no_shadow():
    assert fit_recording(record(shadowed(0.35, (1, -1)), 12)).profile.shadow_side == "none"


def test_bias_and_its_waves_are_found_against_a_reference():
    def sensor(depth, rng):
        wave = 0.012 * np.sin(2 * np.pi * depth / 0.6 + 1.0)
        return depth + 0.01 + wave + 0.002 * rng.standard_normal(depth.shape)

    result = fit_recording(record(sensor, 12, step_m=0.03, reference=True))
    assert result.profile.wiggle_m == pytest.approx(0.012, abs=0.003)
    assert result.profile.wiggle_period_m == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(("before", "after", "mode", "used"), [(16, 26, "poses", 24), (24, 16, "still", 25)])
def test_of_a_camera_that_stands_still_and_then_moves_the_longer_part_is_used(before, after, mode, used):
    sensor = gaussian(quadratic, 0.05)
    result = fit_recording(chain(record(sensor, before), record(sensor, after, step_m=0.04, seed=2)))
    assert (result.motion.mode, result.quality.frames) == (mode, used)
    assert any("stood still" in warning and f"the {used} frames" in warning for warning in result.warnings)
    check_sigma(result)


def test_a_short_walk_after_standing_still_is_left_out():
    sensor = gaussian(quadratic, 0.05)
    result = fit_recording(chain(record(sensor, 16), record(sensor, 5, step_m=0.3, seed=2)))
    assert result.motion.mode == "still"


def test_frames_that_a_driver_repeats_are_left_out_and_told():
    frames = list(record(gaussian(quadratic, 0.05), 24))
    result = fit_recording([frames[index - index % 2] if index > 11 else frames[index] for index in range(24)])
    assert result.quality.frames == 18
    assert any("6 depth frames are the one before them to the last bit" in each for each in result.warnings)
    check_sigma(result, 0.15)


def test_frames_are_read_once_and_one_by_one():
    pulled = 0

    def frames():
        nonlocal pulled
        for frame in record(gaussian(0.004), 24):
            pulled += 1
            yield frame

    seen = []
    fit_recording(frames(), progress=lambda done: seen.append(pulled - done))
    assert pulled == 24
    assert max(seen) <= 16
