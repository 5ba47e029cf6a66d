"""Image files: headers, limits and damage."""

import io

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

    with pytest.raises(RecordingError, match=r"d.png: 60000x60000 pixels; expected at most"):
        images.read_depth(path)


def test_npy_with_pickled_objects_is_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)

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
