"""Which process publishes: from the id of a DDS endpoint to a process of this machine, its user and its shared memory.

Fast DDS writes into each endpoint's id (its GID) the vendor (01 0f), a number of the host, and the lower 16 bits of the
process id. Whoever has the lock file of a shared-memory segment open owns that segment. Reads /proc and /dev/shm only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pagnet_ros.diagnosis.machine import PROFILE_VARIABLES
from pagnet_ros.diagnosis.observation import Process

_FAST_DDS: Final = (0x01, 0x0F)
_SEGMENT_LOCK: Final = re.compile(r"^((?:fastrtps|fastdds)_[0-9a-f]{16})_el$")


def is_here(gid: Sequence[int], own: Sequence[int]) -> bool | None:
    """Whether an endpoint lives on this machine.

    Args:
        gid: the endpoint's id, bytes.
        own: id of an endpoint of this process.

    Returns:
        None if that cannot be told, as with another DDS vendor.
    """
    if tuple(gid[:2]) != _FAST_DDS or tuple(own[:2]) != _FAST_DDS:
        return None
    return tuple(gid[2:4]) == tuple(own[2:4])


def process_of(gid: Sequence[int], root: Path = Path("/")) -> Process | None:
    """The process of an endpoint that lives on this machine.

    Args:
        gid: the endpoint's id, bytes, of Fast DDS.
        root: where /proc and /dev/shm are.

    Returns:
        None unless exactly one process fits and is seen to use Fast DDS: ids repeat, and may be of another container.
    """
    low = gid[4] | gid[5] << 8
    found = [
        process
        for folder in (root / "proc").iterdir()
        if folder.name.isdecimal() and int(folder.name) & 0xFFFF == low
        if (process := _look(folder, root / "dev/shm")) is not None
    ]
    return found[0] if len(found) == 1 else None


def _look(folder: Path, shm: Path) -> Process | None:
    """A process that uses Fast DDS, or None."""
    try:
        uid = folder.stat().st_uid
        segments = _own_segments(folder)
        if segments is None:  # another user's: only what lies in shared memory shows that Fast DDS is theirs
            theirs = any(path.stat().st_uid == uid for path in shm.glob("fast*"))
            return Process(int(folder.name), uid) if theirs else None
        if not segments:
            return None
        sizes = [path.stat().st_size for name in segments if (path := shm / name).exists()]
        profile = _profile(folder)
        exists = (folder / "cwd" / profile).is_file() if profile else True
        return Process(int(folder.name), uid, max(sizes, default=None), profile, exists)
    except OSError:  # it has ended
        return None


def _own_segments(folder: Path) -> list[str] | None:
    """Names of the segments a process owns; None where its open files may not be seen."""
    names: list[str] = []
    try:
        for link in (folder / "fd").iterdir():
            try:
                match = _SEGMENT_LOCK.match(Path(os.readlink(link)).name)
            except OSError:
                continue
            if match:
                names.append(match.group(1))
    except PermissionError:
        return None
    return names


def _profile(folder: Path) -> str:
    """The DDS profile that a process was started with."""
    try:
        entries = (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    pairs = (entry.decode(errors="replace").partition("=") for entry in entries)
    values = {name: value for name, _, value in pairs if name in PROFILE_VARIABLES and value}
    return next(iter(values.values()), "")
