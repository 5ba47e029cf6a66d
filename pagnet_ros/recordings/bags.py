"""ROS 2 bags as a stream of raw messages, read without ROS.

`Bag` holds its topics, and its messages as serialised bytes with both stamps (when it was recorded, and the header's).
Files are read by the rosbags library, mcap or sqlite3, split or compressed; nothing is decoded unless asked for. Each
storage file is opened by itself: what metadata.yaml says of topics, QoS, times and compression may be old or edited.
Every failure is a `RecordingError` that says what is readable and what to do.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_files import ROS1_SUFFIX, find_files, opened
from pagnet_ros.recordings.cdr import header_stamp_ns, starts_with_header
from pagnet_ros.recordings.ros1 import Ros1Reader
from pagnet_ros.recordings.unpacking import MAX_CHUNK_BYTES, ZSTD_MAGIC, bound_rosbags, unpacked, zstd_module

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos
    from rosbags.rosbag2 import Reader
    from rosbags.typesys.store import Typestore

MAX_MESSAGE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        name: Such as "/camera/depth/image_raw".
        msgtype: Such as "sensor_msgs/msg/Image".
        count: Number of messages.
        stamped: Whether messages begin with a header.
        qos: What its publishers offered, as recorded; empty if unknown.
        definition: The type's definition as recorded (.msg or .idl text); empty if the recording holds none.
        digest: The type's hash (REP 2011) as recorded; empty if unknown.
    """

    name: str
    msgtype: str
    count: int
    stamped: bool
    qos: tuple[Qos, ...] = ()
    definition: str = ""
    digest: str = ""


@dataclass(frozen=True)
class BagMessage:
    """One message as it lies in the bag.

    Attributes:
        topic: Its topic.
        stamp_ns: When it was recorded.
        raw: Serialised (CDR) bytes.
    """

    topic: BagTopic
    stamp_ns: int
    raw: bytes

    @property
    def header_stamp_ns(self) -> int | None:
        """Stamp of the message's header, or None if it has none."""
        return header_stamp_ns(self.raw) if self.topic.stamped else None


class Bag:
    """An open bag; a context manager.

    Attributes:
        path: Bag folder or storage file.
        topics: By name.
        start_ns: Recording time of the first message (0 for an empty bag).
        end_ns: One past the recording time of the last message.
        notes: What is odd about the bag although it can be read, one sentence each; messages that its index promises
            and damage hides are only known once all were read.
    """

    def __init__(self, path: str | Path, *, describe: bool = True) -> None:
        """Open a bag.

        Args:
            path: A bag folder, or a single .mcap or .db3 file, also with ".zstd" behind, or a .bag file of ROS 1.
            describe: Read a damaged file to its end, to say in the error what of it is readable.

        Raises:
            RecordingError: There is no bag, or it cannot be read; the message says what is readable.
        """
        require_rosbags()
        self.path = Path(path).expanduser()
        self.topics: dict[str, BagTopic] = {}
        self._stack = ExitStack()
        self._readers: list[Reader | Ros1Reader] = []
        try:
            found = find_files(self.path)
            for file in found.files:
                self._readers.append(self._open_one(file, describe))
            self._merge_topics()
        except OSError as error:
            self._stack.close()
            raise RecordingError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        except BaseException:
            self._stack.close()
            raise
        self.notes = list(found.notes)
        held = sum(reader.message_count for reader in self._readers)
        orphans = held - sum(connection.msgcount for reader in self._readers for connection in reader.connections)
        if orphans > 0:
            self.notes.append(f"{self.path}: {orphans} of its {held} messages belong to no topic, and are left out")
        others = sorted({c.topic for reader in self._readers for c in reader.connections if not _is_cdr(c)})
        if others:
            self.notes.append(f"{self.path}: {', '.join(others[:5])} is not in CDR, ROS 2's own form, and is left out")
        unread = sorted({topic for reader in self._readers for topic in getattr(reader, "left_out", ())})
        if unread:
            self.notes.append(f"{self.path}: {', '.join(unread[:5])} has a type of ROS 1 alone, and is left out")
        for reader in self._readers:
            if chunks := getattr(reader, "unlisted_chunks", 0):
                self.notes.append(_unlisted_text(reader, f"{chunks} of its chunks"))
        if found.promised not in (None, held):
            self.notes.append(f"{self.path}: metadata.yaml promises {found.promised} messages, its files hold {held}")
        times = [(r.start_time, r.end_time) for r in self._readers if r.message_count]
        self.start_ns = min((t[0] for t in times), default=0)
        self.end_ns = max((t[1] for t in times), default=0)

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def count(self) -> int:
        """Number of messages in all topics."""
        return sum(topic.count for topic in self.topics.values())

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Iterate over messages in order of recording.

        Args:
            topics: Names of the topics wanted; all if empty.
            start_ns: Leave out what was recorded before.
            stop_ns: Leave out what was recorded then or later.

        Raises:
            RecordingError: A topic is not in the bag, or the data is damaged from some message on.
        """
        wanted = self.check_topics(topics) if topics else list(self.topics)
        done, last_ns = 0, None
        for reader in self._readers:
            connections = [c for c in reader.connections if c.topic in wanted and _is_cdr(c)]
            before = done
            try:
                for connection, stamp_ns, raw in reader.messages(connections, start_ns, stop_ns) if connections else ():
                    yield BagMessage(self.topics[connection.topic], stamp_ns, _checked(connection.topic, stamp_ns, raw))
                    done, last_ns = done + 1, stamp_ns
            except _read_errors() as error:
                until = f", the last recorded at {last_ns / 1e9:.3f} s" if last_ns is not None else ""
                raise RecordingError(
                    f"{reader.path}: damaged after {done} readable messages{until} ({_reason(error)}); expected "
                    f"{self.count} in all; play up to there, or rewrite the bag (`ros2 bag convert`, `mcap recover`)"
                ) from error
            everything = (start_ns or 0) <= reader.start_time and (stop_ns or reader.end_time) >= reader.end_time
            self._compare(reader, done - before, sum(c.msgcount for c in connections) if everything else 0)

    def _compare(self, reader: Reader | Ros1Reader, came: int, promised: int) -> None:
        """Remark on messages that did not come: rosbags steps over damaged records, and over what no index lists."""
        texts = []
        if came < promised:
            readable = f"{came} of the {promised} messages its index promises are readable"
            texts.append(f"{reader.path}: damaged on the way: {readable}")
        if unlisted := getattr(reader, "unlisted_messages", 0):
            texts.append(_unlisted_text(reader, f"{unlisted} messages"))
        self.notes += [text for text in texts if text not in self.notes]

    def first(self, topic: str) -> BagMessage | None:
        """First message of a topic, or None if it has none."""
        return next(self.messages([topic]), None)

    def check_topics(self, names: Collection[str]) -> list[str]:
        """Resolve topic names (a leading slash may be left out).

        Returns:
            The names as the bag has them.

        Raises:
            RecordingError: Every name that is not there, with the nearest ones that are.
        """
        resolved, missing = [], []
        for name in names:
            match = next((n for n in (name, f"/{name}") if n in self.topics), None)
            if match is None:
                missing.append(f"{name!r} ({nearest_names(name, self.topics)})")
            else:
                resolved.append(match)
        if missing:
            raise RecordingError(
                f"{self.path}: no topic {', '.join(missing)}. It has: {', '.join(sorted(self.topics)) or 'no topic'}"
            )
        return resolved

    def describe(self) -> str:
        """A table of the topics for people: name, type, number of messages."""
        rows = [(t.name, t.msgtype, str(t.count)) for t in sorted(self.topics.values(), key=lambda t: t.name)]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        return "\n".join(f"{n:<{widths[0]}}  {m:<{widths[1]}}  {c:>8}" for n, m, c in rows)

    def decode(self, message: BagMessage) -> Any:
        """Decode a message of a standard type into an object with the message's fields (arrays as NumPy).

        Raises:
            RecordingError: The type is not one of ROS 2's own, or the bytes do not fit it.
        """
        name = message.topic.msgtype
        if name not in self._types.fielddefs:
            raise RecordingError(f"{message.topic.name} has type {name}; expected one of ROS 2's common interfaces")
        try:
            return self._types.deserialize_cdr(message.raw, name)
        except Exception as error:  # rosbags' generated code raises struct, index, memory and unicode errors alike
            raise RecordingError(f"{message.topic.name}: bytes that are no {name} ({_reason(error)})") from error

    @cached_property
    def _types(self) -> Typestore:
        from rosbags.typesys import Stores, get_typestore

        return get_typestore(Stores.ROS2_JAZZY)

    def _open_one(self, path: Path, describe: bool) -> Reader | Ros1Reader:
        from rosbags.rosbag2 import Reader

        try:
            bound_rosbags()
            file = self._stack.enter_context(opened(path))
            reader = Ros1Reader(file) if path.suffix == ROS1_SUFFIX else Reader(file)
            self._stack.enter_context(reader)
            _check_chunk_sizes(reader)
            _check_values(reader)
            return reader
        except _read_errors() as error:
            from pagnet_ros.recordings.recovery import what_is_readable

            readable = f" {what_is_readable(path)}" if describe else ""
            raise RecordingError(f"{path}: cannot be read as a bag ({_reason(error)}).{readable}") from error

    def _merge_topics(self) -> None:
        for reader in self._readers:
            for name, info in reader.topics.items():
                if not all(map(_is_cdr, info.connections)):
                    continue
                if info.msgtype is None:
                    types = ", ".join(sorted({c.msgtype for c in info.connections}))
                    raise RecordingError(f"{self.path}: {name} was recorded with several types ({types}); expected one")
                known = self.topics.get(name)
                self.topics[name] = BagTopic(
                    name=name,
                    msgtype=info.msgtype,
                    count=info.msgcount + (known.count if known else 0),
                    stamped=starts_with_header(info.msgtype, info.msgdef.data),
                    qos=known.qos if known else tuple(_offered_qos(info.connections)),
                    definition="" if isinstance(reader, Ros1Reader) else info.msgdef.data,
                    digest="" if isinstance(reader, Ros1Reader) else next((c.digest for c in info.connections), ""),
                )


def require_rosbags() -> None:
    """Check that the library that reads and writes bags is there.

    Raises:
        RecordingError: It is not.
    """
    if importlib.util.find_spec("rosbags") is None:
        raise RecordingError("bags need the rosbags library, which is not installed; `pip install rosbags`")


def nearest_names(name: str, names: Collection[str]) -> str:
    """The names most like a misspelt one, as "did you mean ...?"."""
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    parts = [n for n in names if name.strip("/").split("/")[-1] in n.split("/")]
    found = list(dict.fromkeys(near + parts))[:3]
    return f"did you mean {' or '.join(found)}?" if found else "nothing like it"


def _checked(topic: str, stamp_ns: Any, raw: Any) -> bytes:
    """The bytes of a message, unpacked where the bag was compressed message by message.

    Raises:
        ValueError: No bytes, no whole stamp, or more than a message can be.
    """
    if type(stamp_ns) is not int or not isinstance(raw, (bytes, bytearray, memoryview)):
        raise ValueError(f"a row on {topic} without a whole stamp or without bytes")
    data = bytes(raw)
    if data.startswith(ZSTD_MAGIC):  # CDR begins with a zero
        data = unpacked(data, "zstd", MAX_MESSAGE_BYTES)
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message on {topic} has {len(data)} bytes")
    return data


def _check_values(reader: Reader | Ros1Reader) -> None:
    """Refuse a database whose stamps are no whole numbers, or whose names are no texts."""
    if reader.message_count and not (type(reader.start_time) is int and type(reader.end_time) is int):
        raise ValueError("stamps that are no whole numbers")
    if not all(isinstance(text, str) for c in reader.connections for text in (c.topic, c.msgtype)):
        raise ValueError("topics whose names are no texts")


def _check_chunk_sizes(reader: Reader | Ros1Reader) -> None:
    """Refuse an mcap chunk that would unpack to more than memory should hold."""
    joined = getattr(reader, "storage", None)
    for storage in getattr(joined, "storages", [joined]):
        for chunk in getattr(storage, "chunks", ()):
            if chunk.uncompressed_size > MAX_CHUNK_BYTES:
                raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes; at most {MAX_CHUNK_BYTES} are unpacked")


def _unlisted_text(reader: Reader | Ros1Reader, what: str) -> str:
    return f"{reader.path}: its index does not list {what}, which are left out; `rosbag reindex` writes a whole index"


def _is_cdr(connection: Connection) -> bool:
    """Whether messages are serialised as ROS 2 does; an mcap file may hold others beside them, such as JSON."""
    return getattr(connection.ext, "serialization_format", "cdr") in ("cdr", "")


def _offered_qos(connections: list[Connection]) -> list[Qos]:
    from rosbags.convert.converter import LATCH  # for a latched topic of ROS 1

    found = (
        getattr(c.ext, "offered_qos_profiles", LATCH if getattr(c.ext, "latching", 0) else ()) for c in connections
    )
    return [qos for each in found for qos in each]


def _read_errors() -> tuple[type[BaseException], ...]:
    """What rosbags and the libraries below it raise on damaged files; they do not share a base class."""
    import struct

    import apsw
    from rosbags.rosbag1 import ReaderError as Ros1Error
    from rosbags.rosbag2 import ReaderError

    return (
        ReaderError, Ros1Error, apsw.Error, struct.error, OSError, EOFError, RuntimeError, ValueError, TypeError,
        KeyError, IndexError, AttributeError, AssertionError, MemoryError, OverflowError, zstd_module().ZstdError,
    )  # fmt: skip


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".").split("\n")[0] or type(error).__name__
