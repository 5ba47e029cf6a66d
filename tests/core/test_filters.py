"""The classical filters: equal to their definitions, at any ratio, with holes."""

import numpy as np
import pytest

from pagnet_ros.core import filters

FILTERS = ("nearest", "bilinear", "bicubic", "guided", "joint_bilateral")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def two_planes(height, width, scale):
    """A step in depth where colour steps, half way across: (low, rgb, truth)."""
    rgb = np.full((height, width, 3), 60, np.uint8)
    rgb[:, width // 2 :] = 200
    truth = np.where(rgb[..., 0] > 100, 2.0, 1.0).astype(np.float32)
    return truth.reshape(height // scale, scale, width // scale, scale).mean(axis=(1, 3)), rgb, truth


def joint_bilateral_by_definition(low, rgb, y, x):
    """One pixel of Kopf's filter, every weight written out."""
    size, ratio = low.shape, (rgb.shape[0] / low.shape[0], rgb.shape[1] / low.shape[1])
    v, u = (y + 0.5) / ratio[0] - 0.5, (x + 0.5) / ratio[1] - 0.5
    total = weights = 0.0
    for row in range(round(v) - 2, round(v) + 3):
        for column in range(round(u) - 2, round(u) + 3):
            inside = min(max(row, 0), size[0] - 1), min(max(column, 0), size[1] - 1)
            rows = slice(int(inside[0] * ratio[0]), int((inside[0] + 1) * ratio[0]))
            columns = slice(int(inside[1] * ratio[1]), int((inside[1] + 1) * ratio[1]))
            colour = rgb[rows, columns].astype(float).mean(axis=(0, 1)) / 255
            near = np.exp(-((row - v) ** 2 + (column - u) ** 2) / (2 * 0.5**2))
            alike = np.exp(-((rgb[y, x] / 255 - colour) ** 2).sum() / (2 * 0.1**2))
            if not np.isnan(low[inside]):
                total += near * (alike + 1e-6) * low[inside]
                weights += near * (alike + 1e-6)
    return total / weights


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_joint_bilateral_is_kopfs_filter(rng, scale):
    rgb = rng.integers(90, 140, (9 * scale, 11 * scale, 3), dtype=np.uint8)
    low = rng.uniform(0.5, 5.0, (9, 11)).astype(np.float32)
    low[3:5, 4] = np.nan
    result = filters.joint_bilateral(low, rgb)
    for y, x in [(0, 0), (8, 9), (4 * scale, 4 * scale), (9 * scale - 1, 11 * scale - 1)]:
        assert result[y, x] == pytest.approx(joint_bilateral_by_definition(low, rgb, y, x), rel=1e-4)


def test_joint_bilateral_puts_the_edge_where_colour_has_it():
    low, rgb, truth = two_planes(24, 40, 8)  # 20 = 2.5 measured pixels: the middle one is a mixture
    sharp = np.abs(filters.joint_bilateral(low, rgb) - truth)
    smooth = np.abs(filters.bilinear(low, rgb) - truth)
    assert sharp[:, 12:28].mean() < 0.5 * smooth[:, 12:28].mean()


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("size", [(24, 32), (23, 41), (6, 64), (6, 8)])
def test_any_ratio_gives_the_colour_size(rng, name, size):
    low = np.full((6, 8), 1.5, np.float32)
    result = getattr(filters, name)(low, rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    assert result.shape == size
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, 1.5, atol=1e-3)


@pytest.mark.parametrize("name", FILTERS)
def test_a_hole_is_no_depth_of_zero(rng, name):
    low = rng.uniform(2.0, 3.0, (12, 16)).astype(np.float32)
    low[3:9, 4:12] = np.nan
    result = getattr(filters, name)(low, rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    assert np.isnan(result[22:26, 28:36]).all()  # three pixels from every measurement
    assert np.isfinite(result[:8]).all()
    assert 1.5 < np.nanmin(result) <= np.nanmax(result) < 3.5


@pytest.mark.parametrize("name", FILTERS)
def test_nothing_measured_is_nothing_known(name):
    low = np.full((6, 8), np.nan, np.float32)
    assert np.isnan(getattr(filters, name)(low, np.zeros((24, 32, 3), np.uint8))).all()


@pytest.mark.parametrize("name", FILTERS)
def test_inputs_are_left_as_they_came(rng, name):
    low = rng.uniform(2.0, 3.0, (6, 8)).astype(np.float32)
    low[2, 3] = np.nan
    rgb = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    before = low.copy(), rgb.copy()
    getattr(filters, name)(low, rgb)
    np.testing.assert_array_equal(low, before[0])
    np.testing.assert_array_equal(rgb, before[1])
