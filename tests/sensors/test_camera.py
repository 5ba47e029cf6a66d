"""Pinhole camera and poses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PinholeCamera, look_at
from pagnet_ros.sensors.camera import check_pose

POINT = st.tuples(*[st.floats(-5, 5)] * 3)


def test_field_of_view_spans_the_image_from_edge_to_edge():
    camera = PinholeCamera.from_fov(640, 480, 90.0)
    assert camera.fx == pytest.approx(320.0)
    assert (-0.5 - camera.cx) / camera.fx == pytest.approx(-1.0)
    assert (639.5 - camera.cx) / camera.fx == pytest.approx(1.0)


def test_a_downscaled_camera_sees_block_middles_along_the_same_rays():
    camera = PinholeCamera(525.0, 520.0, 311.0, 247.5, 640, 480)
    coarse = camera.downscaled(4)
    assert (coarse.width, coarse.height) == (160, 120)
    column = 37
    middle = 4 * column + 1.5
    assert (column - coarse.cx) / coarse.fx == pytest.approx((middle - camera.cx) / camera.fx)


def test_bad_intrinsics_are_all_named_in_one_error():
    with pytest.raises(ConfigError, match=r"fx=0\.0.*cy=nan.*width=0.*CameraInfo"):
        PinholeCamera(0.0, 500.0, 320.0, math.nan, 0, 480)


@pytest.mark.parametrize("angle", [0.0, -10.0, 171.0])
def test_impossible_field_of_view_is_refused(angle):
    with pytest.raises(ConfigError, match="at most 170"):
        PinholeCamera.from_fov(64, 48, angle)


@pytest.mark.parametrize("factor", [0, 65, 1.5])
def test_impossible_downscaling_is_refused(factor):
    with pytest.raises(ConfigError, match="down-scaling factor"):
        PinholeCamera.from_fov(64, 64).downscaled(factor)


@given(eye=POINT, target=POINT, roll=st.floats(-3, 3))
def test_look_at_is_a_rigid_motion_that_puts_the_target_on_the_axis(eye, target, roll):
    distance = float(np.linalg.norm(np.subtract(target, eye)))
    if distance < 1e-3:
        return
    pose = check_pose(look_at(eye, target, roll))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    seen = np.linalg.inv(pose) @ np.append(target, 1.0)
    assert np.allclose(seen[:3], [0, 0, distance], atol=1e-6)


def test_without_roll_down_in_the_image_is_down_in_the_world():
    pose = look_at([0, 0, 1], [2, 3, 1])
    assert np.allclose(pose[:3, 1], [0, 0, -1])


def test_look_at_needs_two_points():
    with pytest.raises(ConfigError, match="same point"):
        look_at([1, 2, 3], [1, 2, 3])


def test_a_sheared_pose_is_refused():
    pose = np.eye(4)
    pose[0, 1] = 0.2
    with pytest.raises(ConfigError, match="not a rotation"):
        check_pose(pose)
    with pytest.raises(ConfigError, match=r"shape \[3, 4\]"):
        check_pose(np.eye(4)[:3])
