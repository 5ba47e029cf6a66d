"""Damaged bags: what is cut off, broken in the middle or missing is stepped over, and said."""

import shutil
import struct

import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag2 import CompressionMode

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.joined import JoinedBags
from pagnet_ros.recordings.recovery import RecoveredFile
from tests.replay.bags import cut_off, rgbd, storage_file, text, write

COUNT = 60


def bag_of(path, storage="mcap", compression=None, count=COUNT, first=0):
    return write(path, rgbd(count, first, info=False), storage, compression)


def stamps(messages):
    return [(message.topic.name, message.stamp_ns) for message in messages]


def everything(path):
    with Bag(path) as bag:
        return stamps(bag.messages())


@pytest.mark.parametrize(
    ("storage", "compression", "share"),
    [
        ("mcap", None, 0.3),
        ("mcap", None, 0.9),
        ("mcap", CompressionMode.STORAGE, 0.3),
        ("mcap", CompressionMode.STORAGE, 0.9),
        ("sqlite3", None, 0.9),
    ],
)
def test_the_readable_part_is_what_a_whole_bag_begins_with(tmp_path, storage, compression, share):
    bag = bag_of(tmp_path / "bag", storage, compression, 600)
    whole = everything(bag)
    with Bag(bag) as opened:
        raw = [message.raw for message in opened.messages()]
    recovered = RecoveredFile(storage_file(cut_off(bag, share)))
    found = list(recovered.messages())
    assert 0.1 * share * len(whole) < len(found) < len(whole)
    assert stamps(found) == whole[: len(found)]
    assert [message.raw for message in found] == raw[: len(found)]
    assert recovered.count == len(found)
    assert recovered.end_ns == found[-1].stamp_ns + 1


def test_topics_and_times_are_chosen_as_from_a_whole_bag(tmp_path):
    recovered = RecoveredFile(storage_file(cut_off(bag_of(tmp_path / "bag"))))
    all_of_it = stamps(recovered.messages())
    start_ns, stop_ns = all_of_it[4][1], all_of_it[9][1]
    chosen = stamps(recovered.messages(["/cam/depth"], start_ns, stop_ns))
    assert chosen == [m for m in all_of_it if m[0] == "/cam/depth" and start_ns <= m[1] < stop_ns]


@pytest.mark.parametrize("content", [b"", b"no bag at all" * 100, b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + bytes(1000)])
@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_file_without_a_message_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="not one message"):
        RecoveredFile(path)


def test_bits_that_flip_anywhere_never_raise(tmp_path):
    content = storage_file(bag_of(tmp_path / "bag", count=3)).read_bytes()
    path = tmp_path / "flipped.mcap"
    for at in range(0, len(content) - 8, len(content) // 200):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) * 8 + content[at + 8 :])
        try:
            assert len(list(RecoveredFile(path).messages())) <= 6
        except RecordingError as error:
            assert "not one message" in str(error)  # noqa: PT017


def test_a_broken_chunk_is_stepped_over(tmp_path):
    bag = bag_of(tmp_path / "bag", compression=CompressionMode.STORAGE, count=4000)
    whole = everything(bag)
    file = storage_file(bag)
    content = bytearray(file.read_bytes())
    at = len(content) // 2
    content[at : at + 64] = bytes(64)
    file.write_bytes(content)
    with JoinedBags([bag]) as joined:
        found = stamps(joined.messages())
    assert found[0] == whole[0]
    assert found[-1] == whole[-1]
    assert 0 < len(whole) - len(found) < len(whole) / 2
    assert len(joined.damage) == 1
    assert "damaged after" in joined.damage[0]


def test_one_bad_file_of_a_split_bag_costs_only_itself(tmp_path):
    split = tmp_path / "split"
    split.mkdir()
    for part in range(3):
        bag = bag_of(tmp_path / f"part{part}", first=part * COUNT)
        shutil.move(storage_file(cut_off(bag, 0.5) if part == 1 else bag), split / f"split_{part}.mcap")
    with JoinedBags([split]) as joined:
        found = stamps(joined.messages(["/cam/depth"]))
        counted = joined.topics["/cam/depth"].count
    assert 2 * COUNT < len(found) < 3 * COUNT
    assert found == sorted(found, key=lambda m: m[1])
    assert counted == len(found)
    assert len(joined.damage) == 1
    assert "split_1.mcap: cut off or damaged" in joined.damage[0]


def test_broken_metadata_costs_nothing(tmp_path):
    bag = bag_of(tmp_path / "bag")
    whole = everything(bag)
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    with JoinedBags([bag]) as joined:
        assert stamps(joined.messages()) == whole
        assert len(joined.damage) == 1


def mcap_record(opcode, content):
    return bytes([opcode]) + struct.pack("<Q", len(content)) + content


def mcap_text(text):
    return struct.pack("<I", len(text)) + text


def test_a_channel_without_a_schema_is_left_out(tmp_path):
    channel = struct.pack("<HH", 1, 0) + mcap_text(b"/json") + mcap_text(b"json") + struct.pack("<I", 0)
    message = struct.pack("<HIQQ", 1, 0, 10**9, 10**9) + b"{}"
    content = mcap_record(1, mcap_text(b"ros2") + mcap_text(b"x")) + mcap_record(4, channel) + mcap_record(5, message)
    path = tmp_path / "schemaless.mcap"
    path.write_bytes(b"\x89MCAP0\r\n" + content)
    with pytest.raises(RecordingError, match="not one message in it is readable"):
        RecoveredFile(path)
    with pytest.raises(RecordingError):
        JoinedBags([path])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_packed_file_that_is_cut_off_gives_its_beginning(tmp_path, storage, share):
    bag = bag_of(tmp_path / "bag", storage, CompressionMode.FILE, 600)
    whole = everything(bag)
    (file,) = bag.glob("*.zstd")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    try:
        with JoinedBags([bag]) as joined:
            found = stamps(joined.messages())
    except RecordingError as error:
        assert "readable" in str(error)  # noqa: PT017
        assert storage == "sqlite3" or share < 0.5  # the page that leads to the rows, or the first block, is lost
        return
    assert 0 < len(found) < len(whole)
    assert set(found) <= set(whole)
    assert len(joined.damage) == 1


def test_whole_bags_show_no_damage(tmp_path):
    with JoinedBags([bag_of(tmp_path / "b", first=COUNT), bag_of(tmp_path / "a")]) as joined:
        found = stamps(joined.messages())
        assert joined.count == len(found) == 4 * COUNT
        assert (joined.start_ns, joined.end_ns) == (found[0][1], found[-1][1] + 1)
    assert found == sorted(found, key=lambda m: m[1])
    assert joined.damage == []


def test_a_topic_of_two_types_is_refused(tmp_path):
    bags = [bag_of(tmp_path / "a"), write(tmp_path / "b", [("/cam/depth", 1, text("depth"))])]
    with pytest.raises(RecordingError, match=r"/cam/depth is .* in one bag and .* in another"):
        JoinedBags(bags)
