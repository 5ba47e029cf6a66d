"""A child process that ends with its parent, also where that one is killed and can end nobody any more (Linux).

``python -m pagnet_ros.system.processes PARENT MODULE [ARGUMENT...]`` asks the kernel for it, then is
``python -m MODULE [ARGUMENT...]``; what was asked outlives an exec. On other systems it only is that.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def words(module: str, *arguments: str) -> list[str]:
    """What Python is started with for a module that shall end with the calling process.

    To the kernel the parent is the thread that starts the child: start it from one that stays.
    """
    return ["-m", __name__, str(os.getpid()), module, *arguments]


def end_with_parent(parent: int) -> bool:
    """Have this process killed when its parent ends.

    Args:
        parent: its process id; one that ended before the kernel was asked is noticed by it.

    Returns:
        Whether it was done: Linux alone offers it.

    Raises:
        SystemExit: the parent is gone already.
    """
    if not sys.platform.startswith("linux"):
        return False
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None or prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
        return False
    if os.getppid() != parent:
        sys.exit(f"the parent, process {parent}, ended before this child began")
    return True


def main() -> None:
    """Be the module that the command line names."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    end_with_parent(parent)
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
