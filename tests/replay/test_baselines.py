"""Baselines give what the node's fill policy would give, whatever the filter."""

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.core import filters
from pagnet_ros.core.validity import NOTHING, ValidityOptions, provenance
from pagnet_ros.errors import InputError
from pagnet_ros.replay.baselines import ABSENT_BASELINES, BASELINES, baselines

NAN = float("nan")
ALL = {"nearest", "bilinear", "bicubic", "joint-bilateral", "guided", "fast-global-smoother"}
EDGE = 12


@pytest.fixture
def frame():
    """A box before a wall, with a hole that is too wide to be filled: (low, rgb)."""
    low = np.where(np.arange(24) < EDGE, 1.0, 2.0).astype(np.float32) * np.ones((18, 1), np.float32)
    low[2:, 14:] = NAN
    low[3, 3] = 0.0
    rgb = np.full((72, 96, 3), 60, np.uint8)
    rgb[:, 4 * EDGE :] = 200
    return low, rgb


def given_by(low, size, options):
    valid = torch.from_numpy(np.isfinite(low) & (low > 0))[None, None]
    return (provenance(valid, None, size, options) != NOTHING)[0, 0].numpy()


def test_every_baseline_is_there_or_listed_as_absent():
    assert set(BASELINES) | set(ABSENT_BASELINES) == ALL
    assert not set(BASELINES) & set(ABSENT_BASELINES)


def test_an_absent_baseline_says_how_to_get_it():
    if hasattr(cv2, "ximgproc"):
        assert not ABSENT_BASELINES
    else:
        assert "opencv-contrib-python-headless" in ABSENT_BASELINES["fast-global-smoother"]


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("fill", ["none", "near", "all"])
def test_what_is_given_follows_the_fill_policy(frame, name, fill):
    options = ValidityOptions(fill=fill, fill_radius_px=2, remove_flying=False)
    methods = baselines(options)
    if name not in methods:
        pytest.skip(ABSENT_BASELINES[name])
    low, rgb = frame
    result = methods[name](low, rgb)
    assert result.dtype == np.float32
    assert np.array_equal(np.isfinite(result), given_by(low, (72, 96), options))
    assert result[np.isfinite(result)].min() > 0.5


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_default_is_the_policy_of_the_node(frame, name):
    low, rgb = frame
    assert np.array_equal(np.isfinite(BASELINES[name](low, rgb)), given_by(low, (72, 96), ValidityOptions()))


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_input_is_left_alone(frame, name):
    low, rgb = frame
    before = low.copy(), rgb.copy()
    BASELINES[name](low, rgb)
    assert np.array_equal(low, before[0], equal_nan=True)
    assert np.array_equal(rgb, before[1])


@pytest.mark.parametrize("name", sorted(BASELINES))
@pytest.mark.parametrize("size", [(72, 96), (61, 83), (18, 24)])
def test_a_wall_stays_a_wall_at_any_ratio(name, size):
    rgb = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    result = BASELINES[name](np.full((18, 24), 2.0, np.float32), rgb)
    np.testing.assert_allclose(result, 2.0, rtol=1e-3)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_without_a_measurement_nothing_is_given(name):
    nothing = np.full((18, 24), NAN, np.float32)
    assert np.isnan(BASELINES[name](nothing, np.zeros((72, 96, 3), np.uint8))).all()


def test_without_holes_a_baseline_is_its_filter(frame):
    rgb = frame[1]
    low = np.linspace(1, 2, 18 * 24, dtype=np.float32).reshape(18, 24)
    for name, method in (("bicubic", filters.bicubic), ("guided", filters.guided), ("nearest", filters.nearest)):
        assert np.array_equal(BASELINES[name](low, rgb), method(low, rgb)), name


def test_flying_pixels_stay_unless_told(frame):
    _, rgb = frame
    low = np.where(np.arange(24) < EDGE, 1.0, 2.0).astype(np.float32) * np.ones((18, 1), np.float32)
    assert np.isfinite(BASELINES["bilinear"](low, rgb)).all()
    assert np.isnan(baselines(ValidityOptions())["bilinear"](low, rgb)).any()


def test_depth_of_another_type_is_refused():
    with pytest.raises(InputError, match=r"depth is uint16 of shape \(4, 4\); expected \[h, w\] float32 metres"):
        BASELINES["nearest"](np.ones((4, 4), np.uint16), np.zeros((8, 8, 3), np.uint8))


def test_the_fast_global_smoother_sharpens_an_edge_that_colour_shows(frame):
    if "fast-global-smoother" not in BASELINES:
        pytest.skip(ABSENT_BASELINES["fast-global-smoother"])
    _, rgb = frame
    low = np.where(np.arange(24) < EDGE, 1.0, 2.0).astype(np.float32) * np.ones((18, 1), np.float32)
    errors = [abs(BASELINES[name](low, rgb)[:, 4 * EDGE] - 2).max() for name in ("fast-global-smoother", "bicubic")]
    assert errors[0] < 0.5 * errors[1]
