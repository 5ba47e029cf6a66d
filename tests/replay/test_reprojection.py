"""Depth of a bag whose cameras stand apart is drawn for the colour camera by what the bag says of them."""

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.bag_source import BagSource
from pagnet_ros.replay.frame import SourceOptions
from tests.replay.bags import START_NS, STEP_NS, camera_info, color, depth_mm, header, image, tf_static, write

APART = 0.1
"""Metres: 4 pixels for the box at 1 m, 2 for the wall at 2 m."""


def messages(*, depth_info=True, tf=True, size=(32, 48)):
    if tf:
        yield "/tf_static", START_NS, tf_static(APART)
    for k in range(3):
        stamp_ns = START_NS + k * STEP_NS
        yield "/cam/rgb/image", stamp_ns, image(color(k, size), stamp_ns)
        yield "/cam/rgb/camera_info", stamp_ns, camera_info(stamp_ns, size)
        if depth_info:
            yield "/cam/depth/camera_info", stamp_ns, camera_info(stamp_ns)
        yield "/cam/depth/image", stamp_ns + 10, image(depth_mm(k), stamp_ns, header=header(stamp_ns, "depth_optical"))


def read(tmp_path, options=None, **what):
    with BagSource([write(tmp_path / "bag", messages(**what))], options or SourceOptions()) as source:
        return list(source.frames()), source.stats.problems


def columns(depth):
    metres = depth / 1000 if depth.dtype == np.uint16 else depth
    found = np.flatnonzero(np.abs(metres[12] - 1.0) < 0.01)
    return int(found[0]), int(found[-1])


def test_depth_is_drawn_where_the_colour_camera_sees_it(tmp_path):
    frames, problems = read(tmp_path)
    assert [columns(frame.depth) for frame in frames] == [(16, 27)] * 3
    assert not problems


def test_images_of_different_shape_follow_from_the_calibrations(tmp_path):
    frames, problems = read(tmp_path, size=(32, 64))
    assert [frame.depth.shape for frame in frames] == [(32, 64)] * 3
    assert not problems


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"tf": False}, "/tf_static has no transform from depth_optical to optical"),
        ({"depth_info": False}, "there is no camera_info on the depth camera's topic"),
    ],
)
def test_what_is_missing_is_told_and_depth_is_left(tmp_path, what, told):
    frames, problems = read(tmp_path, **what)
    assert [columns(frame.depth) for frame in frames] == [(12, 23)] * 3
    assert any(problem.kind == "frame_ids_differ" and told in problem.text for problem in problems)


def test_a_pose_that_is_set_counts_before_what_the_bag_says(tmp_path):
    frames, problems = read(tmp_path, SourceOptions(depth_pose_xyz=f"{-APART},0,0"), tf=False)
    assert [columns(frame.depth) for frame in frames] == [(8, 19)] * 3
    assert not problems


def test_a_pose_beside_depth_that_is_registered_is_refused():
    with pytest.raises(ConfigError, match="reproject = false, which contradict each other"):
        SourceOptions(depth_pose_xyz="0.1,0,0", reproject=False)


def test_it_can_be_left_out(tmp_path):
    frames, problems = read(tmp_path, SourceOptions(reproject=False))
    assert [columns(frame.depth) for frame in frames] == [(12, 23)] * 3
    assert not problems


def test_images_of_different_shape_are_refused_without_calibrations(tmp_path):
    frames, problems = read(tmp_path, size=(32, 64), depth_info=False)
    assert not frames
    assert [problem.kind for problem in problems if problem.kind == "aspect_ratio_differs"]
