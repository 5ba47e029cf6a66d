"""Image files: headers, limits and damage."""

import io
import struct

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings import images


def test_png_jpeg_and_npy_headers_agree_with_the_pixels(build, tmp_path):
    png = build.write_depth(tmp_path / "d.png", build.depth(0))
    jpg = build.write_rgb(tmp_path / "c.jpg", build.rgb(0, (10, 30)))
    np.save(tmp_path / "d.npy", np.ones((5, 7), np.float32))

    assert images.probe(png) == images.ImageInfo(16, 24, 1, "uint16")
    assert images.probe(jpg) == images.ImageInfo(10, 30, 3, "uint8")
    assert images.probe(tmp_path / "d.npy") == images.ImageInfo(5, 7, 1, "float32")
    assert images.read_depth(tmp_path / "d.npy").dtype == np.float32


def test_cut_jpeg_is_refused(build, tmp_path):
    path = build.write_rgb(tmp_path / "c.jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-500])

    with pytest.raises(RecordingError, match=r"c.jpg: the JPEG is cut short"):
        images.probe(path)


def test_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(build, tmp_path):
    path = build.write_depth(tmp_path / "d.png", build.depth(0))
    data = bytearray(path.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    path.write_bytes(data)

    with pytest.raises(RecordingError, match=r"d.png: claims 60000 x 60000 pixels; expected between"):
        images.read_depth(path)


def test_npy_with_pickled_objects_is_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)

    with pytest.raises(RecordingError, match=r"d.npy"):
        images.read_depth(tmp_path / "d.npy")


def test_an_npy_whose_sides_are_no_numbers_is_refused(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 8), }\n"
    (tmp_path / "d.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(32))
    with pytest.raises(RecordingError, match=r"d.npy"):
        images.read_depth(tmp_path / "d.npy")


def test_cut_npy_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((5, 7), np.float32))
    (tmp_path / "d.npy").write_bytes(buffer.getvalue()[:-1])

    with pytest.raises(RecordingError, match=r"the NPY file is cut short"):
        images.probe(tmp_path / "d.npy")


@pytest.mark.parametrize("shape", ["'ab'", "(None, 2)", "(1e999, 2)", "7", "{}"])
def test_npy_whose_header_makes_no_sense_is_refused(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    (tmp_path / "d.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(64))

    with pytest.raises(RecordingError, match=r"d.npy: (the NPY header cannot be read|an array of shape)"):
        images.read_depth(tmp_path / "d.npy")


def test_colour_image_is_no_depth(build, tmp_path):
    path = build.write_rgb(tmp_path / "c.png", build.rgb(0))

    with pytest.raises(RecordingError, match=r"uint8 of shape \(16, 24, 3\); expected depth"):
        images.read_depth(path)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_tiff_is_read_as_it_is_stored(tmp_path, dtype):
    depth = (np.arange(35).reshape(5, 7) * 50).astype(dtype)
    assert cv2.imwrite(str(tmp_path / "d.tiff"), depth)
    assert images.probe(tmp_path / "d.tiff") == images.ImageInfo(5, 7, 1, np.dtype(dtype).name)
    read = images.read_depth(tmp_path / "d.tiff")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, depth)


@pytest.mark.parametrize("keep", [4, 7, 8, 20, 100])
def test_a_cut_tiff_is_refused(tmp_path, keep):
    assert cv2.imwrite(str(tmp_path / "d.tif"), np.ones((50, 70), np.float32))
    (tmp_path / "d.tif").write_bytes((tmp_path / "d.tif").read_bytes()[:keep])
    with pytest.raises(RecordingError, match=r"d\.tif"):
        images.read_depth(tmp_path / "d.tif")


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ([(256, 60000), (257, 60000)], "claims 60000 x 60000 pixels"),
        ([(256, 60000), (256, 8), (257, 60000), (257, 8)], "tells its width twice"),  # libtiff takes the first
        ([(256, 8), (257, 8), (322, 16000), (323, 16000)], "a TIFF of 8 x 8 pixels with tiles of 16000 x 16000"),
    ],
)
def test_a_tiff_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path, monkeypatch, sides, words):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would allocate the claimed size"))
    tags = [(258, 3, 1, 32), (277, 3, 1, 1), (339, 3, 1, 3), *((tag, 4, 1, side) for tag, side in sides)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    (tmp_path / "d.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4))
    with pytest.raises(RecordingError, match=words):
        images.read_depth(tmp_path / "d.tif")


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt"])
def test_a_png_chunk_longer_than_its_file_is_refused_before_decoding(build, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would allocate what the chunk claims"))
    path = build.write_depth(tmp_path / "d.png", build.depth(0))
    data = path.read_bytes()
    at = data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + b"\xff\xff\xff\xff" + kind + data[at + 8 :])
    with pytest.raises(RecordingError, match="a PNG chunk claims 4294967295 bytes"):
        images.read_depth(path)


def test_float64_and_a_channel_axis_are_taken(tmp_path):
    np.save(tmp_path / "d.npy", np.full((5, 7, 1), 1.5))
    assert images.probe(tmp_path / "d.npy") == images.ImageInfo(5, 7, 1, "float64")
    read = images.read_depth(tmp_path / "d.npy")
    assert (read.dtype, read.shape) == (np.float32, (5, 7))


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "d.png").symlink_to(tmp_path / "d.png")
    with pytest.raises(RecordingError, match=r"d\.png: cannot be read"):
        images.probe(tmp_path / "d.png")
