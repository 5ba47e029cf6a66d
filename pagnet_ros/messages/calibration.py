"""A camera_info as what geometry needs of it: size, intrinsics, lens.

Which part of a calibration holds for an image: K with the distortion D and the rotation R for an image as it was taken,
P for a rectified one, which its topic's name tells. Works on any object with a CameraInfo's fields: no ROS import.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from pagnet_ros.errors import MessageError, quoted
from pagnet_ros.messages.camera_info import IDENTITY, camera_info_for
from pagnet_ros.messages.transports import without_transport

NO_DISTORTION: Final = "none"
POLYNOMIAL: Final = "polynomial"
EQUIDISTANT: Final = "equidistant"
_SHORTEST: Final = 0.01
_LONGEST: Final = 100.0
"""Focal lengths as shares of the image's longer side: fields of view of 179 and of half a degree."""
_RECTIFIED: Final = re.compile(r"(?<![a-z])rect(?![a-z])|(?<![a-z])rectif")  # not of image_color_corrected
_MODELS: Final = {
    "plumb_bob": (POLYNOMIAL, 8),
    "rational_polynomial": (POLYNOMIAL, 8),
    "equidistant": (EQUIDISTANT, 4),
    "fisheye": (EQUIDISTANT, 4),
}
"""The models of sensor_msgs/distortion_models.hpp, and a common name for the last: what they are, coefficients used."""


@dataclass(frozen=True)
class Calibration:
    """A camera; pixel centres have whole coordinates. Compares by value.

    Attributes:
        size: ``(height, width)``, pixels.
        focal: ``(fx, fy)``, pixels, above 0.
        centre: ``(cx, cy)``, pixels.
        lens: `NO_DISTORTION`, `POLYNOMIAL` (k1, k2, p1, p2, k3, k4, k5, k6; plumb_bob's is that with the last three 0),
            or `EQUIDISTANT` (k1 to k4; Kannala and Brandt 2006).
        distortion: its coefficients, in OpenCV's order.
        rotation: row by row, from the axes of the image as taken to those of its frame_id.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    centre: tuple[float, float]
    lens: str = NO_DISTORTION
    distortion: tuple[float, ...] = ()
    rotation: tuple[float, ...] = IDENTITY


def is_rectified(topic: str) -> bool:
    """Whether an image topic is rectified by its name, as ROS's names have it: image_rect, image_rect_raw, ..."""
    name = without_transport(topic.rstrip("/")).rpartition("/")[2]
    return _RECTIFIED.search(name) is not None


def read_calibration(info: Any, height: int, width: int, *, rectified: bool) -> Calibration:
    """The calibration of an image.

    Args:
        info: A sensor_msgs/CameraInfo, of any resolution of that shape.
        height: Of the image, pixels.
        width: Of the image, pixels.
        rectified: Whether the image is rectified: then P holds (where there is one), without distortion.

    Raises:
        MessageError: No sound focal length, another shape, or a distortion that is not known.
    """
    fitted = camera_info_for(info, info.header, height, width)
    k, p = [float(v) for v in fitted.k], [float(v) for v in fitted.p]
    has_p = rectified and p[0] > 0 and p[5] > 0 and all(map(math.isfinite, p))
    focal = (p[0], p[5]) if has_p else (k[0], k[4])
    if not all(_SHORTEST <= length / max(height, width) <= _LONGEST for length in focal):
        raise MessageError(
            "camera_info_uncalibrated",
            f"camera_info with focal lengths {focal[0]:g}, {focal[1]:g} px for an image of {width} x {height}; "
            f"expected {_SHORTEST:g} to {_LONGEST:g} times its longer side. Calibrate the camera",
        )
    if has_p:
        return Calibration((height, width), (p[0], p[5]), (p[2], p[6]))
    plain = Calibration((height, width), (k[0], k[4]), (k[2], k[5]))
    if rectified:
        return plain
    d, r = tuple(float(v) for v in info.d), tuple(float(v) for v in info.r)
    rotation = r if any(r) and all(map(math.isfinite, r)) else IDENTITY
    if not any(d):
        return Calibration(plain.size, plain.focal, plain.centre, rotation=rotation)
    lens, used = _MODELS.get(info.distortion_model, ("", 0))
    if not lens or len(d) < 4 or any(d[used:]) or not all(map(math.isfinite, d)):
        raise MessageError(
            "distortion_unknown",
            f"camera_info with distortion_model {quoted(info.distortion_model)} and D = {quoted(list(d))}; expected "
            f"{', '.join(_MODELS)} with at most 8 finite coefficients (equidistant: 4). Publish the rectified image (a "
            "topic named image_rect...), or calibrate with one of these models",
        )
    return Calibration(plain.size, plain.focal, plain.centre, lens, d[:used], rotation)
