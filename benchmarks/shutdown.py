"""How long the node takes to end after Ctrl-C, with its network at work, and what it leaves behind.

A simulated camera feeds it; Ctrl-C is pressed once, or again and again until it has ended. ``python -m
benchmarks.shutdown``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from pagnet_ros.system.transport import enter_own_domain
from pagnet_training.command import Arguments, command_line

_NODE = "import sys; from pagnet_ros.system.start import start; sys.exit(start('pagnet_ros.ros.node.node'))"
_ACTIVE = re.compile(r"\]: active: ")
_SEGMENTS = re.compile(r"/dev/shm/fastrtps_[0-9a-f]+(?:_el)?$", re.MULTILINE)
_DEADLINE_S = 120.0


class _End(NamedTuple):
    wall_s: float
    processor_s: float
    status: int
    left: int


@command_line
def main(arguments: Arguments = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shutdown", description=str(__doc__).splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="per row (default 5)")
    options = parser.parse_args(arguments)
    enter_own_domain()
    camera = subprocess.Popen([sys.executable, "-m", "pagnet_ros.ros.players.simulated_camera"], stderr=subprocess.PIPE)
    try:
        sys.stdout.write("| Ctrl-C | wall s: median, max | processor s: median, max | exit codes | segments left |\n")
        sys.stdout.write("|---|---|---|---|---|\n")
        for name, again in (("once", False), ("again and again", True)):
            ends = [_end(again) for _ in range(options.times)]
            wall, processor = (
                sorted(values) for values in zip(*((e.wall_s, e.processor_s) for e in ends), strict=True)
            )
            middle = len(ends) // 2
            sys.stdout.write(
                f"| {name} | {wall[middle]:.2f}, {wall[-1]:.2f} | {processor[middle]:.2f}, {processor[-1]:.2f} "
                f"| {sorted({e.status for e in ends})} | {sum(e.left for e in ends)} |\n"
            )
    finally:
        camera.send_signal(signal.SIGINT)
        camera.wait()


def _end(again: bool) -> _End:
    """Start a node, let it work, end it."""
    words = ["--ros-args", "-p", "autostart:=true", "-p", "lazy:=false"]
    node = subprocess.Popen([sys.executable, "-c", _NODE, *words], stderr=subprocess.PIPE, text=True)
    try:
        assert node.stderr is not None
        next(line for line in node.stderr if _ACTIVE.search(line))
        time.sleep(3.0)  # frames are computed
        maps = Path(f"/proc/{node.pid}/maps").read_text(encoding="utf-8")
        before = last = _processor_s(node.pid)
        start = time.monotonic()
        node.send_signal(signal.SIGINT)
        while node.poll() is None and time.monotonic() - start < _DEADLINE_S:
            with contextlib.suppress(OSError, IndexError, ValueError):
                last = _processor_s(node.pid)
            time.sleep(0.01)
            if again:
                node.send_signal(signal.SIGINT)
        wall_s = time.monotonic() - start
    finally:
        node.kill()
        node.wait()
    left = [path for path in _own_segments(maps) if os.path.exists(path)]
    return _End(wall_s, last - before, node.returncode, len(left))


def _own_segments(maps: str) -> set[str]:
    """DDS's shared memory that a process mapped and no other one still does."""
    used = set()
    for other in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            used |= set(_SEGMENTS.findall(other.read_text(encoding="utf-8")))
    return set(_SEGMENTS.findall(maps)) - used


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
