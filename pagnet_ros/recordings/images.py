"""One image file: what its header says, and its pixels, with limits on both.

Owns the reading of PNG, JPEG and NPY files from outside. `probe` reads some bytes only, so that a whole folder can be
checked before the first frame is used; `read_rgb` and `read_depth` decode.
"""

from __future__ import annotations

import ast
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError

__all__ = ["COLOR_SUFFIXES", "DEPTH_SUFFIXES", "MAX_PIXELS", "ImageInfo", "probe", "read_depth", "read_rgb"]

MAX_PIXELS = 64 * 1024 * 1024
COLOR_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_SUFFIXES = (".png", ".npy")

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_NPY_MAGIC = b"\x93NUMPY"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
    """Read the header of a PNG, JPEG or NPY file, and check that the file is whole as far as that shows.

    Args:
        path: File to look at; a few hundred bytes of it are read.

    Returns:
        Its size and type.

    Raises:
        RecordingError: Not an image of these kinds, cut short, or larger than `MAX_PIXELS`.
    """
    if path.exists() and not path.is_file():
        raise RecordingError(f"{path.name}: not a plain file; expected a PNG, JPEG or NPY file")
    try:
        with path.open("rb") as file:
            head = file.read(32)
            if head.startswith(_PNG_MAGIC):
                file.seek(max(0, path.stat().st_size - len(_PNG_END)))
                info = _probe_png(path, head, file.read())
            elif head.startswith(b"\xff\xd8"):
                file.seek(0)
                info = _probe_jpeg(path, file.read(1 << 20))
                file.seek(max(0, path.stat().st_size - (1 << 16)))
                if b"\xff\xd9" not in file.read():
                    raise RecordingError(f"{path.name}: the JPEG is cut short; copy it again or remove the frame")
            elif head.startswith(_NPY_MAGIC):
                file.seek(0)
                info = _probe_npy(path, file.read(512), path.stat().st_size)
            else:
                found = "an empty file" if not head else f"starts with {head[:8]!r}"
                raise RecordingError(f"{path.name}: {found}; expected a PNG, JPEG or NPY file")
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    if info.height < 1 or info.width < 1:
        raise RecordingError(f"{path.name}: {info.size} pixels; expected at least 1x1")
    if info.height * info.width > MAX_PIXELS:
        raise RecordingError(f"{path.name}: {info.size} pixels; expected at most {MAX_PIXELS} pixels in all")
    return info


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
    """Decode a depth image: a 16-bit grey PNG, or an NPY file with uint16 or float32.

    Returns:
        `[h, w]` uint16 or float32, as stored.

    Raises:
        RecordingError: The file cannot be decoded or is of another type.
    """
    if path.suffix == ".npy":
        probe(path)
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RecordingError(f"{path.name}: cannot be decoded: {error}") from error
    else:
        depth = _decode(path, cv2.IMREAD_UNCHANGED)
    if depth.ndim != 2 or depth.dtype not in (np.uint16, np.float32):
        raise RecordingError(
            f"{path.name}: {depth.dtype} of shape {depth.shape}; expected depth as [h, w] uint16 or float32"
        )
    return np.ascontiguousarray(depth)


def _decode(path: Path, flags: int) -> NDArray[Any]:
    probe(path)
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flags)
    except (OSError, cv2.error) as error:
        raise RecordingError(f"{path.name}: cannot be decoded: {error}") from error
    if image is None:
        raise RecordingError(f"{path.name}: the image data is damaged; expected a readable PNG or JPEG")
    return image


def _probe_png(path: Path, head: bytes, tail: bytes) -> ImageInfo:
    if len(head) < 29 or head[12:16] != b"IHDR" or tail != _PNG_END:
        raise RecordingError(f"{path.name}: the PNG is cut short; copy it again or remove the frame")
    width, height, bits, kind = struct.unpack(">IIBB", head[16:26])
    return ImageInfo(height, width, _PNG_CHANNELS.get(kind, 0), "uint16" if bits == 16 else "uint8")


def _probe_jpeg(path: Path, data: bytes) -> ImageInfo:
    position = 2
    while position + 10 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _JPEG_SIZE_MARKERS:
            height, width, channels = struct.unpack(">HHB", data[position + 5 : position + 10])
            return ImageInfo(height, width, channels, "uint8" if data[position + 4] == 8 else "uint16")
        position += 1 if marker == 0xFF else 2 + length
    raise RecordingError(f"{path.name}: the JPEG has no readable header; copy it again or remove the frame")


def _probe_npy(path: Path, head: bytes, file_bytes: int) -> ImageInfo:
    """Read an NPY header (format 1 to 3) without unpickling anything."""
    try:
        wide = head[6] > 1
        start = 12 if wide else 10
        length = int.from_bytes(head[8:start], "little")
        header = ast.literal_eval(head[start : start + length].decode("latin1").strip())
        shape, dtype = tuple(int(side) for side in header["shape"]), np.dtype(header["descr"])
    except (IndexError, KeyError, OverflowError, SyntaxError, TypeError, ValueError) as error:
        raise RecordingError(f"{path.name}: the NPY header cannot be read: {error}") from error
    if len(shape) not in (2, 3):
        raise RecordingError(f"{path.name}: an array of shape {shape}; expected [h, w]")
    channels = shape[2] if len(shape) == 3 else 1
    expected = start + length + math.prod(shape) * dtype.itemsize
    if file_bytes < expected:
        raise RecordingError(f"{path.name}: {file_bytes} bytes; expected {expected}: the NPY file is cut short")
    return ImageInfo(shape[0], shape[1], channels, dtype.name)
