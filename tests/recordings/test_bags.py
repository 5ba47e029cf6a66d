"""Bags that are whole: mcap, sqlite3 and those of ROS 1, split, packed, or still being written."""

import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores, get_typestore

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import Bag
from tests.recordings.small_bags import rgbd
from tests.replay.bags import STORE, encoded, storage_file, text, write


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", None),
        ("mcap", CompressionMode.STORAGE),
        ("mcap", CompressionMode.FILE),
        ("mcap", CompressionMode.MESSAGE),
        ("sqlite3", None),
        ("sqlite3", CompressionMode.FILE),
        ("sqlite3", CompressionMode.MESSAGE),
    ],
)
def test_raw_messages_come_with_both_stamps_in_order(tmp_path, storage, compression):
    path = write(tmp_path / "bag", rgbd(), storage, compression)

    with Bag(path) as bag:
        messages = list(bag.messages())
        depth = [m for m in messages if m.topic.name == "/cam/depth"]
        decoded = bag.decode(depth[2])

        assert {t.name: (t.msgtype, t.count) for t in bag.topics.values()} == {
            "/cam/color": ("sensor_msgs/msg/Image", 5),
            "/cam/depth": ("sensor_msgs/msg/Image", 5),
        }
        assert [m.stamp_ns for m in messages] == sorted(m.stamp_ns for m in messages)
        assert depth[2].stamp_ns == 1_200_000_009
        assert depth[2].header_stamp_ns == 1_200_000_000
        assert (bag.start_ns, bag.end_ns) == (1_000_000_005, 1_400_000_010)
        assert bag.count == 10
        assert decoded.encoding == "16UC1"
        assert depth[2].raw == bytes(STORE.serialize_cdr(decoded, "sensor_msgs/msg/Image"))


def test_split_bag_is_read_as_one_in_the_order_of_its_parts(tmp_path):
    folder = tmp_path / "split"
    folder.mkdir()
    for part in (0, 1, 9, 10):
        stamp_ns = 10**9 * (part + 1)
        bag = write(tmp_path / f"split_{part}", [("/depth", stamp_ns, encoded("16UC1", stamp_ns))])
        shutil.move(storage_file(bag), folder / f"split_{part}.mcap")

    with Bag(folder) as bag:
        assert [m.stamp_ns // 10**9 for m in bag.messages()] == [1, 2, 10, 11]
        assert bag.topics["/depth"].count == 4
        assert (bag.start_ns, bag.end_ns) == (10**9, 11 * 10**9 + 1)


def test_times_and_topics_select(tmp_path):
    with Bag(write(tmp_path / "bag", rgbd())) as bag:
        chosen = list(bag.messages(["/cam/color"], start_ns=1_100_000_005, stop_ns=1_300_000_005))

    assert [m.stamp_ns for m in chosen] == [1_100_000_005, 1_200_000_005]


def test_type_without_header_has_no_header_stamp(tmp_path):
    with Bag(write(tmp_path / "bag", [("/chat", 10**9, text("hello world"))])) as bag:
        assert bag.first("/chat").header_stamp_ns is None


def test_misspelt_topics_are_all_named_with_the_nearest(tmp_path):
    with Bag(write(tmp_path / "bag", rgbd())) as bag, pytest.raises(RecordingError) as error:
        list(bag.messages(["/cam/depht", "color", "cam/color", "/zzz"]))

    text = str(error.value)
    assert "'/cam/depht' (did you mean /cam/depth" in text
    assert "'color' (did you mean /cam/color" in text
    assert "'/zzz' (nothing like it)" in text
    assert "'cam/color'" not in text
    assert "It has: /cam/color, /cam/depth" in text


def test_a_copy_made_for_reading_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with Bag(write(tmp_path / "bag", rgbd(), "mcap", CompressionMode.FILE)):
        assert list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "tmp").iterdir())


def test_a_packed_file_too_large_for_the_disk_is_refused_with_a_way_out(tmp_path, monkeypatch):
    path = write(tmp_path / "bag", rgbd(), "mcap", CompressionMode.FILE)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**29 + 100))
    with pytest.raises(
        RecordingError, match=r"does not fit into .* unpacked; free some space.*`zstd -d bag.mcap.zstd`"
    ):
        Bag(path)


def test_rows_still_in_the_write_ahead_log_are_read_and_nothing_is_changed(tmp_path):
    file = storage_file(write(tmp_path / "bag", rgbd(count=3), "sqlite3"))
    recorder = sqlite3.connect(file)
    recorder.execute("PRAGMA journal_mode = WAL")
    recorder.execute("PRAGMA wal_autocheckpoint = 0")
    rows = recorder.execute("SELECT topic_id, timestamp + 10, data FROM messages").fetchall()
    for _ in range(10):
        recorder.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows)
    recorder.commit()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (file.name, f"{file.name}-wal"):  # as they lie there when the recorder's power fails
        shutil.copy(file.with_name(name), crashed / name)
    recorder.close()
    before = {path.name: path.read_bytes() for path in crashed.iterdir()}

    for given in (crashed, crashed / file.name):
        with Bag(given) as bag:
            assert len(list(bag.messages())) == 66
    assert {path.name: path.read_bytes() for path in crashed.iterdir()} == before


def test_messages_of_another_serialisation_are_left_out_and_named(tmp_path):
    file = storage_file(write(tmp_path / "bag", rgbd(), "sqlite3"))
    database = sqlite3.connect(file)
    database.execute("UPDATE topics SET serialization_format = 'json' WHERE name = '/cam/color'")
    database.commit()
    database.close()
    with Bag(file) as bag:
        assert list(bag.topics) == ["/cam/depth"]
        assert len(list(bag.messages())) == 5
        assert "/cam/color is not in CDR" in bag.notes[0]


def test_a_bag_of_ros_1_is_read_as_one_of_ros_2(tmp_path):
    path, ros1 = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC)
    stamp = ros1.types["builtin_interfaces/msg/Time"]
    kinds = {"/cam/depth": "sensor_msgs/msg/Image", "/log": "rosgraph_msgs/msg/Log"}
    with Ros1Writer(path) as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=ros1) for topic, kind in kinds.items()}
        for k in range(3):
            head = ros1.types["std_msgs/msg/Header"](k, stamp(5 + k, 7), "cam")
            pixels = np.full(24, k, np.uint16).view(np.uint8)
            depth = ros1.types["sensor_msgs/msg/Image"](head, 4, 6, "16UC1", 0, 12, pixels)
            line = ros1.types["rosgraph_msgs/msg/Log"](head, 1, "n", "m", "f", "g", 1, [])
            for topic, message in (("/cam/depth", depth), ("/log", line)):
                writer.write(connections[topic], 10**9 * (k + 1), ros1.serialize_ros1(message, kinds[topic]))

    with Bag(path) as bag:
        messages = list(bag.messages())
        decoded = bag.decode(messages[2])
        assert [m.stamp_ns for m in messages] == [10**9, 2 * 10**9, 3 * 10**9]
        assert messages[2].header_stamp_ns == 7 * 10**9 + 7
        assert (decoded.encoding, decoded.header.frame_id, decoded.step) == ("16UC1", "cam", 12)
        assert decoded.data.view(np.uint16).tolist() == [2] * 24
        assert bag.notes == [f"{path}: /log has a type of ROS 1 alone, and is left out"]

    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordingError, match=r"old\.bag: cannot be read as a bag"):
        Bag(path)
