"""Files that appear whole or not at all: what a full disk, an error or Ctrl-C must not leave half done.

Nothing that is there is replaced unless asked for; everything is written under another name first, and given its own
only once it is complete.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from pagnet_ros.errors import RecordingError


class OutputError(RecordingError):
    """Results cannot be written: a full disk, no permission, or something is there already."""


def refuse_present(folder: Path, names: Collection[str], force: bool) -> None:
    """Refuse to replace what is there.

    Raises:
        OutputError: a file or folder of one of these names is there, and `force` is not given.
    """
    present = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if present and not force:
        raise OutputError(
            f"{folder}: {', '.join(present)} {'is' if len(present) == 1 else 'are'} there already; name another "
            "folder with `out`, or replace with `force`"
        )


class OutputFolder:
    """Results in the making; a context manager. On success they are moved to their place, else they are removed."""

    def __init__(self, folder: Path, names: Collection[str], force: bool = False) -> None:
        """Check the place, and make a workspace inside it.

        Args:
            folder: where results go; made if it is not there.
            names: every file or folder that will be written.
            force: replace what is there under these names.

        Raises:
            OutputError: something is there and `force` is not given, or the folder cannot be made.
        """
        self.folder = folder
        self._names = tuple(names)
        refuse_present(folder, names, force)
        self._made = [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.workspace = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        except OSError as error:
            self._remove_made()
            raise OutputError(
                f"{folder}: cannot write there: {error.strerror or error}; name another folder with `out`"
            ) from error

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                with self.explained():
                    self._publish()
        finally:
            shutil.rmtree(self.workspace, ignore_errors=True)
            self._remove_made()

    def __truediv__(self, name: str) -> Path:
        """Where to write a file while it is in the making."""
        return self.workspace / name

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the system says into an `OutputError`."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"{self.folder}: writing failed ({reason}); nothing was left behind; free some space, or name another "
                "folder with `out`"
            ) from error

    def _publish(self) -> None:
        replaced = self.workspace / ".replaced"
        replaced.mkdir()
        for name in self._names:
            if not (self.workspace / name).exists():
                continue
            target = self.folder / name
            if target.exists() or target.is_symlink():
                os.rename(target, replaced / name)
            os.rename(self.workspace / name, target)

    def _remove_made(self) -> None:
        """Remove folders that were made for results which did not come."""
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()
