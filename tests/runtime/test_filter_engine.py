"""Classical filters in the engine's place: the same contract, trust and ownership as the network's."""

import numpy as np
import pytest

from pagnet_ros.core import filters
from pagnet_ros.core.depth import working_size
from pagnet_ros.core.validity import FILLED, MEASURED, NOTHING, TrustOptions
from pagnet_ros.runtime.engine import FrameLimits
from pagnet_ros.runtime.filter_engine import FALLBACKS, FilterEngine

LIMITS = FrameLimits(0.1, 10.0, 0.001425)


def infer(name, depth, options=None, rgb=None):
    if rgb is None:
        rgb = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    size = working_size(depth.shape, (96, 128), 4)
    return FilterEngine(FALLBACKS[name]).infer(depth, rgb, size, LIMITS, options or TrustOptions())


@pytest.mark.parametrize("name", FALLBACKS)
@pytest.mark.parametrize("depth_size", [(24, 32), (23, 41), (48, 64), (96, 128)])
def test_a_plane_comes_back_as_a_plane(name, depth_size):
    out = infer(name, np.full(depth_size, 1500, np.uint16))
    assert out.depth.shape == out.provenance.shape == (96, 128)
    assert (out.depth.dtype, out.provenance.dtype) == (np.float32, np.uint8)
    np.testing.assert_allclose(out.depth, 1.5, atol=2e-3)
    assert (out.provenance == MEASURED).all()
    assert out.sigma is None
    assert set(out.stage_ms) == {"upload", "network", "trust", "download"}


@pytest.mark.parametrize("name", FALLBACKS)
def test_holes_are_filled_as_far_as_the_policy_reaches(name):
    depth = np.full((24, 32), 2.0, np.float32)
    depth[4:20, 6:26] = np.nan
    out = infer(name, depth, options=TrustOptions(fill="near", fill_radius_px=3))
    assert out.provenance[0, 0] == MEASURED
    assert out.provenance[4 * 5, 4 * 8] == FILLED
    assert out.provenance[4 * 12, 4 * 16] == NOTHING
    np.testing.assert_array_equal(np.isnan(out.depth), out.provenance == NOTHING)
    np.testing.assert_allclose(out.depth[out.provenance == FILLED], 2.0, atol=1e-3)


@pytest.mark.parametrize("name", FALLBACKS)
def test_flying_pixels_are_removed_here_too(name):
    depth = np.full((24, 32), 1.0, np.float32)
    depth[:, 16:] = 3.0
    grey = np.full((96, 128, 3), 128, np.uint8)
    kept = infer(name, depth, TrustOptions(remove_flying=False), grey).depth
    out = infer(name, depth, rgb=grey).depth
    between = (kept > 1.6) & (kept < 2.4)
    between[[0, 1, -2, -1]] = False  # next to the border the rule is milder
    assert between.any()
    assert np.isnan(out[between]).all()
    assert np.isfinite(out[:, :50]).all()


@pytest.mark.parametrize("name", FALLBACKS)
def test_a_frame_without_a_measurement_is_nothing(name):
    out = infer(name, np.zeros((24, 32), np.uint16))
    assert np.isnan(out.depth).all()
    assert not out.provenance.any()


@pytest.mark.parametrize("name", FALLBACKS)
def test_at_equal_sizes_the_result_is_held_to_the_measurement(name):
    depth = np.random.default_rng(1).uniform(1.0, 3.0, (96, 128)).astype(np.float32)
    out = infer(name, depth, options=TrustOptions(remove_flying=False))
    assert (np.abs(out.depth - depth) <= 0.001425 * depth**2 + 1e-5).all()


def test_the_rung_takes_a_third_of_the_filter_and_stays_near_it():
    rng = np.random.default_rng(2)
    rgb = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    low = np.kron(rng.uniform(1.0, 1.5, (12, 16)), np.ones((2, 2))).astype(np.float32)
    full, small = filters.joint_bilateral(low, rgb), filters.joint_bilateral(low, rgb, radius=1)
    assert np.abs(full - small).mean() < 0.01
