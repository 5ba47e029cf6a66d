"""Messages with anything in any field are read, or refused by name in one short printable line; the reader goes on."""

import resource
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import MessageError, RecordingError
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.messages.encodings import COLOR, DEPTH
from pagnet_ros.messages.image import image_from_cdr
from pagnet_ros.messages.pair import PairReader
from tests.fuzz.budget import examples

RNG = np.random.default_rng(0)
MAX_TEXT = 1500
MAX_GROWTH_MIB = 400  # nothing here is larger than 4096 x 4096 pixels of three bytes and their copies

edge = st.sampled_from([0, 1, 2, 3, 7, 8, 16, 640, 4096, 8193, 65535, 2**26, 2**31 - 1, 2**31, 2**32 - 1])
side = st.one_of(st.integers(0, 40), edge)
text = st.one_of(
    st.text(max_size=30), st.sampled_from(["", "\0", "\n[ERROR] x", "\u202ecam", "x" * 10_000, "/cam", "%s{0}\x1b[2J"])
)
encoding = st.one_of(st.sampled_from([*COLOR, *DEPTH, "nv24", "64FC1", "8UC1000", "RGB8"]), text)
number = st.one_of(st.sampled_from([0.0, -1.0, 1.0, 1e-45, 3e38, float("inf"), float("nan")]), st.floats(width=32))


@st.composite
def headers(draw):
    stamp = SimpleNamespace(sec=draw(st.integers(-(2**31), 2**31 - 1)), nanosec=draw(st.integers(0, 2**32 - 1)))
    return SimpleNamespace(stamp=stamp, frame_id=draw(text))


@st.composite
def images(draw):
    height, width, name = draw(side), draw(side), draw(encoding)
    layout = COLOR.get(name) or DEPTH.get(name)
    row = width * (layout.channels * np.dtype(layout.dtype).itemsize if layout else 3)
    step = draw(st.one_of(st.just(row), st.just(row + 3), side)) % 2**32
    whole = min(step * height, 100_000)
    size = draw(st.one_of(st.just(whole), st.integers(0, 300), st.just(max(0, whole - 1)), st.just(whole * 3 // 2)))
    fill = draw(st.integers(0, 255))
    data = bytes([fill]) * size if draw(st.booleans()) else RNG.bytes(size)
    return SimpleNamespace(
        header=draw(headers()), height=height, width=width, encoding=name, step=step, data=data,
        is_bigendian=draw(st.sampled_from([0, 1, 2, 255])),
    )  # fmt: skip


def encoded(suffix, pixels, *flags):
    return cv2.imencode(suffix, pixels, list(flags))[1].tobytes()


def claiming(width, height, bits, colour):
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + b"\0\0\0\0IEND\xaeB`\x82"


DEPTH_MM = RNG.integers(0, 8000, (16, 24)).astype(np.uint16)
RGB = RNG.integers(0, 255, (16, 24, 3)).astype(np.uint8)
FILES = [
    encoded(".png", RGB), encoded(".jpg", RGB), encoded(".jpg", RGB, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encoded(".png", DEPTH_MM), encoded(".png", RGB[..., 0]), encoded(".png", np.dstack([DEPTH_MM] * 4)),
    encoded(".tiff", RGB), encoded(".bmp", RGB), struct.pack("<ii", 24, 16) + b"\x11" * 200,
    struct.pack("<ii", 4096, 4096) + b"\xff" * 40, struct.pack("<ii", -1, 2**30),
    *(claiming(w, h, 16, 0) for w, h in ((4096, 4096), (2**31 - 1, 2), (0, 5))),
]  # fmt: skip
FORMATS = [
    "16UC1; compressedDepth png", "16UC1; compressedDepth rvl", "32FC1; compressedDepth png", "16UC1; compressedDepth",
    "16UC1; png compressed ", "16UC1; jpeg compressed ", "mono16; png compressed", "rgb8; jpeg compressed bgr8",
    "bgr8; png compressed", "png", "jpeg", ";", "",
]  # fmt: skip


@st.composite
def mutated(draw, source):
    data = bytearray(draw(source))
    for at, value, how in draw(
        st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255), st.sampled_from("=+-|")), max_size=8)
    ):
        if not data:
            break
        place = at % len(data)
        if how == "=":
            data[place] = value
        elif how == "+":
            data[place:place] = bytes([value]) * (value % 20)
        elif how == "-":
            del data[place : place + value % 50]
        else:
            del data[place:]
    return bytes(data)


@st.composite
def compressed(draw):
    data = draw(st.one_of(mutated(st.sampled_from(FILES)), st.binary(max_size=60)))
    name = draw(st.one_of(st.sampled_from(FORMATS), text))
    if "compressedDepth" in name and draw(st.booleans()):
        data = struct.pack("<iff", 0, draw(number), draw(number)) + data
    return SimpleNamespace(header=draw(headers()), format=name, data=data)


def good_pair():
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0), frame_id="cam")
    fields = {"header": header, "is_bigendian": 0}
    depth = SimpleNamespace(height=4, width=6, encoding="16UC1", step=12, data=b"\x05\x05" * 24, **fields)
    color = SimpleNamespace(height=8, width=12, encoding="rgb8", step=36, data=bytes(288), **fields)
    return depth, color


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MAX_GROWTH_MIB


def read(depth, color):
    """Read a pair with a reader that must stay of use; refusals and reports must be short and printable."""
    said = []
    reader = PairReader("/depth", "/color", lambda kind, text, level="warn": said.append(text))
    try:
        measured, rgb = reader.read(depth, color)
        assert measured.dtype in (np.uint16, np.float32)
        assert (measured.ndim, rgb.ndim, rgb.dtype) == (2, 3, np.uint8)
        reader.report_range(measured, 0.1, 10.0)
    except MessageError as error:
        said.append(str(error))
    assert reader.read(*good_pair())[0][0, 0] == 0x0505
    assert all(line.isprintable() and len(line) < MAX_TEXT for line in said)


@examples(100)
@given(message=images(), as_depth=st.booleans())
def test_any_image_is_read_or_refused(message, as_depth):
    depth, color = good_pair()
    read(message if as_depth else depth, color if as_depth else message)


@examples(150)
@given(message=compressed(), as_depth=st.booleans())
def test_any_compressed_image_is_read_or_refused(message, as_depth):
    depth, color = good_pair()
    read(message if as_depth else depth, color if as_depth else message)


def cdr(message):
    """The message as DDS carries it."""

    def string(value):
        raw = value.encode("utf-8", "replace") + b"\0"
        return struct.pack("<I", len(raw)) + raw + bytes(-len(raw) % 4)

    stamp = message.header.stamp
    raw = b"\0\1\0\0" + struct.pack("<iI", stamp.sec, stamp.nanosec) + string(message.header.frame_id)
    if hasattr(message, "step"):
        raw += struct.pack("<II", message.height, message.width) + string(message.encoding)
        raw += bytes([message.is_bigendian, 0, 0, 0]) + struct.pack("<I", message.step)
    else:
        raw += string(message.format)
    return raw + struct.pack("<I", len(message.data)) + message.data


@examples(100)
@given(data=st.data(), packed=st.booleans())
def test_any_serialised_image_is_read_or_refused(data, packed):
    message = data.draw(compressed() if packed else images())
    raw = data.draw(mutated(st.just(cdr(message))))
    kind = "sensor_msgs/msg/CompressedImage" if packed else "sensor_msgs/msg/Image"
    try:
        seen = image_from_cdr(raw, kind)
    except RecordingError as error:
        assert len(str(error)) < MAX_TEXT
        return
    depth, color = good_pair()
    read(seen, color)
    read(depth, seen)


@examples(100)
@given(
    width=side, height=side, binning=st.tuples(side, side), roi=st.tuples(side, side, side, side), focal=number,
    k=st.lists(number, max_size=12), p=st.lists(number, max_size=14),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)  # fmt: skip
def test_any_calibration_fits_or_is_refused(width, height, binning, roi, focal, k, p, size):
    region = SimpleNamespace(x_offset=roi[0], y_offset=roi[1], width=roi[2], height=roi[3], do_rectify=False)
    info = SimpleNamespace(
        width=width, height=height, binning_x=binning[0], binning_y=binning[1], roi=region, header=None,
        k=k if len(k) != 9 else [focal, 0, 1, 0, focal, 1, 0, 0, 1], p=p, r=[], d=[], distortion_model="",
    )  # fmt: skip
    try:
        fitted = camera_info_for(info, "header", *size)
    except MessageError as error:
        assert len(str(error)) < MAX_TEXT
        return
    assert (fitted.height, fitted.width, fitted.binning_x) == (*size, 0)
