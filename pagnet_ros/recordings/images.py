"""One image file: what its header says, and its pixels, with limits on both.

PNG, JPEG, TIFF and NPY files are read. `probe` reads some bytes only, so that a whole folder
can be checked before the first frame is used; `read_rgb` and `read_depth` decode, as messages are decoded.
"""

from __future__ import annotations

import ast
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError, RecordingError, quoted
from pagnet_ros.messages.containers import HEAD_BYTES, MAX_PIXELS, decode, header_of

MAX_FILE_BYTES = 1 << 30
COLOR_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_SUFFIXES = (".png", ".npy", ".tif", ".tiff")
DEPTH_TYPES = ("uint16", "float32", "float64")

_PNG_END = b"IEND\xaeB`\x82"
_NPY_MAGIC = b"\x93NUMPY"
_NPY_HEAD_BYTES = 512
_KINDS = "a PNG, JPEG, TIFF or NPY file"


@dataclass(frozen=True)
class ImageInfo:
    """What an image file's header says.

    Attributes:
        height: Pixels.
        width: Pixels.
        channels: 1 (grey), 2 (grey, alpha), 3 or 4.
        dtype: NumPy name of one sample, such as "uint16".
    """

    height: int
    width: int
    channels: int
    dtype: str

    @property
    def size(self) -> str:
        """Width and height as "640x480"."""
        return f"{self.width}x{self.height}"


def probe(path: Path) -> ImageInfo:
    """Read the header of a PNG, JPEG, TIFF or NPY file, and check that the file is whole as far as that shows.

    Args:
        path: File to look at; a few hundred bytes of it are read.

    Returns:
        Its size and type.

    Raises:
        RecordingError: Not an image of these kinds, cut short, or larger than `MAX_PIXELS`.
    """
    with _plain_file(path) as (file, size):
        head = file.read(_NPY_HEAD_BYTES)
        if head.startswith(_NPY_MAGIC):
            info = _probe_npy(path, head, size)
            if info.height * info.width > MAX_PIXELS:
                raise RecordingError(f"{path.name}: {info.size} pixels; expected at most {MAX_PIXELS} pixels in all")
            if info.height < 1 or info.width < 1:
                raise RecordingError(f"{path.name}: {info.size} pixels; expected at least 1x1")
            return info
        try:
            found = header_of(head + file.read(HEAD_BYTES), lambda at, count: _read_at(file, at, count))
        except MessageError as error:
            raise _refusal(path, head, error) from error
        ending = {"png": _PNG_END, "jpeg": b"\xff\xd9"}.get(found.container, b"")
        if ending not in _read_at(file, max(0, size - (1 << 16)), 1 << 16):
            raise RecordingError(
                f"{path.name}: the {found.container.upper()} is cut short; copy it again or remove the frame"
            )
    return ImageInfo(found.height, found.width, found.channels, found.dtype)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode a colour (or grey) image as it lies in the file, without turning it by its EXIF tag.

    Returns:
        `[H, W, 3]` uint8, red first.

    Raises:
        RecordingError: The file cannot be decoded.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_depth(path: Path) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Decode a depth image: a grey PNG or TIFF of 16 bits, a TIFF of float32, or an NPY file.

    Returns:
        `[h, w]` uint16 or float32, as stored (float64 as float32).

    Raises:
        RecordingError: The file cannot be decoded or is of another type.
    """
    if path.suffix.lower() == ".npy":
        probe(path)
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError, TypeError) as error:
            raise RecordingError(f"{path.name}: cannot be decoded: {error}") from error
    else:
        depth = _decode(path, cv2.IMREAD_UNCHANGED)
    if depth.ndim == 3 and depth.shape[2] == 1:
        depth = depth[:, :, 0]
    if depth.dtype == np.float64:
        with np.errstate(over="ignore"):
            depth = depth.astype(np.float32)
    depth = depth.astype(depth.dtype.newbyteorder("="), copy=False)
    if depth.ndim != 2 or depth.dtype not in (np.uint16, np.float32):
        raise RecordingError(
            f"{path.name}: {depth.dtype} of shape {depth.shape}; expected depth as [h, w] uint16 or float32"
        )
    return np.ascontiguousarray(depth)


def _decode(path: Path, flags: int) -> NDArray[Any]:
    with _plain_file(path) as (file, size):
        if size > MAX_FILE_BYTES:
            raise RecordingError(f"{path.name}: {size} bytes; expected an image file of at most {MAX_FILE_BYTES}")
        data = file.read(size)
    try:
        return decode(data, flags)
    except MessageError as error:
        raise _refusal(path, data, error) from error


@contextmanager
def _plain_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A file that is one, open, and its size: to open a pipe would wait for its other end."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise RecordingError(f"{path.name}: not a plain file; expected {_KINDS}")
            yield file, status.st_size
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}") from error


def _read_at(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _refusal(path: Path, head: bytes, error: MessageError) -> RecordingError:
    """The same in the words of a recording."""
    if error.kind == "unknown_encoding" and head[:4] not in (b"II*\0", b"MM\0*"):
        found = "an empty file" if not head else f"starts with {head[:8]!r}"
        return RecordingError(f"{path.name}: {found}; expected {_KINDS}")
    if error.kind == "truncated_data":
        return RecordingError(f"{path.name}: the file is cut short; copy it again or remove the frame ({error})")
    if error.kind == "undecodable":
        return RecordingError(f"{path.name}: the image data is damaged ({error}); expected a readable PNG or JPEG")
    return RecordingError(f"{path.name}: {error}")


def _probe_npy(path: Path, head: bytes, file_bytes: int) -> ImageInfo:
    """Read an NPY header (format 1 to 3) without unpickling anything."""
    try:
        wide = head[6] > 1
        start = 12 if wide else 10
        length = int.from_bytes(head[8:start], "little")
        header = ast.literal_eval(head[start : start + length].decode("latin1").strip())
        shape, dtype = tuple(int(side) for side in header["shape"]), np.dtype(header["descr"])
    except (
        LookupError,
        ArithmeticError,
        SyntaxError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise RecordingError(f"{path.name}: the NPY header cannot be read: {quoted(str(error))}") from error
    if len(shape) not in (2, 3):
        raise RecordingError(f"{path.name}: an array of shape {shape}; expected [h, w]")
    channels = shape[2] if len(shape) == 3 else 1
    expected = start + length + math.prod(shape) * dtype.itemsize
    if file_bytes < expected:
        raise RecordingError(f"{path.name}: {file_bytes} bytes; expected {expected}: the NPY file is cut short")
    return ImageInfo(shape[0], shape[1], channels, dtype.name)
