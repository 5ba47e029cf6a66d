"""sensor_msgs/Image: serialised bytes to fields, fields to NumPy and back, by REP 118 and sensor_msgs/image_encodings.

What an Image message means: row padding (`step`), byte order and size checks; `encodings` has the list of what is read.
Serialised messages are plain CDR (OMG DDS-XTypes 1.3, 7.4.3): numbers are aligned to their size, counted from behind
the four bytes that name the encoding. rosbags decodes any message; for images this takes a hundredth of its time,
because no pixel is copied. Colour conversion uses OpenCV's codes exactly as cv_bridge does, so results agree with it
bit for bit; an encoding that is not listed is handed to cv_bridge where ROS provides it. Works on any object with the
message's fields: no ROS import.
"""

from __future__ import annotations

import importlib
import struct
import sys
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError, RecordingError, quoted
from pagnet_ros.messages.containers import MAX_PIXELS
from pagnet_ros.messages.encodings import COLOR as _COLOR
from pagnet_ros.messages.encodings import DEPTH as _DEPTH
from pagnet_ros.messages.encodings import role_of, with_color_plane

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
_PLAIN_CDR = (0, 1)  # big and little endian, version 1


class _Stamp(Protocol):
    sec: int
    nanosec: int


class ImageLike(Protocol):
    """What is read from and written to a sensor_msgs/Image."""

    header: Any
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CdrStamp(NamedTuple):
    """builtin_interfaces/Time."""

    sec: int
    nanosec: int


class CdrHeader(NamedTuple):
    """std_msgs/Header."""

    stamp: CdrStamp
    frame_id: str


class CdrImage(NamedTuple):
    """sensor_msgs/Image; `data` is a view of the serialised bytes."""

    header: CdrHeader
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


class CdrCompressedImage(NamedTuple):
    """sensor_msgs/CompressedImage; `data` is a view of the serialised bytes."""

    header: CdrHeader
    format: str
    data: memoryview


def stamp_ns(message: Any) -> int:
    """Header stamp of a message.

    Args:
        message: Any message with a header.

    Returns:
        Nanoseconds since the epoch of the clock that stamped it, a Python int.
    """
    stamp: _Stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def image_from_cdr(raw: bytes, msgtype: str) -> CdrImage | CdrCompressedImage:
    """Read an Image or CompressedImage.

    Args:
        raw: serialised message.
        msgtype: "sensor_msgs/msg/Image" or "sensor_msgs/msg/CompressedImage".

    Raises:
        RecordingError: the bytes do not fit the type, or are not in plain CDR.
    """
    try:
        if raw[1] not in _PLAIN_CDR:
            raise RecordingError(f"an image in encoding {raw[:2].hex()}; expected plain CDR (0000 or 0001)")
        order = "<" if raw[1] else ">"
        sec, nanosec = struct.unpack_from(f"{order}iI", raw, 4)
        frame_id, at = _text(raw, 12, order)
        header = CdrHeader(CdrStamp(sec, nanosec), frame_id)
        if msgtype == COMPRESSED:
            name, at = _text(raw, at, order)
            return CdrCompressedImage(header, name, _data(raw, at, order))
        height, width = struct.unpack_from(f"{order}II", raw, _aligned(at))
        encoding, at = _text(raw, _aligned(at) + 8, order)
        is_bigendian = raw[at]
        at = _aligned(at + 1)
        (step,) = struct.unpack_from(f"{order}I", raw, at)
        return CdrImage(header, height, width, encoding, is_bigendian, step, _data(raw, at + 4, order))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise RecordingError(f"bytes that are no {msgtype} ({error})") from error


def _aligned(at: int) -> int:
    """The next position on a multiple of four; the encoding's four bytes do not change that."""
    return (at + 3) & ~3


def _text(raw: bytes, at: int, order: str) -> tuple[str, int]:
    """A string and the position behind it; its length counts the zero at its end."""
    at = _aligned(at)
    (length,) = struct.unpack_from(f"{order}I", raw, at)
    end = at + 4 + length
    if end > len(raw):
        raise IndexError(f"a text of {length} bytes at {at}")
    return raw[at + 4 : end].rstrip(b"\0").decode(), end


def _data(raw: bytes, at: int, order: str) -> memoryview:
    at = _aligned(at)
    (length,) = struct.unpack_from(f"{order}I", raw, at)
    if at + 4 + length > len(raw):
        raise IndexError(f"data of {length} bytes at {at}, {len(raw)} bytes in all")
    return memoryview(raw)[at + 4 : at + 4 + length]


def pixels_from_image(message: ImageLike, dtype: type[np.generic], channels: int) -> NDArray[Any]:
    """View a message's pixels, padding left out and byte order mended.

    Args:
        message: The Image; `step`, `is_bigendian` and the length of `data` are checked and honoured.
        dtype: Type of one channel.
        channels: Channels per pixel.

    Returns:
        [H, W] or, with several channels, [H, W, C]; shares the message's memory unless the byte order had to
        change. Rows may be padded, so the array need not be contiguous.

    Raises:
        MessageError: Empty image, `step` shorter than a row, or `data` not exactly `step` x `height`
            bytes.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    item = np.dtype(dtype)
    encoding = message.encoding if role_of(message.encoding) else quoted(message.encoding)
    what = f"{encoding} image of {width} x {height}"
    if height <= 0 or width <= 0:
        raise MessageError(
            "empty_image", f"empty image: {what}; expected at least 1 x 1. Check that the camera is streaming."
        )
    if height * width > MAX_PIXELS:
        raise MessageError(
            "too_large", f"{what} is too large; expected at most {MAX_PIXELS} pixels. Check the message's size fields."
        )
    row = width * channels * item.itemsize
    if step < row:
        raise MessageError(
            "wrong_step",
            f"wrong step: {what} says step {step}; expected at least {row} bytes per row ({width} pixels x "
            f"{channels * item.itemsize} bytes). The publisher must set step to its row length.",
        )
    flat = _bytes_of(message.data)
    if flat.size != step * height:
        kind = "truncated data" if flat.size < step * height else "surplus data"
        raise MessageError(
            kind.replace(" ", "_"),
            f"{kind}: {what} has {flat.size} bytes; expected step x height = {step} x {height} = "
            f"{step * height}. The publisher must send whole rows.",
        )
    shape, strides = (height, width, channels), (step, channels * item.itemsize, item.itemsize)
    if item.itemsize > 1:
        item = item.newbyteorder(">" if message.is_bigendian else "<")
    pixels: NDArray[Any] = np.ndarray(shape, item, flat.data, strides=strides)
    if channels == 1:
        pixels = pixels[:, :, 0]
    return pixels if item.isnative else pixels.astype(item.newbyteorder("="))


def depth_from_image(message: ImageLike) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Read a depth image.

    Args:
        message: 16UC1 or mono16 (millimetres, 0 invalid) or 32FC1 (metres, non-finite or 0 invalid).

    Returns:
        Depth, [h, w] uint16 or float32, C-contiguous, values untouched.

    Raises:
        MessageError: Another encoding, or a malformed message.
    """
    layout = _DEPTH.get(message.encoding)
    if layout is None:
        swapped = " This is a colour encoding: are the depth and colour topics swapped?"
        hint = swapped if message.encoding in _COLOR else ""
        raise MessageError(
            "unknown_encoding",
            f"unknown depth encoding {quoted(message.encoding)}; expected one of {', '.join(_DEPTH)} (REP 118).{hint} "
            "Set the camera driver to publish 16UC1 millimetres or 32FC1 metres.",
        )
    return np.ascontiguousarray(pixels_from_image(message, layout.dtype, 1))


def color_from_image(message: ImageLike) -> NDArray[np.uint8]:
    """Read a colour image as RGB.

    Args:
        message: Of an encoding in `encodings.COLOR`: rgb8, bgr8, rgba8, bgra8, mono8, their 16-bit forms, OpenCV's
            8UC1, 8UC3 and 8UC4 (blue first), the yuv422 family, nv12, nv21 or a Bayer pattern.

    Returns:
        Colour, [H, W, 3] uint8, RGB, C-contiguous; equals cv_bridge's `imgmsg_to_cv2(message, "rgb8")`.

    Raises:
        MessageError: Another encoding that cv_bridge cannot convert either, or a malformed message.
    """
    layout = _COLOR.get(message.encoding)
    if layout is None:
        return _color_by_cv_bridge(message)
    if layout.even and message.width % 2:
        raise MessageError(
            "odd_width",
            f"{message.encoding} image of odd width {message.width}; expected an even width (two pixels "
            "share their colour). Crop the image to an even width.",
        )
    source = with_color_plane(message) if layout.planar else message
    pixels = np.ascontiguousarray(pixels_from_image(source, layout.dtype, layout.channels))
    if layout.to_rgb is not None:
        try:
            pixels = cv2.cvtColor(pixels, layout.to_rgb)
        except cv2.error as error:
            raise MessageError(
                "undecodable",
                f"{message.encoding} image of {message.width} x {message.height} cannot be converted to "
                f"RGB: {str(error).strip()}. Set the camera driver to publish rgb8.",
            ) from error
    if pixels.dtype == np.uint16:
        # As cv_bridge does; 255/65535 never lands on a tie, so every rounding rule agrees.
        pixels = cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)
    return pixels


def fill_depth_image(message: Any, depth_m: NDArray[np.float32], encoding: str = "32FC1") -> None:
    """Write a depth map into a fresh Image message; the header is the caller's.

    Args:
        message: A new sensor_msgs/Image (its `data` is empty).
        depth_m: [H, W] float32, metres, NaN where unknown.
        encoding: "32FC1" (metres, NaN kept) or "16UC1" (millimetres rounded half to even; unknown and
            negative become 0, what is beyond 65.535 m becomes 65535).

    Raises:
        MessageError: Another encoding.
    """
    if encoding == "32FC1":
        pixels: NDArray[Any] = np.asarray(depth_m, dtype=np.float32)
    elif encoding == "16UC1":
        pixels = millimetres(depth_m)
    else:
        raise MessageError("unknown_encoding", f"unknown output encoding {encoding!r}; expected 32FC1 or 16UC1.")
    fill_image(message, pixels, encoding)


def fill_image(message: Any, pixels: NDArray[Any], encoding: str) -> None:
    """Write ``[H, W]`` or ``[H, W, C]`` of an encoding into a fresh Image message; the header is the caller's."""
    pixels = np.ascontiguousarray(pixels)
    message.height, message.width = (int(side) for side in pixels.shape[:2])
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = int(pixels.strides[0])
    # `data = ...` would copy twice, and element by element for anything but an array('B').
    message.data.frombytes(pixels.reshape(-1).view(np.uint8).data)


def millimetres(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth in metres as 16-bit millimetres.

    Args:
        depth_m: [H, W] float32, metres; non-finite is unknown (+inf too: it is no measurement).

    Returns:
        [H, W] uint16, millimetres; 0 where unknown, saturated at 65535.
    """
    scaled = np.rint(depth_m * np.float32(1000.0))
    scaled[~np.isfinite(depth_m)] = 0.0
    return np.asarray(np.clip(scaled, 0.0, 65535.0, out=scaled).astype(np.uint16))


def _bytes_of(data: Any) -> NDArray[np.uint8]:
    """A message's `data` field as a flat byte array, without copying."""
    if isinstance(data, (list, tuple)):
        return np.asarray(data, dtype=np.uint8)
    return np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)


def _color_by_cv_bridge(message: ImageLike) -> NDArray[np.uint8]:
    """Convert an encoding that is not in the table, where cv_bridge is there to do it."""
    refusal = f"unknown colour encoding {quoted(message.encoding)}; expected one of {', '.join(_COLOR)}"
    if message.encoding in _DEPTH:
        refusal += ". This is a depth encoding: are the depth and colour topics swapped?"
    if not 0 < message.width <= message.step or not 0 < message.step * message.height <= len(message.data):
        raise MessageError(
            "truncated_data",
            f"{refusal}. Its {len(message.data)} bytes do not hold {message.height} rows of {message.step} "
            "bytes either.",
        )
    try:
        bridge = importlib.import_module("cv_bridge").CvBridge()
    except Exception as error:
        raise MessageError("unknown_encoding", f"{refusal}. Set the camera driver to publish rgb8.") from error
    try:
        pixels = bridge.imgmsg_to_cv2(message, desired_encoding="rgb8")
    except Exception as error:
        raise MessageError(
            "unknown_encoding", f"{refusal}; cv_bridge refuses it too: {quoted(str(error))}. Publish rgb8 instead."
        ) from error
    return np.ascontiguousarray(pixels, dtype=np.uint8)
