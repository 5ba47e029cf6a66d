"""What can still be read of a damaged storage file: message by message, and said in one sentence.

Reads what rosbags refuses: an mcap file without its end or with broken chunks, a sqlite3 file whose
tables end early. Records are walked from the front; what does not hold together is left out and counted. A whole file
is read by `bags`, faster and in order of time; here messages come in the order they lie in the file.
"""

from __future__ import annotations

import io
import sqlite3
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_files import opened, storage_suffix
from pagnet_ros.recordings.bags import MAX_MESSAGE_BYTES, BagMessage, BagTopic
from pagnet_ros.recordings.cdr import starts_with_header
from pagnet_ros.recordings.unpacking import MAX_CHUNK_BYTES, ZSTD_MAGIC, unpacked

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F


class _Row(NamedTuple):
    """One message before its topic is known."""

    topic: str
    stamp_ns: int
    raw: bytes


class RecoveredFile:
    """The readable part of one .mcap or .db3 file.

    Attributes:
        path: The file.
        topics: By name, with the number of messages that can be read.
        start_ns: Recording time of the earliest of them.
        end_ns: One past that of the latest.
        notes: Always empty: that it is damaged is known to who asks for it.
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
        self.notes: list[str] = []
        self.broken_chunks = 0
        stamps: list[int] = []
        for row in self._rows(known=self.topics):
            self.topics[row.topic] = replace(self.topics[row.topic], count=self.topics[row.topic].count + 1)
            stamps = [min(row.stamp_ns, *stamps), max(row.stamp_ns, *stamps)] if stamps else [row.stamp_ns] * 2
        if not stamps:
            raise RecordingError(f"{path}: not one message in it is readable")
        self.start_ns, self.end_ns = stamps[0], stamps[1] + 1

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
        with opened(self.path) as file:
            rows = self._mcap_rows(file, known) if storage_suffix(self.path) == ".mcap" else _sqlite3_rows(file, known)
            for row in rows:
                if not row.raw.startswith(ZSTD_MAGIC):
                    yield row
                    continue
                with suppress(ValueError):  # a packed message that does not unpack is lost
                    yield row._replace(raw=unpacked(row.raw, "zstd", MAX_MESSAGE_BYTES))

    def _mcap_rows(self, file: Path, known: dict[str, BagTopic]) -> Iterator[_Row]:
        schemas: dict[int, tuple[str, str]] = {}
        channels: dict[int, str] = {}
        try:
            for opcode, record in self._records(file):
                if opcode == _MESSAGE and len(record) >= 22:
                    channel, _, stamp_ns = struct.unpack_from("<HIQ", record)
                    if channels.get(channel) in known:
                        yield _Row(channels[channel], stamp_ns, bytes(record[22:]))
                elif opcode == _SCHEMA:
                    number, name, _, text = _fields(record, "<H", 3)
                    schemas[number] = (name.decode(), text.decode())
                elif opcode == _CHANNEL:
                    (number, schema), topic, encoding = _fields(record, "<HH", 2)
                    channels[number] = topic.decode()
                    if schema in schemas and encoding in (b"cdr", b""):
                        known.setdefault(channels[number], _topic(channels[number], *schemas[schema]))
        except (struct.error, UnicodeDecodeError, OSError):
            return  # a broken schema or channel: what follows cannot be told apart

    def _records(self, path: Path) -> Iterator[tuple[int, memoryview]]:
        """Records of the file and of its chunks, until the first that does not fit into the file."""
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return
            for opcode, record in _walk(file, path.stat().st_size):
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
        plain = unpacked(content, compression, size) if compression else content
    except Exception:  # each decompressor has its own errors
        return b"", False
    whole = len(plain) == size and (not crc or crc32(plain) == crc)
    return (plain, True) if whole else (b"", False)


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
            whole = isinstance(stamp_ns, int) and isinstance(raw, bytes) and len(raw) <= MAX_MESSAGE_BYTES
            if whole and number in names:
                yield _Row(names[number], stamp_ns, raw)
    except sqlite3.Error:
        return  # here the readable part ends
    finally:
        connection.close()


def what_is_readable(path: Path) -> str:
    """The readable part of a storage file that could not be opened, and how to recover it, in words; never raises."""
    kind = storage_suffix(path)
    if not kind:
        return "Nothing in it is readable."
    mend = f"mcap recover {path.name} -o recovered.mcap"
    if kind == ".db3":
        mend = f"sqlite3 {path.name} .recover | sqlite3 recovered.db3"
    try:
        found = RecoveredFile(path)
    except (OSError, RecordingError) as error:
        return f"Nothing in it is readable ({error}); `{mend}` may recover something."
    seconds = (found.end_ns - found.start_ns) / 1e9
    return f"Readable: {found.count} messages, {seconds:.1f} s of recording. Recover them with `{mend}`."
