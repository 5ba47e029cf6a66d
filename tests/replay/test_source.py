"""Reading: the node's pairs from any kind of bag or folder, and what is said about those that are not in order."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.core.pairing import NearestPairing
from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.replay.frame import SourceOptions
from pagnet_ros.replay.source import open_source
from tests.replay.bags import (
    MATRIX,
    SIZE,
    START_NS,
    STEP_NS,
    camera_info,
    color,
    compressed,
    depth_mm,
    image,
    rgbd,
    text,
    write,
)


def read(paths, **options):
    """(frames, source) of a recording, read to its end."""
    with open_source([paths] if not isinstance(paths, list) else paths, SourceOptions(**options)) as source:
        return list(source.frames()), source


def numbers(frames):
    """Which of the frames of `rgbd` these are."""
    return [(frame.depth_stamp_ns - START_NS) // STEP_NS for frame in frames]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_any_storage_gives_the_same_frames(tmp_path, storage):
    frames, source = read(write(tmp_path / "bag", rgbd(), storage))
    assert numbers(frames) == [0, 1, 2, 3]
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth, depth_mm(k))
        np.testing.assert_array_equal(frame.rgb, color(k))
        np.testing.assert_array_equal(frame.intrinsics, MATRIX)
        assert frame.index == k
        assert frame.frame_id == "optical"
        assert frame.recorded_ns == START_NS + k * STEP_NS + 10
    assert source.recording.kind == "bag"
    assert (source.recording.depth, source.recording.color) == ("/cam/depth", "/cam/color")
    assert (source.expected, source.stats.counts.pairs, source.damage) == (4, 4, ())


def test_compressed_topics_give_the_same_arrays(tmp_path):
    frames, _ = read(write(tmp_path / "bag", rgbd(encode=compressed)))
    assert len(frames) == 4
    np.testing.assert_array_equal(frames[2].depth, depth_mm(2))
    np.testing.assert_array_equal(frames[2].rgb, color(2))


def test_several_bags_are_read_in_order_of_time(tmp_path):
    late = write(tmp_path / "a", rgbd(2, first=2), "sqlite3")
    early = write(tmp_path / "b", rgbd(2))
    frames, source = read([late, early])
    assert numbers(frames) == [0, 1, 2, 3]
    assert source.recording.paths == ("a", "b")


def test_bags_recorded_at_the_same_time_are_merged(tmp_path):
    messages = list(rgbd(30, info=False))
    bags = [write(tmp_path / kind, [m for m in messages if kind in m[0]]) for kind in ("depth", "color")]
    assert numbers(read(bags)[0]) == list(range(30))


def test_part_of_a_bag_and_every_second_pair(tmp_path):
    bag = write(tmp_path / "bag", rgbd(10))
    frames, source = read(bag, start_s=0.2, duration_s=0.5, every=2)
    assert numbers(frames) == [2, 4, 6]
    assert [frame.index for frame in frames] == [0, 2, 4]
    assert source.stats.counts.skipped == 2
    with pytest.raises(RecordingError, match=r"nothing to replay from 5 s on; it is 0\.9"):
        read(bag, start_s=5.0)


@pytest.mark.parametrize("offset_ms", [-30, -5, 5, 19, 25])
def test_pairs_are_those_of_the_nodes_policy(tmp_path, offset_ms):
    bag = write(tmp_path / "bag", rgbd(6, offset_ns=offset_ms * 10**6))
    pairing = NearestPairing(20_000_000, 10)
    expected = []
    for topic, _, message in rgbd(6, offset_ns=offset_ms * 10**6, info=False):
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        expected += (pairing.add_depth if "depth" in topic else pairing.add_color)(stamp_ns, topic)
    expected += pairing.flush()
    frames, source = read(bag)
    assert [(f.depth_stamp_ns, f.color_stamp_ns) for f in frames] == [
        (p.depth_stamp_ns, p.color_stamp_ns) for p in expected
    ]
    assert source.pairing.paired == pairing.counts.paired
    assert source.pairing.depth_unmatched == pairing.counts.depth_unmatched


def test_a_recording_whose_only_pair_waits_at_its_end_is_found(tmp_path):
    bag = write(tmp_path / "bag", rgbd(1, offset_ns=-5_000_000))  # a nearer colour image could still have come
    assert numbers(read(bag)[0]) == [0]


def test_a_stream_that_was_written_much_later_than_the_other_is_paired_all_the_same(tmp_path):
    messages = [(topic, at_ns + (5 * 10**9 if "color" in topic else 0), m) for topic, at_ns, m in rgbd(30, info=False)]
    bag = write(tmp_path / "bag", sorted(messages, key=lambda message: message[1]))
    assert numbers(read(bag)[0]) == list(range(30))
    assert len(read(bag, queue_size=10)[0]) < 20  # as a node with such a queue


def test_a_result_belongs_to_the_depth_image_of_its_stamp_and_pairs_without_one_are_left_out(tmp_path):
    stamps_ns = {k: START_NS + k * STEP_NS for k in (1, 2, 5)}
    results = [
        ("/depth_hr", stamp_ns + 250_000_000, image(np.full(SIZE, k + 1, np.float32), stamp_ns))
        for k, stamp_ns in stamps_ns.items()
    ]
    bag = write(tmp_path / "bag", sorted([*rgbd(6), *results], key=lambda message: message[1]))
    frames, source = read(bag, depth="/cam/depth", color="/cam/color", result="/depth_hr")
    assert numbers(frames) == [1, 2, 5]
    assert [float(frame.result[0, 0]) for frame in frames] == [2, 3, 6]
    (problem,) = source.stats.problems
    assert (problem.kind, problem.count) == ("no_result", 3)


def test_the_reference_belongs_to_the_depth_image_of_its_stamp(tmp_path):
    def messages():
        for k, (topic, stamp_ns, message) in enumerate(rgbd(4, depth_size=(16, 24), info=False)):
            yield topic, stamp_ns, message
            if topic == "/cam/depth" and k // 2 != 2:
                yield "/cam/depth_reference", stamp_ns + 20, image(depth_mm(k // 2), message.header.stamp.sec * 10**9
                                                                   + message.header.stamp.nanosec)  # fmt: skip

    bag = write(tmp_path / "bag", messages())
    frames, source = read(bag)
    assert source.recording.reference == "/cam/depth_reference"
    assert [frame.reference is None for frame in frames] == [False, False, True, False]
    np.testing.assert_array_equal(frames[3].reference, depth_mm(3))
    assert read(bag, use_reference=False)[1].recording.reference is None


def test_a_reference_that_comes_before_its_pair_is_found(tmp_path):
    stamps = [START_NS + k * STEP_NS for k in range(3)]
    messages = [("/depth_truth", s, image(depth_mm(0), s)) for s in stamps]
    messages += [("/depth", s + 1, image(depth_mm(0), s)) for s in stamps]
    messages += [("/color", s + 2, image(color(0), s)) for s in stamps]
    frames, _ = read(write(tmp_path / "bag", sorted(messages, key=lambda m: m[1])), reference="depth_truth")
    assert all(frame.reference is not None for frame in frames)


def test_topics_that_cannot_be_replayed_are_named_with_what_there_is(tmp_path):
    messages = [*rgbd(2), ("/chat", START_NS, text("hello")), ("/cam/other_depth", START_NS, image(depth_mm(0), 1))]
    bag = write(tmp_path / "bag", messages)
    for options, words in (
        ({"depth": "/cam/dept"}, "did you mean /cam/depth"),
        ({"depth": "/cam/depth", "reference": "/cam/depht_reference"}, "/cam/depth"),
        ({}, r"2 depth image topics \(/cam/depth, /cam/other_depth\)"),
        ({"depth": "/chat"}, r"/chat is std_msgs/msg/String; expected sensor_msgs/msg/Image"),
        ({"depth": "/cam/depth", "reference": "/chat"}, "expected sensor_msgs/msg/Image"),
    ):
        with pytest.raises(RecordingError, match=words):
            read(bag, **options)
    for options in ({"depth": "/cam/color", "color": "/cam/color"}, {"depth": "/cam/depth", "reference": "/cam/depth"}):
        with pytest.raises(ConfigError, match="expected"):
            read(bag, **options)


def test_a_topic_without_messages_is_refused(tmp_path):
    path = tmp_path / "bag"
    from rosbags.rosbag2 import StoragePlugin, Writer

    from tests.replay.bags import STORE

    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic in ("/depth", "/color"):
            writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=STORE)
    with pytest.raises(RecordingError, match="no messages"):
        read(path, depth="/depth", color="/color")


def test_nothing_there_and_no_recording_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("absent", "empty"):
        with pytest.raises(RecordingError, match=name):
            read(tmp_path / name)
    with pytest.raises(ConfigError, match="nothing to replay"):
        open_source([], SourceOptions())


def test_odd_stamps_are_counted_and_said(tmp_path):
    order = [0, 1, 2, 3, 3, 4, 1, 2, 100]  # a duplicate, a jump back, a jump ahead

    def messages():
        for at, k in enumerate(order):
            stamp_ns, recorded_ns = START_NS + k * STEP_NS, START_NS + at * STEP_NS
            yield "/color", recorded_ns, image(color(at), stamp_ns)
            yield "/depth", recorded_ns + 1, image(depth_mm(at), stamp_ns)
        yield "/color", recorded_ns + 2, image(color(0), 0)

    frames, source = read(write(tmp_path / "bag", messages()))
    assert numbers(frames) == [0, 1, 2, 3, 4, 1, 2, 100]
    pairing = source.pairing
    assert (pairing.duplicate, pairing.backward_jumps, pairing.forward_jumps, pairing.zero_stamps) == (2, 1, 2, 1)
    problems = {problem.kind: problem for problem in source.stats.problems}
    assert problems.keys() == {"duplicate_stamp", "backward_stamp", "forward_jump", "zero_stamp"}
    assert problems["backward_stamp"].count == 2
    assert "/color: stamp 10.100000 s after 10.400000 s" in problems["backward_stamp"].text


def test_images_that_the_node_refuses_are_refused_and_the_rest_goes_on(tmp_path):
    messages = list(rgbd(4, info=False))
    messages[1] = ("/cam/depth", messages[1][1], image(depth_mm(0), START_NS, step=7))
    messages[4] = ("/cam/color", messages[4][1], image(color(2, (16, 24)), START_NS + 2 * STEP_NS))
    frames, source = read(write(tmp_path / "bag", messages))
    assert numbers(frames) == [1, 3]
    assert source.stats.counts.refused == 2
    problems = {problem.kind: problem.text for problem in source.stats.problems}
    assert "/cam/depth: wrong step" in problems["wrong_step"]
    assert "depth is 48 x 32, colour 24 x 16" in problems["depth_larger_than_color"]


def test_a_calibration_of_another_size_is_scaled_and_an_empty_one_left_out(tmp_path):
    def bag(name, size, matrix):
        infos = [("/cam/camera_info", START_NS, camera_info(START_NS, size, matrix))]
        return write(tmp_path / name, [*infos, *rgbd(1, info=False)])

    (frame,), _ = read(bag("half", (16, 24), np.array([[20.0, 0, 11.5], [0, 20.0, 7.5], [0, 0, 1]])))
    np.testing.assert_allclose(frame.intrinsics, MATRIX)
    (frame,), source = read(bag("empty", SIZE, np.zeros((3, 3))))
    assert frame.intrinsics is None
    assert [problem.kind for problem in source.stats.problems] == ["camera_info_uncalibrated"]


def test_a_folder_of_frames_has_poses_and_intrinsics(frame_folder):
    frames, source = read(frame_folder(5))
    assert len(frames) == 5
    np.testing.assert_array_equal(frames[3].depth, depth_mm(3))
    np.testing.assert_array_equal(frames[3].rgb, color(3))
    assert frames[3].pose[0, 3] == 3
    np.testing.assert_array_equal(frames[3].intrinsics, MATRIX)
    assert (source.recording.kind, source.recording.depth) == ("frames", "files")


def test_part_of_a_folder(frame_folder):
    frames, source = read(frame_folder(9), start_s=0.05, duration_s=0.15, every=2)
    assert [frame.pose[0, 3] for frame in frames] == [2, 4]
    assert source.expected == 2
    with pytest.raises(RecordingError, match="no frame from 9 s on"):
        read(frame_folder(9), start_s=9.0)


def test_a_frame_damaged_inside_is_left_out_and_said(frame_folder):
    folder = frame_folder(3)
    file = folder / "frame-000001.depth.png"
    content = bytearray(file.read_bytes())
    content[40:60] = bytes(20)
    file.write_bytes(content)
    assert cv2.imread(str(file), cv2.IMREAD_UNCHANGED) is None
    frames, source = read(folder)
    assert [frame.pose[0, 3] for frame in frames] == [0, 2]
    assert "frame-000001" in source.damage[0]
    assert source.stats.counts.refused == 1


def test_a_folder_has_no_topics_and_comes_alone(frame_folder, tmp_path):
    with pytest.raises(ConfigError, match="no topics, but --depth names one"):
        read(frame_folder(2), depth="/depth")
    with pytest.raises(RecordingError, match="one at a time"):
        read([write(tmp_path / "bag", rgbd(1)), frame_folder(2)])


def test_options_out_of_range_are_all_named():
    with pytest.raises(ConfigError, match=r"start_s = -1.*duration_s = 0.*every = 0.*slop_ms.*queue_size"):
        SourceOptions(start_s=-1, duration_s=0, every=0, slop_ms=-1, queue_size=0)
