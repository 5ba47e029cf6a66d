"""Bags with any bytes changed or cut off, and folders of any files, are read as far as they go, or refused by name."""

import os
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores, get_typestore

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.joined import JoinedBags
from pagnet_ros.recordings.rgbd_topics import find_rgbd_topics
from tests.fuzz.budget import examples
from tests.replay.bags import rgbd, write

BAGS = {
    "mcap": ("mcap", None),
    "mcap, packed chunks": ("mcap", CompressionMode.STORAGE),
    "mcap, packed messages": ("mcap", CompressionMode.MESSAGE),
    "mcap, packed file": ("mcap", CompressionMode.FILE),
    "sqlite3": ("sqlite3", None),
    "sqlite3, packed file": ("sqlite3", CompressionMode.FILE),
}
ROS1 = "old.bag"
COUNT = 8


def ros1_bag(path):
    """The same messages as a bag of ROS 1."""
    old, new = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
    with Ros1Writer(path) as writer:
        topics = {}
        for topic, stamp_ns, message in rgbd(COUNT, info=False):
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=old)
            writer.write(topics[topic], stamp_ns, new.cdr_to_ros1(new.serialize_cdr(message, kind), kind))
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole_bags(tmp_path_factory):
    """{kind: files of a small bag}."""
    found = {}
    for index, (kind, (storage, compression)) in enumerate(BAGS.items()):
        bag = write(tmp_path_factory.mktemp("whole") / f"bag{index}", rgbd(COUNT, info=False), storage, compression)
        found[kind] = {path.name: path.read_bytes() for path in bag.iterdir()}
    return found | {ROS1: {ROS1: ros1_bag(tmp_path_factory.mktemp("whole") / ROS1)}}


changes = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6)


@examples(170)
@given(
    kind=st.sampled_from([*BAGS, ROS1]), flips=changes, cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    metadata=st.sampled_from(["kept", "gone", "changed"]), zeros=st.booleans(),
)  # fmt: skip
def test_any_changed_bag_is_read_as_far_as_it_goes(tmp_path, whole_bags, kind, flips, cut, metadata, zeros):
    bag = tmp_path / "bag"
    shutil.rmtree(bag, ignore_errors=True)
    bag.mkdir()
    for name, content in whole_bags[kind].items():
        data = bytearray(content)
        if name != "metadata.yaml" or metadata == "changed":
            for place, value in flips:
                data[int(place * (len(data) - 1))] ^= value
            if zeros and flips:
                at = int(flips[0][0] * (len(data) - 1))
                data[at : at + 64] = bytes(len(data[at : at + 64]))
        if name != "metadata.yaml":
            data = data[: int(cut * len(data))]
        elif metadata == "gone":
            continue
        (bag / name).write_bytes(data)
    try:
        with JoinedBags([bag / ROS1 if kind == ROS1 else bag]) as bags:
            count = 0
            for message in bags.messages():
                count += 1
                assert type(message.stamp_ns) is int
                assert isinstance(message.raw, bytes)
            assert count <= 2 * COUNT or flips
            find_rgbd_topics(bags)
    except RecordingError as error:
        assert str(bag) in str(error) or "topic" in str(error)
    assert {path.name for path in bag.iterdir()} <= {*whole_bags[kind]}


PNG = cv2.imencode(".png", np.full((6, 8), 1500, np.uint16))[1].tobytes()
JPG = cv2.imencode(".jpg", np.full((12, 16, 3), 90, np.uint8))[1].tobytes()
COLOUR = cv2.imencode(".png", np.full((12, 16, 3), 90, np.uint8))[1].tobytes()
TIFF = cv2.imencode(".tiff", np.full((6, 8), 1.5, np.float32))[1].tobytes()
CONTENTS = [
    PNG,
    JPG,
    COLOUR,
    TIFF,
    PNG[:40],
    JPG[:99],
    b"",
    b"1 2 3\n",
    b"\0\xff",
    b"[" * 3000,
    "pipe",
    "loop",
    "folder",
]

part = st.sampled_from(
    [
        "color",
        "depth",
        "rgb",
        "frame",
        "-",
        "_",
        ".",
        "000001",
        "7",
        "mm",
        "é",
        "\udcff",
        "1.5",
        "100.250000",
        "x" * 200,
    ]
)
stem = st.lists(part, min_size=1, max_size=4).map("".join)
suffix = st.sampled_from([".png", ".jpg", ".txt", ".npy", ".tiff", ".csv", ".PNG", ""])
known = st.sampled_from(
    [
        "frame-000001.color.png", "frame-000001.depth.png", "frame-000001.pose.txt", "timestamps.txt", "rgb.txt",
        "depth.txt", "groundtruth.txt", "rgb/100.100000.png", "depth/100.100000.png", "color/1.jpg", "depth/1.png",
        "camera-intrinsics.txt", "a_rgb.jpg", "a_depth_mm.png", "odometry.csv", "camera_matrix.csv", "metadata.json",
        "intrinsic/intrinsic_color.txt", "pose/1.txt", "rgb/1.png", "color.png", "depth.png", "1-color.jpg",
        "1-depth.png",
    ]
)  # fmt: skip
names = st.one_of(known, known, st.tuples(stem, suffix).map("".join))


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content == "pipe":
        os.mkfifo(path)
    elif content == "loop":
        path.symlink_to(path)
    elif content == "folder":
        path.mkdir()
    else:
        path.write_bytes(content)


@examples(200)
@given(
    files=st.dictionaries(names, st.sampled_from(CONTENTS), max_size=12),
    unit=st.sampled_from([None, 0.001, 0.0002]),
)
def test_any_folder_is_read_or_refused(tmp_path, files, unit):
    folder = tmp_path / "frames"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        try:
            put(folder / name, content)
        except OSError:
            continue  # two names of which one is the other's folder
    try:
        opened = open_frames(folder, depth_unit_m=unit)
        for index in range(len(opened)):
            frame = opened.read(index)
            assert frame.depth.dtype in (np.uint16, np.float32)
            assert frame.rgb.shape[2] == 3
    except RecordingError as error:
        assert str(folder) in str(error)


@examples(200)
@given(
    before=st.binary(max_size=30), flips=changes, cut=st.floats(0, 1), which=st.sampled_from([PNG, JPG, TIFF]),
    as_depth=st.booleans(),
)  # fmt: skip
def test_any_image_file_is_read_or_refused(tmp_path, before, flips, cut, which, as_depth):
    data = bytearray(which)
    for place, value in flips:
        data[int(place * (len(data) - 1))] ^= value
    if cut > 0.5:
        data = data[: int(cut * len(data))]
    name = "depth" if as_depth else "color"
    for role, content in (("depth", PNG), ("color", COLOUR)):
        (tmp_path / f"{role}.png").write_bytes(bytes(before if cut < 0.05 else data) if role == name else content)
    try:
        open_frames(tmp_path).read(0)
    except RecordingError as error:
        assert len(str(error)) < 3000
