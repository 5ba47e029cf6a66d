"""Processes that keep cores busy beside a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BUSY = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Processes that keep a core busy each, while the context lasts, and this process."""
    command = [sys.executable, "-S", "-c", _BUSY, str(os.getpid())]
    neighbours = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
