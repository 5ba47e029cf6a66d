"""The stamps of a serialised ROS 2 message, read and replaced without decoding the rest.

Pure functions on CDR bytes. A message whose first field is a `std_msgs/Header` has its stamp right after the four bytes
that name the encoding: int32 seconds, uint32 nanoseconds (OMG DDS-XTypes 1.3, 7.4.3; RTPS 2.5, 10.2). A message of
/tf has one in each of its transforms.
"""

from __future__ import annotations

import re
import struct

from pagnet_ros.system.units import NS_PER_S

TF = "tf2_msgs/msg/TFMessage"
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


def header_stamp_ns(raw: bytes, at: int = _STAMP_OFFSET) -> int | None:
    """The stamp of the header that begins `at` a byte, nanoseconds; None where there is no valid one."""
    if len(raw) < at + 8:
        return None
    seconds, nanoseconds = struct.unpack_from(f"{_order(raw)}iI", raw, at)
    return int(seconds * NS_PER_S + nanoseconds) if nanoseconds < NS_PER_S else None


def with_header_stamp(raw: bytes, stamp_ns: int, at: int = _STAMP_OFFSET) -> bytes:
    """The same message with another stamp of the header that begins `at` a byte.

    Args:
        raw: Serialised message.
        stamp_ns: New stamp; clipped to what a ROS time can hold (0 to 2^31 - 1 s).
        at: By default where a message begins whose first field is a header.
    """
    stamp_ns = min(max(stamp_ns, 0), (2**31 - 1) * NS_PER_S)
    stamp = struct.pack(f"{_order(raw)}iI", *divmod(stamp_ns, NS_PER_S))
    return b"".join((raw[:at], stamp, memoryview(raw)[at + 8 :]))


def header_offsets(raw: bytes, msgtype: str, *, stamped: bool) -> list[int]:
    """Where the headers of a serialised message begin, bytes.

    Args:
        raw: Serialised message; of one that is cut off, those before the cut.
        msgtype: Such as "sensor_msgs/msg/Image".
        stamped: Whether its first field is a header.
    """
    if msgtype != TF:
        return [_STAMP_OFFSET] if stamped else []
    offsets: list[int] = []
    try:
        (count,) = struct.unpack_from(f"{_order(raw)}I", raw, _STAMP_OFFSET)
        at = _STAMP_OFFSET + 4
        while len(offsets) < count and at + 8 <= len(raw):
            offsets.append(at)
            at += 8
            for _ in ("frame_id", "child_frame_id"):
                (length,) = struct.unpack_from(f"{_order(raw)}I", raw, at)
                at += 4 + length
                at += -at % 4  # the next field is aligned, counted from behind the first four bytes
            at += -(at - _STAMP_OFFSET) % 8 + 7 * 8  # translation and rotation
    except (struct.error, IndexError):  # cut off
        pass
    return offsets


def _order(raw: bytes) -> str:
    return "<" if raw[1] & 1 else ">"
