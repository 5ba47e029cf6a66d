"""sensor_msgs/Image <-> NumPy, by REP 118 and `sensor_msgs/image_encodings`.

What an Image message means: row padding (`step`), byte order and size checks; `encodings` has the list of what is read.
Messages come in, arrays that share their memory where possible go out, and depth arrays are written back into messages.
Colour conversion uses OpenCV's codes exactly as cv_bridge does, so results agree with it bit for bit; an encoding that
is not listed here is handed to cv_bridge where ROS provides it. Works on any object with the message's fields: no ROS
import.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError, quoted
from pagnet_ros.messages.containers import MAX_PIXELS
from pagnet_ros.messages.encodings import COLOR as _COLOR
from pagnet_ros.messages.encodings import DEPTH as _DEPTH
from pagnet_ros.messages.encodings import role_of


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


def stamp_ns(message: Any) -> int:
    """Header stamp of a message.

    Args:
        message: Any message with a header.

    Returns:
        Nanoseconds since the epoch of the clock that stamped it, a Python int.
    """
    stamp: _Stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


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
    source = _with_color_plane(message) if layout.planar else message
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


@dataclass
class _Planes:
    """An image of YUV 4:2:0 as one plane of bytes: the rows of brightness, then those of colour."""

    height: int
    width: int
    step: int
    data: Any
    encoding: str
    is_bigendian: int = 0
    header: Any = None


def _with_color_plane(message: ImageLike) -> _Planes:
    """All rows of an nv12 or nv21 image; its `height` may count those of brightness only, or the colour's too.

    Raises:
        MessageError: The rows do not make up both planes.
    """
    height, step = int(message.height), int(message.step)
    rows = len(message.data) // step if step > 0 else 0
    if not (rows == height and height % 3 == 0) and 2 * rows != 3 * height:
        raise MessageError(
            "truncated_data",
            f"{message.encoding} image of {message.width} x {height} has {rows} rows of {step} bytes; expected "
            f"{height} rows of brightness and half as many of colour. The publisher must send both planes.",
        )
    return _Planes(rows, int(message.width), step, message.data, message.encoding)


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
