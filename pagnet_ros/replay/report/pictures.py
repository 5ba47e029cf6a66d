"""Depth and error images as small pictures inside the page.

Owns the colours. Arrays in metres come in; `data:` URLs of bounded size come out, and gradients for the legends made of
the very same tables. Pure; needs OpenCV only.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import PagnetError

__all__ = ["MAX_PICTURE_BYTES", "depth_picture", "error_picture", "picture_url", "scale_stops"]

MAX_PICTURE_BYTES = 48 * 1024
"""Largest picture, bytes before base64; quality gives way to it."""

UNKNOWN = (120, 120, 120)
NOT_BELIEVED = (20, 20, 20)
# Nearer than the reference blue, farther red, right white; a dark variant would hide small errors.
_ERROR_ANCHORS = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))

Depth = NDArray[np.float32]
Color = NDArray[np.uint8]


def depth_picture(depth_m: Depth, low_m: float, high_m: float) -> Color:
    """Depth in colours.

    Args:
        depth_m: `[h, w]` metres, NaN unknown.
        low_m: What the first colour stands for, metres.
        high_m: What the last colour stands for, metres, above `low_m`.

    Returns:
        `[h, w, 3]` uint8 RGB; unknown pixels grey.
    """
    picture = np.asarray(_depth_table()[_index(depth_m, low_m, high_m)])
    picture[~np.isfinite(depth_m)] = UNKNOWN
    return picture


def error_picture(depth_m: Depth, reference_m: Depth, limit_m: float) -> Color:
    """Depth minus reference in colours: blue too near, white right, red too far.

    Args:
        depth_m: `[h, w]` metres, NaN where the method believes nothing.
        reference_m: `[h, w]` metres, NaN unknown.
        limit_m: The error of the last colours, metres, above 0.

    Returns:
        `[h, w, 3]` uint8 RGB; grey where the reference is unknown, black where only the method's depth is.
    """
    error = depth_m - reference_m
    picture = np.asarray(_error_table()[_index(error, -limit_m, limit_m)])
    picture[~np.isfinite(depth_m)] = NOT_BELIEVED
    picture[~np.isfinite(reference_m)] = UNKNOWN
    return picture


def picture_url(picture: Color) -> str:
    """A picture as a `data:` URL of at most `MAX_PICTURE_BYTES` (before base64).

    Args:
        picture: `[h, w, 3]` uint8 RGB.

    Raises:
        PagnetError: OpenCV can write neither WebP nor JPEG, or the picture does not fit at the lowest quality.
    """
    kind, flag = ("webp", cv2.IMWRITE_WEBP_QUALITY)
    if not cv2.haveImageWriter("a.webp"):
        kind, flag = ("jpeg", cv2.IMWRITE_JPEG_QUALITY)
    for quality in (90, 75, 50, 20, 1):
        done, data = cv2.imencode(f".{kind}", np.ascontiguousarray(picture[..., ::-1]), [flag, quality])
        if done and data.size <= MAX_PICTURE_BYTES:
            return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
    height, width = picture.shape[:2]
    raise PagnetError(f"a picture of {width} x {height} pixels does not fit into {MAX_PICTURE_BYTES} bytes as {kind}")


def scale_stops(kind: str, count: int = 17) -> Sequence[str]:
    """Colours along a legend, first to last, as "#rrggbb".

    Args:
        kind: "depth" or "error".
        count: How many.
    """
    table = _depth_table() if kind == "depth" else _error_table()
    picked = table[np.linspace(0, 255, count).round().astype(np.intp)]
    return ["#" + bytes(color.tolist()).hex() for color in picked]


def _index(values: Depth, low: float, high: float) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):
        scaled = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0) * 255.0
    return np.asarray(np.nan_to_num(scaled, nan=0.0).round(), dtype=np.uint8)


def _depth_table() -> Color:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[:, 0, ::-1], dtype=np.uint8)


def _error_table() -> Color:
    at = np.linspace(0.0, 255.0, len(_ERROR_ANCHORS))
    anchors = np.array(_ERROR_ANCHORS, dtype=np.float64)
    channels = [np.interp(np.arange(256.0), at, anchors[:, c]) for c in range(3)]
    return np.asarray(np.stack(channels, axis=1).round(), dtype=np.uint8)
