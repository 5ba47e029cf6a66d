from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_training.data.folders import read_folder, read_frames, read_middlebury, read_sintel
from pagnet_training.data.images import read_rgb
from pagnet_training.data.sources import load_sources, without_missing
from pagnet_training.recipe import DataRecipe, SourceRecipe


def write_rgb(path: Path, shape: tuple[int, int] = (12, 16)) -> None:
    cv2.imwrite(str(path), np.full((*shape, 3), 90, np.uint8))


def test_middlebury_keeps_levels_and_masks_holes(tmp_path: Path) -> None:
    write_rgb(tmp_path / "a_rgb.png")
    disparity = np.full((12, 16), 120, np.uint8)
    disparity[:2] = 0
    cv2.imwrite(str(tmp_path / "a_disparity.png"), disparity)
    problems: list[str] = []
    (image,) = read_middlebury(tmp_path, problems)
    assert problems == []
    assert image.valid.sum() == 160
    assert np.all(image.depth == 120)


def test_sintel_becomes_disparity_like(tmp_path: Path) -> None:
    write_rgb(tmp_path / "a_rgb.png")
    np.savez(tmp_path / "a_depth.npz", depth_m=np.linspace(2.0, 100.0, 192, dtype=np.float32).reshape(12, 16))
    (image,) = read_sintel(tmp_path, [])
    assert image.depth[0, 0] > image.depth[-1, -1]
    assert 1 <= image.depth.min() < image.depth.max() <= 255
    assert np.median(image.depth) < 60


def test_plain_frames_take_zero_as_missing(tmp_path: Path) -> None:
    write_rgb(tmp_path / "frame-000001.color.png")
    depth = np.tile(np.arange(500, 516, dtype=np.uint16), (12, 1))
    depth[0] = 0
    cv2.imwrite(str(tmp_path / "frame-000001.depth.png"), depth)
    (image,) = read_frames(tmp_path, [])
    assert image.valid.sum() == 11 * 16
    assert image.span > 150


def test_every_problem_of_every_folder_is_in_one_error(tmp_path: Path) -> None:
    root = tmp_path
    for name in ("unpaired", "missized", "empty"):
        (root / name).mkdir()
    write_rgb(root / "unpaired" / "a_rgb.png")
    write_rgb(root / "missized" / "a_rgb.png")
    cv2.imwrite(str(root / "missized" / "a_disparity.png"), np.full((5, 5), 9, np.uint8))
    write_rgb(root / "missized" / "b_rgb.png")
    cv2.imwrite(str(root / "missized" / "b_disparity.png"), np.zeros((12, 16), np.uint8))
    write_rgb(root / "missized" / "c_rgb.png")
    (root / "missized" / "c_disparity.png").write_bytes(b"not a picture")
    names = ("unpaired", "missized", "empty", "absent")
    recipe = DataRecipe(sources=tuple(SourceRecipe(kind="middlebury", path=name) for name in names))
    with pytest.raises(RecordingError) as caught:
        load_sources(recipe, root)
    message = str(caught.value)
    for expected in (
        "no depth beside it",
        "colour is 16x12 and depth 5x5",
        "0.0 % of the depth pixels",
        "c_disparity.png",
        "empty: no middlebury pair",
        "absent: no such folder",
    ):
        assert expected in message, message


def test_images_that_a_source_leaves_out_are_not_read_and_a_name_that_is_not_there_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name in ("aloe", "dolls"):
        write_rgb(folder / f"{name}_rgb.png")
        cv2.imwrite(str(folder / f"{name}_disparity.png"), np.full((12, 16), 90, np.uint8))
    write_rgb(folder / "unpaired_rgb.png")

    def source(*names: str, path: str = "pairs", optional: bool = False) -> SourceRecipe:
        return SourceRecipe(kind="middlebury", path=path, leave_out=names, optional=optional)

    absent = source("aloe", path="absent", optional=True)
    recipe = without_missing(DataRecipe(sources=(source("aloe", "unpaired"), absent)), tmp_path)
    (read,) = load_sources(recipe, tmp_path)
    assert [image.name for image in read.images] == ["pairs/dolls"]
    with pytest.raises(RecordingError) as caught:
        load_sources(DataRecipe(sources=(source("aloes"), source("aloe", path="nowhere"))), tmp_path)
    for expected in ("leave_out names 'aloes', which is not there; did you mean 'aloe'", "unpaired_rgb", "nowhere"):
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("sintel", ("{}_rgb.png", "{}_depth.npy")),
        ("frames", ("{}.color.png", "{}.depth.npy")),
        ("recording", ("{}_rgb.png", "{}_depth.npy")),
    ],
)
def test_every_kind_of_folder_can_leave_images_out(tmp_path: Path, kind: str, files: tuple[str, str]) -> None:
    for name in ("a", "b"):
        write_rgb(tmp_path / files[0].format(name))
        np.save(tmp_path / files[1].format(name), np.linspace(1.0, 2.0, 192).reshape(12, 16))
    sources = (SourceRecipe(kind=kind, path=str(tmp_path), leave_out=("a",)),)
    (read,) = load_sources(DataRecipe(sources=sources))
    assert [Path(image.name).name for image in read.images] == ["b"]


@pytest.mark.parametrize(
    ("colour", "depth"),
    [
        ("frame-{:06d}.color.png", "frame-{:06d}.depth.png"),
        ("color/{:06d}.png", "depth/{:06d}.png"),
        ("{}_rgb.png", "{}_depth_mm.png"),
    ],
)
@pytest.mark.parametrize("frames", [3, 62])
def test_a_recorded_folder_is_read_in_every_layout_of_the_replay(
    tmp_path: Path, colour: str, depth: str, frames: int
) -> None:
    for number in range(frames):
        for name in (colour, depth):
            (tmp_path / name.format(number)).parent.mkdir(exist_ok=True)
        write_rgb(tmp_path / colour.format(number))
        levels = np.linspace(1000, 2000, 192).reshape(12, 16).astype(np.uint16)
        cv2.imwrite(str(tmp_path / depth.format(number)), levels)
    (read,) = load_sources(DataRecipe(sources=(SourceRecipe(kind="recording", path=str(tmp_path)),)))
    stills = colour == "{}_rgb.png"
    assert len(read.images) == (frames if stills or frames == 3 else 31)
    assert read.images[1].name.endswith(("1", "10") if stills or frames == 3 else "2")
    metric = read.images[0].metric
    assert metric is not None
    assert metric.depth_m[0, 0] == pytest.approx(1.0)


def test_of_a_recorded_folder_that_leaves_its_unit_open_it_is_asked_for(tmp_path: Path) -> None:
    for kind in ("rgb", "depth"):
        (tmp_path / kind).mkdir()
    write_rgb(tmp_path / "rgb" / "1.000000.png")
    cv2.imwrite(str(tmp_path / "depth" / "1.000000.png"), np.full((12, 16), 5000, np.uint16))  # TUM: 5000 per metre
    with pytest.raises(RecordingError, match="what is the unit of depth here"):
        load_sources(DataRecipe(sources=(SourceRecipe(kind="recording", path=str(tmp_path)),)))
    for unit_m, expected in ((0.0002, 1.0), (0.001, 5.0)):
        source = SourceRecipe(kind="recording", path=str(tmp_path), depth_unit_m=unit_m)
        (read,) = load_sources(DataRecipe(sources=(source,)))
        metric = read.images[0].metric
        assert metric is not None
        assert metric.depth_m[0, 0] == pytest.approx(expected)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    write_rgb(tmp_path / "a_rgb.png")
    np.save(tmp_path / "a_disparity.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    problems: list[str] = []
    assert read_folder("middlebury", tmp_path, problems) == []
    assert "a_disparity.npy" in problems[0]


def test_where_every_optional_source_is_missing_the_error_says_what_was_expected(tmp_path: Path) -> None:
    sources = tuple(SourceRecipe(kind="middlebury", path=name, optional=True) for name in ("one", "two"))
    recipe = without_missing(DataRecipe(sources=sources), tmp_path)
    with pytest.raises(RecordingError, match=r"none of the optional ones is in .*expected at least one.*--data"):
        load_sources(recipe, tmp_path)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_whole_numbers_are_millimetres_in_numpy_files_too(tmp_path: Path, dtype: type) -> None:
    write_rgb(tmp_path / "a_rgb.png")
    metres = np.linspace(1.0, 2.0, 192).reshape(12, 16)
    np.save(tmp_path / "a_depth.npy", (metres * 1000).astype(dtype) if dtype is np.uint16 else metres.astype(dtype))
    (image,) = read_frames(tmp_path, [])
    assert image.metric is not None
    np.testing.assert_allclose(image.metric.depth_m, metres, atol=2e-3)


def test_colour_is_read_as_it_lies_in_the_file(tmp_path: Path) -> None:
    """As fit and replay read it: depth is not turned either."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 255
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    upside_down = struct.pack("<4sIHHHIHHI", b"II*\0", 8, 1, 0x0112, 3, 1, 3, 0, 0)
    exif = b"Exif\0\0" + upside_down
    path = tmp_path / "a_rgb.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    rgb = read_rgb(path)
    assert rgb[:10].mean() > 250
    assert rgb[-10:].mean() < 5


def test_a_small_png_of_a_huge_image_is_refused(tmp_path: Path) -> None:
    side = 12_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    content = zlib.compress(bytes((2 * side + 1) * side), 1)
    write_rgb(tmp_path / "a_rgb.png")
    path = tmp_path / "a_depth.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b""))
    problems: list[str] = []
    assert read_frames(tmp_path, problems) == []
    assert "claims 12000 x 12000 pixels" in problems[0]
    assert str(path) in problems[0]
