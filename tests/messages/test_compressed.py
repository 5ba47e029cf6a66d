"""Compressed colour and depth: decoded exactly, and refused before decoding where the size or the data is
wrong."""

import contextlib
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.compressed import color_from_compressed, depth_from_compressed

RNG = np.random.default_rng(3)


def compressed(data, format_field):
    return SimpleNamespace(header=None, format=format_field, data=bytes(data))


def smooth_rgb(height=40, width=60):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 6, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def encode(suffix, pixels):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def png_claiming(width, height):
    """A well-formed PNG header of any size, with hardly any data behind it."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + end


def rvl_encode(depth):
    """RVL written from the paper's description, number by number."""
    nibbles = []

    def put(value):
        while True:
            nibble = value & 7
            value >>= 3
            nibbles.append(nibble | (8 if value else 0))
            if not value:
                return

    flat, at, previous = depth.reshape(-1).astype(int), 0, 0
    while at < flat.size:
        zeros = at
        while at < flat.size and flat[at] == 0:
            at += 1
        put(at - zeros)
        run = at
        while run < flat.size and flat[run] != 0:
            run += 1
        put(run - at)
        for value in flat[at:run]:
            delta = value - previous
            put((delta << 1) ^ (delta >> 31))
            previous = value
        at = run
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack(f"<ii{len(words)}I", depth.shape[1], depth.shape[0], *words)


HEADER = struct.pack("<iff", 0, 0.0, 0.0)


def depth_mm(height=12, width=17):
    depth = RNG.integers(400, 9000, (height, width)).astype(np.uint16)
    depth[RNG.random(depth.shape) < 0.3] = 0
    return depth


@pytest.mark.parametrize("format_field", ["rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "png"])
def test_png_color_is_lossless_whatever_the_original_order(format_field):
    rgb = smooth_rgb()
    message = compressed(encode(".png", rgb[..., ::-1]), format_field)
    np.testing.assert_array_equal(color_from_compressed(message), rgb)


def test_data_stored_in_rgb_order_is_not_swapped_again():
    rgb = smooth_rgb()
    message = compressed(encode(".png", rgb), "rgb8; png compressed rgb8")
    np.testing.assert_array_equal(color_from_compressed(message), rgb)


def test_jpeg_color_is_close():
    rgb = smooth_rgb()
    message = compressed(encode(".jpg", rgb[..., ::-1]), "rgb8; jpeg compressed bgr8")
    assert np.abs(color_from_compressed(message).astype(int) - rgb).mean() < 4


def test_gray_jpeg_becomes_three_equal_channels():
    gray = smooth_rgb()[..., 0]
    rgb = color_from_compressed(compressed(encode(".jpg", gray), "mono8; jpeg compressed "))
    assert rgb.shape == (40, 60, 3)
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_cut_off_color_is_refused_instead_of_half_grey(suffix, keep):
    noise = RNG.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = encode(suffix, noise)
    with pytest.raises(MessageError, match="truncated data"):
        color_from_compressed(compressed(data[: int(len(data) * keep)], "jpeg"))


@pytest.mark.parametrize("decode", [color_from_compressed, depth_from_compressed])
def test_decompression_bomb_is_refused_by_its_header(decode):
    bomb = png_claiming(60000, 60000)
    data, fmt = (bomb, "png") if decode is color_from_compressed else (HEADER + bomb, "16UC1; compressedDepth png")
    with pytest.raises(MessageError, match="claims 60000 x 60000 pixels"):
        decode(compressed(data, fmt))


def test_other_containers_are_refused_by_their_first_bytes():
    with pytest.raises(MessageError, match=r"begins with 424d.*expected JPEG or PNG"):
        color_from_compressed(compressed(encode(".bmp", smooth_rgb()), "bgr8; jpeg compressed bgr8"))
    with pytest.raises(MessageError, match="begins with nothing"):
        color_from_compressed(compressed(b"", "jpeg"))


@pytest.mark.parametrize("format_field", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_millimetres_come_back_exactly(format_field):
    depth = depth_mm()
    out = depth_from_compressed(compressed(HEADER + encode(".png", depth), format_field))
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out, depth)


@pytest.mark.parametrize("shape", [(12, 17), (1, 1), (3, 8)])
@pytest.mark.parametrize("fill", ["mixed", "zeros", "full", "extreme"])
def test_rvl_comes_back_exactly(shape, fill):
    depth = depth_mm(*shape)
    if fill == "zeros":
        depth[:] = 0
    elif fill == "full":
        depth[depth == 0] = 500
    elif fill == "extreme":
        depth[:] = np.where(RNG.random(shape) < 0.5, 1, 65535)
    message = compressed(HEADER + rvl_encode(depth), "16UC1; compressedDepth rvl")
    np.testing.assert_array_equal(depth_from_compressed(message), depth)


def test_inverse_depth_comes_back_within_its_quantisation():
    depth = RNG.uniform(0.5, 9.0, (10, 12)).astype(np.float32)
    depth[0, 0] = np.nan
    quant_a = 100.0 * 101.0
    quant_b = 1.0 - quant_a / 10.0
    stored = np.where(np.isfinite(depth), quant_a / depth + quant_b, 0).astype(np.uint16)
    header = struct.pack("<iff", 0, quant_a, quant_b)
    message = compressed(header + encode(".png", stored), "32FC1; compressedDepth png")
    out = depth_from_compressed(message)
    assert out.dtype == np.float32
    assert np.isnan(out[0, 0])
    np.testing.assert_allclose(out[depth == depth], depth[depth == depth], rtol=0.02)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (compressed(b"", "jpeg"), r"format 'jpeg'; expected '16UC1; compressedDepth png'"),
        (compressed(b"1234", "16UC1; compressedDepth png"), r"truncated data: .*4 bytes"),
        (compressed(HEADER + b"zz", "16UC1; compressedDepth png"), r"begins with 7a7a; expected JPEG or PNG"),
        (
            compressed(HEADER + encode(".png", smooth_rgb()), "16UC1; compressedDepth png"),
            r"holds uint8 .*expected one channel of 16 bits",
        ),
        (
            compressed(HEADER + encode(".png", depth_mm()), "32FC1; compressedDepth png"),
            r"quantisation a = 0, .*expected finite values, a > 0",
        ),
        (compressed(HEADER + b"\0\0\0", "16UC1; compressedDepth rvl"), r"truncated data: RVL"),
        (
            compressed(HEADER + struct.pack("<ii", 1 << 20, 1 << 20), "16UC1; compressedDepth rvl"),
            r"RVL depth claims 1048576 x 1048576",
        ),
        (
            compressed(HEADER + struct.pack("<ii", -5, 7), "16UC1; compressedDepth rvl"),
            r"RVL depth claims -5 x 7",
        ),
        (
            compressed(HEADER + rvl_encode(depth_mm())[:-24], "16UC1; compressedDepth rvl"),
            r"RVL depth (ends|has runs)|truncated",
        ),
    ],
)
def test_malformed_compressed_depth_is_refused(message, says):
    with pytest.raises(MessageError, match=says):
        depth_from_compressed(message)


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", HEADER, HEADER + struct.pack("<ii", 5, 4)]),
    format_field=st.sampled_from(
        [
            "jpeg",
            ";",
            "\0",
            "rgb8; png compressed bgr8",
            "16UC1; compressedDepth png",
            "16UC1; compressedDepth rvl",
            "32FC1; compressedDepth rvl",
        ]
    ),
    decode=st.sampled_from([color_from_compressed, depth_from_compressed]),
)
def test_any_bytes_are_decoded_or_refused_and_never_anything_else(data, start, format_field, decode):
    with contextlib.suppress(MessageError):
        assert decode(compressed(start + data, format_field)).ndim in (2, 3)


@settings(max_examples=150, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=8))
def test_damaged_files_are_decoded_or_refused(flips):
    for suffix, decode, prefix, fmt in (
        (".png", color_from_compressed, b"", "png"),
        (".jpg", color_from_compressed, b"", "jpeg"),
        (".png", depth_from_compressed, HEADER, "16UC1; compressedDepth png"),
    ):
        pixels = depth_mm() if prefix else smooth_rgb()
        data = bytearray(prefix + encode(suffix, pixels))
        for at, flip in flips:
            data[at % len(data)] ^= flip
        with contextlib.suppress(MessageError):
            decode(compressed(data, fmt))
