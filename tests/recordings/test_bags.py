"""Bags: reading mcap and sqlite3, whole, split, compressed, damaged; and what the errors say."""

import os
import re
import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores, get_typestore

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.joined import JoinedBags
from tests.replay.bags import STORE, encoded, storage_file, text, write

LONG = QosTime(9223372036, 854775807)
QOS = [
    Qos(
        QosHistory.KEEP_LAST, 5, QosReliability.BEST_EFFORT, QosDurability.VOLATILE, LONG, LONG,
        QosLiveliness.AUTOMATIC, LONG, False,
    )
]  # fmt: skip


def rgbd(count=5, depth="/cam/depth", color="/cam/color"):
    for k in range(count):
        stamp_ns = 10**9 + k * 10**8
        yield color, stamp_ns + 5, encoded("rgb8", stamp_ns)
        yield depth, stamp_ns + 9, encoded("16UC1", stamp_ns)


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


def test_cut_mcap_names_what_is_readable(tmp_path):
    big = (480, 640)
    messages = [("/depth", 10**9 + k * 10**8, encoded("32FC1", 0, big)) for k in range(6)]
    file = storage_file(write(tmp_path / "bag", messages))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 4])

    with pytest.raises(RecordingError) as error:
        Bag(file)

    assert "Readable: 4 messages, 0.3 s of recording. Recover them with" in str(error.value)
    assert "mcap recover bag.mcap" in str(error.value)


def test_damaged_mcap_is_played_up_to_the_damage_and_then_named(tmp_path):
    big = (480, 640)
    messages = [("/depth", 10**9 + k * 10**8, encoded("32FC1", 0, big)) for k in range(4)]
    file = storage_file(write(tmp_path / "bag", messages, compression=CompressionMode.STORAGE))
    with Bag(file) as bag:
        third = bag._readers[0].storage.chunks[2]
    data = bytearray(file.read_bytes())
    middle = third.chunk_start_offset + third.chunk_length // 2
    data[middle : middle + 200] = bytes(200)
    file.write_bytes(data)

    taken = []
    with Bag(file) as bag, pytest.raises(RecordingError) as error:
        taken.extend(message.stamp_ns for message in bag.messages())

    assert taken == [10**9, 1_100_000_000]
    assert "damaged after 2 readable messages, the last recorded at 1.100 s" in str(error.value)
    assert "expected 4 in all" in str(error.value)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_cut_sqlite3_is_refused_with_a_way_out(tmp_path, share):
    messages = [("/depth", 10**9 + k, encoded("32FC1", 0, (64, 64))) for k in range(20)]
    file = storage_file(write(tmp_path / "bag", messages, "sqlite3"))
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(RecordingError, match=r"bag\.db3: cannot be read as a bag .*sqlite3 bag\.db3 \.recover"):
        Bag(file)


def test_folder_whose_file_is_missing_names_it(tmp_path):
    path = write(tmp_path / "bag", rgbd())
    storage_file(path).unlink()

    with pytest.raises(RecordingError, match=r"no .mcap or .db3 file in it; expected 'bag\.mcap'"):
        Bag(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("absent", None, "nothing there; expected a bag folder"),
        ("old.bag", "#ROSBAG V2.0", "old.bag: cannot be read as a bag"),
        ("notes.txt", "x", r"a \.txt file; expected a bag folder"),
        ("empty.mcap", "", "seems to be empty"),
        ("odd.mcap", "no mcap here", "not one message in it is readable"),
        ("odd.db3", "no database here", "odd.db3: cannot be read as a bag"),
    ],
)
def test_what_is_no_bag(tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_text(content)

    with pytest.raises(RecordingError, match=text):
        Bag(tmp_path / name)


def test_folder_without_bag(tmp_path):
    with pytest.raises(RecordingError, match=r"no metadata.yaml and no .mcap or .db3 file"):
        Bag(tmp_path)


BAD_METADATA = {
    "no YAML": lambda text: "rosbag2_bagfile_information: [",
    "another file": lambda text: "a: 1\n",
    "empty": lambda text: "",
    "no names": lambda text: text.replace("relative_file_paths", "paths"),
    "an alias of itself": lambda text: "a: &a [*a]\n" + text,
    "no text": lambda text: "\0\1\2",
}
OLD_METADATA = {
    "no storage identifier": lambda text: text.replace("storage_identifier: mcap", "storage_identifier: ''"),
    "a later version": lambda text: text.replace("version: 8", "version: 10"),
    "no QoS": lambda text: re.sub(
        r"offered_qos_profiles: (.|\n)*?\n      serial", "offered_qos_profiles: ''\n      serial", text
    ),
    "another durability": lambda text: text.replace("durability: 2", "durability: 1"),
    "other times": lambda text: text.replace("nanoseconds_since_epoch: 1", "nanoseconds_since_epoch: 9"),
    "paths of Windows": lambda text: text.replace("  - bag.", "  - .\\bag."),
    "no topics": lambda text: re.sub(
        r"  topics_with_message_count:(.|\n)*?\n  compression", "  topics_with_message_count: []\n  compression", text
    ),
}


@pytest.mark.parametrize("with_metadata", [True, False])
def test_hidden_files_that_macos_leaves_are_not_looked_at(tmp_path, with_metadata):
    path = write(tmp_path / "bag", rgbd(), "mcap")
    for file in list(path.iterdir()):
        file.with_name(f"._{file.name}").write_bytes(b"\x00\x05\x16\x07")
    if not with_metadata:
        (path / "metadata.yaml").unlink()
    with JoinedBags([path]) as bag:
        assert len(list(bag.messages())) == 10
        assert bag.damage == []


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("change", [*BAD_METADATA, *OLD_METADATA])
def test_metadata_that_is_bad_old_or_edited_costs_no_message(tmp_path, storage, change):
    path = write(tmp_path / "bag", rgbd(), storage, qos=QOS)
    file = path / "metadata.yaml"
    text = file.read_text()
    file.write_text((BAD_METADATA | OLD_METADATA)[change](text))

    with Bag(path) as bag:
        assert len(list(bag.messages())) == 10
        assert bag.topics["/cam/depth"].qos == tuple(QOS)
        assert (bag.start_ns, bag.end_ns) == (1_000_000_005, 1_400_000_010)
        assert len(bag.notes) == (change in BAD_METADATA)
        assert all("metadata.yaml" in note and "damaged" not in note for note in bag.notes)


def test_a_promise_of_other_numbers_of_messages_is_told(tmp_path):
    path = write(tmp_path / "bag", rgbd())
    file = path / "metadata.yaml"
    file.write_text(file.read_text().replace("message_count: 10", "message_count: 66"))
    with Bag(path) as bag:
        assert len(list(bag.messages())) == 10
        assert bag.notes == [f"{path}: metadata.yaml promises 66 messages, its files hold 10"]


def test_a_missing_part_is_named_and_a_part_too_many_too(tmp_path):
    path = write(tmp_path / "bag", rgbd())
    file = path / "metadata.yaml"
    whole = file.read_text()
    file.write_text(whole.replace("  - bag.mcap", "  - bag.mcap\n  - bag_1.mcap", 1))
    with Bag(path) as bag:
        assert bag.count == 10
        assert "names 'bag_1.mcap', which is not there" in bag.notes[0]
    file.write_text(whole)
    shutil.copy(path / "bag.mcap", path / "copy.mcap")
    with Bag(path) as bag:
        assert bag.count == 10
        assert "does not name copy.mcap, which is left out" in bag.notes[0]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", [None, CompressionMode.FILE, CompressionMode.MESSAGE])
def test_a_bag_or_a_file_of_it_needs_no_metadata(tmp_path, storage, compression):
    path = write(tmp_path / "bag", rgbd(), storage, compression)
    with Bag(path) as bag:
        whole = [(m.topic.name, m.stamp_ns, m.raw) for m in bag.messages()]
    (path / "metadata.yaml").unlink()
    for given in (path, storage_file(path)):
        with Bag(given) as bag:
            assert [(m.topic.name, m.stamp_ns, m.raw) for m in bag.messages()] == whole
    assert len(whole) == 10


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


@pytest.mark.parametrize("stamp", ["soon", 1.5, b"xx", None])
def test_stamps_that_are_no_whole_numbers_are_damage_and_nothing_worse(tmp_path, stamp):
    file = storage_file(write(tmp_path / "bag", rgbd(), "sqlite3"))
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE m AS SELECT * FROM messages")
    database.execute("DROP TABLE messages")
    database.execute("ALTER TABLE m RENAME TO messages")
    database.execute("UPDATE messages SET timestamp = ? WHERE id % 2", (stamp,))
    database.commit()
    database.close()
    with pytest.raises(RecordingError), Bag(file) as bag:
        list(bag.messages())
    with JoinedBags([file]) as bags:
        assert len(list(bags.messages())) == 5


def changed(path, *statements):
    """The database of a bag, changed."""
    file = storage_file(write(path, rgbd(), "sqlite3"))
    database = sqlite3.connect(file)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return file


ENDLESS = (
    "CREATE VIEW {name} AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS id, 1 AS "
    "topic_id, x AS timestamp, x'00010000' AS data, '/t' || x AS name, 'std_msgs/msg/String' AS type, 'cdr' AS "
    "serialization_format, '' AS offered_qos_profiles FROM c"
)


@pytest.mark.parametrize("name", ["messages", "topics"])
@pytest.mark.parametrize("label", ["view", "table"])
@pytest.mark.parametrize("reader", [Bag, lambda path: JoinedBags([path])], ids=["Bag", "JoinedBags"])
def test_a_database_that_makes_rows_without_end_is_refused(tmp_path, name, label, reader):
    file = changed(
        tmp_path / "bag",
        f"ALTER TABLE {name} RENAME TO other",
        ENDLESS.format(name=name),
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET type = '{label}' WHERE name = '{name}'",
    )
    with pytest.raises(RecordingError, match=r"CREATE VIEW.*expected a bag's tables alone"):
        reader(file)


def test_topics_whose_names_are_no_texts_are_refused_or_recovered(tmp_path):
    file = changed(tmp_path / "bag", "UPDATE topics SET name = x'ff00' WHERE id = 1")
    with pytest.raises(RecordingError, match="names are no texts"):
        Bag(file)
    with JoinedBags([file]) as bags:
        assert all(isinstance(name, str) for name in bags.topics)
        assert len(list(bags.messages())) == 10


def test_messages_of_no_topic_are_told(tmp_path):
    file = changed(tmp_path / "bag", "UPDATE messages SET topic_id = 99 WHERE id <= 3")
    with Bag(file) as bag:
        assert len(list(bag.messages())) == 7
        assert "3 of its 10 messages belong to no topic" in bag.notes[0]


@pytest.mark.parametrize("name", ["pipe.mcap", "loop.db3"])
def test_what_is_no_plain_file_is_refused(tmp_path, name):
    if name == "pipe.mcap":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to(tmp_path / name)
    for given in (tmp_path / name, tmp_path):
        with pytest.raises(RecordingError):
            Bag(given)


def test_decoding_bytes_of_another_type_is_refused(tmp_path):
    with Bag(write(tmp_path / "bag", [("/chat", 1, text("x"))])) as bag:
        message = bag.first("/chat")
        broken = type(message)(bag.topics["/chat"], 1, b"\x00\x01\x00\x00\xff\xff\xff\x7f")

        with pytest.raises(RecordingError, match="/chat: bytes that are no std_msgs/msg/String"):
            bag.decode(broken)


@pytest.mark.parametrize("reader", [Bag, lambda path: JoinedBags([path])], ids=["Bag", "JoinedBags"])
def test_messages_that_a_zeroed_block_hides_are_told(tmp_path, reader):
    path = write(tmp_path / "bag", rgbd(200))
    file = storage_file(path)
    content = bytearray(file.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 512] = bytes(512)
    file.write_bytes(content)

    with reader(path) as bag:
        assert not (bag.notes if isinstance(bag, Bag) and not isinstance(bag, JoinedBags) else bag.damage)
        came = len(list(bag.messages()))
        told = bag.damage if isinstance(bag, JoinedBags) else bag.notes
        assert 0 < came < 400
        assert len(told) == 1
        assert f"{came} of the 400 messages its index promises are readable" in told[0]
        list(bag.messages(stop_ns=2 * 10**9))  # a part of it promises nothing
        assert len(told) == 1


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
