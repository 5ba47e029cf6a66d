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
from pagnet_ros.messages.compressed import color_from_compressed, compressed_role, depth_from_compressed

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
    noise = RNG.integers(0, 255, (128, 128, 3)).astype(np.uint8)
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


def chunk(kind, data, claimed=None):
    length = len(data) if claimed is None else claimed
    return struct.pack(">I", length) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, size=(24, 16), bits=8, colour=2):
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + b"".join(chunks) + chunk(b"IEND", b"")


ROWS = zlib.compress(b"".join(b"\1" + bytes(range(72)) for _ in range(16)))


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"zTXt", b"iCCP", b"eXIf", b"PLTE", b"zzzz"])
@pytest.mark.parametrize("claimed", [100, 2**20, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("decode", [color_from_compressed, depth_from_compressed])
def test_a_png_chunk_longer_than_its_message_is_refused_before_decoding(kind, claimed, decode, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would allocate what the chunk claims"))
    depth = decode is depth_from_compressed
    data = png(chunk(kind, b"xxxx", claimed), bits=16 if depth else 8, colour=0 if depth else 2)
    message = compressed((HEADER if depth else b"") + data, "16UC1; compressedDepth png" if depth else "png")
    with pytest.raises(MessageError, match=r"truncated data: .*a PNG chunk claims \d+ bytes"):
        decode(message)


def test_a_png_of_too_few_bytes_for_its_size_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would allocate the claimed size"))
    with pytest.raises(MessageError, match="packed bytes cannot hold 8000 x 8000 pixels"):
        color_from_compressed(compressed(png(chunk(b"IDAT", ROWS), size=(8000, 8000)), "png"))


def test_texts_profiles_and_animation_do_not_reach_the_decoder():
    more = [chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(10**6))), chunk(b"acTL", struct.pack(">II", 2, 0))]
    frame = struct.pack(">IIIIIHHBB", 0, 8000, 8000, 0, 0, 1, 10, 0, 0)
    animated = png(*more, chunk(b"fcTL", frame), chunk(b"IDAT", ROWS), chunk(b"fdAT", b"\0\0\0\1" + ROWS))
    plain = png(chunk(b"IDAT", ROWS))
    np.testing.assert_array_equal(
        color_from_compressed(compressed(animated, "png")), color_from_compressed(compressed(plain, "png"))
    )


def test_a_png_whose_data_unpacks_without_end_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would unpack gigabytes"))
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    with pytest.raises(MessageError, match="unpacks to more than"):
        color_from_compressed(compressed(png(chunk(b"IDAT", start + again * 1100)), "png"))


def test_a_large_png_is_read_whole():
    rgb = np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8)
    data = encode(".png", rgb[..., ::-1])
    assert len(data) > 1 << 20  # so much could unpack to gigabytes
    np.testing.assert_array_equal(color_from_compressed(compressed(data, "png")), rgb)


def segment(marker, payload):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def frame_header(width, height, marker=0xC0):
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))


def jpeg_segments():
    """(everything before the frame header's place, the scan) of a small grey JPEG."""
    data, at, tables = encode(".jpg", np.zeros((16, 16), np.uint8)), 2, b""
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        tables += data[at:end] if data[at + 1] in (0xDB, 0xC4) else b""
        at = end
    return tables, data[at:]


def hidden_jpegs():
    tables, scan = jpeg_segments()
    big, small = frame_header(16000, 16000), frame_header(64, 48)
    comment = b"\xff\xfe" + struct.pack(">H", len(small) + 2)
    skipped = b"\xff\x00" + struct.pack(">H", len(tables + big) + 2 + len(comment))
    yield "behind a stuffed byte", b"\xff\xd8" + skipped + tables + big + comment + small + scan
    yield "behind rubbish", b"\xff\xd8\xff\xfe\0\2rubbish" + tables + big + scan
    yield "behind fill bytes", b"\xff\xd8" + b"\xff" * 50 + tables + big + scan
    yield "as a second one", b"\xff\xd8" + tables + small + big + scan
    yield "in front", b"\xff\xd8" + tables + big + small + scan
    yield "behind the scan", b"\xff\xd8" + tables + small + scan[:-2] + big + scan


@pytest.mark.parametrize(
    ("where", "data"), list(hidden_jpegs()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_jpegs_true_frame_header_is_found_wherever_it_hides(where, data, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would allocate 16000 x 16000"))
    with pytest.raises(MessageError, match=r"claims 16000 x 16000|two frame headers"):
        color_from_compressed(compressed(data, "jpeg"))


def test_a_jpeg_of_hundreds_of_scans_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would go over the image for each scan"))
    scan = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + b"\0\0"
    for size, scans in (((4000, 4000), 40), ((16, 16), 400)):
        data = b"\xff\xd8" + frame_header(*size, marker=0xC2) + scan * scans + b"\xff\xd9"
        with pytest.raises(MessageError, match="scans or more, too many for its size"):
            color_from_compressed(compressed(data, "jpeg"))


@pytest.mark.parametrize("part", [segment(0xFE, b""), b"\xff\x01"], ids=["comments", "bare markers"])
def test_a_jpeg_of_a_million_segments_is_refused_soon(part, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder would go over all of them again"))
    data = encode(".jpg", smooth_rgb())
    with pytest.raises(MessageError, match="more than 65536 segments"):
        color_from_compressed(compressed(data[:2] + part * 1_000_000 + data[2:], "jpeg"))


@pytest.mark.parametrize("flags", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 4], []])
def test_progressive_and_restarted_jpegs_are_read(flags):
    rgb = smooth_rgb()
    data = cv2.imencode(".jpg", rgb[..., ::-1], flags)[1].tobytes()
    out = color_from_compressed(compressed(data, "jpeg"))
    np.testing.assert_array_equal(out, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


JPEGS = {
    "420": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420],
    "444": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    "restarted": [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "grey": [],
}


def jpeg_of(kind, image):
    """A JPEG as a camera may send it."""
    return cv2.imencode(".jpg", image[..., 0] if kind == "grey" else image, JPEGS[kind])[1].tobytes()


@pytest.mark.parametrize("after", [b"", b"\xff", bytes(1000)], ids=["nothing", "half a marker", "an empty buffer"])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(kind, after):
    for seed in range(20):  # some end with a byte that JPEG writes as two
        data = jpeg_of(kind, cv2.resize(np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8), (61, 45)))
        whole = color_from_compressed(compressed(data, "jpeg"))
        np.testing.assert_array_equal(color_from_compressed(compressed(data[:-2] + after, "jpeg")), whole)


@pytest.mark.parametrize("after", [b"", b"\xff\xd9", bytes(1000)], ids=["nothing", "an end marker", "an empty buffer"])
@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("content", ["noise", "black", "grey"])
def test_a_jpeg_without_its_lower_part_is_refused_whatever_follows(content, kind, after):
    image = RNG.integers(0, 255, (128, 96, 3)).astype(np.uint8)
    image[:64] = {"noise": image[:64], "black": 0, "grey": 128}[content]
    data = jpeg_of(kind, image)
    for keep in (0.7, 0.9):
        with pytest.raises(MessageError, match="truncated data"):
            color_from_compressed(compressed(data[: int(len(data) * keep)] + after, "jpeg"))


def test_a_jpeg_that_is_grey_in_its_corner_is_whole():
    image = smooth_rgb()
    image[-16:, -16:] = 128
    assert color_from_compressed(compressed(encode(".jpg", image), "jpeg")).shape == image.shape


def test_a_progressive_jpeg_without_its_end_marker_may_lack_a_scan():
    data = cv2.imencode(".jpg", smooth_rgb(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    with pytest.raises(MessageError, match="the JPEG has no end"):
        color_from_compressed(compressed(data[:-2], "jpeg"))


def test_an_image_that_is_decoded_at_another_size_than_checked_is_refused(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(MessageError, match="decoded as 9 x 9 pixels; expected the 60 x 40"):
        color_from_compressed(compressed(encode(".png", smooth_rgb()), "png"))


@pytest.mark.parametrize(
    "format_field", ["16UC1; png compressed ", "16UC1; png compressed", "mono16; png compressed", "png"]
)
def test_a_plain_16_bit_png_is_depth(format_field):
    depth = depth_mm()
    message = compressed(encode(".png", depth), format_field)
    np.testing.assert_array_equal(depth_from_compressed(message), depth)
    assert compressed_role(message) == ("either" if "mono16" in format_field else "depth")


@pytest.mark.parametrize("format_field", ["16UC1; png compressed ", "32FC1; compressedDepth png", "png"])
def test_depth_on_the_colour_topic_is_refused_by_name(format_field):
    with pytest.raises(MessageError, match=r"holds depth; .*topics swapped"):
        color_from_compressed(compressed(encode(".png", depth_mm()), format_field))


def test_depth_in_a_jpeg_is_refused_because_it_lost_its_bits():
    message = compressed(encode(".jpg", smooth_rgb()), "16UC1; jpeg compressed ")
    with pytest.raises(MessageError, match="JPEG has lost the bits of depth"):
        depth_from_compressed(message)
    assert compressed_role(message) == ""


def test_a_16_bit_grey_camera_is_colour():
    grey = (smooth_rgb()[..., 0].astype(np.uint16)) << 8
    rgb = color_from_compressed(compressed(encode(".png", grey), "mono16; png compressed "))
    np.testing.assert_array_equal(rgb[..., 1], grey >> 8)


@pytest.mark.parametrize("decode", [color_from_compressed, depth_from_compressed])
@pytest.mark.parametrize("text", ["x" * 10_000, "16UC1; png\n[ERROR] all is lost", "\u202e; compressedDepth \x1b[2J"])
def test_a_hostile_format_stays_one_short_printable_line(decode, text):
    with pytest.raises(MessageError) as told:
        decode(compressed(b"no image", text))
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 700


@pytest.mark.parametrize("format_field", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_millimetres_come_back_exactly(format_field):
    depth = depth_mm()
    out = depth_from_compressed(compressed(HEADER + encode(".png", depth), format_field))
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out, depth)


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
        (
            compressed(HEADER + b"\0\0\0", "16UC1; compressedDepth rvl"),
            r"'16UC1; compressedDepth rvl'\): truncated data: RVL",
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
