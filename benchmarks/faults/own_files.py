"""File systems of this process's own, so that a full disk or a full /dev/shm is nobody else's (Linux)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "PAGNET_OWN_FILES"
SHM, DISK = "512m", "4m"


def enter_own_files(module: str, arguments: list[str]) -> bool:
    """Become ``python -m module`` with mounts that nobody else sees, if it is not yet so.

    Returns:
        Whether it is so; False where the system does not allow it.
    """
    if _MARK in os.environ:
        return True
    ways = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])
    for way in ways if shutil.which("unshare") else ():
        test = [*way, "mount", "-t", "tmpfs", "none", "/dev/shm"]
        if subprocess.run(test, capture_output=True, check=False).returncode == 0:
            mount = f'mount -t tmpfs -o size={SHM} none /dev/shm && exec "$@"'
            command = [*way, "sh", "-c", mount, "sh", sys.executable, "-m", module, *arguments]
            dropped = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE",)
            environ = {key: value for key, value in os.environ.items() if key not in dropped}
            os.execvpe(command[0], command, {**environ, _MARK: "1"})
    return False


@contextmanager
def small_disk(own: bool) -> Iterator[Path | None]:
    """A file system of a few megabytes, where mounts are this process's own."""
    with tempfile.TemporaryDirectory(prefix="pagnet-faults-") as folder:
        if not own:
            yield None
            return
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
