"""What the node's benchmarks share: the node in its own process, a camera in another, and ears for what comes out.

`node_under_load` gives a `Run`: outputs arrive with their age, the newest diagnostics lie beside. Run as a module this
is the camera.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pagnet_ros.demo.processes import Child, Children

STAGES = ("convert", "upsample", "encode", "publish")
_MODULE = "benchmarks.run"
_FIRST_OUTPUT_S = 120.0


class FrameSizes(NamedTuple):
    """Size of colour and output, pixels, and the factor between colour and depth."""

    width: int = 640
    height: int = 480
    scale: int = 4


class Output(NamedTuple):
    """One output: when it arrived, seconds since the run's start, and its age then, stamp to arrival, milliseconds."""

    at_s: float
    age_ms: float


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


@dataclass
class Run:
    """One node under load. Outputs and diagnostics come in from the executor's thread.

    Attributes:
        outputs: since the start, or since `take_outputs`.
        ears: the ROS node that listens, spun by a thread.
        diagnostics: newest values on /diagnostics, by key.
    """

    node: Child
    children: Children
    ears: Any
    started: float = field(default_factory=time.monotonic)
    outputs: list[Output] = field(default_factory=list)
    diagnostics: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def take_outputs(self) -> list[Output]:
        """What has come since the last call."""
        with self._lock:
            taken, self.outputs = self.outputs, []
            return taken

    def wait(self, seconds: float) -> None:
        """Let it run; raises `ChildError` where a child has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.children.check()
            time.sleep(min(left, 0.25))

    def wait_for_output(self) -> None:
        """Wait until the node works.

        Raises:
            TimeoutError: it does not.
        """
        deadline = time.monotonic() + _FIRST_OUTPUT_S
        while not self.outputs:
            self.wait(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the node gave no output within {_FIRST_OUTPUT_S:g} s:\n{self.node.tail()}")

    def median_ms(self, stage: str) -> float:
        """Recent median of one of the node's stages, milliseconds; NaN where it has none."""
        return float(self.diagnostics.get(f"{stage} p50/p95/p99 [ms]", "nan").split(" / ")[0])

    def processing_ms(self) -> float:
        """The node's own time for a frame, without waiting."""
        return sum(self.median_ms(stage) for stage in STAGES)

    def hear(self, message: Any) -> None:
        """One output has come."""
        stamp = message.header.stamp
        age_ms = (time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6
        with self._lock:
            self.outputs.append(Output(self.now_s, age_ms))

    def diagnose(self, message: Any) -> None:
        """Diagnostics have come."""
        self.diagnostics = {pair.key: pair.value for status in message.status for pair in status.values}


@contextmanager
def node_under_load(rate_hz: float, sizes: FrameSizes, **parameters: object) -> Iterator[Run]:
    """A node with these parameters, fed at a rate until the context is left. rclpy has to be initialised."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import Image

    from pagnet_ros.ros.qos import image_qos

    words = ["--ros-args", "-p", "autostart:=true"]
    for name, value in parameters.items():
        words += ["-p", f"{name}:={value}"]
    size = [f"--width={sizes.width}", f"--height={sizes.height}", f"--scale={sizes.scale}"]
    with tempfile.TemporaryDirectory() as logs, Children(Path(logs)) as children:
        ears = rclpy.create_node("bench_ears")
        run = Run(children.start("node", "pagnet_ros.ros.node", words), children, ears)
        ears.create_subscription(Image, "/depth_hr", run.hear, image_qos("best_effort"))
        ears.create_subscription(DiagnosticArray, "/diagnostics", run.diagnose, 10)
        with spinning(ears):
            children.start("camera", _MODULE, [f"--camera={rate_hz}", *size])
            run.wait_for_output()
            yield run
        ears.destroy_node()


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the camera."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--camera", type=float, metavar="HZ", required=True)
    options, ros_arguments = parser.parse_known_args(arguments)
    _run_camera(options.camera, FrameSizes(options.width, options.height, options.scale), ros_arguments)
    return 0


def _run_camera(rate_hz: float, sizes: FrameSizes, ros_arguments: list[str]) -> None:
    """Publish the same pair of images, stamped anew, at a rate."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from sensor_msgs.msg import CameraInfo, Image

    from pagnet_ros.ros.encode import camera_info_message, image_message, set_stamp
    from pagnet_ros.ros.qos import image_qos

    rclpy.init(args=ros_arguments)
    node = rclpy.create_node("camera")
    rng = np.random.default_rng(0)
    size = (sizes.height, sizes.width)
    depth_mm = rng.integers(500, 4000, (size[0] // sizes.scale, size[1] // sizes.scale), dtype=np.uint16)
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

    node.create_timer(1.0 / rate_hz, publish)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
