"""What the node costs without its network: receive, pair, decode, encode, publish, beside a bare rclpy relay.

Three processes: this one publishes depth and colour and takes the time until the output is back; the node runs with a
network that returns at once; the relay subscribes to the same two topics and publishes an image of the output's size.
Frames go to the node and to the relay in turn, so both see the same machine. ``python -m benchmarks.node_overhead``.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.run import spin_until_told, spinning, write_figures
from pagnet_ros.core.degradation import NETWORK
from pagnet_ros.demo.processes import Children
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import UpsampledDepth
from pagnet_ros.system.transport import enter_own_domain
from pagnet_training.command import Arguments, command_line

PATHS = ("node", "relay")
STAGES = ("receive", "pair", "wait", "convert", "upsample", "encode", "publish", "total")
STAGE_SUFFIX = " p50/p95/p99 [ms]"
FRAME_TIMEOUT_S = 2.0
WARM_UP_FRAMES = 30


class NoNetwork:
    """An up-sampler that returns at once: what is left is the node's own cost."""

    name, device, precision, backend = "none", "none", "none", "none"
    gpu_problem = fallback_reason = ""
    level, levels = NETWORK, (NETWORK,)

    def __init__(self) -> None:
        self.options = UpsamplerOptions(metric=True)
        self._result: UpsampledDepth | None = None

    def __call__(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """A constant depth map of the colour image's size."""
        size = (rgb.shape[0], rgb.shape[1])
        if self._result is None or self._result.depth.shape != size:
            self._result = UpsampledDepth(np.ones(size, np.float32), None, np.ones(size, np.uint8), {}, scale=4)
        return self._result

    def prepare(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> bool:
        """There is nothing to prepare."""
        return False

    def rebuild(self) -> None:
        """There is nothing on a device."""


@command_line
def main(arguments: Arguments = None) -> None:
    """Run the benchmark, or one of its two children."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.node_overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=640, help="of colour and output, pixels (default 640)")
    parser.add_argument("--height", type=int, default=480, help="of colour and output, pixels (default 480)")
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size (default 4)")
    parser.add_argument("--frames", type=int, default=600, help="per path (default 600)")
    parser.add_argument("--rate", type=float, default=30.0, help="frames per second, both paths together (default 30)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--child", choices=PATHS, help=argparse.SUPPRESS)
    options, ros_arguments = parser.parse_known_args(arguments)
    if ros_arguments and options.child is None:
        parser.error(f"unrecognized arguments: {' '.join(ros_arguments)}")
    if options.child == "node":
        _run_node(ros_arguments)
    elif options.child == "relay":
        _run_relay(options, ros_arguments)
    else:
        _run_benchmark(options)


def _run_node(ros_arguments: list[str]) -> None:
    import rclpy

    from pagnet_ros.ros.node.node import PagnetNode
    from pagnet_ros.ros.running import run_node

    rclpy.init(args=ros_arguments)
    run_node(lambda: PagnetNode(load=lambda _: NoNetwork()))  # type: ignore[arg-type, return-value]


def _run_relay(options: argparse.Namespace, ros_arguments: list[str]) -> None:
    """The least a Python node can do: take both images, publish one of the output's size when stamps agree."""
    import rclpy
    from sensor_msgs.msg import Image

    from pagnet_ros.ros.encode import image_message
    from pagnet_ros.ros.qos import image_qos

    rclpy.init(args=ros_arguments)
    node = rclpy.create_node("relay")
    publisher = node.create_publisher(Image, "depth_hr", image_qos("reliable"))
    output = image_message(np.ones((options.height, options.width), np.float32), 0, "camera")
    newest: dict[str, Any] = {}

    def take(stream: str, other: str) -> Any:
        def callback(message: Any) -> None:
            newest[stream] = message
            if other in newest and newest[other].header.stamp == message.header.stamp:
                output.header.stamp = message.header.stamp
                publisher.publish(output)

        return callback

    node.create_subscription(Image, "depth", take("depth", "color"), image_qos("best_effort"))
    node.create_subscription(Image, "color", take("color", "depth"), image_qos("best_effort"))
    spin_until_told(node)


def _run_benchmark(options: argparse.Namespace) -> None:
    enter_own_domain()
    common = [f"--width={options.width}", f"--height={options.height}"]
    with tempfile.TemporaryDirectory() as logs, Children(Path(logs)) as children:
        for path in PATHS:
            words = ["--child", path, *common, "--ros-args", "-r", f"__ns:=/{path}"]
            if path == "node":
                words += ["-p", "autostart:=true"]
            children.start(path, "benchmarks.node_overhead", words)
        times_ms, lost, faults, stages = _measure(options, children)
    _print(options, times_ms, lost, faults, stages)


def _measure(
    options: argparse.Namespace, children: Children
) -> tuple[dict[str, list[float]], dict[str, int], float, dict[str, str]]:
    """What `_interleave` gives, and the node's own stages as its diagnostics give them."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import CameraInfo, Image

    from pagnet_ros.messages.image import stamp_ns
    from pagnet_ros.ros.encode import camera_info_message, image_message
    from pagnet_ros.ros.qos import image_qos

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node("bench")
    arrived: dict[int, float] = {}
    change = threading.Condition()

    def receive(message: Any) -> None:
        with change:
            arrived[stamp_ns(message)] = time.perf_counter()
            change.notify_all()

    stages: dict[str, str] = {}

    def diagnose(message: Any) -> None:
        pairs = (pair for status in message.status for pair in status.values)
        stages.update({pair.key: pair.value for pair in pairs if pair.key.endswith(STAGE_SUFFIX)})

    node.create_subscription(DiagnosticArray, "/diagnostics", diagnose, 10)
    sizes = (options.height, options.width), (options.height // options.scale, options.width // options.scale)
    rng = np.random.default_rng(0)
    color = image_message(rng.integers(0, 256, (*sizes[0], 3), dtype=np.uint8), 0, "camera")
    depth = image_message(rng.integers(500, 4000, sizes[1], dtype=np.uint16), 0, "camera")
    info = camera_info_message(np.diag([500.0, 500.0, 1.0]), options.width, options.height, 0, "camera")
    publishers: dict[str, tuple[Any, Any, Any]] = {}
    for path in PATHS:
        node.create_subscription(Image, f"/{path}/depth_hr", receive, image_qos("best_effort"))
        publishers[path] = (
            node.create_publisher(CameraInfo, f"/{path}/color/camera_info", image_qos("reliable")),
            node.create_publisher(Image, f"/{path}/color", image_qos("reliable")),
            node.create_publisher(Image, f"/{path}/depth", image_qos("reliable")),
        )

    def frame(path: str) -> float | None:
        """Publish one frame; milliseconds until its output is here, None if it never came."""
        stamp = time.time_ns()
        for message in (info, color, depth):
            message.header.stamp.sec, message.header.stamp.nanosec = stamp // 10**9, stamp % 10**9
        begin = time.perf_counter()
        for publisher, message in zip(publishers[path], (info, color, depth), strict=True):
            publisher.publish(message)
        with change:
            if not change.wait_for(lambda: stamp in arrived, FRAME_TIMEOUT_S):
                return None
            return (arrived.pop(stamp) - begin) * 1e3

    try:
        with spinning(node):
            for path in PATHS:
                _wait_until_it_answers(path, frame, children)
            return *_interleave(options, frame), stages
    finally:
        rclpy.try_shutdown()


def _wait_until_it_answers(path: str, frame: Any, children: Children) -> None:
    deadline = time.monotonic() + 60.0
    while frame(path) is None:
        children.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the {path} gave no output within 60 s")


def _interleave(options: argparse.Namespace, frame: Any) -> tuple[dict[str, list[float]], dict[str, int], float]:
    """Milliseconds of each frame and frames lost, by path; page faults of this process per frame."""
    times_ms: dict[str, list[float]] = {path: [] for path in PATHS}
    lost = dict.fromkeys(PATHS, 0)
    faults = 0
    for i in range(options.frames + WARM_UP_FRAMES):
        if i == WARM_UP_FRAMES:
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for path in random.sample(PATHS, len(PATHS)):
            begin = time.perf_counter()
            taken = frame(path)
            if i >= WARM_UP_FRAMES:
                if taken is None:
                    lost[path] += 1
                else:
                    times_ms[path].append(taken)
            time.sleep(max(0.0, 1.0 / options.rate - (time.perf_counter() - begin)))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return times_ms, lost, faults / (len(PATHS) * options.frames)


def _print(
    options: argparse.Namespace,
    times_ms: dict[str, list[float]],
    lost: dict[str, int],
    faults: float,
    stages: dict[str, str],
) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"published -> output received, {options.width}x{options.height} out, depth 1/{options.scale}"
    table = Table("path", "frames", "lost", "p50 ms", "p95 ms", "p99 ms", "p50 / relay", "p99 / relay", title=title)
    percentiles = {path: np.percentile(values, (50, 95, 99)) for path, values in times_ms.items()}
    relay = percentiles["relay"]
    for path in PATHS:
        p50, p95, p99 = percentiles[path]
        row = (f"{p50:.2f}", f"{p95:.2f}", f"{p99:.2f}", f"{p50 / relay[0]:.2f}", f"{p99 / relay[2]:.2f}")
        table.add_row(path, str(len(times_ms[path])), str(lost[path]), *row)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    inside = Table("stage of the node", "p50 / p95 / p99 ms")
    for stage in STAGES:
        inside.add_row(stage, stages.get(stage + STAGE_SUFFIX, "n/a"))
    console.print(inside)
    console.print(f"page faults of the process that publishes and listens: {faults:.1f} per frame")
    figures = {
        path: dict(zip(("p50_ms", "p95_ms", "p99_ms"), p.tolist(), strict=True)) for path, p in percentiles.items()
    }
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
    settings = {name: getattr(options, name) for name in ("width", "height", "scale", "frames", "rate")}
    write_figures(options.json, {"settings": settings, "machine": machine, "lost": lost, "faults": faults, **figures})


if __name__ == "__main__":
    sys.exit(main())
