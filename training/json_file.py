"""Results -> files; what stands in the way is told by name, for the results may have taken hours."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.files import replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_FREE_BYTES = 1 << 20


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Write a file inside of this, in a folder that is made where there is none.

    Args:
        path: the file.
        what: what is written, for the message: "the figures".

    Raises:
        ConfigError: the file cannot be written, as on a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigError(
            f"{path}: {what} cannot be written: {error.strerror or error}; free some space, or choose another file"
        ) from error


def check_room(folder: Path) -> None:
    """Refuse a disk that is full already: TensorBoard's thread would tell of it in its own words only.

    Raises:
        ConfigError: the folder can neither be written to nor made, or less than a megabyte is free there.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        wrong = "is read-only" if there.is_dir() else "is a file"
        raise ConfigError(f"{folder}: {there} {wrong}; expected a folder to write to: choose another --out")
    free = shutil.disk_usage(there).free
    if free < _LEAST_FREE_BYTES:
        raise ConfigError(
            f"{folder}: {free >> 10} kB are free there; expected room for checkpoints and curves, at least "
            f"{_LEAST_FREE_BYTES >> 20} MB: free some space, or choose another --out"
        )


def write_json(path: Path, figures: Any) -> None:
    """Write plain values, in a folder that is made where there is none.

    Raises:
        ConfigError: the file cannot be written, as on a full disk.
    """
    text = json.dumps(figures, indent=1) + "\n"
    with explained(path, "the figures"), replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_picture(path: Path, figure: Figure, dpi: int) -> None:
    """Save a matplotlib figure, in a folder that is made where there is none.

    Raises:
        ConfigError: the file cannot be written, as on a full disk, or its name is not one of a picture.
    """
    picture = io.BytesIO()  # Pillow itself does not look whether a disk took all of it
    try:
        figure.savefig(picture, dpi=dpi, format=path.suffix[1:] or None)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; expected a name such as {path.stem}.png") from error
    with explained(path, "the picture"), replaced(path) as temporary:
        temporary.write_bytes(picture.getvalue())


def append_json(path: Path, entry: Any) -> None:
    """Add plain values to a file as one line of JSON; after an error the file ends as it did.

    Raises:
        ConfigError: the file cannot be written, as on a full disk.
    """
    line = (json.dumps(entry) + "\n").encode()
    with explained(path, "a line of figures"), path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            raise
