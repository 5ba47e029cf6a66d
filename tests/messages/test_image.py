"""Image messages <-> arrays: encodings, padding, byte order, and refusals that say what is wrong."""

import array
import contextlib
import importlib.util
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.image import (
    MAX_PIXELS,
    color_from_image,
    depth_from_image,
    fill_depth_image,
    millimetres,
    stamp_ns,
)

RNG = np.random.default_rng(7)


def image(pixels, encoding, *, pad=0, bigendian=False):
    """An Image-like object holding pixels [H, W(, C)], each row followed by `pad` bytes of rubbish."""
    order = ">" if bigendian else "<"
    raw = pixels.astype(pixels.dtype.newbyteorder(order))
    rows = raw.reshape(raw.shape[0], -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((rows.shape[0], pad), 0xAB, np.uint8)], axis=1)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=3, nanosec=5), frame_id="optical"),
        height=raw.shape[0],
        width=raw.shape[1],
        encoding=encoding,
        is_bigendian=int(bigendian),
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


def empty_message():
    return SimpleNamespace(height=0, width=0, encoding="", is_bigendian=0, step=0, data=array.array("B"))


def reference_rgb(pixels, encoding):
    """RGB by plain NumPy, for the encodings where a conversion is only a reordering."""
    if encoding.startswith("mono"):
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    else:
        pixels = pixels[..., :3]
        pixels = pixels[..., ::-1] if encoding.startswith("bgr") else pixels
    return np.rint(pixels / 257.0).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


PLAIN = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "rgb16": 3, "bgr16": 3, "bgra16": 4}


@pytest.mark.parametrize("encoding", [*PLAIN, "mono16", "rgba16"])
@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("bigendian", [False, True])
def test_plain_encodings_become_rgb(encoding, pad, bigendian):
    wide = encoding.endswith("16")
    channels = 1 if "mono" in encoding else 4 if "a" in encoding else 3
    shape = (6, 8, channels) if channels > 1 else (6, 8)
    pixels = RNG.integers(0, 65536 if wide else 256, shape).astype(np.uint16 if wide else np.uint8)
    rgb = color_from_image(image(pixels, encoding, pad=2 * pad, bigendian=bigendian))
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, reference_rgb(pixels, encoding))


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("uyvy", "UYVY"), ("yuv422", "UYVY"), ("yuyv", "YUYV"), ("yuv422_yuy2", "YUYV")],
)
def test_yuv422_keeps_its_byte_order(encoding, order):
    # BT.601 limited range of pure red: Y 81, U 90, V 240.
    value = {"Y": 81, "U": 90, "V": 240}
    row = [value[c] for c in order] * 4
    pixels = np.array([row] * 2, np.uint8).reshape(2, 8, 2)
    rgb = color_from_image(image(pixels, encoding, pad=4))
    assert np.abs(rgb.astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_pattern_gives_back_a_uniform_colour(pattern):
    color = {"r": 200, "g": 120, "b": 40}
    tile = np.array([[color[c] for c in pattern[:2]], [color[c] for c in pattern[2:]]], np.uint8)
    rgb = color_from_image(image(np.tile(tile, (8, 8)), f"bayer_{pattern}8"))
    np.testing.assert_array_equal(rgb[4:-4, 4:-4], np.broadcast_to([200, 120, 40], (8, 8, 3)))


@pytest.mark.skipif(importlib.util.find_spec("cv_bridge") is None, reason="cv_bridge is not installed")
@pytest.mark.parametrize("encoding", [*PLAIN, "yuv422", "yuv422_yuy2", "bayer_rggb8", "bayer_grbg8"])
def test_color_equals_cv_bridge_bit_for_bit(encoding):
    from cv_bridge import CvBridge
    from sensor_msgs.msg import Image

    channels = PLAIN.get(encoding, 2 if "yuv" in encoding else 1)
    dtype = np.uint16 if encoding.endswith("16") else np.uint8
    fake = image(RNG.integers(0, 256, (8, 8, channels)).astype(dtype), encoding)
    message = Image(height=8, width=8, encoding=encoding, step=fake.step, data=fake.data)
    np.testing.assert_array_equal(color_from_image(message), CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))


@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "32FC1"])
@pytest.mark.parametrize("pad", [0, 7])
@pytest.mark.parametrize("bigendian", [False, True])
def test_depth_comes_out_as_it_was_sent(encoding, pad, bigendian):
    if encoding == "32FC1":
        depth = RNG.normal(2.0, 1.0, (5, 7)).astype(np.float32)
        depth[0, :4] = np.nan, np.inf, 0.0, -1.0
    else:
        depth = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    out = depth_from_image(image(depth, encoding, pad=pad, bigendian=bigendian))
    assert out.dtype == depth.dtype
    assert out.dtype.isnative
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, depth)


def test_unpadded_depth_shares_the_messages_memory():
    message = image(np.ones((4, 4), np.float32), "32FC1")
    assert np.shares_memory(depth_from_image(message), np.frombuffer(message.data, np.uint8))


def broken(**changes):
    message = image(RNG.integers(1, 5000, (4, 6)).astype(np.uint16), "16UC1")
    for name, value in changes.items():
        setattr(message, name, value(message) if callable(value) else value)
    return message


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (broken(encoding="64FC1"), r"unknown depth encoding '64FC1'.*16UC1.*32FC1.*Set the camera driver"),
        (broken(encoding="rgb8"), r"colour encoding: are the depth and colour topics swapped"),
        (broken(step=11), r"wrong step: .*step 11; expected at least 12 bytes per row"),
        (broken(step=0), r"wrong step"),
        (broken(data=lambda m: m.data[:-1]), r"truncated data: .* has 47 bytes; expected .* = 48"),
        (broken(data=array.array("B")), r"truncated data: .* has 0 bytes"),
        (broken(data=lambda m: m.data + m.data), r"surplus data: .* has 96 bytes; expected .* = 48"),
        (broken(height=0), r"empty image: 16UC1 image of 6 x 0"),
        (broken(width=0, step=0), r"empty image"),
        (broken(width=2**31, height=2**31, step=2**32 - 1), rf"too large; expected at most {MAX_PIXELS}"),
    ],
)
def test_malformed_depth_is_refused_with_what_came_and_what_was_expected(message, says):
    with pytest.raises(MessageError, match=says):
        depth_from_image(message)


def test_unknown_color_encoding_names_the_known_ones():
    message = image(RNG.integers(0, 255, (4, 4, 3)).astype(np.uint8), "hsv8")
    with pytest.raises(MessageError, match=r"unknown colour encoding 'hsv8'; expected one of rgb8, bgr8"):
        color_from_image(message)


def test_unknown_color_encoding_goes_to_cv_bridge_where_there_is_one(monkeypatch):
    seen = []

    class Bridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            seen.append((message.encoding, desired_encoding))
            return np.full((4, 4, 3), 9, np.uint8)

    monkeypatch.setitem(__import__("sys").modules, "cv_bridge", SimpleNamespace(CvBridge=Bridge))
    rgb = color_from_image(image(np.zeros((6, 4), np.uint8), "nv24"))
    assert seen == [("nv24", "rgb8")]
    assert (rgb == 9).all()


def test_cv_bridge_never_sees_a_message_shorter_than_it_claims(monkeypatch):
    class Bridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            pytest.fail("compiled code would have read past the data")

    monkeypatch.setitem(__import__("sys").modules, "cv_bridge", SimpleNamespace(CvBridge=Bridge))
    message = image(np.zeros((6, 4), np.uint8), "nv24")
    message.data = message.data[:-1]
    with pytest.raises(MessageError, match="23 bytes do not hold 6 rows"):
        color_from_image(message)


def test_grey_of_opencvs_name_is_mono8():
    pixels = RNG.integers(0, 256, (6, 8)).astype(np.uint8)
    np.testing.assert_array_equal(color_from_image(image(pixels, "8UC1")), color_from_image(image(pixels, "mono8")))


@pytest.mark.parametrize("channels", [3, 4])
def test_opencvs_names_without_an_order_are_read_blue_first(channels):
    pixels = RNG.integers(0, 256, (6, 8, channels)).astype(np.uint8)
    np.testing.assert_array_equal(color_from_image(image(pixels, f"8UC{channels}")), pixels[..., 2::-1])


@pytest.mark.parametrize("pad", [0, 16])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("encoding", "order"), [("nv12", (0, 1)), ("nv21", (1, 0))])
def test_yuv420_is_read_whichever_rows_its_height_counts(encoding, order, whole, pad):
    rgb = np.zeros((8, 12, 3), np.uint8)
    rgb[:, :6], rgb[:, 6:] = (220, 30, 40), (20, 60, 200)
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    colour = planes[8 * 12 :].reshape(2, 4, 6)[list(order)]
    rows = np.vstack([planes[: 8 * 12].reshape(8, 12), colour.transpose(1, 2, 0).reshape(4, 12)])
    message = image(rows, encoding, pad=pad)
    message.height = 12 if whole else 8
    out = color_from_image(message)
    assert out.shape == rgb.shape
    assert np.abs(out.astype(int) - rgb).max() <= 6


@pytest.mark.parametrize(("height", "rows"), [(8, 11), (8, 8), (7, 7), (7, 10)])
def test_yuv420_without_whole_planes_is_refused(height, rows):
    message = image(np.zeros((rows, 4), np.uint8), "nv12")
    message.height = height
    with pytest.raises(MessageError, match="rows of brightness"):
        color_from_image(message)


def test_a_depth_encoding_on_the_colour_topic_is_told_apart():
    with pytest.raises(MessageError, match="depth encoding: are the depth and colour topics swapped"):
        color_from_image(image(RNG.integers(1, 5000, (4, 6)).astype(np.uint16), "16UC1"))


@pytest.mark.parametrize("decode", [color_from_image, depth_from_image])
@pytest.mark.parametrize("encoding", ["x" * 10_000, "16UC1\n[ERROR] all is lost", "\u202e16UC1\x1b[2J"])
def test_a_hostile_encoding_stays_one_short_printable_line(decode, encoding):
    with pytest.raises(MessageError) as told:
        decode(image(np.zeros((4, 4), np.uint8), encoding))
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 700


def test_odd_width_yuv_is_refused():
    with pytest.raises(MessageError, match="odd width 7"):
        color_from_image(image(np.zeros((4, 7, 2), np.uint8), "uyvy"))


@settings(max_examples=300, deadline=None)
@given(
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    step=st.integers(0, 60),
    size=st.integers(0, 400),
    bigendian=st.integers(0, 255),
    encoding=st.sampled_from(
        ["rgb8", "mono8", "uyvy", "yuyv", "bayer_rggb8", "rgba16", "16UC1", "32FC1", "8UC3", "", "\x00", "é"]
    ),
    decode=st.sampled_from([depth_from_image, color_from_image]),
)
def test_any_message_is_decoded_or_refused_and_never_anything_else(
    height, width, step, size, bigendian, encoding, decode
):
    message = SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=bigendian, step=step, data=bytes(size)
    )
    with contextlib.suppress(MessageError):
        assert decode(message).shape[:2] == (height, width)


def test_metres_are_written_untouched():
    depth = np.array([[1.25, np.nan], [0.1, 70.0]], np.float32)
    message = empty_message()
    fill_depth_image(message, depth)
    assert (message.encoding, message.height, message.width, message.step) == ("32FC1", 2, 2, 8)
    assert all(type(v) is int for v in (message.height, message.width, message.step, message.is_bigendian))
    assert message.data.tobytes() == depth.tobytes()


def test_millimetres_are_rounded_saturated_and_zero_where_unknown():
    depth = np.array([[0.0, 1.2346, 1.2344, 65.535, 70.0], [np.nan, np.inf, -np.inf, -1.0, 0.0004]], np.float32)
    np.testing.assert_array_equal(millimetres(depth), [[0, 1235, 1234, 65535, 65535], [0, 0, 0, 0, 0]])
    message = empty_message()
    fill_depth_image(message, depth, "16UC1")
    np.testing.assert_array_equal(depth_from_image(message), millimetres(depth))


def test_a_strided_depth_map_is_written_row_by_row():
    depth = np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2]
    message = empty_message()
    fill_depth_image(message, depth)
    np.testing.assert_array_equal(depth_from_image(message), depth)


def test_unknown_output_encoding_is_refused():
    with pytest.raises(MessageError, match="'8UC1'; expected 32FC1 or 16UC1"):
        fill_depth_image(empty_message(), np.zeros((2, 2), np.float32), "8UC1")


def test_stamp_is_a_python_int_of_nanoseconds():
    message = image(np.zeros((1, 1), np.uint8), "mono8")
    assert stamp_ns(message) == 3_000_000_005
    assert type(stamp_ns(message)) is int


def test_filled_message_can_be_published_and_read_back_by_the_real_type():
    msgs = pytest.importorskip("sensor_msgs.msg")
    message = msgs.Image()
    depth = RNG.normal(2.0, 0.1, (4, 5)).astype(np.float32)
    fill_depth_image(message, depth)
    rclpy_serialization = pytest.importorskip("rclpy.serialization")
    again = rclpy_serialization.deserialize_message(rclpy_serialization.serialize_message(message), msgs.Image)
    np.testing.assert_array_equal(depth_from_image(again), depth)


def test_opencv_is_the_version_whose_codes_are_relied_upon():
    assert int(cv2.__version__.split(".")[0]) == 4
