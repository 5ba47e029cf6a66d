"""Bags as training data: every kind of image message that the node reads, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="reading bags needs rosbags")

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.unpacking import zstd_module
from pagnet_training.data.recordings import read_bag
from pagnet_training.data.sources import load_sources
from pagnet_training.recipe import DataRecipe, SourceRecipe
from tests.replay.bags import START_NS, STEP_NS, compressed, image, rgbd, storage_file, write


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


def test_the_last_depth_frame_counts_where_its_colour_is_stamped_before_it(tmp_path: Path) -> None:
    problems: list[str] = []
    images = read_bag(write(tmp_path / "bag", rgbd(3, offset_ns=-5_000_000)), 1, "", "", problems)
    assert problems == []
    assert len(images) == 3


def test_counts_of_another_unit_become_metres_and_the_same_levels(bag: Path) -> None:
    (whole, *_), (tenths, *_) = (read_bag(bag, 6, "", "", [], unit) for unit in (1e-3, 1e-4))
    assert whole.metric is not None
    assert tenths.metric is not None
    np.testing.assert_allclose(tenths.metric.depth_m, whole.metric.depth_m / 10, rtol=1e-6)
    np.testing.assert_allclose(tenths.depth, whole.depth, atol=1e-3)
    assert np.array_equal(tenths.valid, whole.valid)


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


def test_a_folder_that_holds_one_packed_storage_file_is_a_bag(bag: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    folder.mkdir()
    file = storage_file(bag)
    (folder / f"{file.name}.zstd").write_bytes(zstd_module().compress(file.read_bytes()))
    (source,) = load_sources(DataRecipe(sources=(SourceRecipe(kind="recording", path="copied", every=1),)), tmp_path)
    assert len(source.images) == 6
    named = SourceRecipe(kind="recording", path="copied", leave_out=("a",))
    with pytest.raises(RecordingError, match=r"a bag, of which leave_out=\['a'\] names no images"):
        load_sources(DataRecipe(sources=(named,)), tmp_path)


def with_empty_frames(folder: Path, empty: range) -> Path:
    """A bag of four frames, some of which have no depth."""

    def encode(array: np.ndarray, stamp_ns: int) -> object:
        number = (stamp_ns - START_NS) // STEP_NS
        return image(np.zeros_like(array) if array.ndim == 2 and number in empty else array, stamp_ns)

    return write(folder, rgbd(encode=encode))


def test_frames_without_depth_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    problems: list[str] = []
    images = read_bag(with_empty_frames(tmp_path / "bag", range(2)), 1, "", "", problems)
    assert problems == []
    assert [picture.name for picture in images] == ["bag/000002", "bag/000003"]
    assert "2 of 4 depth frames have less than 1% of their pixels measured and are left out" in caplog.text


def test_a_bag_without_any_depth_is_a_problem(tmp_path: Path) -> None:
    problems: list[str] = []
    assert read_bag(with_empty_frames(tmp_path / "bag", range(4)), 1, "", "", problems) == []
    assert len(problems) == 1
    assert "4 of 4 depth frames have less than 1% of their pixels measured; expected some" in problems[0]
