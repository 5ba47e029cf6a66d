"""Which files make up a bag, and each of them in a form that can be opened.

`metadata.yaml` is asked for names and nothing else: the files know best what is in them. Files that are packed
with zstd as a whole, and databases with rows in a write-ahead log, are read from a copy, which is gone once the bag is
closed; no file of the bag is ever changed.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from pagnet_ros.errors import RecordingError, quoted
from pagnet_ros.recordings.frame_files import visible
from pagnet_ros.recordings.unpacking import zstd_errors, zstd_module
from pagnet_ros.system.files import TextFileError, load_yaml

ROS1_SUFFIX: Final = ".bag"
STORAGE_SUFFIXES: Final = (".mcap", ".db3")
_MAX_METADATA_BYTES: Final = 4 << 20
_TABLE: Final = re.compile(r"CREATE (TABLE|INDEX|UNIQUE INDEX|TRIGGER)\b")  # as SQLite itself begins them
_KEPT_FREE: Final = 1 << 29
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class BagFiles:
    """The storage files of a bag.

    Attributes:
        files: In order.
        promised: Number of messages that metadata.yaml promises; None where nothing can be compared.
        notes: What is wrong with metadata.yaml, one sentence each.
    """

    files: tuple[Path, ...]
    promised: int | None = None
    notes: tuple[str, ...] = ()


def storage_suffix(path: Path) -> str:
    """Which of `STORAGE_SUFFIXES` a file has, also where ".zstd" follows; empty for any other file."""
    name = path.name.removesuffix(".zstd")
    return next((suffix for suffix in STORAGE_SUFFIXES if name.endswith(suffix)), "")


def find_files(path: Path) -> BagFiles:
    """The storage files of a bag folder, or the one that is named.

    Raises:
        RecordingError: Nothing there, or no storage file.
    """
    if not path.exists():
        raise RecordingError(f"{path}: nothing there; expected a bag folder, or a .mcap, .db3 or .bag file")
    if path.is_dir():
        return _files_of(path)
    if path.name == "metadata.yaml":
        return _files_of(path.parent)
    if not storage_suffix(path) and path.suffix != ROS1_SUFFIX:
        raise RecordingError(
            f"{path}: a {path.suffix or 'nameless'} file; expected a bag folder, or a .mcap, .db3 or .bag file"
        )
    if not path.is_file():
        raise RecordingError(f"{path}: not a plain file; expected a .mcap, .db3 or .bag file")
    return BagFiles((path,))


def _files_of(folder: Path) -> BagFiles:
    there = sorted((file for file in visible(folder) if storage_suffix(file) and file.is_file()), key=_natural)
    metadata = folder / "metadata.yaml"
    if not metadata.exists():
        if not there:
            raise RecordingError(
                f"{folder}: no metadata.yaml and no .mcap or .db3 file in it; expected a ROS 2 bag folder"
            )
        return BagFiles(tuple(there))
    try:
        names, promised = _read_metadata(metadata)
        notes = []
    except TextFileError as error:
        names, promised = [], None
        notes = [f"{metadata}: {error}; the bag is read from its files alone"]
    listed = [next((file for file in there if file.name in (name, f"{name}.zstd")), None) for name in names]
    missing = [name for name, file in zip(names, listed, strict=True) if file is None]
    if missing:
        notes.append(f"{metadata} names {', '.join(map(quoted, missing[:5]))}, which is not there; copy the whole bag")
    if not there:
        expected = ", ".join(map(quoted, missing[:5])) or "one"
        raise RecordingError(f"{folder}: no .mcap or .db3 file in it; expected {expected}, as its metadata.yaml says")
    files = [file for file in listed if file is not None]
    if missing or not files:
        return BagFiles(tuple(there), None, tuple(notes))
    others = [file.name for file in there if file not in files]
    if others:
        notes.append(f"{metadata} does not name {', '.join(others[:5])}, which is left out; name that file to read it")
    return BagFiles(tuple(files), promised, tuple(notes))


def _read_metadata(path: Path) -> tuple[list[str], int | None]:
    """Names of the files, and the number of messages.

    Raises:
        TextFileError: It is no metadata.yaml of a bag.
    """
    content = load_yaml(path, _MAX_METADATA_BYTES)
    about = content.get("rosbag2_bagfile_information") if isinstance(content, dict) else None
    names = about.get("relative_file_paths") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TextFileError("no list of files (rosbag2_bagfile_information, relative_file_paths) in it")
    count = about.get("message_count")
    return [PurePath(name.replace("\\", "/")).name for name in names], count if type(count) is int else None


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts part 10 after part 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", path.name)]


@contextmanager
def opened(file: Path) -> Iterator[Path]:
    """A storage file as one that can be opened: itself, or a copy that is unpacked, or that holds the log's rows too.

    Raises:
        RecordingError: There is no room for the copy, or it is no database of plain tables.
    """
    with _unpacked(file) as plain:
        if storage_suffix(file) == ".db3":
            _check_tables(file, plain)
        yield plain


@contextmanager
def _unpacked(file: Path) -> Iterator[Path]:
    log = file.with_name(f"{file.name}-wal")
    packed = file.suffix == ".zstd"
    if not packed and not (storage_suffix(file) == ".db3" and log.is_file() and log.stat().st_size > 0):
        yield file
        return
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagnet-bag-")))
            copy = folder / file.name.removesuffix(".zstd")
            if packed:
                _unpack(file, copy)
            else:
                _merge_log(file, log, copy)
        except OSError as error:
            raise RecordingError(f"{file}: cannot be copied to {tempfile.gettempdir()} ({error.strerror})") from error
        yield copy


def _unpack(file: Path, copy: Path) -> None:
    """As much of a zstd file as can be unpacked; a cut-off one gives its beginning."""
    room = shutil.disk_usage(copy.parent).free - _KEPT_FREE
    with file.open("rb") as source, copy.open("wb") as target:
        stream = _stream(source)
        try:
            while block := stream.read(_BLOCK):
                room -= len(block)
                if room < 0:
                    raise RecordingError(
                        f"{file}: does not fit into {copy.parent.parent} unpacked; free some space, name another "
                        f"folder in TMPDIR, or unpack it with `zstd -d {file.name}`"
                    )
                target.write(block)
        except zstd_errors():
            return  # cut off or damaged: what came before it is of use


def _merge_log(file: Path, log: Path, copy: Path) -> None:
    """A copy of a database with the rows of its write-ahead log."""
    if file.stat().st_size + 2 * log.stat().st_size > shutil.disk_usage(copy.parent).free - _KEPT_FREE:
        raise RecordingError(
            f"{file}: its write-ahead log {log.name} holds messages that are not in it yet, and there is no room in "
            f"{copy.parent.parent} for a copy; name another folder in TMPDIR, or run `sqlite3 {file.name} "
            "'PRAGMA wal_checkpoint(TRUNCATE)'`"
        )
    shutil.copyfile(file, copy)
    shutil.copyfile(log, copy.with_name(f"{copy.name}-wal"))
    connection = sqlite3.connect(copy)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        pass  # a damaged database: who opens it says so
    finally:
        connection.close()


def _check_tables(file: Path, plain: Path) -> None:
    """Refuse a database that computes its rows: a view can go on without end, and a bag has none."""
    connection = sqlite3.connect(f"{plain.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA writable_schema = ON")  # a damaged list of tables is read on, as by `recovery`
        made = [str(row[0]) for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    except (sqlite3.Error, UnicodeDecodeError):
        return  # a damaged database: who opens it says so
    finally:
        connection.close()
    others = [sql for sql in made if not _TABLE.match(sql)]
    if others:
        raise RecordingError(f"{file}: holds {quoted(others[0])}; expected a bag's tables alone, and no view")


def _stream(source: Any) -> Any:
    module = zstd_module()
    return module.ZstdDecompressor().stream_reader(source) if module.__name__ == "zstandard" else module.open(source)
