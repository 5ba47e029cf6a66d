"""What stands beside a bag's files: a metadata.yaml that is bad, old, edited or missing, and other files."""

import re
import shutil

import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionMode

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.joined import JoinedBags
from tests.recordings.small_bags import rgbd
from tests.replay.bags import storage_file, write

LONG = QosTime(9223372036, 854775807)
QOS = [
    Qos(
        QosHistory.KEEP_LAST, 5, QosReliability.BEST_EFFORT, QosDurability.VOLATILE, LONG, LONG,
        QosLiveliness.AUTOMATIC, LONG, False,
    )
]  # fmt: skip
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


def test_folder_whose_file_is_missing_names_it(tmp_path):
    path = write(tmp_path / "bag", rgbd())
    storage_file(path).unlink()

    with pytest.raises(RecordingError, match=r"no .mcap or .db3 file in it; expected 'bag\.mcap'"):
        Bag(path)


def test_folder_without_bag(tmp_path):
    with pytest.raises(RecordingError, match=r"no metadata.yaml and no .mcap or .db3 file"):
        Bag(tmp_path)


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
