"""The errors this package raises, one class per subsystem.

Every message is built the same way: what came; what was expected; how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_CHARACTERS = 2000
_SHOWN_CHARACTERS = 60
_SHOWN_ITEMS = 8


class PagnetError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(PagnetError, ValueError):
    """A frame or argument that breaks the depth contract."""


class MessageError(InputError):
    """A ROS message or image file that breaks its own format, or whose encoding is not supported.

    Attributes:
        kind: Such as "truncated_data" or "unknown_encoding": what reports are counted and rate-limited by.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


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


def printable(text: str) -> str:
    """A text as a terminal or a log may show it: bounded, and what cannot be printed escaped, but for newlines."""
    cut = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}... ({len(text)} characters)"
    return cut if cut.isprintable() else "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in cut)


def first_line(error: BaseException) -> str:
    """What an error says first, or what it is where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def quoted(value: object) -> str:
    """A value from outside as a short piece of one line, fit for a message or a log.

    Args:
        value: Anything a message, a file or a parameter brought.

    Returns:
        Its `repr`, cut to about sixty characters; what cannot be printed (control characters, marks that turn the
        direction of writing) is escaped. Containers inside containers are only counted, and huge integers only
        measured, so that a few bytes of input never become a long text.
    """
    if isinstance(value, (str, bytes)):
        more = len(value) - _SHOWN_CHARACTERS
        return repr(value) if more <= 0 else f"{value[:_SHOWN_CHARACTERS]!r}... ({len(value)} characters)"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return f"a table of {len(value)} entries"
    if isinstance(value, (list, tuple, set, frozenset)):
        if len(value) > _SHOWN_ITEMS or any(isinstance(item, (list, tuple, set, frozenset, dict)) for item in value):
            return f"a list of {len(value)} items"
        return f"[{', '.join(quoted(item) for item in value)}]"
    text = repr(value)
    return text if len(text) <= 2 * _SHOWN_CHARACTERS else f"{text[: 2 * _SHOWN_CHARACTERS]}..."


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """What a mistyped name may have meant, to append to a message.

    Args:
        name: What came.
        known: All names that exist.
        otherwise: What is said where none of them is near.
    """
    near = get_close_matches(str(name)[:_SHOWN_CHARACTERS], list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
