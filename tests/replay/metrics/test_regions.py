"""Depth steps, footprints and nearest pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pagnet_ros.core.validity import MEASURED, ValidityOptions, provenance
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.replay.metrics.regions import depth_steps, footprint_depth, grown, nearest_up, texture

NAN = np.nan


def row(*values):
    return np.array([values], np.float32)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1, 2, 2), [0, 1, 1, 0]),
        ((1, 1.04, 1.08, 1.12), [0, 0, 0, 0]),
        ((1, NAN, 2, 2), [1, 0, 1, 0]),
        ((1, NAN, NAN, 2), [1, 0, 0, 1]),
        ((1, NAN, NAN, NAN, 2), [0, 0, 0, 0, 0]),  # the gap is wider than two pixels
        ((1, NAN, NAN, 1.06, 1.06), [0, 0, 0, 0, 0]),  # two pixels explain 2 % more
        ((1, NAN, NAN, 1.08, 1.08), [1, 0, 0, 1, 0]),
        ((NAN, 1, 1, NAN), [0, 0, 0, 0]),
        ((NAN, NAN, NAN, NAN), [0, 0, 0, 0]),
    ],
)
def test_steps_along_a_row_and_a_column(values, expected):
    assert depth_steps(row(*values), 0.05, gap_px=2).tolist() == [[bool(e) for e in expected]]
    assert depth_steps(row(*values).T, 0.05, gap_px=2).tolist() == [[bool(e)] for e in expected]


@pytest.mark.parametrize(("rise", "textured"), [(10, 0), (14, 4)])
def test_texture_starts_at_a_rise_per_pixel(rise, textured):
    luma = np.full((6, 12), 100, np.float32)
    luma[:, 6:] += 2 * rise  # seen from the pixels on both sides, over two pixels
    assert texture(luma, 12).sum(axis=1).tolist() == [textured] * 6
    assert texture(np.ascontiguousarray(luma.T), 12).sum(axis=0).tolist() == [textured] * 6


def test_a_mask_grows_in_a_square():
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert grown(mask, 0) is mask
    assert np.count_nonzero(grown(mask, 1)) == 9
    assert grown(mask, 2).all()


sides = st.integers(2, 9)


@given(sides, sides, st.integers(0, 20), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_nearest_pixels_are_those_of_provenance(height, width, taller, wider, seed):
    valid = np.random.default_rng(seed).random((height, width)) < 0.5
    size = (height + taller, width + wider)
    origin = provenance(torch.from_numpy(valid)[None, None], None, size, ValidityOptions(fill="none"))[0, 0].numpy()
    assert np.array_equal(nearest_up(valid, size), origin == MEASURED)


@given(
    arrays.arrays(
        np.float32,
        (8, 16),
        elements=st.one_of(st.just(NAN), st.floats(0.5, 0.515625, width=32), st.floats(1, 9, width=32)),
    ),
    st.sampled_from([1, 2, 4, 8]),
)
def test_a_footprint_sees_what_a_coarser_sensor_would(depth, scale):
    expected = coarse_depth(depth, scale)
    np.testing.assert_allclose(footprint_depth(depth, expected.shape), expected, rtol=1e-6)


def test_a_footprint_of_no_whole_ratio_keeps_a_constant_and_a_side():
    depth = np.full((30, 50), 2.0, np.float32)
    depth[:, 25:] = 4.0
    seen = footprint_depth(depth, (12, 20))
    assert seen.shape == (12, 20)
    assert (seen[:, :10] == 2).all()
    assert (seen[:, 10:] == 4).all()


def test_footprints_of_different_ratios_in_both_axes():
    depth = np.repeat(np.array([[1.0, 2.0, 3.0]], np.float32), 4, axis=1).repeat(4, axis=0)
    assert footprint_depth(depth, (2, 3)).tolist() == [[1, 2, 3], [1, 2, 3]]
