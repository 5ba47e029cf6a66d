"""Bags as training data: every kind of image message that the node reads, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="reading bags needs rosbags")

from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_training.data.bags import read_bag
from tests.replay.bags import compressed, image, rgbd, write


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(6):
        depth = np.tile(np.arange(800, 824, dtype=np.uint16) + i, (16, 1))
        depth[:2] = 0
        cv2.imwrite(str(frames / f"frame-{i:06d}.depth.png"), depth)
        rgb = np.zeros((32, 48, 3), np.uint8)
        rgb[..., 2] = 200  # red: OpenCV writes blue first
        cv2.imwrite(str(frames / f"frame-{i:06d}.color.png"), rgb)
    return write_bag(open_frames(frames), tmp_path / "bag", BagOptions())


def test_every_third_pair_becomes_an_image_of_the_depths_size(bag: Path) -> None:
    problems: list[str] = []
    images = read_bag(bag, 3, "", "", problems)
    assert problems == []
    assert len(images) == 2
    assert images[0].rgb.shape == (16, 24, 3)
    assert images[0].rgb[8, 8].tolist() == [200, 0, 0]
    assert images[0].valid.sum() == 14 * 24
    assert images[0].depth[8, 23] > images[0].depth[8, 0]


def test_a_missing_bag_and_a_wrong_topic_are_reported(bag: Path, tmp_path: Path) -> None:
    problems: list[str] = []
    assert read_bag(tmp_path / "absent", 1, "", "", problems) == []
    assert read_bag(bag, 1, "/no/such", "", problems) == []
    assert "absent" in problems[0]
    assert "/no/such" in problems[1]


def test_compressed_messages_give_the_same_images_as_raw_ones(tmp_path: Path) -> None:
    problems: list[str] = []
    raw, packed = (
        read_bag(write(tmp_path / encode.__name__, rgbd(encode=encode)), 1, "", "", problems)
        for encode in (image, compressed)
    )
    assert problems == []
    assert len(raw) == len(packed) == 4
    for one, other in zip(raw, packed, strict=True):
        np.testing.assert_array_equal(one.depth, other.depth)
        np.testing.assert_array_equal(one.rgb, other.rgb)


def claims_a_million_squared(array: np.ndarray, stamp_ns: int) -> object:
    message = compressed(array, stamp_ns)
    if array.ndim == 3:
        message.data = message.data.copy()
        message.data[16:24] = np.frombuffer(struct.pack(">II", 1_000_000, 1_000_000), np.uint8)
    return message


def lacks_its_end(array: np.ndarray, stamp_ns: int) -> object:
    message = image(array, stamp_ns)
    message.data = message.data[:100]
    return message


@pytest.mark.parametrize(
    ("encode", "says"), [(claims_a_million_squared, "1000000 x 1000000 pixels"), (lacks_its_end, "truncated data")]
)
def test_a_message_that_lies_about_its_size_is_reported(tmp_path: Path, encode: Callable, says: str) -> None:
    problems: list[str] = []
    assert read_bag(write(tmp_path / "bag", rgbd(encode=encode)), 1, "", "", problems) == []
    assert says in problems[0]
    assert "/cam/" in problems[0]
