"""sensor_msgs/CompressedImage -> NumPy: JPEG and PNG colour, compressedDepth (PNG or RVL), and depth as a plain PNG.

What the `format` field means; `containers` and `rvl` have the files inside and their limits. Works on any object with
`format` and `data`: no ROS import.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError, quoted
from pagnet_ros.messages.containers import decode, header_of
from pagnet_ros.messages.encodings import Role, role_of
from pagnet_ros.messages.rvl import decode_rvl

_T = TypeVar("_T")

_CONFIG_HEADER: Final = struct.Struct("<iff")
_DEPTH_ENCODINGS: Final = ("16UC1", "mono16", "32FC1")


class CompressedLike(Protocol):
    """What is read from a sensor_msgs/CompressedImage."""

    header: Any
    format: str
    data: Any


class _Format(NamedTuple):
    """The `format` field taken apart: "16UC1; compressedDepth png", "rgb8; jpeg compressed bgr8", or only "png"."""

    encoding: str
    transport: str
    text: str

    @classmethod
    def of(cls, text: str) -> _Format:
        first, semicolon, rest = text.partition(";")
        return cls(first.strip() if semicolon else "", rest.strip() if semicolon else first.strip(), text)

    @property
    def is_compressed_depth(self) -> bool:
        return "compressedDepth" in self.transport


def compressed_role(message: CompressedLike) -> Role:
    """What a compressed image shows, told from its format and its header.

    Returns:
        "depth", "color", "either" (16 grey bits), or "" where it can be read as neither, such as depth in a JPEG.
    """
    form = _Format.of(message.format)
    if form.is_compressed_depth:
        return "depth" if form.encoding in _DEPTH_ENCODINGS else ""
    try:
        header = header_of(bytes(message.data))
    except MessageError:  # its own words about it come when it is decoded
        return "color" if role_of(form.encoding) == "color" else ""
    grey16 = header.dtype == "uint16" and header.channels == 1
    role = role_of(form.encoding)
    if role == "depth":
        return "depth" if grey16 and form.encoding == "16UC1" else ""
    if grey16:
        return "either" if role == "either" else "depth"
    return "color"


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
        MessageError: Neither JPEG nor PNG, depth, too large, cut off, or not decodable.
    """
    form = _Format.of(message.format)
    if form.is_compressed_depth or role_of(form.encoding) == "depth":
        raise _swapped(form)
    data = bytes(message.data)

    what, flags = "compressed colour image", cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    header = _contained(lambda: header_of(data), what, form)
    if header.dtype == "uint16" and header.channels == 1 and role_of(form.encoding) != "either":
        raise _swapped(form)
    _contained(lambda: _only_png_and_jpeg(header.container), what, form)
    bgr = _contained(lambda: decode(data, flags, header), what, form)
    stored_as_rgb = form.encoding[:3] in ("rgb", "bgr") and "compressed bgr" not in form.transport
    return bgr if stored_as_rgb else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def depth_from_compressed(message: CompressedLike) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Decode image_transport's compressedDepth, or the 16-bit PNG of its plain "compressed" topic.

    The payload of compressedDepth follows a 12-byte header (int32 format, float32 a, float32 b). 16UC1 is stored as it
    is; 32FC1 as inverse depth, depth = a / (stored - b), 0 = unknown. A plain PNG of one channel of 16 bits loses
    nothing either; a JPEG does, and is refused.

    Args:
        message: A CompressedImage whose `format` is like "16UC1; compressedDepth png" ("png" may be missing,
            "rvl" is the other codec) or "16UC1; png compressed".

    Returns:
        Depth, [h, w] uint16 millimetres or float32 metres (NaN unknown).

    Raises:
        MessageError: Another format, too large, cut off, or not decodable.
    """
    form = _Format.of(message.format)
    data = bytes(message.data)
    if not form.is_compressed_depth:
        return _plain_depth(data, form)
    if form.encoding not in _DEPTH_ENCODINGS:
        raise _no_depth(form)
    if len(data) <= _CONFIG_HEADER.size:
        raise MessageError(
            "truncated_data",
            f"truncated data: compressed depth has {len(data)} bytes; expected a {_CONFIG_HEADER.size}-byte "
            "header and an image. Check the publisher.",
        )
    _, quant_a, quant_b = _CONFIG_HEADER.unpack_from(data)
    payload = data[_CONFIG_HEADER.size :]
    if form.transport.split()[-1] == "rvl":
        stored = _contained(lambda: decode_rvl(payload), "compressed depth image", form)
    else:
        stored = _grey16(payload, form)
    return stored if form.encoding != "32FC1" else _from_inverse_depth(stored, quant_a, quant_b)


def _plain_depth(data: bytes, form: _Format) -> NDArray[np.uint16]:
    """Depth from a PNG without compressedDepth's header."""
    if form.encoding not in ("16UC1", "mono16", "") or not data.startswith(b"\x89PNG"):
        raise _no_depth(form)
    return _grey16(data, form)


def _grey16(data: bytes, form: _Format) -> NDArray[np.uint16]:
    """A PNG of one channel of 16 bits; any other is refused by its header."""

    def decoded() -> NDArray[np.uint16]:
        header = header_of(data)
        _only_png_and_jpeg(header.container)
        if header.channels != 1 or header.dtype != "uint16":
            raise MessageError(
                "unknown_encoding",
                f"holds {header.dtype} of {header.channels} channels; expected one channel of 16 bits",
            )
        return decode(data, cv2.IMREAD_UNCHANGED, header)

    return _contained(decoded, "compressed depth image", form)


def _contained(decoded: Callable[[], _T], what: str, form: _Format) -> _T:
    """What a decoder gives; its refusal names the message."""
    try:
        return decoded()
    except MessageError as error:
        raise MessageError(
            error.kind, f"{what} ({quoted(form.text)}): {error}. Check the link and the publisher's image_transport."
        ) from error


def _only_png_and_jpeg(container: str) -> None:
    if container not in ("png", "jpeg"):
        raise MessageError("unknown_encoding", f"is a {container.upper()} file; expected JPEG or PNG")


def _no_depth(form: _Format) -> MessageError:
    lossy = " A JPEG has lost the bits of depth, and cannot be read." if "jpeg" in form.transport else ""
    return MessageError(
        "unknown_encoding",
        f"compressed depth has format {quoted(form.text)}; expected '16UC1; compressedDepth png' or the like (16UC1 or "
        f"32FC1; png or rvl), or '16UC1; png compressed'.{lossy} Subscribe to the camera's .../compressedDepth topic, "
        "or set the format of its .../compressed topic to png.",
    )


def _swapped(form: _Format) -> MessageError:
    return MessageError(
        "unknown_encoding",
        f"compressed colour image has format {quoted(form.text)} and holds depth; expected colour as JPEG or PNG. Are "
        "the depth and colour topics swapped?",
    )


def _from_inverse_depth(stored: NDArray[np.uint16], quant_a: float, quant_b: float) -> NDArray[np.float32]:
    """Undo compressedDepth's quantisation, in float32 as compressed_depth_image_transport does."""
    if not (np.isfinite(quant_a) and np.isfinite(quant_b)) or quant_a <= 0.0:
        raise MessageError(
            "bad_quantisation",
            f"compressed depth has quantisation a = {quant_a:g}, b = {quant_b:g}; expected finite values, a "
            "> 0. Check the publisher's compressedDepth parameters (depth_max, depth_quantization).",
        )
    with np.errstate(divide="ignore"):
        depth = np.float32(quant_a) / (stored.astype(np.float32) - np.float32(quant_b))
    depth[stored == 0] = np.nan
    return np.asarray(depth, dtype=np.float32)
