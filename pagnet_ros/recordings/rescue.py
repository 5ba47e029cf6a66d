"""What can still be read of a damaged storage file, message by message.

Owns the reading of files that rosbags refuses: an mcap file without its end or with broken chunks, a sqlite3 file whose
tables end early. Records are walked from the front; what does not hold together is left out and counted. A whole file
is read by `bags`, faster and in order of time; here messages come in the order they lie in the file.
"""

from __future__ import annotations

import importlib
import io
import sqlite3
import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import MAX_CHUNK_BYTES, MAX_MESSAGE_BYTES, BagMessage, BagTopic
from pagnet_ros.recordings.cdr import starts_with_header

__all__ = ["RescuedFile"]

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_ZSTD_MODULES = ("compression.zstd", "backports.zstd", "zstandard")


class _Row(NamedTuple):
    """One message before its topic is known."""

    topic: str
    stamp_ns: int
    raw: bytes


class RescuedFile:
    """The readable part of one .mcap or .db3 file.

    Attributes:
        path: The file.
        topics: By name, with the number of messages that can be read.
        start_ns: Recording time of the earliest of them (0 without any).
        end_ns: One past that of the latest.
        broken_chunks: Chunks of an mcap file that were left out, because they do not unpack or their checksum is wrong.
    """

    def __init__(self, path: Path) -> None:
        """Walk over the file once.

        Args:
            path: A .mcap or .db3 file.

        Raises:
            RecordingError: Not a single message in it can be read.
        """
        self.path = path
        self.topics: dict[str, BagTopic] = {}
        self.broken_chunks = 0
        self.start_ns, self.end_ns = 0, 0
        for row in self._rows(known=self.topics):
            self.topics[row.topic] = replace(self.topics[row.topic], count=self.topics[row.topic].count + 1)
            self.start_ns = min(self.start_ns or row.stamp_ns, row.stamp_ns)
            self.end_ns = max(self.end_ns, row.stamp_ns + 1)
        if not self.end_ns:
            raise RecordingError(f"{path}: not one message in it is readable")

    @property
    def count(self) -> int:
        """Number of messages that can be read."""
        return sum(topic.count for topic in self.topics.values())

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Iterate over what can be read, as `bags.Bag.messages` does; never raises for damage."""
        for row in self._rows(known={}):
            if (
                row.topic in (topics or self.topics)
                and (start_ns is None or row.stamp_ns >= start_ns)
                and (stop_ns is None or row.stamp_ns < stop_ns)
            ):
                yield BagMessage(self.topics[row.topic], row.stamp_ns, row.raw)

    def _rows(self, known: dict[str, BagTopic]) -> Iterator[_Row]:
        """Every readable message; topics are added to `known` as they are met."""
        self.broken_chunks = 0
        return self._mcap_rows(known) if self.path.suffix == ".mcap" else _sqlite3_rows(self.path, known)

    def _mcap_rows(self, known: dict[str, BagTopic]) -> Iterator[_Row]:
        schemas: dict[int, tuple[str, str]] = {}
        channels: dict[int, str] = {}
        try:
            for opcode, record in self._records():
                if opcode == _MESSAGE and len(record) >= 22:
                    channel, _, stamp_ns = struct.unpack_from("<HIQ", record)
                    if channel in channels:
                        yield _Row(channels[channel], stamp_ns, bytes(record[22:]))
                elif opcode == _SCHEMA:
                    number, name, _, text = _fields(record, "<H", 3)
                    schemas[number] = (name.decode(), text.decode())
                elif opcode == _CHANNEL:
                    (number, schema), topic, *_ = _fields(record, "<HH", 1)
                    channels[number] = topic.decode()
                    if schema in schemas:
                        known.setdefault(channels[number], _topic(channels[number], *schemas[schema]))
        except (struct.error, UnicodeDecodeError, OSError):
            return  # a broken schema or channel: what follows cannot be told apart

    def _records(self) -> Iterator[tuple[int, memoryview]]:
        """Records of the file and of its chunks, until the first that does not fit into the file."""
        with self.path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return
            for opcode, record in _walk(file, self.path.stat().st_size):
                if opcode == _DATA_END:
                    return
                if opcode != _CHUNK:
                    yield opcode, record
                    continue
                content, whole = _unpack(record)
                self.broken_chunks += not whole
                if content:
                    yield from _walk(io.BytesIO(content), len(content))


def _walk(file: BinaryIO, size: int) -> Iterator[tuple[int, memoryview]]:
    """(opcode, content) of one record after the other; a chunk that is cut off comes as far as it goes."""
    while len(head := file.read(9)) == 9:
        opcode, length = head[0], int.from_bytes(head[1:], "little")
        rest = size - file.tell()
        if opcode == 0 or length > MAX_MESSAGE_BYTES + MAX_CHUNK_BYTES or (length > rest and opcode != _CHUNK):
            return
        yield opcode, memoryview(file.read(min(length, rest)))


def _unpack(record: memoryview) -> tuple[bytes, bool]:
    """Content of a chunk, and whether it is whole. One that is stored plainly is of use even where it is cut off."""
    try:
        (_, _, size, crc), name, *_ = _fields(record, "<QQQI", 1)
        compression = name.decode()
        at = 28 + 4 + len(name)
        (stored,) = struct.unpack_from("<Q", record, at)
        content = bytes(record[at + 8 : at + 8 + stored])
        if size > MAX_CHUNK_BYTES:
            return b"", False
        if not compression and len(content) < size:
            return content, False
        plain = _decompress(content, compression, size) if compression else content
    except Exception:  # each decompressor has its own errors
        return b"", False
    whole = len(plain) == size and (not crc or crc32(plain) == crc)
    return (plain, True) if whole else (b"", False)


def _decompress(content: bytes, compression: str, size: int) -> bytes:
    """At most `size` bytes, so that a small chunk cannot ask for gigabytes."""
    if compression == "lz4":
        return bytes(importlib.import_module("lz4.frame").LZ4FrameDecompressor().decompress(content, max_length=size))
    for name in _ZSTD_MODULES:
        try:
            zstd: Any = importlib.import_module(name)
        except ImportError:
            continue
        unpacker = zstd.ZstdDecompressor()
        plain = (
            unpacker.decompress(content, max_output_size=size)
            if name == "zstandard"
            else unpacker.decompress(content, max_length=size)
        )
        return bytes(plain)
    raise RecordingError("no zstd module is installed; expected the one that rosbags brings")


def _fields(record: memoryview, numbers: str, texts: int) -> tuple[Any, ...]:
    """Leading numbers (one as itself, several as a tuple), then `texts` length-prefixed byte strings."""
    values = struct.unpack_from(numbers, record)
    found: list[Any] = [values if len(values) > 1 else values[0]]
    at = struct.calcsize(numbers)
    for _ in range(texts):
        (length,) = struct.unpack_from("<I", record, at)
        if at + 4 + length > len(record):
            raise struct.error("a text goes beyond its record")
        found.append(bytes(record[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)


def _topic(name: str, msgtype: str, definition: str) -> BagTopic:
    return BagTopic(name, msgtype, 0, starts_with_header(msgtype, definition), definition=definition)


def _sqlite3_rows(path: Path, known: dict[str, BagTopic]) -> Iterator[_Row]:
    """Rows until the first that is lost; none at all where a page that leads to all rows is."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA writable_schema = ON")  # else a file shorter than its header says is refused whole
        names = {}
        for number, name, msgtype in connection.execute("SELECT id, name, type FROM topics"):
            names[number] = str(name)
            known.setdefault(str(name), _topic(str(name), str(msgtype), ""))
        for number, stamp_ns, raw in connection.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id"):
            if number in names and isinstance(raw, bytes) and len(raw) <= MAX_MESSAGE_BYTES:
                yield _Row(names[number], int(stamp_ns), raw)
    except sqlite3.Error:
        return  # here the readable part ends
    finally:
        connection.close()
