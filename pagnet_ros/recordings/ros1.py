"""ROS 1 bags behind the interface of rosbags' reader of ROS 2 ones.

Messages of the types that both have, byte for byte but for a header's `seq` (images, calibrations, poses, tf), come as
CDR; topics of other types are left out and named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, TopicInfo


class Ros1Reader:
    """A ROS 1 bag; a context manager.

    Attributes:
        path: The file.
        left_out: Topics of types that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Take a file; errors are rosbags'."""
        from rosbags.rosbag1 import Reader
        from rosbags.typesys import Stores, get_typestore

        self.path = path
        self.left_out: list[str] = []
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

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
