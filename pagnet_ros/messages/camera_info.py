"""The camera_info that belongs to an up-sampled depth map.

One rule: the output has the colour camera's viewpoint and the colour image's size, so its calibration is the colour
camera's, re-stamped; where the calibration was made at another resolution, K and P are scaled about pixel centres.
Works on any object with a CameraInfo's fields: no ROS import.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Final, TypeVar

from pagnet_ros.errors import MessageError

_Info = TypeVar("_Info")
IDENTITY: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_ASPECT_TOLERANCE: Final = 0.02


def camera_info_for(info: _Info, header: Any, height: int, width: int) -> _Info:
    """Calibration of an output frame.

    Args:
        info: Newest sensor_msgs/CameraInfo of the colour camera; it is not changed.
        header: The output image's header (its very stamp and frame_id are used).
        height: Output height, pixels.
        width: Output width, pixels.

    Returns:
        A new CameraInfo with `header`, of the output's size. Where P or R are not filled in, as by drivers that know
        no rectified image, they are those of the image as it is: K, and the identity. Most consumers read P alone.

    Raises:
        MessageError: No size, no sound focal length or centre, or another aspect ratio (a crop cannot be
            told from a scaling).
    """
    source: Any = info
    if len(source.k) != 9 or len(source.p) != 12:
        raise MessageError(
            "camera_info_uncalibrated",
            f"camera_info with K of {len(source.k)} and P of {len(source.p)} numbers; expected 9 and 12. Check the "
            "publisher.",
        )
    focal, centre = (float(source.k[0]), float(source.k[4])), (float(source.k[2]), float(source.k[5]))
    sound = all(0.0 < length < math.inf for length in focal) and all(map(math.isfinite, centre))
    if source.width <= 0 or source.height <= 0 or not sound:
        raise MessageError(
            "camera_info_uncalibrated",
            f"camera_info of {source.width} x {source.height} with focal lengths {source.k[0]:g}, {source.k[4]:g}; "
            "expected a calibrated camera (positive size and focal lengths). Calibrate it, or have the driver load its "
            "calibration.",
        )
    scaled: Any = scale_camera_info(info, height, width)
    scaled.header = header
    if not (scaled.p[0] > 0 and scaled.p[5] > 0 and all(map(math.isfinite, scaled.p))):
        k = [float(value) for value in scaled.k]
        scaled.p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    if not (any(scaled.r) and all(map(math.isfinite, scaled.r))):
        scaled.r = list(IDENTITY)
    return scaled  # type: ignore[no-any-return]


def scale_camera_info(info: _Info, height: int, width: int) -> _Info:
    """Scale a calibration to another image size, for the whole image, without binning; always a copy.

    With s = new size / old size, the pixel centre (i + 1/2) scales, so the principal point becomes s c + (s -
    1) / 2 (whole coordinates are pixel centres). D and R do not depend on the resolution. Where the
    calibration's own size is not the new size, its region of interest and binning are applied first, as
    CameraInfo.msg defines them. Where it is, they have been applied already, whatever its fields still say: some
    drivers leave binning set on a calibration of the binned image, and who applies it again halves the focal length.

    Args:
        info: A sensor_msgs/CameraInfo.
        height: New height, pixels.
        width: New width, pixels.

    Returns:
        A copy with K, P, width and height scaled, and binning and region of interest cleared.

    Raises:
        MessageError: The two sizes differ in aspect ratio by more than 2 %, or binning leaves no pixel.
    """
    scaled: Any = copy.copy(info)
    source: Any = info
    scaled.binning_x, scaled.binning_y = 0, 0
    scaled.roi = _whole_image(source.roi) if hasattr(source, "roi") else None
    if (source.width, source.height) == (width, height):
        return scaled  # type: ignore[no-any-return]
    k, p, (old_width, old_height) = as_delivered(source)
    if old_width < 1 or old_height < 1:
        raise MessageError(
            "camera_info_other_size",
            f"camera_info is for {source.width} x {source.height} with binning {source.binning_x} x "
            f"{source.binning_y}, which leaves no pixel; expected the {width} x {height} of the colour image. Mend the "
            "driver's binning.",
        )
    scale_x, scale_y = width / old_width, height / old_height
    if abs(scale_x / scale_y - 1.0) > _ASPECT_TOLERANCE:
        raise MessageError(
            "camera_info_other_size",
            f"camera_info is for {old_width} x {old_height}, the colour image has {width} x {height}: another aspect "
            "ratio, so a crop. Publish the camera_info of this very stream (same namespace as the colour image).",
        )
    scaled.k = _scaled(k, 3, scale_x, scale_y)
    scaled.p = _scaled(p, 4, scale_x, scale_y)
    scaled.width, scaled.height = int(width), int(height)
    return scaled  # type: ignore[no-any-return]


def _whole_image(roi: Any) -> Any:
    """A region of interest of its kind that says: the whole image."""
    whole: Any = copy.copy(roi)
    whole.x_offset = whole.y_offset = whole.width = whole.height = 0
    whole.do_rectify = False
    return whole


def _scaled(matrix: list[float], columns: int, scale_x: float, scale_y: float) -> list[float]:
    """Scale a row-major 3 x `columns` projection about pixel centres."""
    out = list(matrix)
    for column in range(columns):
        homogeneous = matrix[2 * columns + column]
        out[column] = scale_x * matrix[column] + homogeneous * (scale_x - 1.0) / 2.0
        out[columns + column] = scale_y * matrix[columns + column] + homogeneous * (scale_y - 1.0) / 2.0
    return out


def as_delivered(info: Any) -> tuple[list[float], list[float], tuple[int, int]]:
    """K, P and size of the image as delivered: region of interest cut out, then binned (CameraInfo.msg)."""
    k, p = [float(v) for v in info.k], [float(v) for v in info.p]
    width, height = int(info.width), int(info.height)
    roi = getattr(info, "roi", None)
    if roi is not None and roi.width > 0 and roi.height > 0:
        for matrix, columns in ((k, 3), (p, 4)):
            matrix[2] -= roi.x_offset
            matrix[columns + 2] -= roi.y_offset
        width, height = int(roi.width), int(roi.height)
    binning_x, binning_y = max(int(info.binning_x), 1), max(int(info.binning_y), 1)
    if binning_x > 1 or binning_y > 1:
        k = _scaled(k, 3, 1.0 / binning_x, 1.0 / binning_y)
        p = _scaled(p, 4, 1.0 / binning_x, 1.0 / binning_y)
        width, height = width // binning_x, height // binning_y
    return k, p, (width, height)
