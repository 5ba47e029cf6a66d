"""sensor_msgs/CompressedImage -> NumPy: JPEG and PNG colour, compressedDepth (PNG or RVL).

Owns the container formats and their limits: an image's size is read from its own header and checked before
anything is decoded, so that a small message cannot ask for gigabytes. Works on any object with `format` and
`data`: no ROS import.
"""

from __future__ import annotations

import struct
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.messages.image import MAX_PIXELS, MalformedMessageError

__all__ = ["CompressedLike", "color_from_compressed", "depth_from_compressed"]

_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC: Final = b"\xff\xd8\xff"
_JPEG_SIZED: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_CONFIG_HEADER: Final = struct.Struct("<iff")
_RVL_HEADER: Final = struct.Struct("<ii")
_TAIL_BYTES: Final = 1024


class CompressedLike(Protocol):
    """What is read from a sensor_msgs/CompressedImage."""

    header: Any
    format: str
    data: Any


def color_from_compressed(message: CompressedLike) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG colour image.

    Channel order follows compressed_image_transport: data is in BGR order unless `format` names an original
    colour encoding without "compressed bgr". EXIF rotation is ignored: pixels stay where the camera
    calibration says.

    Args:
        message: A CompressedImage holding JPEG or PNG.

    Returns:
        Colour, [H, W, 3] uint8, RGB.

    Raises:
        MalformedMessageError: Neither JPEG nor PNG, too large, cut off, or not decodable.
    """
    data = bytes(message.data)
    _check_container(data, message.format, "compressed colour image")
    bgr = _decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, message.format)
    original, _, rest = message.format.partition(";")
    stored_as_rgb = bool(rest) and original.strip()[:3] in ("rgb", "bgr") and "compressed bgr" not in rest
    return bgr if stored_as_rgb else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def depth_from_compressed(message: CompressedLike) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Decode image_transport's compressedDepth.

    The payload follows a 12-byte header (int32 format, float32 a, float32 b). 16UC1 is stored as it is; 32FC1
    as inverse depth, depth = a / (stored - b), 0 = unknown.

    Args:
        message: A CompressedImage whose `format` is like "16UC1; compressedDepth png" ("png" may be missing,
            "rvl" is the other codec).

    Returns:
        Depth, [h, w] uint16 millimetres or float32 metres (NaN unknown).

    Raises:
        MalformedMessageError: Another format, too large, cut off, or not decodable.
    """
    encoding, _, transport = (part.strip() for part in message.format.partition(";"))
    if "compressedDepth" not in transport or encoding not in ("16UC1", "mono16", "32FC1"):
        raise MalformedMessageError(
            "unknown_encoding",
            f"compressed depth has format {message.format!r}; expected '16UC1; compressedDepth png' or the like (16UC1 "
            "or 32FC1; png or rvl). Subscribe to the camera's .../compressedDepth topic; .../compressed is for colour.",
        )
    data = bytes(message.data)
    if len(data) <= _CONFIG_HEADER.size:
        raise MalformedMessageError(
            "truncated_data",
            f"truncated data: compressed depth has {len(data)} bytes; expected a {_CONFIG_HEADER.size}-byte "
            "header and an image. Check the publisher.",
        )
    _, quant_a, quant_b = _CONFIG_HEADER.unpack_from(data)
    payload = data[_CONFIG_HEADER.size :]
    if transport.split()[-1] == "rvl":
        stored = _decode_rvl(payload)
    else:
        _check_container(payload, message.format, "compressed depth image")
        stored = _decode(payload, cv2.IMREAD_UNCHANGED, message.format)
        if stored.ndim != 2 or stored.dtype != np.uint16:
            raise MalformedMessageError(
                "unknown_encoding",
                f"compressed depth holds {stored.dtype} of shape {stored.shape}; expected one channel of 16 "
                "bits. Subscribe to a compressedDepth topic.",
            )
    return stored if encoding != "32FC1" else _from_inverse_depth(stored, quant_a, quant_b)


def _from_inverse_depth(stored: NDArray[np.uint16], quant_a: float, quant_b: float) -> NDArray[np.float32]:
    """Undo compressedDepth's quantisation, in float32 as compressed_depth_image_transport does."""
    if not (np.isfinite(quant_a) and np.isfinite(quant_b)) or quant_a <= 0.0:
        raise MalformedMessageError(
            "bad_quantisation",
            f"compressed depth has quantisation a = {quant_a:g}, b = {quant_b:g}; expected finite values, a "
            "> 0. Check the publisher's compressedDepth parameters (depth_max, depth_quantization).",
        )
    with np.errstate(divide="ignore"):
        depth = np.float32(quant_a) / (stored.astype(np.float32) - np.float32(quant_b))
    depth[stored == 0] = np.nan
    return np.asarray(depth, dtype=np.float32)


def _check_container(data: bytes, format_field: str, what: str) -> None:
    """Refuse what is not a whole JPEG or PNG of bearable size, before any decoding."""
    if data.startswith(_PNG_MAGIC):
        size, whole = _png_size(data), b"IEND" in data[-_TAIL_BYTES:]
    elif data.startswith(_JPEG_MAGIC):
        size, whole = _jpeg_size(data), b"\xff\xd9" in data[-_TAIL_BYTES:]
    else:
        raise MalformedMessageError(
            "unknown_encoding",
            f"{what} with format {format_field!r} begins with {data[:4].hex() or 'nothing'}; expected JPEG "
            "or PNG. Set the publisher's image_transport to jpeg or png.",
        )
    if size is None or not whole:
        raise MalformedMessageError(
            "truncated_data",
            f"truncated data: {what} ({format_field!r}) of {len(data)} bytes is cut off; expected a whole "
            "file. Check the link's bandwidth and the publisher.",
        )
    if size[0] <= 0 or size[1] <= 0 or size[0] * size[1] > MAX_PIXELS:
        raise MalformedMessageError(
            "too_large",
            f"{what} claims {size[0]} x {size[1]} pixels; expected between 1 and {MAX_PIXELS} in all. "
            "Refused before decoding; check the publisher.",
        )


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a PNG's first chunk."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a JPEG's first frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _JPEG_SIZED:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _decode(data: bytes, flags: int, format_field: str) -> NDArray[Any]:
    """Let OpenCV decode a checked container."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise MalformedMessageError(
            "undecodable", f"compressed image ({format_field!r}) cannot be decoded: {error}. Check the publisher."
        ) from error
    if image is None:
        raise MalformedMessageError(
            "undecodable",
            f"compressed image ({format_field!r}) of {len(data)} bytes cannot be decoded; expected a sound "
            "JPEG or PNG. Check the link and the publisher.",
        )
    return np.asarray(image)


def _decode_rvl(payload: bytes) -> NDArray[np.uint16]:
    """Decode RVL (Wilson, "Fast Lossless Depth Image Compression", ISS 2017).

    A stream of numbers, each in 4-bit groups of three value bits and one continuation bit, top group of each
    32-bit word first: pairs of run lengths (zeros, then non-zeros), each followed by the non-zeros as zig-zag
    differences.
    """
    if len(payload) < _RVL_HEADER.size:
        raise MalformedMessageError(
            "truncated_data", f"truncated data: RVL depth of {len(payload)} bytes; expected a size and runs."
        )
    width, height = _RVL_HEADER.unpack_from(payload)
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise MalformedMessageError(
            "too_large",
            f"RVL depth claims {width} x {height} pixels; expected between 1 and {MAX_PIXELS} in all. Check "
            "the publisher.",
        )
    numbers = _rvl_numbers(payload[_RVL_HEADER.size :])
    flat = np.zeros(width * height, np.uint16)
    at, taken, previous = 0, 0, 0
    while at < flat.size:
        if taken + 2 > numbers.size:
            raise MalformedMessageError(
                "truncated_data", f"truncated data: RVL depth ends at pixel {at} of {flat.size}. Check the link."
            )
        at += int(numbers[taken])
        run = int(numbers[taken + 1])
        taken += 2
        if (run == 0 and at < flat.size) or at + run > flat.size or taken + run > numbers.size:
            raise MalformedMessageError(
                "undecodable", f"RVL depth has runs that do not fit its {width} x {height} pixels. Check the publisher."
            )
        if run:
            coded = numbers[taken : taken + run]
            values = previous + np.cumsum((coded >> 1) ^ -(coded & 1))
            flat[at : at + run] = values.astype(np.uint16)
            previous = int(values[-1])
        at, taken = at + run, taken + run
    return flat.reshape(height, width)


def _rvl_numbers(data: bytes) -> NDArray[np.int64]:
    """All variable-length numbers of an RVL stream (the padding at its end may add zeros)."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    shifts = np.arange(28, -1, -4, dtype=np.uint32)
    nibbles = ((words[:, None] >> shifts) & 15).reshape(-1).astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if ends.size == 0:
        return np.zeros(0, np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    nibbles = nibbles[: ends[-1] + 1]
    if int((ends - starts).max()) > 10:
        raise MalformedMessageError(
            "undecodable", "RVL depth holds a number of more than 33 bits; the stream is damaged. Check the link."
        )
    place = np.arange(nibbles.size) - np.repeat(starts, ends - starts + 1)
    return np.asarray(np.add.reduceat((nibbles & 7) << (3 * place), starts))
