"""Packed parts of bags, unpacked to no more than they may hold: a few bytes can be made to unpack to any number.

zstd, lz4 and bz2, as they come in chunks and messages, for this package's own readers and for rosbags'.
"""

from __future__ import annotations

import bz2
import importlib
from functools import partial
from typing import Any, Final

from pagnet_ros.errors import RecordingError

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
MAX_CHUNK_BYTES: Final = 2 * 1024 * 1024 * 1024


def unpacked(data: bytes, compression: str, most: int) -> bytes:
    """What was packed by "zstd", "lz4" or "bz2".

    Raises:
        ValueError: It is damaged or cut off, unpacks to more than `most` bytes, or was packed in another way.
    """
    unpacker = _unpacker(compression)
    damaged: tuple[type[BaseException], ...] = (*zstd_errors(), OSError, RuntimeError)
    try:
        if hasattr(unpacker, "stream_reader"):
            plain, is_whole = bytes(unpacker.stream_reader(data).read(most + 1)), True
        else:
            plain = bytes(unpacker.decompress(data, max_length=most + 1))
            is_whole = unpacker.eof
    except damaged as error:
        raise ValueError(f"bytes packed with {compression} that cannot be unpacked ({error})") from error
    if len(plain) > most:
        raise ValueError(f"bytes packed with {compression} that unpack to more than {most}")
    if not is_whole:
        raise ValueError(f"bytes packed with {compression} that are cut off")
    return plain


def bound_rosbags() -> None:
    """Let rosbags unpack no more than a chunk says that it holds: by itself it unpacks all there is, however much."""
    from rosbags.rosbag1 import reader
    from rosbags.rosbag2 import storage_mcap

    for_mcap = {name: partial(_chunk, name) for name in ("zstd", "lz4")}
    for_ros1 = {name: partial(unpacked, compression=name, most=MAX_CHUNK_BYTES) for name in ("bz2", "lz4")}
    # A rosbags that keeps its decompressors elsewhere reads bags all the same, unbounded.
    getattr(storage_mcap, "DECOMPRESSORS", {}).update(for_mcap)
    getattr(reader, "decompressors", {}).update(for_ros1)


def _chunk(compression: str, data: bytes, size: int) -> bytes:
    if size > MAX_CHUNK_BYTES:
        raise ValueError(f"a chunk of {size} bytes; at most {MAX_CHUNK_BYTES} are unpacked")
    return unpacked(data, compression, size)


def _unpacker(compression: str) -> Any:
    if compression == "zstd":
        return zstd_module().ZstdDecompressor()
    if compression == "lz4":
        return importlib.import_module("lz4.frame").LZ4FrameDecompressor()
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    raise ValueError(f"an unknown compression {compression!r}")


def zstd_module() -> Any:
    """The one that rosbags brings: Python's own from 3.14 on, its backport, or the older package.

    Raises:
        RecordingError: There is none.
    """
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise RecordingError("no zstd module is installed; expected the one that rosbags brings")


def zstd_errors() -> tuple[type[BaseException], ...]:
    """What that module raises on damaged data."""
    return (zstd_module().ZstdError, EOFError)
