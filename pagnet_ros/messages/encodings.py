"""Which encodings of `sensor_msgs/image_encodings` are read, and what each of them shows.

The one list that the decoder, the search for topics in bags and the advice in messages share. REP 118 says what depth
is; an encoding that names no order of channels ("8UC3") is read as cv_bridge writes it, blue first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import cv2
import numpy as np

from pagnet_ros.errors import MessageError

Role = Literal["depth", "color", "either", ""]


class Layout(NamedTuple):
    """How one encoding lies in memory.

    Attributes:
        dtype: One sample.
        channels: Samples per pixel.
        to_rgb: OpenCV's conversion to RGB; None where there is nothing to convert.
        even: Whether two pixels in a row share their colour, so that the width must be even.
        planar: Whether a half-size plane of colour follows the plane of brightness (YUV 4:2:0).
    """

    dtype: type[np.generic]
    channels: int
    to_rgb: int | None = None
    even: bool = False
    planar: bool = False


_UYVY: Final = Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY, even=True)
_YUYV: Final = Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2, even=True)

COLOR: Final[dict[str, Layout]] = {
    "rgb8": Layout(np.uint8, 3),
    "bgr8": Layout(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "rgba8": Layout(np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": Layout(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "mono8": Layout(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": Layout(np.uint16, 3),
    "bgr16": Layout(np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba16": Layout(np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": Layout(np.uint16, 4, cv2.COLOR_BGRA2RGB),
    "mono16": Layout(np.uint16, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": Layout(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": Layout(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "8UC4": Layout(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "uyvy": _UYVY,
    "yuv422": _UYVY,
    "yuyv": _YUYV,
    "yuv422_yuy2": _YUYV,
    "nv12": Layout(np.uint8, 1, cv2.COLOR_YUV2RGB_NV12, even=True, planar=True),
    "nv21": Layout(np.uint8, 1, cv2.COLOR_YUV2RGB_NV21, even=True, planar=True),
    **{
        f"bayer_{order}{bits}": Layout(dtype, 1, code)
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
        for order, code in (
            ("rggb", cv2.COLOR_BayerBG2RGB),
            ("bggr", cv2.COLOR_BayerRG2RGB),
            ("gbrg", cv2.COLOR_BayerGR2RGB),
            ("grbg", cv2.COLOR_BayerGB2RGB),
        )
    },
}
DEPTH: Final[dict[str, Layout]] = {
    "16UC1": Layout(np.uint16, 1),
    "mono16": Layout(np.uint16, 1),
    "32FC1": Layout(np.float32, 1),
}
UNORDERED: Final = frozenset({"8UC3", "8UC4"})
"""Colour encodings that leave open which channel comes first."""


def role_of(encoding: str) -> Role:
    """What an image of an encoding shows: "depth", "color", "either" (16 grey bits), or "" where it cannot be read."""
    if encoding in COLOR:
        return "either" if encoding in DEPTH else "color"
    return "depth" if encoding in DEPTH else ""


@dataclass
class YuvPlane:
    """An image of YUV 4:2:0 as one plane of bytes: the rows of brightness, then those of colour."""

    height: int
    width: int
    step: int
    data: Any
    encoding: str
    is_bigendian: int = 0
    header: Any = None


def with_color_plane(message: Any) -> YuvPlane:
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
    return YuvPlane(rows, int(message.width), step, message.data, message.encoding)
