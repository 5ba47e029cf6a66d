"""How old the node's output is at any input rate: the promise that delay never builds up, measured.

Three processes: the node; a camera that publishes the same pair of images at a given rate; this one, which takes each
output's age (stamp to arrival) and compares it with the node's own processing time from /diagnostics.
``python -m benchmarks.age --rates 5 15 30 60 120``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.run import spin_until_told, spinning
from pagnet_ros.demo.processes import Children
from pagnet_ros.system.transport import enter_own_domain
from pagnet_training.command import Arguments, command_line

SETTLE_S = 3.0
FIRST_OUTPUT_S = 120.0
STAGES = ("convert", "upsample", "encode", "publish")


class _Row(NamedTuple):
    """One input rate's figures; times in milliseconds."""

    rate_hz: float
    rate_out_hz: float
    processing: float
    ages: list[float]


class _Heard:
    """What the node publishes: the age of each output when it arrived, milliseconds, and its newest diagnostics."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.diagnostics: dict[str, str] = {}

    def output(self, message: Any) -> None:
        """One output has come."""
        stamp = message.header.stamp
        self.ages.append((time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    def diagnose(self, message: Any) -> None:
        """Diagnostics have come."""
        self.diagnostics = {pair.key: pair.value for status in message.status for pair in status.values}

    def processing_ms(self) -> float:
        """The node's own time for a frame, without waiting: recent medians of its stages."""
        medians = (self.diagnostics.get(f"{stage} p50/p95/p99 [ms]", "nan").split(" / ")[0] for stage in STAGES)
        return sum(map(float, medians))


@command_line
def main(arguments: Arguments = None) -> None:
    """Run the benchmark, or its camera."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.age", description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 15, 30, 60, 120], help="input, Hz")
    parser.add_argument("--seconds", type=float, default=15.0, help="per rate (default 15)")
    parser.add_argument("--weights", default="auto", help="the node's parameter")
    parser.add_argument("--width", type=int, default=640, help="of colour, pixels")
    parser.add_argument("--height", type=int, default=480, help="of colour, pixels")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    parser.add_argument("--camera", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.camera:
        _run_camera(options)
        return
    enter_own_domain()
    _print(_measure(options))


def _measure(options: argparse.Namespace) -> list[_Row]:
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    rows = []
    try:
        for rate in options.rates:
            with _node_under_load(rate, options) as (heard, wait):
                wait(SETTLE_S)
                heard.ages = []
                wait(options.seconds)
                ages, heard.ages = heard.ages, []
                rows.append(_Row(rate, len(ages) / options.seconds, heard.processing_ms(), ages))
    finally:
        rclpy.try_shutdown()
    return rows


@contextmanager
def _node_under_load(rate_hz: float, options: argparse.Namespace) -> Iterator[tuple[_Heard, Callable[[float], None]]]:
    """A node that works, fed at a rate: what is heard of it, and a wait that fails where a process has ended."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import Image

    from pagnet_ros.ros.qos import image_qos

    heard, listener = _Heard(), rclpy.create_node("age")
    listener.create_subscription(Image, "/depth_hr", heard.output, image_qos("best_effort"))
    listener.create_subscription(DiagnosticArray, "/diagnostics", heard.diagnose, 10)
    size = [f"--{name}={getattr(options, name)}" for name in ("width", "height", "scale")]
    words = ["--ros-args", "-p", "autostart:=true", "-p", f"weights:={options.weights}"]
    with tempfile.TemporaryDirectory() as logs, Children(Path(logs)) as children, spinning(listener):

        def wait(seconds: float) -> None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                children.check()
                time.sleep(min(left, 0.25))

        node = children.start("node", "pagnet_ros.ros.node", words)
        children.start("camera", "benchmarks.age", [f"--camera={rate_hz}", *size])
        deadline = time.monotonic() + FIRST_OUTPUT_S
        while not heard.ages:
            wait(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the node gave no output within {FIRST_OUTPUT_S:g} s:\n{node.tail()}")
        yield heard, wait
    listener.destroy_node()


def _run_camera(options: argparse.Namespace) -> None:
    """Publish the same pair of images, stamped anew, at a rate."""
    import rclpy

    from pagnet_ros.ros.encode import camera_info_message, image_message, set_stamp
    from pagnet_ros.ros.qos import image_qos

    rclpy.init(args=[])
    node = rclpy.create_node("camera")
    rng = np.random.default_rng(0)
    height, width, scale = options.height, options.width, options.scale
    depth_mm = rng.integers(500, 4000, (height // scale, width // scale), dtype=np.uint16)
    messages = {
        "color/camera_info": camera_info_message(np.diag([500.0, 500.0, 1.0]), width, height, 0, "camera"),
        "color": image_message(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), 0, "camera"),
        "depth": image_message(depth_mm, 0, "camera"),
    }
    publishers = {name: node.create_publisher(type(m), name, image_qos("reliable")) for name, m in messages.items()}

    def publish() -> None:
        stamp = time.time_ns()
        for name, message in messages.items():
            set_stamp(message, stamp, "camera")
            publishers[name].publish(message)

    node.create_timer(1.0 / options.camera, publish)
    spin_until_told(node)


def _print(rows: list[_Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "in, Hz", "out, Hz", "processing p50 ms", "age p50 ms", "age p99 ms", "age max ms", "p99 / processing"
    )
    for row in rows:
        p50, p99 = np.percentile(row.ages, (50, 99)) if row.ages else (np.nan, np.nan)
        figures = (row.rate_out_hz, row.processing, p50, p99, max(row.ages, default=np.nan))
        table.add_row(f"{row.rate_hz:g}", *(f"{v:.1f}" for v in figures), f"{p99 / row.processing:.2f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
