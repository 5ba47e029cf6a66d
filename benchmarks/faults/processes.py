"""Faults of the node's own process and of the machine: killed, out of memory, no disk, no device."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.faults.live import DICE
from benchmarks.faults.rig import FaultError, Rig, fault

SHM = Path("/dev/shm")
LOG_FULL_S = 6.0  # the node looks at its machine every five seconds
KILLS = 10
STAGES_S = (0.3, 0.8, 1.5, 2.5, 4.0)
"""Seconds after its start at which a node is asked to end: while Python starts, torch loads, ROS starts, frames run."""


def _again(rig: Rig, module: str = "pagnet_ros.ros.node", environ: dict[str, str] | None = None) -> float:
    """End the node, start it anew; its start counts."""
    rig.node.end()
    begin = time.monotonic()
    rig.start_node(module, environ)
    return begin


@fault("node killed 10 times in the middle of a frame and started again", keeps=False)
def _killed(rig: Rig) -> float:
    for _ in range(KILLS - 1):
        time.sleep(DICE.uniform(0.0, 0.1))
        rig.node.end(signal.SIGKILL)
        begin = time.monotonic()
        rig.start_node()
        rig.wait_for_output(begin)
    rig.node.end(signal.SIGKILL)
    begin = time.monotonic()
    rig.start_node()
    return begin


@fault("SIGINT and SIGTERM at every stage of the start", keeps=False)
def _signalled(rig: Rig) -> float:
    rig.node.end()
    for number in (signal.SIGINT, signal.SIGTERM):
        for after_s in STAGES_S:
            node, before = rig.start_node(), len(rig.node.text())
            time.sleep(after_s)
            is_up = "pagnet_node]" in node.text()[before:]
            began = time.monotonic()
            status = node.end(number)
            took_s, said = time.monotonic() - began, node.text()[before:]
            # before the node is loaded: Python's own answer, and SIGTERM's
            early = not is_up and "system/start.py" not in said and status in (-number, 1, 130)
            if (status and not early) or took_s > 10.0:
                name = signal.Signals(number).name
                raise FaultError(f"{name} after {after_s} s: status {status} after {took_s:.1f} s: {said[:200]}")
    begin = time.monotonic()
    rig.start_node()
    return begin


@fault("/dev/shm full", says=("full_shm",), needs_disk=True)
def _no_shm(rig: Rig) -> float:
    with _Filled(SHM):
        time.sleep(LOG_FULL_S)
    return time.monotonic()


@fault("no home to write to, network fast", keeps=False, needs_disk=True)
def _no_home(rig: Rig) -> float:
    assert rig.disk is not None
    home = rig.disk / "home"
    home.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(home)], check=True)
    environ = {key: value for key, value in os.environ.items() if key not in ("ROS_LOG_DIR", "XDG_CACHE_HOME")}
    try:
        return _with_network(rig, environ | {"HOME": str(home)})
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@fault("disk full from the start, network fast", keeps=False, needs_disk=True)
def _no_disk(rig: Rig) -> float:
    assert rig.disk is not None
    places = {name: str(rig.disk / name.lower()) for name in ("HOME", "TMPDIR", "ROS_LOG_DIR", "PAGNET_CACHE")}
    for place in places.values():
        Path(place).mkdir(exist_ok=True)
    with _Filled(rig.disk):
        return _with_network(rig, {**os.environ, **places})


def _with_network(rig: Rig, environ: dict[str, str]) -> float:
    """Frames of a network from a node in another environment; then the node as it was."""
    before, rig.parameters["weights"] = rig.parameters["weights"], "fast-sensor"
    rig.wait_for_output(_again(rig, environ=environ))
    rig.parameters["weights"] = before
    return _again(rig)


class _Filled:
    """A file system without room, while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fills_it"

    def __enter__(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass

    def __exit__(self, *exc: object) -> None:
        self._file.unlink()


@fault("no more memory than it has (RLIMIT_AS), larger images")
def _no_memory(rig: Rig) -> float:
    status = Path(f"/proc/{rig.node.pid}/status").read_text()
    size = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize")) * 1024
    before = resource.prlimit(rig.node.pid, resource.RLIMIT_AS)
    resource.prlimit(rig.node.pid, resource.RLIMIT_AS, (size + (1 << 20), before[1]))
    try:
        rig.set(size="640x480")
        time.sleep(4.0)
    finally:
        resource.prlimit(rig.node.pid, resource.RLIMIT_AS, before)
    rig.set(size="160x120")
    return rig.wait_for_camera()


@fault("device lost for 3 s (the node tries again every 5 s)", says=("device_failed",), keeps=False)
def _lost(rig: Rig) -> float:
    flag = rig.folder / "failing"
    begin = _again(rig, module="benchmarks.faults.failing_node", environ={**os.environ, "FAILING": str(flag)})
    rig.wait_for_output(begin)
    flag.touch()
    if "device_failed" not in rig.said(("device_failed",), 10.0):
        raise FaultError("device_failed is not told")
    time.sleep(3.0)
    flag.unlink()
    return time.monotonic()
