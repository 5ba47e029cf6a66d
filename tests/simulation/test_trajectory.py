"""The moving camera."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.camera import check_pose
from pagnet_ros.simulation import LookAround, Scene


def test_the_same_time_gives_the_same_pose_and_another_seed_another_path():
    scene = Scene.random(1, "room")
    path, other = LookAround.around(scene, seed=1), LookAround.around(scene, seed=2)
    assert np.array_equal(path.pose_at(3.7), LookAround.around(scene, seed=1).pose_at(3.7))
    assert not np.allclose(path.pose_at(3.7), other.pose_at(3.7))


@given(t=st.floats(-1e4, 1e4), seed=st.integers(0, 50))
def test_the_path_is_smooth_rigid_and_periodic(t, seed):
    path = LookAround(eye=(0, 0, 1), target=(0, 3, 0.5), seed=seed, period_s=10.0)
    now, soon = check_pose(path.pose_at(t)), path.pose_at(t + 1 / 30)
    assert np.linalg.norm(soon[:3, 3] - now[:3, 3]) < 0.03
    assert np.abs(soon[:3, :3] - now[:3, :3]).max() < 0.03
    assert np.allclose(path.pose_at(t + 10.0), now, atol=1e-6)


def test_the_path_moves_at_all():
    path = LookAround(eye=(0, 0, 1), target=(0, 3, 0.5))
    spread = np.ptp([path.pose_at(t)[:3, 3] for t in np.linspace(0, 20, 50)], axis=0)
    assert (spread > 0.05).all()


def test_bad_times_and_periods_are_refused():
    with pytest.raises(ConfigError, match="period"):
        LookAround(eye=(0, 0, 1), target=(0, 3, 0.5), period_s=0.0)
    with pytest.raises(ConfigError, match="finite seconds"):
        LookAround(eye=(0, 0, 1), target=(0, 3, 0.5)).pose_at(math.nan)
