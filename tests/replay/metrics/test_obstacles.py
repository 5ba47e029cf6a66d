"""False and missed obstacles of a voxel grid, cell by cell."""

import math

import numpy as np
import pytest

from pagnet_ros.replay.metrics import MetricSettings

NAN = float("nan")
CAMERA = np.array([[10.0, 0, 4.5], [0, 10, 4.5], [0, 0, 1]])  # 10x10 pixels, each 10 cm wide at a metre
SETTINGS = MetricSettings(voxel_m=0.1, min_height_m=0.0, max_height_m=2.0, obstacle_range_m=5.0, camera_height_m=1.0)


def alone(depth, row=4, column=4):
    """One point in an empty image, half a pixel above and left of the axis."""
    image = np.full((10, 10), NAN)
    image[row, column] = depth
    return image


@pytest.fixture
def obstacles(score):
    def run(reference, result, settings=SETTINGS, known=None, **frame):
        frame = {"intrinsics": CAMERA, **frame}
        found = score(reference, result, settings=settings, **frame)
        return found["false_obstacles"], found["missed_obstacles"]

    return run


def both(a, b):
    """Two points; pixels that only the reference knows do not count, so both are always known."""
    return np.where(np.isnan(a), b, a)


def test_the_same_depth_has_neither(obstacles):
    assert obstacles(alone(2.05), alone(2.05)) == (0, 0)


@pytest.mark.parametrize(("depth", "expected"), [(2.0, 0), (2.14, 0), (2.24, 1), (1.96, 0), (1.86, 1)])
def test_an_obstacle_counts_from_the_second_cell_on(obstacles, depth, expected):
    """The reference is in the cell from 2.0 to 2.1 m; its neighbours reach from 1.9 to 2.2 m."""
    assert obstacles(alone(2.05), alone(depth)) == (expected, expected)


def test_what_is_left_out_is_missed(obstacles):
    assert obstacles(alone(2.05), np.full((10, 10), NAN)) == (0, 1)


def test_what_the_reference_does_not_know_is_not_judged(obstacles):
    assert obstacles(alone(2.05), both(alone(2.05), alone(4.05, 8, 8))) == (0, 0)


def test_points_in_one_cell_are_one_obstacle(obstacles):
    reference = np.full((10, 10), 9.0)  # out of range
    result = reference.copy()
    result[4, 4], result[4, 5] = 0.52, 0.55  # 5 cm apart, half of that left and right of the axis: two cells
    assert obstacles(reference, result) == (2, 0)
    result[4, 4], result[4, 5], result[4, 6] = NAN, 0.52, 0.52  # 2.6 and 7.8 cm to the right: one cell
    assert obstacles(reference, result) == (1, 0)


def test_a_cell_needs_as_many_points_as_it_is_told(obstacles):
    two = MetricSettings(
        voxel_m=0.1, min_height_m=0.0, obstacle_range_m=5.0, camera_height_m=1.0, voxel_points=2, max_height_m=2.0
    )
    reference = np.full((10, 10), 9.0)
    result = reference.copy()
    result[4, 5] = 0.52
    assert obstacles(reference, result, two) == (0, 0)
    result[4, 6] = 0.52
    assert obstacles(reference, result, two) == (1, 0)


def heights(camera_height, **more):
    return MetricSettings(
        voxel_m=0.1, min_height_m=0.1, max_height_m=2.0, obstacle_range_m=5.0, camera_height_m=camera_height, **more
    )


@pytest.mark.parametrize(("camera", "expected"), [(-0.01, 0), (0.0, 1), (1.89, 1), (1.9, 0)])
def test_only_the_height_band_counts(obstacles, camera, expected):
    """The point is at 2.05 m, half a pixel above the axis: 10.25 cm above the camera."""
    assert obstacles(alone(2.05), np.full((10, 10), NAN), heights(camera))[1] == expected


def test_the_height_band_ends_below_its_upper_limit(obstacles):
    settings = MetricSettings(voxel_m=0.05, min_height_m=0.1, max_height_m=2.0, camera_height_m=2.0)
    axis = np.array([[10.0, 0, 4], [0, 10, 4], [0, 0, 1]])  # the point is exactly as high as the camera
    assert obstacles(alone(2.0), np.full((10, 10), NAN), settings, intrinsics=axis) == (0, 0)


def test_the_range_is_a_distance_not_a_depth(obstacles):
    corner = math.sqrt(1 + 2 * 0.45**2)
    near = MetricSettings(voxel_m=0.1, min_height_m=-5.0, max_height_m=5.0, obstacle_range_m=2.0 * corner + 0.01)
    far = MetricSettings(voxel_m=0.1, min_height_m=-5.0, max_height_m=5.0, obstacle_range_m=2.0 * corner - 0.01)
    assert obstacles(alone(2.0, 0, 0), np.full((10, 10), NAN), near)[1] == 1
    assert obstacles(alone(2.0, 0, 0), np.full((10, 10), NAN), far)[1] == 0


def test_a_camera_that_looks_down_sees_the_floor_lower(obstacles):
    """At 30 degrees down from a metre, the axis meets the floor after 2 m."""
    down = heights(1.0, camera_pitch_deg=30.0)
    axis = np.array([[10.0, 0, 4], [0, 10, 4], [0, 0, 1]])
    nothing = np.full((10, 10), NAN)
    assert obstacles(alone(1.75), nothing, down, intrinsics=axis)[1] == 1  # 12.5 cm above the floor
    assert obstacles(alone(1.85), nothing, down, intrinsics=axis)[1] == 0  # 7.5 cm


def test_a_pose_says_where_up_is(obstacles):
    """The camera looks straight down from 3 m in a world whose z is up."""
    pose = np.array([[1.0, 0, 0, 7], [0, -1, 0, -2], [0, 0, -1, 3], [0, 0, 0, 1]])
    up = heights(0.0, up="pose")
    nothing = np.full((10, 10), NAN)
    assert obstacles(alone(2.85), nothing, up, pose=pose)[1] == 1  # 15 cm above the floor
    assert obstacles(alone(2.95), nothing, up, pose=pose)[1] == 0  # 5 cm
    assert obstacles(alone(0.95), nothing, up, pose=pose)[1] == 0  # 2.05 m


@pytest.mark.parametrize("frame", [{"intrinsics": None}, {"settings": MetricSettings(up="pose")}])
def test_without_intrinsics_or_a_needed_pose_obstacles_are_undefined(obstacles, frame):
    assert all(math.isnan(value) for value in obstacles(alone(2.0), alone(2.0), **frame))


def test_shares_are_of_the_cells_on_their_own_side(score):
    """The reference has an obstacle at 1 m, one at 2 m and one at 4 m; the result one at 1 m and one at 3 m."""
    reference = both(both(alone(1.05, 4, 2), alone(2.05, 4, 6)), alone(4.05, 4, 8))
    result = both(alone(1.05, 4, 2), alone(3.05, 4, 6))
    found = score(reference, result, settings=SETTINGS, intrinsics=CAMERA)
    assert found["false_obstacle_share"] == 1 / 2
    assert found["missed_obstacle_share"] == 2 / 3
