"""Files: small texts from outside read with limits, YAML without what can make it large or slow, and whole writing.

What is checked before parsing: a plain file (no pipe, no device), of bounded size, in UTF-8; YAML without
tags of other types, deep nesting, numbers of hundreds of digits, or aliases that make it large. And
the one way to write a file that is there whole or not at all.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from pagnet_ros.errors import PagnetError, quoted

MAX_YAML_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 20
_MAX_VALUES: Final = 100_000
_MAX_NUMBER: Final = 40
_NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's: a tenth of the time
_PLAIN: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))


class TextFileError(PagnetError):
    """A text file that cannot be read, or that is larger or more than such a file can be."""


class _NotPlainError(Exception):
    """Something in a YAML text that such a file does not need."""


def read_text(path: Path, max_bytes: int) -> str:
    """The text of a plain file.

    Args:
        path: The file; links are followed.
        max_bytes: Largest size.

    Raises:
        TextFileError: Not there, no plain file, larger, or not UTF-8.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait for a writer
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise TextFileError("not a plain file")
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            size = max(status.st_size, len(data))
            raise TextFileError(f"{size} bytes; expected at most {max_bytes}; is it another file?")
        return data.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError, as is bad UTF-8
        reason = error.strerror if isinstance(error, OSError) else None
        raise TextFileError(f"cannot be read ({reason or quoted(str(error))})") from error


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file to write, beside `path` and under a name that nobody can foresee, which takes its place at the end.

    It is flushed to the disk first, so that after a power cut there is the old file or the new one. After any error
    nothing of it is left, and what was at `path` is as it was.

    Args:
        path: The file to write or replace; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=path.parent)
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        with temporary.open("rb") as file:
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_yaml(path: Path, max_bytes: int = MAX_YAML_BYTES) -> Any:
    """The plain values of a YAML file: tables, lists, texts, numbers, true and false, nothing else.

    Args:
        path: The file.
        max_bytes: Largest size.

    Raises:
        TextFileError: As `read_text` and `parse_yaml`.
    """
    return parse_yaml(read_text(path, max_bytes))


def parse_yaml(text: str) -> Any:
    """The plain values of a YAML text.

    Raises:
        TextFileError: No YAML; or other types, nesting of more than 20 levels, a number of more than 40 characters,
            more than 100,000 values with every alias written out.
    """
    try:
        _check_events(text)
        return _LOADER(text).get_single_data()
    except _NotPlainError as error:
        raise TextFileError(f"not readable as YAML: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise TextFileError(f"not readable as YAML: {quoted(error.problem or '')}{line}") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise TextFileError(f"not readable as YAML: {type(error).__name__}: {quoted(str(error))}") from error


def _check_events(text: str) -> None:
    """Refuse, before anything is built, what would come out larger or other than it is written."""
    resolve: Any = yaml.SafeLoader("").resolve
    sizes: dict[str, int] = {}  # of what an alias stands for, once it is written out
    open_ones: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, _LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((event.anchor, 1))
            if len(open_ones) > _MAX_DEPTH + 1:
                raise _NotPlainError(f"more than {_MAX_DEPTH} levels in line {line}; expected a few")
            anchor, size = None, 0
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_ones.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _NotPlainError(f"an alias ({quoted(event.anchor)}) of nothing, or of itself, in line {line}")
            anchor, size = None, sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        outer, count = open_ones[-1]
        open_ones[-1] = outer, count + size
        if count + size > _MAX_VALUES:
            raise _NotPlainError(f"more than {_MAX_VALUES} values with every alias written out, in line {line}")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN and tag != "!":
            raise _NotPlainError(f"a value of type {quoted(tag)} in line {line}; expected plain values")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_NUMBER:
            kind = tag or resolve(yaml.ScalarNode, event.value, event.implicit)
            if kind in _NUMBERS:
                raise _NotPlainError(f"a number of {len(event.value)} characters in line {line}; expected a few digits")
