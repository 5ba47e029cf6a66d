"""Arrays to Image and CameraInfo messages, for what plays or simulates a camera.

Field types matter here: NumPy scalars in a message fail at publication.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import InputError
from pagnet_ros.messages.image import fill_image
from pagnet_ros.system.units import NS_PER_S

_ENCODINGS = {("uint8", 3): "rgb8", ("uint16", 1): "16UC1", ("float32", 1): "32FC1"}


def image_message(array: NDArray[Any], stamp_ns: int, frame_id: str) -> Any:
    """Make a sensor_msgs/Image.

    Args:
        array: `[H, W, 3]` uint8 RGB, `[h, w]` uint16 millimetres, or `[h, w]` float32 metres.
        stamp_ns: Header stamp.
        frame_id: Optical frame.

    Returns:
        The message: rgb8, 16UC1 or 32FC1.

    Raises:
        InputError: Another type or shape.
    """
    from sensor_msgs.msg import Image

    channels = array.shape[2] if array.ndim == 3 else 1
    encoding = _ENCODINGS.get((array.dtype.name, channels))
    if encoding is None or array.ndim not in (2, 3):
        raise InputError(f"{array.dtype} of shape {array.shape}; expected [H, W, 3] uint8, or [h, w] uint16 or float32")
    message = Image()
    set_stamp(message, stamp_ns, frame_id)
    fill_image(message, array, encoding)
    return message


def camera_info_message(
    matrix: NDArray[np.float64] | None, width: int, height: int, stamp_ns: int, frame_id: str
) -> Any:
    """Make a sensor_msgs/CameraInfo of a camera without distortion.

    Args:
        matrix: `[3, 3]` intrinsics in pixels; None for an unknown camera, which the message says by K[0] = 0.
        width: Of the image, pixels.
        height: Of the image, pixels.
        stamp_ns: Header stamp.
        frame_id: Optical frame.
    """
    from sensor_msgs.msg import CameraInfo

    message = CameraInfo()
    set_stamp(message, stamp_ns, frame_id)
    message.width, message.height = int(width), int(height)
    message.distortion_model = "plumb_bob"
    if matrix is not None:
        k = [float(v) for v in matrix.ravel()]
        message.d = [0.0] * 5
        message.k = k
        message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        message.p = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
    return message


def set_stamp(message: Any, stamp_ns: int, frame_id: str) -> None:
    """Set a message's header."""
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(int(stamp_ns), NS_PER_S)
    message.header.frame_id = frame_id
