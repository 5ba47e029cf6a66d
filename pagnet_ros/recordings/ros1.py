"""ROS 1 bags behind the interface of rosbags' reader of ROS 2 ones.

Messages of the types that both have, byte for byte but for a header's `seq` (images, calibrations, poses, tf), come as
CDR; topics of other types are left out and named.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, TopicInfo

_MESSAGE, _CHUNK = 2, 5
_MAX_HEADER_BYTES = 1 << 16


class Ros1Reader:
    """A ROS 1 bag; a context manager.

    Attributes:
        path: The file.
        left_out: Topics of types that cannot be read.
        unlisted_chunks: Chunks that lie in the file and not in its index, and so are not read.
    """

    def __init__(self, path: Path) -> None:
        """Take a file; errors are rosbags'."""
        from rosbags.rosbag1 import Reader
        from rosbags.typesys import Stores, get_typestore

        self.path = path
        self.left_out: list[str] = []
        self.unlisted_chunks = 0
        self._unlisted: dict[int, int] = {}
        self._reader = Reader(path)
        self._ros1, self._ros2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)

    def __enter__(self) -> Ros1Reader:
        self._reader.open()
        readable = [c for c in self._reader.connections if self._is_same(c)]
        self.topics: dict[str, TopicInfo] = {
            name: info for name, info in self._reader.topics.items() if all(c in readable for c in info.connections)
        }
        self.left_out = sorted(self._reader.topics.keys() - self.topics.keys())
        self.connections = [c for c in readable if c.topic in self.topics]
        self.message_count = sum(info.msgcount for info in self.topics.values())
        self.start_time, self.end_time = self._reader.start_time, self._reader.end_time
        self._watch_chunks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    @property
    def unlisted_messages(self) -> int:
        """Messages of the chunks read so far that the index does not list, and that therefore did not come."""
        return sum(self._unlisted.values())

    def messages(
        self, connections: Collection[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages in order of time, as rosbags' reader gives them, in CDR; what does not fit its type is left out."""
        from rosbags.serde import SerdeError

        for connection, stamp_ns, raw in self._reader.messages(connections, start, stop):
            try:
                converted = bytes(self._ros2.ros1_to_cdr(raw, connection.msgtype))
            except SerdeError:
                continue  # `Bag` tells that it did not come
            yield connection, stamp_ns, converted

    def _is_same(self, connection: Connection) -> bool:
        """Whether a recorded type is ROS 1's own, and lies in memory as ROS 2's of that name."""
        from rosbags.convert.converter import is_same_wireformat

        name = connection.msgtype
        if name not in self._ros1.fielddefs or name not in self._ros2.fielddefs:
            return False
        is_own = self._ros1.generate_msgdef(name)[1] == connection.digest
        return is_own and is_same_wireformat(self._ros1, self._ros2, name, name)

    def _watch_chunks(self) -> None:
        """Have every chunk compared with the index once it is unpacked, and the chunks of the file with those listed.

        rosbags believes the index.
        """
        listed = Counter(entry.chunk_pos for entries in self._reader.indexes.values() for entry in entries)
        chunks = self._reader.chunks
        for at, chunk in chunks.items():
            chunks[at] = chunk._replace(decompressor=partial(self._unpacked, chunk.decompressor, at, listed[at]))
        with self.path.open("rb") as file:
            file.readline()  # what kind of file it is
            self.unlisted_chunks = max(0, sum(opcode == _CHUNK for opcode in _opcodes(file)) - len(chunks))

    def _unpacked(self, unpack: Callable[[bytes], bytes], at: int, listed: int, packed: bytes) -> bytes:
        content = unpack(packed)
        held = sum(opcode == _MESSAGE for opcode in _opcodes(io.BytesIO(content)))
        self._unlisted[at] = max(0, held - listed)
        return content


def _opcodes(file: BinaryIO) -> Iterator[int]:
    """What kind of record comes, one after the other; none any more behind a damaged one."""
    while len(size := file.read(4)) == 4 and int.from_bytes(size, "little") <= _MAX_HEADER_BYTES:
        _, mark, rest = file.read(int.from_bytes(size, "little")).partition(b"\4\0\0\0op=")
        content = file.read(4)
        if not mark or not rest or len(content) < 4:
            return
        yield rest[0]
        file.seek(int.from_bytes(content, "little"), io.SEEK_CUR)
