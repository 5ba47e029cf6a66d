"""What a PNG, JPEG or TIFF file claims, read from its own bytes before a decoder sees them; and the decoding.

The limits on image files, in messages and in recordings alike. Chunks and segments are walked against the bytes that
are there, the size is checked before anything is allocated and once more after decoding, and the decoder is given only
the parts that make up the image: a file can ask for no more memory or time than its checked size needs.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError

MAX_PIXELS: Final = 1 << 26
"""Largest image that is looked at, pixels (67 million): what claims to be larger is refused before any allocation."""
HEAD_BYTES: Final = 1 << 20
"""As much of a file as `header_of` needs at most, but for TIFF, whose header may lie anywhere."""

_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC: Final = b"\xff\xd8\xff"
_TIFF_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_MAX_PARTS: Final = 1 << 16  # chunks of a PNG, segments of a JPEG
_MAX_SCANS: Final = 100
_FREE_SCANS: Final = 12  # a progressive JPEG as libjpeg writes it has ten
_SCANNED_PIXELS: Final = 4 * MAX_PIXELS  # each scan goes over the whole image
_PNG_IMAGE: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_PNG_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_BITS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_DEFLATE_RATIO: Final = 1032  # deflate packs at most 258 bytes into two bits (RFC 1951)
_UNPACKED_UNSEEN: Final = 1 << 30  # libpng unpacks what no pixel needs, too; so much takes it a second or two
_JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # what libjpeg decodes
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_JPEG_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_JPEG_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_HUFFMAN: Final = frozenset({0xC0, 0xC1})
_JPEG_END: Final = b"\xff\xd9"
_JPEG_EMPTY: Final = 128  # of a pixel that libjpeg has no data for
_JPEG_MORE: Final = bytes(range(0xFE))  # any data of a scan
_TIFF_DTYPES: Final = {(8, 1): "uint8", (16, 1): "uint16", (32, 3): "float32"}
_TIFF_TAGS: Final = {
    256: "width", 257: "height", 258: "bits", 277: "channels", 322: "tile width", 323: "tile height", 339: "format",
}  # fmt: skip
_TIFF_TILE_PIXELS: Final = 1 << 20  # a tile may be larger than a small image, and reach over the edges of any


class ImageHeader(NamedTuple):
    """What an image file says of itself.

    Attributes:
        container: "png", "jpeg" or "tiff".
        height: Pixels.
        width: Pixels.
        channels: 1 (grey), 2 (grey, alpha), 3 or 4.
        dtype: NumPy's name of one sample: "uint8", "uint16" or "float32".
    """

    container: str
    height: int
    width: int
    channels: int
    dtype: str


class _Jpeg(NamedTuple):
    """What is known of a JPEG once it was walked through.

    Attributes:
        header: Its frame header.
        end: Where its end marker is; below 0 where there is none.
        one_scan: Whether all of it lies in one Huffman-coded scan, row after row.
    """

    header: ImageHeader
    end: int
    one_scan: bool


ReadAt = Callable[[int, int], bytes]


def header_of(head: bytes, read_at: ReadAt | None = None) -> ImageHeader:
    """Size and type from a file's header.

    Args:
        head: The file, or its first `HEAD_BYTES`.
        read_at: Bytes of the file by position and number, where `head` is not all of it.

    Raises:
        MessageError: Neither PNG, JPEG nor TIFF, cut off within the header, or of more than `MAX_PIXELS`.
    """
    if head.startswith(_PNG_MAGIC):
        found = _png_header(head)
    elif head.startswith(_JPEG_MAGIC):
        found = _walk_jpeg(head, to_end=False).header
    elif head[:4] in _TIFF_ORDERS:
        found = _tiff_header(head[:8], read_at or (lambda at, count: head[at : at + count]))
    else:
        raise MessageError("unknown_encoding", f"begins with {head[:4].hex() or 'nothing'}; expected JPEG or PNG")
    check_size(found.width, found.height)
    return found


def check_size(width: int, height: int) -> None:
    """Refuse an image of no pixels, or of more than are looked at.

    Raises:
        MessageError: So it is.
    """
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise MessageError("too_large", f"claims {width} x {height} pixels; expected between 1 and {MAX_PIXELS} in all")


def decode(data: bytes, flags: int, header: ImageHeader | None = None) -> NDArray[Any]:
    """Check a whole file and let OpenCV decode it.

    Args:
        data: The file.
        flags: Of `cv2.imdecode`.
        header: From `header_of`, where it was read already.

    Returns:
        The image, of the size its header says.

    Raises:
        MessageError: Neither PNG, JPEG nor TIFF, cut off, damaged, or larger than its size allows.
    """
    header, end, one_scan = header or header_of(data), 0, False
    if header.container == "png":
        data = _image_chunks(data, header)
    elif header.container == "jpeg":
        _, end, one_scan = _walk_jpeg(data, to_end=True)
        if end < 0:
            data = _with_end(data)
            end = len(data) - len(_JPEG_END)
    image = _decoded(data, flags)
    if image.shape[:2] != (header.height, header.width):
        raise MessageError(
            "undecodable",
            f"is decoded as {image.shape[1]} x {image.shape[0]} pixels; expected the {header.width} x {header.height} "
            "of its header",
        )
    if one_scan and np.all(image[-1, -1] == _JPEG_EMPTY):  # so grey by itself, or for want of data: more then shows
        more = _decoded(data[:end] + _JPEG_MORE + _JPEG_END, flags)
        if not np.array_equal(image, more):
            raise _truncated(data, "the JPEG ends before its last row")
    return image


def _decoded(data: bytes, flags: int) -> NDArray[Any]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise MessageError("undecodable", f"cannot be decoded: {str(error).strip()}") from error
    if image is None:
        raise MessageError("undecodable", f"{len(data)} bytes that cannot be decoded; expected a sound file")
    return np.asarray(image)


def _truncated(data: bytes, why: str) -> MessageError:
    return MessageError(
        "truncated_data", f"truncated data: {len(data)} bytes are cut off ({why}); expected a whole file"
    )


def _png_header(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        raise _truncated(data, "the PNG has no whole header")
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    if bits not in _PNG_BITS.get(kind, ()):
        raise MessageError("undecodable", f"a PNG of colour type {kind} with {bits} bits, which does not exist")
    return ImageHeader(
        "png", height, width, 3 if kind == 3 else _PNG_SAMPLES[kind], "uint16" if bits == 16 else "uint8"
    )


def _image_chunks(data: bytes, header: ImageHeader) -> bytes:
    """The PNG without what is no part of the image (texts, profiles, animation), every chunk checked to be there."""
    at, packed, parts = len(_PNG_MAGIC), 0, [_PNG_MAGIC]
    for _ in range(_MAX_PARTS):
        if at + 12 > len(data):
            raise _truncated(data, "the PNG has no end")
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise _truncated(data, f"a PNG chunk claims {length} bytes at byte {at}")
        if kind in _PNG_IMAGE:
            parts.append(data[at:end])
            packed += length if kind == b"IDAT" else 0
        at = end
        if kind == b"IEND":
            break
    else:
        raise MessageError("undecodable", f"a PNG of more than {_MAX_PARTS} chunks")
    bits, kind_number = data[24], data[25]
    needed = header.height * (1 + (header.width * _PNG_SAMPLES[kind_number] * bits + 7) // 8)
    if packed * _DEFLATE_RATIO < needed and not data[28]:  # an interlaced image has other rows
        raise _truncated(data, f"{packed} packed bytes cannot hold {header.width} x {header.height} pixels")
    if packed * _DEFLATE_RATIO > _UNPACKED_UNSEEN:
        _check_unpacked([part[8:-4] for part in parts if part[4:8] == b"IDAT"], 2 * needed + HEAD_BYTES)
    return data if sum(map(len, parts)) == at == len(data) else b"".join(parts)


def _check_unpacked(packed: list[bytes], most: int) -> None:
    """Refuse PNG data that unpacks to far more than its pixels; damage is for libpng to find."""
    unpacker, count = zlib.decompressobj(), 0
    with suppress(zlib.error):
        for part in packed:
            rest = part
            while rest and not unpacker.eof:
                count += len(unpacker.decompress(rest, HEAD_BYTES))
                rest = unpacker.unconsumed_tail
                if count > most:
                    raise MessageError("too_large", f"a PNG whose data unpacks to more than {most} bytes")


def _with_end(data: bytes) -> bytes:
    """A JPEG of one scan with the end marker that its camera left out, instead of what fills the camera's buffer."""
    kept = data.rstrip(b"\0")
    if kept.endswith(b"\xff") and len(kept) < len(data):
        kept += b"\0"  # the two are one byte of the scan (ITU T.81, F.1.2.3)
    return kept + _JPEG_END


def _walk_jpeg(data: bytes, *, to_end: bool) -> _Jpeg:
    """The frame header (ITU T.81, B.2.2), found as libjpeg finds it; to the end of the file, scans are counted too."""
    at, scans, found, sequential, one_scan = 2, 0, None, False, False
    for _ in range(_MAX_PARTS):
        if (match := _JPEG_MARKER.search(data, at)) is None:
            break
        marker, at = data[match.start() + 1], match.end()
        if marker in _JPEG_BARE:
            continue
        if marker == 0xD9:
            if found is not None and scans:
                return _Jpeg(found, match.start(), one_scan)
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if at + length > len(data) or len(data) < at + 2:
            raise _truncated(data, f"a JPEG segment of {length} bytes at byte {at}")
        if length < 2 or not (marker in _JPEG_FRAMES or marker in _JPEG_TABLES or marker == 0xDA):
            raise MessageError("undecodable", f"a JPEG segment {marker:02x} of {length} bytes at byte {at}")
        if marker in _JPEG_FRAMES:
            found, sequential = _jpeg_frame(data, at, length, found), marker in _JPEG_HUFFMAN
            if not to_end:
                return _Jpeg(found, -1, one_scan)
        scans += marker == 0xDA
        if scans and found is None:
            raise MessageError("undecodable", "a JPEG whose scan comes before its frame header")
        if found and marker == 0xDA:  # of all channels, and the only one
            one_scan = sequential and scans == 1 and data[at + 2 : at + 3] == bytes([found.channels])
        if (
            found
            and scans > _FREE_SCANS
            and scans > min(_MAX_SCANS, _SCANNED_PIXELS / (found.width * found.height or 1))
        ):
            raise MessageError("too_large", f"a JPEG of {scans} scans or more, too many for its size")
        at += length
    else:
        raise MessageError("undecodable", f"a JPEG of more than {_MAX_PARTS} segments")
    if found is not None and one_scan:  # whether it is whole, the last pixel tells
        return _Jpeg(found, -1, one_scan)
    raise _truncated(data, "the JPEG has no end" if to_end else "the JPEG has no frame header")


def _jpeg_frame(data: bytes, at: int, length: int, before: ImageHeader | None) -> ImageHeader:
    """What a frame header says; `before` is another one of the same file."""
    if before is not None or length < 8:
        raise MessageError("undecodable", "a JPEG with two frame headers, or half a one")
    bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 2)
    return ImageHeader("jpeg", height, width, channels, "uint8" if bits == 8 else "uint16")


def _tiff_header(head: bytes, read_at: ReadAt) -> ImageHeader:
    """Size and type from the first directory of a TIFF (revision 6.0, section 2)."""
    order = _TIFF_ORDERS[head[:4]]
    try:
        (start,) = struct.unpack_from(f"{order}I", head, 4)
        (count,) = struct.unpack(f"{order}H", read_at(start, 2))
        entries = read_at(start + 2, 12 * count)
        fields: dict[str, int] = {}
        for index in range(count):
            tag, kind, number, value = struct.unpack_from(f"{order}HHII", entries, 12 * index)
            if tag in _TIFF_TAGS:
                if _TIFF_TAGS[tag] in fields:  # libtiff takes the first
                    raise MessageError("undecodable", f"a TIFF that tells its {_TIFF_TAGS[tag]} twice")
                size = {3: 2, 4: 4}[kind]
                if number * size > 4:  # several values lie elsewhere; they are alike
                    (value,) = struct.unpack(f"{order}{'H' if size == 2 else 'I'}", read_at(value, size))
                elif size == 2:
                    (value,) = struct.unpack_from(f"{order}H", entries, 12 * index + 8)
                fields[_TIFF_TAGS[tag]] = value
        dtype = _TIFF_DTYPES[fields.get("bits", 1), fields.get("format", 1)]
        found = ImageHeader("tiff", fields["height"], fields["width"], fields.get("channels", 1), dtype)
    except struct.error as error:
        raise _truncated(head, "the TIFF has no whole header") from error
    except KeyError as error:
        raise MessageError(
            "unknown_encoding", "a TIFF of another kind of sample; expected uint8, uint16 or float32"
        ) from error
    tile = fields.get("tile width", 0), fields.get("tile height", 0)
    if tile[0] * tile[1] > 2 * max(found.width * found.height, _TIFF_TILE_PIXELS):
        raise MessageError(
            "too_large", f"a TIFF of {found.width} x {found.height} pixels with tiles of {tile[0]} x {tile[1]}"
        )
    return found
