"""The errors this package raises, one class per subsystem.

Every message is built the same way: what came; what was expected; how to mend it.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DeviceError",
    "DeviceFailureError",
    "DeviceLostError",
    "InputError",
    "MessageError",
    "OutOfMemoryError",
    "PagnetError",
    "RecordingError",
    "WeightsError",
]


class PagnetError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(PagnetError, ValueError):
    """A frame or argument that breaks the depth contract."""


class MessageError(InputError):
    """A ROS message that breaks its own format, or whose encoding is not supported."""


class ConfigError(PagnetError, ValueError):
    """Unknown keys or values out of range; the message lists every problem at once."""


class WeightsError(PagnetError):
    """A weights file that is missing, unreadable, or not one of ours."""


class DeviceError(PagnetError):
    """The device or precision asked for is not there, or it ran out of memory."""


class OutOfMemoryError(DeviceError):
    """The device has no room for a frame; a smaller network or frame may still fit."""


class DeviceFailureError(DeviceError):
    """The device failed in the middle of a frame; what was on it has to be built anew."""


class DeviceLostError(DeviceFailureError):
    """The device failed for good as far as this process is concerned; only a new process can use it again."""


class RecordingError(PagnetError):
    """A bag or folder of frames that cannot be read."""
