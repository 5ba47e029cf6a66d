"""Coarse depth from fine depth: the same view, no depth between two surfaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import InputError
from pagnet_ros.recordings.coarse import coarse_depth, coarse_intrinsics


def test_flat_surface_keeps_its_depth():
    depth = np.full((8, 12), 1234, np.uint16)

    np.testing.assert_array_equal(coarse_depth(depth, 4), np.full((2, 3), 1234))


def test_slanted_surface_is_averaged_over_the_block():
    depth = np.tile(np.linspace(1.0, 1.011, 12, dtype=np.float32), (4, 1))

    coarse = coarse_depth(depth, 4)

    np.testing.assert_allclose(coarse[0], depth[0].reshape(3, 4).mean(axis=1), atol=1e-6)
    assert coarse.dtype == np.float32


@given(
    near=st.integers(300, 3000), step=st.integers(60, 4000), edge=st.integers(0, 16), scale=st.sampled_from([2, 4, 8])
)
@settings(max_examples=60, deadline=None)
def test_no_depth_between_two_surfaces(near, step, edge, scale):
    depth = np.full((16, 16), near + step, np.uint16)
    depth[:, :edge] = near

    assert set(np.unique(coarse_depth(depth, scale))) <= {near, near + step}


def test_of_two_surfaces_that_share_a_block_the_nearer_is_seen():
    np.testing.assert_array_equal(coarse_depth(np.array([[1000, 2000], [2000, 1000]], np.uint16), 2), [[1000]])


def test_blocks_with_too_few_measurements_are_invalid():
    depth = np.zeros((4, 8), np.uint16)
    depth[0, :3] = 1000
    depth[:, 4:5] = 2000

    np.testing.assert_array_equal(coarse_depth(depth, 4), [[0, 2000]])


def test_invalid_float_stays_invalid():
    depth = np.array([[np.nan, np.inf], [-1.0, 0.0]], np.float32)

    assert np.isnan(coarse_depth(depth, 2)).all()


def test_scale_one_is_a_copy():
    depth = np.arange(6, dtype=np.uint16).reshape(2, 3)
    coarse = coarse_depth(depth, 1)

    np.testing.assert_array_equal(coarse, depth)
    assert coarse is not depth


def test_scale_that_does_not_divide_names_those_that_do():
    with pytest.raises(InputError, match=r"scale 5 does not divide 12x8; expected one of \[1, 2, 4\]"):
        coarse_depth(np.zeros((8, 12), np.uint16), 5)


def test_wrong_type_is_refused():
    with pytest.raises(InputError, match="float64"):
        coarse_depth(np.zeros((8, 12)), 2)


def test_intrinsics_keep_the_rays():
    fine = np.array([[585.0, 0, 320], [0, 575, 240], [0, 0, 1]])
    coarse = coarse_intrinsics(fine, 4, 2)

    # The centre of coarse pixel 0 lies at fine coordinates 1.5, 0.5, and must be seen under the same angles.
    assert (0 - coarse[0, 2]) / coarse[0, 0] == pytest.approx((1.5 - fine[0, 2]) / fine[0, 0])
    assert (0 - coarse[1, 2]) / coarse[1, 1] == pytest.approx((0.5 - fine[1, 2]) / fine[1, 1])
