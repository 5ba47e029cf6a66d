"""The recording written back: every message as it was, the result and its calibration beside it."""

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from pagnet_ros.errors import ConfigError
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.replay.frame import SourceOptions
from pagnet_ros.replay.methods import Identity
from pagnet_ros.replay.run import evaluate
from pagnet_ros.replay.run_options import RunOptions
from pagnet_ros.replay.source import open_source
from pagnet_ros.replay.write_bag import BagCopy
from tests.replay.bags import MATRIX, SIZE, START_NS, STEP_NS, camera_info, depth_mm, rgbd, text, write

LOW = (SIZE[0] // 2, SIZE[1] // 2)


def copied(path, target, output="/depth_hr", options=None, **source_options):
    """Replay with the identity and write the bag; returns what was left out."""
    with open_source([path], SourceOptions(**source_options)) as source:
        topics = source.bag.topics if source.recording.kind == "bag" else {}
        with BagCopy(target, "identity", topics, output) as copy:
            evaluate(source, [Identity()], options or RunOptions(score=False), [copy], tap=copy.on_message)
    return copy.left_out


def raw(bag, topics=()):
    return [(m.topic.name, m.stamp_ns, m.raw) for m in bag.messages(topics)]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_message_is_copied_byte_for_byte(tmp_path, storage):
    messages = [*rgbd(5, depth_size=LOW), ("/chat", START_NS + 3, text("hello"))]
    original = write(tmp_path / "bag", sorted(messages, key=lambda m: m[1]), storage)
    assert copied(original, tmp_path / "copy") == {}
    with Bag(original) as before, Bag(tmp_path / "copy") as after:
        assert raw(after, list(before.topics)) == raw(before)
        assert {n: t.msgtype for n, t in after.topics.items()} == {n: t.msgtype for n, t in before.topics.items()} | {
            "/depth_hr": "sensor_msgs/msg/Image",
            "/depth_hr/camera_info": "sensor_msgs/msg/CameraInfo",
        }


def test_results_have_the_depths_stamp_the_colours_frame_and_calibration(tmp_path):
    copied(write(tmp_path / "bag", rgbd(3, depth_size=LOW, offset_ns=4_000_000)), tmp_path / "copy")
    with Bag(tmp_path / "copy") as bag:
        images = [bag.decode(m) for m in bag.messages(["/depth_hr"])]
        infos = [bag.decode(m) for m in bag.messages(["/depth_hr/camera_info"])]
    assert len(images) == len(infos) == 3
    for k, (image, info) in enumerate(zip(images, infos, strict=True)):
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == START_NS + k * STEP_NS
        assert image.header == info.header
        assert (image.header.frame_id, image.encoding) == ("optical", "32FC1")
        depth = image.data.view(np.float32).reshape(SIZE)
        expected = np.repeat(np.repeat(depth_mm(k, LOW), 2, 0), 2, 1) / np.float32(1000)
        np.testing.assert_allclose(depth, np.where(expected > 0, expected, np.nan))
        np.testing.assert_array_equal(info.k.reshape(3, 3), MATRIX)


def test_a_calibration_of_another_size_fits_the_result(tmp_path):
    info = camera_info(START_NS, LOW, np.array([[20.0, 0, 11.5], [0, 20.0, 7.5], [0, 0, 1]]))
    copied(write(tmp_path / "bag", [("/cam/camera_info", START_NS, info), *rgbd(1, info=False)]), tmp_path / "copy")
    with Bag(tmp_path / "copy") as bag:
        written = bag.decode(bag.first("/depth_hr/camera_info"))
    assert (written.width, written.height) == (SIZE[1], SIZE[0])
    np.testing.assert_allclose(written.k.reshape(3, 3), MATRIX)


def test_types_of_the_robots_own_are_copied_with_their_definition(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float64 level\nstring name\n", "robot_msgs/msg/Battery"))
    kind = store.types["robot_msgs/msg/Battery"]
    path = tmp_path / "bag"
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for topic, stamp_ns, message in [*rgbd(2), ("/battery", START_NS, kind(0.5, "left"))]:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=store)
            writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, message.__msgtype__))
    assert copied(path, tmp_path / "copy") == {}
    with Bag(path) as before, Bag(tmp_path / "copy") as after:
        assert raw(after, ["/battery"]) == raw(before, ["/battery"])
        assert after.topics["/battery"].definition == before.topics["/battery"].definition != ""


def test_part_of_a_recording_gives_part_of_a_bag(tmp_path):
    copied(write(tmp_path / "bag", rgbd(10)), tmp_path / "copy", start_s=0.2, duration_s=0.4, every=2)
    with Bag(tmp_path / "copy") as bag:
        counts = {name: topic.count for name, topic in bag.topics.items()}
    assert counts == {"/cam/color": 4, "/cam/camera_info": 4, "/cam/depth": 4, "/depth_hr": 2,
                      "/depth_hr/camera_info": 2}  # fmt: skip


def test_a_folder_becomes_a_bag_that_can_be_replayed(tmp_path, frame_folder):
    copied(frame_folder(3), tmp_path / "copy", options=RunOptions(scale=4, score=False))
    with open_source([tmp_path / "copy"], SourceOptions(depth="/depth")) as source:
        frames = list(source.frames())
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[2].reference, depth_mm(2))
    np.testing.assert_array_equal(frames[2].intrinsics, MATRIX)
    with Bag(tmp_path / "copy") as bag:
        assert bag.topics["/depth_hr"].count == bag.topics["/depth_hr/camera_info"].count == 3


def test_the_poses_of_a_folder_are_written(tmp_path, frame_folder):
    folder = frame_folder(3)
    for index, path in enumerate(sorted(folder.glob("*.depth.png"))):
        pose = np.array([[0, -1.0, 0, index], [1, 0, 0, 0.5], [0, 0, 1, 0], [0, 0, 0, 1]])
        np.savetxt(path.with_name(path.name.replace(".depth.png", ".pose.txt")), pose)
    copied(folder, tmp_path / "copy", options=RunOptions(scale=4, score=False))
    with Bag(tmp_path / "copy") as bag:
        poses = [bag.decode(m) for m in bag.messages(["/camera_pose"])]
        depths = [bag.decode(m) for m in bag.messages(["/depth"])]
    assert [pose.header.stamp for pose in poses] == [depth.header.stamp for depth in depths]
    assert [pose.pose.position.x for pose in poses] == [0.0, 1.0, 2.0]
    assert poses[0].pose.orientation.z == pytest.approx(np.sqrt(0.5))
    assert poses[0].header.frame_id == "world"


def test_a_topic_that_is_taken_or_no_name_is_refused(tmp_path):
    bag = write(tmp_path / "bag", rgbd(1))
    for output, words in (("/cam/depth", "/cam/depth is in the recording already"), ("depth", "absolute name")):
        with pytest.raises(ConfigError, match=words):
            copied(bag, tmp_path / "copy", output)
    copied(bag, tmp_path / "copy", "/better/depth")
    with Bag(tmp_path / "copy") as written:
        assert "/better/depth/camera_info" in written.topics
