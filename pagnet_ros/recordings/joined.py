"""Several bags, whole or damaged, as one: what a replay reads.

They come one after the other, or merged where they were recorded at the same time. A bag that cannot be opened is
recovered file by file, and one that breaks off in the middle is read on behind the damage. What could not be read is
said in `damage`.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_files import find_files
from pagnet_ros.recordings.bags import Bag, BagMessage, BagTopic, require_rosbags
from pagnet_ros.recordings.recovery import RecoveredFile

Piece = Bag | RecoveredFile


class JoinedBags(Bag):
    """Bags in order of their first messages, merged where they overlap; a context manager.

    Attributes:
        damage: What could not be read so far, one sentence each; complete once all messages were read.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        """Open all of them.

        Args:
            paths: Bag folders, .mcap or .db3 files.

        Raises:
            RecordingError: One of them is no bag or holds nothing readable, or a topic has several types.
        """
        require_rosbags()
        self.topics: dict[str, BagTopic] = {}
        self._stack = ExitStack()
        self.damage: list[str] = []
        self.path = Path(paths[0]).expanduser() if len(paths) == 1 else Path(", ".join(Path(p).name for p in paths))
        self._pieces: list[Piece] = []
        try:
            for path in paths:
                self._pieces += self._open(Path(path).expanduser())
        except BaseException:
            self._stack.close()
            raise
        self._pieces.sort(key=lambda piece: piece.start_ns)
        self._merge_topics()
        filled = [piece for piece in self._pieces if piece.end_ns]
        self.start_ns = min((piece.start_ns for piece in filled), default=0)
        self.end_ns = max((piece.end_ns for piece in filled), default=0)

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Iterate over messages in order of recording, as `Bag.messages`; damage is stepped over and noted."""
        wanted = self.check_topics(topics) if topics else list(self.topics)
        parts = [
            self._read(piece, here, start_ns, stop_ns)
            for piece in self._pieces
            if (here := [name for name in wanted if name in piece.topics])
        ]
        overlap = any(second.start_ns < first.end_ns for first, second in pairwise(self._pieces))
        return heapq.merge(*parts, key=lambda message: message.stamp_ns) if overlap else chain.from_iterable(parts)

    def _read(self, piece: Piece, topics: list[str], start_ns: int | None, stop_ns: int | None) -> Iterator[BagMessage]:
        last_ns = None
        try:
            for message in piece.messages(topics, start_ns, stop_ns):
                last_ns = message.stamp_ns
                yield message
            for note in piece.notes:
                self._note(note)
            return
        except RecordingError as error:
            self._note(str(error))
        behind_ns = start_ns if last_ns is None else last_ns + 1
        for file in _storage_files(piece.path):
            with suppress(RecordingError):  # nothing of this file is readable, which is said
                yield from RecoveredFile(file).messages(topics, behind_ns, stop_ns)

    def _open(self, path: Path) -> list[Piece]:
        """The bag, or what is left of it."""
        try:
            bag = self._stack.enter_context(Bag(path, describe=False))
            self.damage += bag.notes
            return [bag]
        except RecordingError as error:
            files = _storage_files(path)
            if not files:
                raise
            pieces = [piece for file in files if (piece := self._open_file(file, refused=path)) is not None]
            if not pieces:
                raise RecordingError(f"{error} Nothing in it is readable.") from error
            return pieces

    def _open_file(self, file: Path, refused: Path) -> Piece | None:
        """One storage file of a damaged bag; None if nothing in it is readable."""
        try:
            if file != refused:
                return self._stack.enter_context(Bag(file, describe=False))
        except RecordingError:
            pass  # what can be read of it is said below
        try:
            recovered = RecoveredFile(file)
        except RecordingError as error:
            self._note(str(error))
            return None
        self._note(_recovered_text(recovered))
        return recovered

    def _merge_topics(self) -> None:
        for piece in self._pieces:
            for name, topic in piece.topics.items():
                known = self.topics.get(name)
                if known is not None and known.msgtype != topic.msgtype:
                    self._stack.close()
                    raise RecordingError(
                        f"{self.path}: {name} is {known.msgtype} in one bag and {topic.msgtype} in another; expected "
                        "one type; replay them one by one"
                    )
                self.topics[name] = replace(topic, count=topic.count + (known.count if known else 0))

    def _note(self, text: str) -> None:
        if text not in self.damage:
            self.damage.append(text)


def _recovered_text(recovered: RecoveredFile) -> str:
    seconds = (recovered.end_ns - recovered.start_ns) / 1e9
    broken = f" {recovered.broken_chunks} chunks are broken." if recovered.broken_chunks else ""
    return (
        f"{recovered.path}: cut off or damaged; {recovered.count} messages of {seconds:.1f} s could be read, the rest "
        f"could not.{broken} `mcap recover` or `sqlite3 ... .recover` make a whole bag of what is left"
    )


def _storage_files(path: Path) -> tuple[Path, ...]:
    """The storage files of a bag; none for what is no bag."""
    try:
        return find_files(path).files
    except (RecordingError, OSError):
        return ()
