"""What can still be read of a damaged bag, said in one sentence.

Owns the last resort for error messages only: it walks over the records of an mcap file, or the rows of a sqlite3 file,
until they end, and tells how far that is and how to rescue it.
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["what_is_readable"]

_MAGIC = b"\x89MCAP0\r\n"
_MESSAGE, _CHUNK, _DATA_END, _FOOTER = 0x05, 0x06, 0x0F, 0x02
_MAX_RECORD = 1 << 34


def what_is_readable(path: Path) -> str:
    """Describe the readable part of a bag that could not be opened.

    Args:
        path: Bag folder, .mcap or .db3 file.

    Returns:
        One or two sentences; never raises.
    """
    try:
        if path.is_dir():
            return _describe_folder(path)
        if path.suffix == ".mcap":
            return _describe_mcap(path)
        if path.suffix == ".db3":
            return _describe_sqlite3(path)
    except (OSError, struct.error, sqlite3.Error, ValueError) as error:
        return f"Nothing in it is readable ({error})."
    return "Nothing in it is readable."


def _describe_folder(folder: Path) -> str:
    files = sorted(f for f in folder.iterdir() if f.suffix in (".mcap", ".db3"))
    if not files:
        found = ", ".join(sorted(f.name for f in folder.iterdir())) or "nothing"
        return f"It holds no .mcap or .db3 file; found: {found}."
    parts = " ".join(f"{file.name}: {what_is_readable(file)}" for file in files[:5])
    return f"{parts} If a file is whole, name it instead of the folder, or run `ros2 bag reindex {folder.name}`."


def _describe_mcap(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(8) != _MAGIC:
            return "It does not begin like an mcap file: nothing is readable."
        whole, chunks, messages, first_ns, last_ns, finished = _walk(file, path.stat().st_size)
    what = f"{chunks} whole chunks" if chunks else f"{messages} whole messages"
    if not (chunks or messages):
        return "It ends before the first message: nothing is readable."
    state = "its index is damaged" if finished else f"it is cut off after {whole} of {path.stat().st_size} bytes"
    return (
        f"Readable: {what}, {(last_ns - first_ns) / 1e9:.1f} s of recording; {state}. "
        f"Rescue it with `mcap recover {path.name} -o recovered.mcap`."
    )


def _walk(file: BinaryIO, size: int) -> tuple[int, int, int, int, int, bool]:
    """Walk top-level records: (bytes that are whole, chunks, messages, first stamp, last stamp, data section ended)."""
    chunks = messages = 0
    first_ns, last_ns, finished = 2**63, 0, False
    position = file.tell()
    while head := file.read(9):
        if len(head) < 9:
            break
        opcode, length = head[0], int.from_bytes(head[1:], "little")
        if length > _MAX_RECORD or position + 9 + length > size or opcode == 0:
            break
        if opcode == _CHUNK and length >= 16:
            start_ns, end_ns = struct.unpack("<QQ", file.read(16))
            first_ns, last_ns, chunks = min(first_ns, start_ns), max(last_ns, end_ns), chunks + 1
        elif opcode == _MESSAGE and length >= 22:
            (stamp_ns,) = struct.unpack_from("<Q", file.read(22), 6)
            first_ns, last_ns, messages = min(first_ns, stamp_ns), max(last_ns, stamp_ns), messages + 1
        finished = finished or opcode in (_DATA_END, _FOOTER)
        position += 9 + length
        file.seek(position)
    return position, chunks, messages, first_ns, last_ns, finished


def _describe_sqlite3(path: Path) -> str:
    rows, first_ns, last_ns, damage = 0, 0, 0, ""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        for stamp_ns, _ in connection.execute("SELECT timestamp, length(data) FROM messages ORDER BY id"):
            first_ns, last_ns, rows = (first_ns or stamp_ns), stamp_ns, rows + 1
    except sqlite3.Error as error:
        damage = str(error)
    finally:
        connection.close()
    rescue = f"`sqlite3 {path.name} .recover | sqlite3 recovered.db3`"
    if not rows:
        return f"Nothing in it is readable as it is ({damage or 'no message in it'}); {rescue} may rescue something."
    span = f"{(last_ns - first_ns) / 1e9:.1f} s of recording"
    return f"Readable: {rows} messages, {span} ({damage or 'its tables are whole'}). Rescue them with {rescue}."
