"""Bags that are cut off, damaged, forged, or none at all: what can be read of them, and what the errors say."""

import os
import sqlite3
import tracemalloc
from contextlib import suppress

import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode, storage_mcap
from rosbags.typesys import Stores, get_typestore

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings import unpacking
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.joined import JoinedBags
from tests.recordings.small_bags import rgbd
from tests.replay.bags import encoded, storage_file, text, write


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


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("absent", None, r"nothing there; expected a bag folder, or a \.mcap, \.db3 or \.bag file"),
        ("old.bag", "#ROSBAG V2.0", "old.bag: cannot be read as a bag"),
        ("notes.txt", "x", r"a \.txt file; expected a bag folder, or a \.mcap, \.db3 or \.bag file"),
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


@pytest.mark.parametrize("damaged", [b"", b"\xff\xff\xff\x7fx", b"\1\0\0\0xyz"], ids=repr)
def test_a_message_of_ros_1_that_is_none_of_its_type_is_left_out_and_told(tmp_path, damaged):
    path, store, kind = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC), "std_msgs/msg/String"
    with Ros1Writer(path) as writer:
        chat = writer.add_connection("/chat", kind, typestore=store)
        for k, raw in enumerate((b"\1\0\0\0a", damaged, b"\1\0\0\0b")):
            writer.write(chat, 10**9 * (k + 1), raw)

    with JoinedBags([path]) as bag:
        assert [bag.decode(message).data for message in bag.messages()] == ["a", "b"]
        assert len(bag.damage) == 1
        assert "2 of the 3 messages its index promises are readable" in bag.damage[0]


@pytest.mark.parametrize(
    ("left_out", "came", "told"),
    [
        ("nothing", 12, ""),
        ("a message", 10, "2 messages"),
        ("a topic", 6, "6 messages"),
        ("a chunk", 6, "1 of its chunks"),
    ],
)
def test_messages_that_no_index_of_ros_1_lists_are_told(tmp_path, left_out, came, told):
    path, store, kind = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC), "std_msgs/msg/String"
    writer = Ros1Writer(path)
    with writer:
        chats = [writer.add_connection(name, kind, typestore=store) for name in ("/a", "/b")]
        for chunk in range(2):
            for k, chat in enumerate(chats * 3):
                writer.write(chat, 10**9 * (6 * chunk + k + 1), b"\1\0\0\0a")
            listed = writer.chunks[-1].connections
            if left_out == "a message":
                listed[chats[0].id].pop()
            elif left_out == "a topic":
                listed.pop(chats[0].id)
            writer.write_chunk(writer.chunks[-1])
        if left_out == "a chunk":
            del writer.chunks[0]

    with JoinedBags([path]) as bag:
        assert len(list(bag.messages())) == came
        assert len(bag.damage) == bool(told)
        assert all(f"its index does not list {told}, which are left out" in text for text in bag.damage)


@pytest.mark.parametrize("kind", ["mcap", "bz2", "lz4"])
def test_a_chunk_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path, monkeypatch, kind):
    content = bytes(64 << 20)
    if kind == "mcap":
        bomb = storage_mcap.zstd.compress(content)
        with monkeypatch.context() as patched:
            patched.setattr(storage_mcap.zstd, "compress", lambda plain: bomb)
            path = write(tmp_path / "bag", rgbd(), "mcap", CompressionMode.STORAGE)
    else:
        monkeypatch.setattr(unpacking, "MAX_CHUNK_BYTES", 1 << 20)
        path, store = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC)
        writer = Ros1Writer(path)
        writer.set_compression(Ros1Writer.CompressionFormat[kind.upper()])
        bomb = writer.compressor(content)
        writer.compressor = lambda plain: bomb
        with writer:
            chat = writer.add_connection("/chat", "std_msgs/msg/String", typestore=store)
            writer.write(chat, 1, b"\1\0\0\0a")
    assert len(bomb) < 1 << 20

    tracemalloc.start()
    try:
        with suppress(RecordingError), JoinedBags([path]) as bag:
            assert not list(bag.messages())
            assert bag.damage
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
