"""What the benchmarks of running nodes share: spinning a node, and what a process holds in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pagnet_ros.errors import ConfigError
from pagnet_training.json_file import write_json


class Memory(NamedTuple):
    """What a process holds in memory, megabytes.

    Attributes:
        total: all of it (``VmRSS``).
        own: what it has allocated (``RssAnon``).
        files: programs and libraries (``RssFile``), which the kernel gives and takes as it likes.
        shared: shared with other processes (``RssShmem``), such as the images of DDS.
    """

    total: float
    own: float
    files: float
    shared: float


def memory_of(pid: int) -> Memory:
    """What a process holds now (Linux; NaN elsewhere)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return Memory(*[float("nan")] * 4)
    kilobytes = {line.partition(":")[0]: line.split()[1] for line in status.splitlines() if line.endswith(" kB")}
    return Memory(*(int(kilobytes[name]) / 1024 for name in ("VmRSS", "RssAnon", "RssFile", "RssShmem")))


def write_figures(path: Path | None, figures: Any) -> None:
    """Write plain values as JSON, where a file is named; ends the program with the reason where it cannot be."""
    if path is not None:
        try:
            write_json(path, figures)
        except ConfigError as error:
            raise SystemExit(f"error: {error}") from error


@contextmanager
def spinning(node: Any) -> Iterator[None]:
    """Spin a node in a thread while the context lasts."""
    from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor

    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except (ExternalShutdownException, ShutdownException):
            return

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join(timeout=5.0)


def spin_until_told(node: Any) -> None:
    """Spin the only node of a process until SIGINT; then nothing of it is left."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
