"""Images as a subscription with ``raw=True`` takes them: serialised, read here without copying a pixel.

rclpy's own conversion (rosidl_generator_py, Jazzy) makes a Python object of an image's bytes in C and does not look
whether there was memory for it: without, the process ends with SIGSEGV. Taken raw, the same lack is an exception. It
also copies each image once less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from pagnet_ros.recordings.cdr import image_from_cdr

__all__ = ["reader_of"]


def reader_of(message_type: Any, callback: Callable[[Any], None]) -> Callable[[bytes], None]:
    """A callback for a raw subscription.

    Args:
        message_type: sensor_msgs' Image or CompressedImage.
        callback: Takes an object with the fields of that type; its ``header`` is a std_msgs Header.

    Returns:
        The callback. It raises `RecordingError` for bytes that are no such message.
    """
    name = f"sensor_msgs/msg/{message_type.__name__}"

    def take(raw: bytes) -> None:
        image = image_from_cdr(raw, name)
        stamp = Time(sec=image.header.stamp.sec, nanosec=image.header.stamp.nanosec)
        callback(image._replace(header=Header(stamp=stamp, frame_id=image.header.frame_id)))

    return take
