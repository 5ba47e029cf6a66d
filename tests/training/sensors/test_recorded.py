"""Bags as a fit reads them: what belongs to each depth image, whatever the order in which it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="reading bags needs rosbags")

from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_training.sensors.images import make_view
from pagnet_training.sensors.recorded import Selection, recorded_frames
from tests.replay.bags import MATRIX, SIZE, STORE, camera_info, color, depth_mm, header, image, write
from tests.training.sensors.fit_worlds import gaussian, record, write_folder

START_NS, PERIOD_NS = 10**9, 33_333_333
COLOR, DEPTH, INFO, POSE = "/cam/color/image_raw", "/cam/depth/image_raw", "/cam/depth/camera_info", "/vo_pose"
SMALL = (SIZE[0] // 2, SIZE[1] // 2)


def pose(x: float, stamp_ns: int) -> object:
    types = STORE.types
    at, turn = types["geometry_msgs/msg/Point"](x, 0.0, 0.0), types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    return types["geometry_msgs/msg/PoseStamped"](header(stamp_ns), types["geometry_msgs/msg/Pose"](at, turn))


def messages(count: int = 8, poses: int = 8, late_ns: int = 25_000_000) -> Iterator[tuple[str, int, object]]:
    """As an RGB-D camera and visual odometry are recorded: the pose comes when it has been computed."""
    for k in range(count):
        stamp_ns = START_NS + k * PERIOD_NS
        yield COLOR, stamp_ns, image(color(k), stamp_ns)
        yield DEPTH, stamp_ns + 1, image(depth_mm(k, SMALL), stamp_ns)
        yield INFO, stamp_ns + 2, camera_info(stamp_ns, SMALL)
        if k < poses:
            yield POSE, stamp_ns + late_ns, pose(float(k), stamp_ns)


def in_order(path: Path, of: Iterator[tuple[str, int, object]]) -> Path:
    return write(path, sorted(of, key=lambda each: each[1]))


def test_a_reference_written_after_its_depth_is_found(tmp_path: Path) -> None:
    folder = write_folder(record(gaussian(0.004), 5), tmp_path / "frames")
    bag = write_bag(open_frames(folder), tmp_path / "bag", BagOptions(downsample=2))
    for coarse, fine in zip(recorded_frames(bag), open_frames(folder), strict=True):
        assert coarse.depth.shape == (60, 80)
        assert coarse.reference is not None
        assert np.array_equal(coarse.reference, fine.depth)


@pytest.mark.parametrize("late_ns", [0, 25_000_000, 90_000_000])
def test_a_pose_recorded_late_belongs_to_the_frame_of_its_stamp(tmp_path: Path, late_ns: int) -> None:
    bag = in_order(tmp_path / "bag", messages(late_ns=late_ns))
    assert [frame.pose[0, 3] for frame in recorded_frames(bag)] == list(range(8))
    every_third = recorded_frames(bag, Selection(every=3))
    assert [frame.pose[0, 3] for frame in every_third] == [0, 3, 6]


def test_no_frame_is_lost_where_poses_end(tmp_path: Path) -> None:
    bag = in_order(tmp_path / "bag", messages(count=90, poses=10))
    frames = list(recorded_frames(bag))
    assert [frame.stamp_ns for frame in frames] == [START_NS + k * PERIOD_NS for k in range(90)]
    assert [frame.pose is not None for frame in frames] == [k < 10 for k in range(90)]


def test_the_last_depth_image_takes_the_colour_image_before_it(tmp_path: Path) -> None:
    stamps = [START_NS + k * PERIOD_NS for k in range(3)]
    images = [(COLOR, s, image(color(k), s)) for k, s in enumerate(stamps)]
    images += [(DEPTH, s + 10**6, image(depth_mm(k), s + 10**6)) for k, s in enumerate(stamps)]
    assert len(list(recorded_frames(in_order(tmp_path / "bag", iter(images))))) == 3


def test_the_calibration_of_depth_is_taken_where_colour_has_none(tmp_path: Path) -> None:
    for frame in recorded_frames(in_order(tmp_path / "bag", messages())):
        assert frame.intrinsics is not None
        assert frame.intrinsics[0, 0] == 2 * MATRIX[0, 0]
        view = make_view(frame)
        assert view.calibrated
        np.testing.assert_allclose(view.matrix, MATRIX)
