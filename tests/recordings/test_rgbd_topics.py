"""Which topics of a bag are the depth and the colour camera."""

import sqlite3

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.errors import RecordingError
from pagnet_ros.messages.encodings import COLOR
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.rgbd_topics import RgbdTopics, find_rgbd_topics
from tests.replay.bags import STORE, camera_info, encoded, header, storage_file, text, write


def compressed(fmt, stamp_ns, data=bytes(5)):
    return STORE.types["sensor_msgs/msg/CompressedImage"](header(stamp_ns), fmt, np.frombuffer(data, np.uint8))


def test_the_only_depth_and_colour_are_found_with_their_camera_info(tmp_path):
    messages = [
        ("/cam/depth/image_raw", 1, encoded("16UC1", 1)),
        ("/cam/color/image_raw", 2, encoded("yuv422_yuy2", 2)),
        ("/cam/color/image_raw/compressed", 3, compressed("rgb8; jpeg compressed bgr8", 3)),
        ("/cam/color/camera_info", 4, camera_info(4)),
        ("/cam/infra1/image_raw", 5, encoded("mono8", 5)),
        ("/chat", 6, text("hello")),
    ]

    with Bag(write(tmp_path / "bag", messages)) as bag:
        found = find_rgbd_topics(bag)

    assert found == RgbdTopics("/cam/depth/image_raw", "/cam/color/image_raw", "/cam/color/camera_info")


@pytest.mark.parametrize(("depth", "own"), [("/cam/depth", None), ("/tof/depth", "/tof/camera_info")])
def test_a_calibration_that_lies_beside_both_images_is_the_colour_cameras(tmp_path, depth, own):
    messages = [(depth, 1, encoded("16UC1", 1)), ("/cam/color", 1, encoded("rgb8", 1))]
    messages += [(topic, 1, camera_info(1)) for topic in ("/cam/camera_info", "/tof/camera_info")]
    with Bag(write(tmp_path / "bag", messages)) as bag:
        assert find_rgbd_topics(bag) == RgbdTopics(depth, "/cam/color", "/cam/camera_info", own)


def test_two_depth_topics_are_listed_and_one_may_be_named(tmp_path):
    kinds = {"/cam/color": "rgb8", "/cam/depth": "16UC1", "/cam/aligned_depth": "32FC1"}
    messages = [(name, 1, encoded(encoding, 1)) for name, encoding in kinds.items()]
    with Bag(write(tmp_path / "bag", messages)) as bag:
        with pytest.raises(RecordingError, match=r"2 depth image topics \(/cam/aligned_depth, /cam/depth\); name one"):
            find_rgbd_topics(bag)
        assert find_rgbd_topics(bag, depth="cam/depth").depth == "/cam/depth"


@pytest.mark.parametrize("encoding", sorted(set(COLOR) - {"mono16"}))
def test_what_the_decoder_reads_is_found(tmp_path, encoding):
    layout = COLOR[encoding]
    rows = np.zeros((6, 6 * layout.channels * np.dtype(layout.dtype).itemsize), np.uint8)
    colour = STORE.types["sensor_msgs/msg/Image"](header(1), 6, 6, encoding, 0, rows.shape[1], rows.reshape(-1))
    with Bag(write(tmp_path / "bag", [("/cam", 1, colour), ("/depth", 2, encoded("16UC1", 1))])) as bag:
        assert find_rgbd_topics(bag) == RgbdTopics("/depth", "/cam", None)


def grey16(stamp_ns):
    message = encoded("16UC1", stamp_ns)
    message.encoding = "mono16"
    return message


@pytest.mark.parametrize(
    ("topics", "found"),
    [
        ({"/ir": grey16, "/rgb": "rgb8", "/d": "16UC1"}, ("/d", "/rgb")),
        ({"/ir": grey16, "/d": "16UC1"}, ("/d", "/ir")),
        ({"/depth": grey16, "/rgb": "rgb8"}, ("/depth", "/rgb")),
        ({"/a": grey16, "/cam/depth": grey16, "/rgb": "rgb8"}, ("/cam/depth", "/rgb")),
        ({"/cam/depth": grey16, "/cam/left": grey16}, None),
    ],
)
def test_sixteen_grey_bits_are_what_their_name_says(tmp_path, topics, found):
    messages = [(name, 1, kind(1) if callable(kind) else encoded(kind, 1)) for name, kind in topics.items()]
    with Bag(write(tmp_path / "bag", messages)) as bag:
        if found:
            assert find_rgbd_topics(bag) == RgbdTopics(*found, None)
        else:
            assert find_rgbd_topics(bag).depth == "/cam/depth"


def test_every_transport_of_both_cameras_is_one_depth_and_one_colour(tmp_path):
    depth = np.full((4, 6), 1500, np.uint16)
    jpeg, png = (
        cv2.imencode(kind, pixels)[1].tobytes()
        for kind, pixels in ((".jpg", np.zeros((4, 6, 3), np.uint8)), (".png", depth))
    )
    packed = [
        ("/color/image_raw/compressed", 3, compressed("rgb8; jpeg compressed bgr8", 3, jpeg)),
        ("/depth/image_raw/compressed", 3, compressed("16UC1; png compressed ", 3, png)),
    ]
    raw = [("/color/image_raw", 1, encoded("rgb8", 1)), ("/depth/image_raw", 2, encoded("16UC1", 1))]
    path = write(tmp_path / "bag", raw + packed, "sqlite3")
    database = sqlite3.connect(storage_file(path))
    database.execute(
        "INSERT INTO topics SELECT 99, '/color/image_raw/compressedDepth', type, serialization_format, "
        "offered_qos_profiles, type_description_hash FROM topics WHERE type LIKE '%Compressed%' LIMIT 1"
    )
    database.commit()
    database.close()
    with Bag(path) as bag:
        assert find_rgbd_topics(bag) == RgbdTopics("/depth/image_raw", "/color/image_raw", None)
    with Bag(write(tmp_path / "packed", packed)) as bag:
        assert find_rgbd_topics(bag) == RgbdTopics("/depth/image_raw/compressed", "/color/image_raw/compressed", None)


def test_bag_without_depth_says_what_it_has(tmp_path):
    messages = [("/cam/color", 1, encoded("bgr8", 1))]

    with (
        Bag(write(tmp_path / "bag", messages)) as bag,
        pytest.raises(RecordingError, match=r"no depth image topic found. It has:\n/cam/color  sensor_msgs/msg/Image"),
    ):
        find_rgbd_topics(bag)
