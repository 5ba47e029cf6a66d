"""How old the node's output is at any input rate: the promise that delay never builds up, measured.

Three processes: the node; a camera that publishes the same pair of images at a given rate; this one, which takes each
output's age (stamp to arrival) and compares it with the node's own processing time from /diagnostics.
``python -m pagnet_ros.ros.bench_age --rates 5 15 30 60 120``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pagnet_ros.demo.processes import Children
from pagnet_ros.transport import enter_own_domain

__all__ = ["main"]

STAGES = ("decode", "upsample", "encode", "publish")
SETTLE_S = 3.0
TITLE = "age of the output when it arrives, beside the node's own processing time (p50), ms"


class _Row(NamedTuple):
    """One input rate's figures; times in milliseconds."""

    rate_hz: float
    received: int
    rate_out_hz: float
    processing: float
    ages: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, or its camera."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_ros.ros.bench_age", description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 15, 30, 60, 120], help="input, Hz")
    parser.add_argument("--seconds", type=float, default=15.0, help="per rate (default 15)")
    parser.add_argument("--weights", default="auto", help="the node's parameter")
    parser.add_argument("--width", type=int, default=640, help="of colour, pixels")
    parser.add_argument("--height", type=int, default=480, help="of colour, pixels")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    parser.add_argument("--camera", type=float, metavar="HZ", help=argparse.SUPPRESS)
    options, ros_arguments = parser.parse_known_args(arguments)
    if options.camera is not None:
        _run_camera(options, ros_arguments)
        return 0
    enter_own_domain()
    _print(_measure(options))
    return 0


def _run_camera(options: argparse.Namespace, ros_arguments: list[str]) -> None:
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from sensor_msgs.msg import CameraInfo, Image

    from pagnet_ros.ros.encode import camera_info_message, image_message, set_stamp
    from pagnet_ros.ros.qos import image_qos

    rclpy.init(args=ros_arguments)
    node = rclpy.create_node("camera")
    rng = np.random.default_rng(0)
    size = (options.height, options.width)
    depth_mm = rng.integers(500, 4000, (size[0] // options.scale, size[1] // options.scale), dtype=np.uint16)
    messages = (
        camera_info_message(np.diag([500.0, 500.0, 1.0]), size[1], size[0], 0, "camera"),
        image_message(rng.integers(0, 256, (*size, 3), dtype=np.uint8), 0, "camera"),
        image_message(depth_mm, 0, "camera"),
    )
    topics = ("color/camera_info", "color", "depth")
    types = (CameraInfo, Image, Image)
    publishers = [node.create_publisher(t, name, image_qos("reliable")) for t, name in zip(types, topics, strict=True)]

    def publish() -> None:
        stamp = time.time_ns()
        for publisher, message in zip(publishers, messages, strict=True):
            set_stamp(message, stamp, "camera")
            publisher.publish(message)

    node.create_timer(1.0 / options.camera, publish)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _measure(options: argparse.Namespace) -> list[_Row]:
    import rclpy

    from pagnet_ros.ros.watcher import Watcher

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    rows = []
    size = [f"--width={options.width}", f"--height={options.height}", f"--scale={options.scale}"]
    with tempfile.TemporaryDirectory() as logs:
        for rate in options.rates:
            watcher = Watcher({"depth": "/depth", "color": "/color", "output": "/depth_hr"})
            spinner = threading.Thread(target=_spin, args=(watcher,), daemon=True)
            spinner.start()
            with Children(Path(logs)) as children:
                node = ["--ros-args", "-p", "autostart:=true", "-p", f"weights:={options.weights}"]
                children.start("node", "pagnet_ros.ros.node", node)
                children.start("camera", "pagnet_ros.ros.bench_age", [f"--camera={rate}", *size])
                _wait_for_output(watcher, children)
                time.sleep(SETTLE_S)
                before = watcher.state()
                time.sleep(options.seconds)
                after = watcher.state()
            rows.append(_row(rate, before, after, options.seconds))
            watcher.executor.shutdown()
            spinner.join(timeout=5.0)
            watcher.destroy_node()
    rclpy.try_shutdown()
    return rows


def _row(rate_hz: float, before: Any, after: Any, seconds: float) -> _Row:
    count = after.counts["output"] - before.counts["output"]
    medians = (after.diagnostics.get(f"{stage} p50/p95/p99 [ms]", "nan").split(" / ")[0] for stage in STAGES)
    received = after.counts["depth"] - before.counts["depth"]
    return _Row(
        rate_hz, received, count / seconds, sum(map(float, medians)), after.latency_ms[-count:] if count else []
    )


def _wait_for_output(watcher: Any, children: Children) -> None:
    deadline = time.monotonic() + 60.0
    while not watcher.state().counts["output"]:
        children.check()
        if time.monotonic() > deadline:
            raise TimeoutError("the node gave no output within 60 s")
        time.sleep(0.05)


def _spin(node: Any) -> None:
    from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor

    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (ExternalShutdownException, ShutdownException):
        return


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
