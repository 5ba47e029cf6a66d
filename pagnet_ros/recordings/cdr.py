"""Serialised ROS 2 messages: the stamp at the front read and replaced, and images without copying a pixel.

Pure functions on CDR bytes (OMG DDS-XTypes 1.3, 7.4.3; RTPS 2.5, 10.2): numbers are aligned to their size, counted from
behind the four bytes that name the encoding. A message whose first field is a `std_msgs/Header` has its stamp right
after those: int32 seconds, uint32 nanoseconds. rosbags decodes any message; for images this takes a hundredth of its
time.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from pagnet_ros.errors import RecordingError
from pagnet_ros.system.units import NS_PER_S

__all__ = [
    "CdrCompressedImage", "CdrHeader", "CdrImage", "CdrStamp", "header_stamp_ns", "image_from_cdr",
    "starts_with_header", "with_header_stamp",
]  # fmt: skip

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
_PLAIN_CDR = (0, 1)  # big and little endian, version 1
_STAMP_OFFSET = 4

# Types that are played often and whose bags may come without definitions (recorded before ROS 2 Iron in sqlite3).
_STAMPED = frozenset(
    f"{package}/msg/{name}"
    for package, names in {
        "sensor_msgs": (
            "BatteryState CameraInfo CompressedImage FluidPressure Image Imu JointState Joy LaserScan MagneticField "
            "NavSatFix PointCloud PointCloud2 Range RelativeHumidity Temperature"
        ),
        "geometry_msgs": (
            "AccelStamped PointStamped PoseArray PoseStamped PoseWithCovarianceStamped QuaternionStamped "
            "TransformStamped TwistStamped TwistWithCovarianceStamped Vector3Stamped WrenchStamped"
        ),
        "nav_msgs": "GridCells OccupancyGrid Odometry Path",
        "diagnostic_msgs": "DiagnosticArray",
        "stereo_msgs": "DisparityImage",
    }.items()
    for name in names.split()
)
_FIRST_FIELD = re.compile(r"std_msgs/(?:msg/)?Header\s+\w+|Header\s+header")


def starts_with_header(msgtype: str, definition: str = "") -> bool:
    """Whether a message type's first field is a `std_msgs/Header`.

    Args:
        msgtype: Such as "sensor_msgs/msg/Image".
        definition: The type's definition in .msg format, if the recording holds it.
    """
    if msgtype in _STAMPED:
        return True
    if definition.startswith("="):
        return False
    lines = (line.split("#", 1)[0].strip() for line in definition.splitlines())
    first = next((line for line in lines if line and "=" not in line), "")
    return bool(_FIRST_FIELD.fullmatch(first))


def header_stamp_ns(raw: bytes) -> int | None:
    """The header stamp in nanoseconds, or None where the bytes are too few or hold no valid stamp."""
    if len(raw) < _STAMP_OFFSET + 8:
        return None
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, _STAMP_OFFSET)
    return int(seconds * NS_PER_S + nanoseconds) if nanoseconds < NS_PER_S else None


def with_header_stamp(raw: bytes, stamp_ns: int) -> bytes:
    """The same message with another header stamp.

    Args:
        raw: Serialised message whose first field is a header.
        stamp_ns: New stamp; clipped to what a ROS time can hold (0 to 2^31 - 1 s).
    """
    stamp_ns = min(max(stamp_ns, 0), (2**31 - 1) * NS_PER_S)
    stamp = struct.pack("<iI" if raw[1] & 1 else ">iI", *divmod(stamp_ns, NS_PER_S))
    return b"".join((raw[:_STAMP_OFFSET], stamp, memoryview(raw)[_STAMP_OFFSET + 8 :]))


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
