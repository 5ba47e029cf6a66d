"""Points of a depth map: where they are, what they look like, and which are left out."""

import numpy as np
import pytest

from pagnet_ros.messages.points import make_points

NAN = np.nan


@pytest.fixture
def rays():
    y, x = np.mgrid[-1:1:3j, -2:2:4j]
    return np.stack((x, y, np.ones_like(x))).astype(np.float32)


@pytest.fixture
def depth():
    return np.array([[1, 2, NAN, 4], [1, np.inf, 3, 4], [1, 2, 3, -np.inf]], np.float32)


def test_an_organised_cloud_has_the_images_shape_and_nan_where_nothing_is_known(depth, rays):
    points = make_points(depth, rays)
    known = np.isfinite(depth)
    assert points.shape == (3, 4, 3)
    np.testing.assert_array_equal(points[known], (rays[:, known] * depth[known]).T)
    assert np.isnan(points[~known]).all()


@pytest.mark.parametrize("dense", [False, True])
def test_a_pixel_that_the_lens_model_has_no_ray_for_is_no_point(depth, rays, dense):
    rays[:, 0, :2] = NAN
    points = make_points(depth, rays, dense=dense)
    if dense:
        assert points.shape == (7, 3)
    else:
        assert np.isnan(points[0, :2]).all()
        assert np.array_equal(np.isfinite(points).all(-1), np.isfinite(rays[0]) & np.isfinite(depth))


def test_a_dense_cloud_has_what_is_known_alone(depth, rays):
    points = make_points(depth, rays, dense=True)
    assert points.shape == (9, 3)
    assert np.isfinite(points).all()


def test_colours_are_packed_as_pcl_has_them(depth, rays):
    rgb = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    points = make_points(depth, rays, rgb)
    assert points.shape == (3, 4, 4)
    assert points.view("<u4")[1, 2, 3] == 18 << 16 | 19 << 8 | 20
    np.testing.assert_array_equal(points[..., :3], make_points(depth, rays))


def test_a_thinned_cloud_has_one_measured_point_in_each_voxel():
    y, x = np.mgrid[-0.5:0.5:60j, -0.5:0.5:80j].astype(np.float32)
    depth = np.where(x < 0, np.float32(1.0), np.float32(2.0)) + np.float32(0.01) * y
    depth[0] = NAN
    rays = np.stack((x, y, np.ones_like(x)))
    every = make_points(depth, rays, dense=True)
    thin = make_points(depth, rays, voxel_m=0.05)
    voxels = np.floor(every / np.float32(0.05)).astype(int)
    assert len(thin) == len(np.unique(voxels, axis=0))
    assert len(np.unique(np.floor(thin / np.float32(0.05)).astype(int), axis=0)) == len(thin) < len(every) / 2
    assert {tuple(point) for point in thin} <= {tuple(point) for point in every}


def test_nothing_known_is_no_point(rays):
    nothing = np.full((3, 4), NAN, np.float32)
    assert make_points(nothing, rays, voxel_m=0.1).shape == (0, 3)
    assert make_points(nothing, rays, dense=True).shape == (0, 3)


def test_where_the_lens_model_has_no_ray_there_is_no_point(depth, rays):
    rays[:, 2, 0] = NAN
    assert np.isfinite(make_points(depth, rays, dense=True)).all()
    assert len(make_points(depth, rays, dense=True)) == 8
    assert np.isfinite(make_points(depth, rays, voxel_m=0.05)).all()


def test_small_voxels_far_apart_stay_two():
    ahead = np.zeros((3, 1, 2), np.float32)
    ahead[2] = 1.0
    assert len(make_points(np.array([[4.464, 70.0]], np.float32), ahead, voxel_m=0.001)) == 2
