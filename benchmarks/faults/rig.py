"""The node and a camera in processes of their own, a listener for what comes out, and what makes things go wrong.

A fault is a function of a `Rig` that returns when its input is back (seconds of the monotonic clock); `FAULTS` holds
all of them by name, `try_fault` runs one and tells how long frames took to flow again and what /diagnostics said.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.run import Memory, memory_of, spinning
from pagnet_ros.errors import PagnetError
from pagnet_ros.system.processes import words

FLOW_S, ANSWER_S, ASK_AGAIN_S, END_S = 150.0, 30.0, 5.0, 20.0
STEADY_S, STEADY_FRAMES, STEADY_TRIES = 2.0, 5, 5
NODE = "pagnet_node"
PARAMETERS: dict[str, object] = {
    "autostart": "true", "device": "cpu", "topic_timeout_s": 1.0, "diagnostics_period_s": 0.5, "report_period_s": 1.0,
}  # fmt: skip
_PROBLEM = "count.problem."
_WHEEL_MARKS = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE",)


class FaultError(PagnetError):
    """What had to hold does not."""


class Output(NamedTuple):
    """One output: when it came (monotonic clock), its age then (stamp to arrival, milliseconds), its width."""

    at_s: float
    age_ms: float
    width: int


class Process:
    """A child with a log; it ends with this process."""

    def __init__(self, log: Path, module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Start ``python -m module arguments``."""
        self.log = log
        environ = {key: value for key, value in (environ or os.environ).items() if key not in _WHEEL_MARKS}
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, *words(module, *arguments)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environ, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end; its exit status."""
        self.signal(number)
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise FaultError(f"it did not end within {END_S:g} s of {signal.Signals(number).name}") from error

    def signal(self, number: int) -> None:
        """Send a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def text(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")


class Rig:
    """One node under test.

    Attributes:
        node: The node's process.
        camera: The camera's process, `benchmarks.faults.camera`.
        listener: The ROS node that listens and asks.
        folder: For logs.
        disk: A small file system of its own for faults of the disk, None where none can be mounted.
        values: Newest values on /diagnostics.
    """

    def __init__(self, folder: Path, disk: Path | None = None, *, rate_hz: float = 30.0, **parameters: object) -> None:
        """Start nothing yet. rclpy has to be initialised."""
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import CameraInfo, Image

        from pagnet_ros.ros.qos import image_qos

        self.folder, self.disk, self.rate_hz = folder, disk, rate_hz
        self.parameters = {**PARAMETERS, **parameters}
        self.listener = rclpy.create_node("listener")
        self.values: dict[str, str] = {}
        self._said: dict[str, int] = {}
        self._outputs: list[Output] = []
        self._camera_at_s = 0.0
        self._changed = threading.Condition()
        self.frames_in = self.frames_out = 0
        self._clients: dict[str, Any] = {}
        self.listener.create_subscription(Image, "/depth_hr", self._on_output, image_qos("best_effort"))
        self.listener.create_subscription(CameraInfo, "/color/camera_info", self._see, image_qos("best_effort"))
        self.listener.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.node: Process
        self.camera: Process

    @contextmanager
    def running(self) -> Iterator[Rig]:
        """The node and the camera, until the context is left."""
        with spinning(self.listener):
            self.start_node()
            self.start_camera()
            try:
                self.wait_for_output(0.0, timeout_s=2 * FLOW_S)
                yield self
            finally:
                for process in (self.camera, self.node):
                    process.signal(signal.SIGCONT)
                    process.end()
        self.listener.destroy_node()

    def start_node(self, module: str = "pagnet_ros.ros.node", environ: Mapping[str, str] | None = None) -> Process:
        """Start the node; the listener gets its output once it works."""
        given = [word for name, value in self.parameters.items() for word in ("-p", f"{name}:={value}")]
        self.values = {}
        self.node = Process(self.folder / "node.log", module, "--ros-args", *given, environ=environ)
        return self.node

    def start_camera(self, **parameters: object) -> None:
        """Start the camera."""
        given = {"rate_hz": self.rate_hz, **parameters}
        words_ = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        self.camera = Process(self.folder / "camera.log", "benchmarks.faults.camera", "--ros-args", *words_)

    # What came

    def _on_output(self, message: Any) -> None:
        stamp = message.header.stamp
        age_ms = (time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6
        with self._changed:
            self._outputs.append(Output(time.monotonic(), age_ms, message.width))
            self.frames_out += 1
            self._changed.notify_all()

    def _see(self, message: Any) -> None:
        with self._changed:
            self._camera_at_s, self.frames_in = time.monotonic(), self.frames_in + 1
            self._changed.notify_all()

    def _diagnose(self, message: Any) -> None:
        values = {pair.key: pair.value for status in message.status for pair in status.values}
        with self._changed:
            for key, value in values.items():
                if key.startswith(_PROBLEM) and value != self.values.get(key):
                    self._said[key.removeprefix(_PROBLEM)] = int(value)
            self.values = values
            self._changed.notify_all()

    def take_outputs(self) -> list[Output]:
        """Outputs since the last call."""
        with self._changed:
            taken, self._outputs = self._outputs, []
            return taken

    def wait_for(self, what: str, predicate: Callable[[], Any], timeout_s: float = FLOW_S) -> Any:
        """Wait for a condition of what came.

        Raises:
            FaultError: It does not come about, or the node has ended meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (found := predicate()):
                ends = f"the logs end: {self.node.text()[-600:]}; {self.camera.text()[-600:]}"
                if not self.node.is_running:
                    raise FaultError(f"the node ended; {ends}")
                if time.monotonic() > deadline:
                    raise FaultError(f"no {what} within {timeout_s:g} s; {ends}")
                self._changed.wait(0.2)
        return found

    def wait_for_camera(self) -> float:
        """When the camera's next message comes."""
        now = time.monotonic()
        return float(self.wait_for("message of the camera", lambda: self._camera_at_s > now and self._camera_at_s))

    def wait_for_output(self, since_s: float, width: int | None = None, timeout_s: float = FLOW_S) -> float:
        """When the first output after a moment came, of a width if one is given."""

        def fitting() -> list[float]:
            return [o.at_s for o in self._outputs if o.at_s >= since_s and width in (None, o.width)]

        return float(self.wait_for("output", fitting, timeout_s)[0])

    def said(self, kinds: tuple[str, ...], timeout_s: float = 8.0) -> tuple[str, ...]:
        """Problems that /diagnostics has counted since `forget`; waits for those that are expected."""
        with suppress(FaultError):
            self.wait_for("report", lambda: not _unreported(kinds, self._said), timeout_s)
        return tuple(sorted(self._said))

    def forget(self) -> None:
        """Forget what came and what was said."""
        with self._changed:
            self._said, self._outputs = {}, []

    def memory(self) -> Memory:
        """The node's."""
        return memory_of(self.node.pid)

    # Hands

    def set(self, node: str = "camera", /, **values: object) -> None:
        """Set parameters of the camera, or of the node.

        Raises:
            FaultError: No answer, or it refuses.
        """
        refused = [each.reason for each in self.set_results(node, values.items()) if not each.successful]
        if refused:
            raise FaultError(f"{node} refuses {values}: {'; '.join(refused)}")

    def set_results(self, node: str, values: Iterable[tuple[str, object]]) -> Any:
        """What a node answers to new parameters."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values]
        return self.ask(SetParameters, f"/{node}/set_parameters", SetParameters.Request(parameters=messages)).results

    def ask(self, kind: Any, service: str, request: Any) -> Any:
        """What a service answers; asked again where a process that was killed still seems to offer it.

        Raises:
            FaultError: No answer.
        """
        if service not in self._clients:  # kept: to make and destroy them beside a spinning executor can lock rclpy up
            self._clients[service] = self.listener.create_client(kind, service)
        client, deadline = self._clients[service], time.monotonic() + ANSWER_S
        while client.wait_for_service(max(deadline - time.monotonic(), 0.0)) and time.monotonic() < deadline:
            done, future = threading.Event(), client.call_async(request)
            future.add_done_callback(lambda _, done=done: done.set())
            if done.wait(min(max(deadline - time.monotonic(), 0.1), ASK_AGAIN_S)):
                return future.result()
            client.remove_pending_request(future)
        raise FaultError(f"{service} does not answer within {ANSWER_S:g} s")


Inject = Callable[[Rig], float]


class Fault(NamedTuple):
    """One fault.

    Attributes:
        name: What goes wrong, in a few words.
        inject: Makes it happen, and returns when its input is back.
        says: Problems that /diagnostics must count; "a|b" for either of two.
        keeps: Whether the node's process must live through it.
        needs_disk: Whether it needs file systems of its own.
    """

    name: str
    inject: Inject
    says: tuple[str, ...] = ()
    keeps: bool = True
    needs_disk: bool = False


FAULTS: dict[str, Fault] = {}


def fault(name: str, **about: Any) -> Callable[[Inject], Inject]:
    """Register a function as a fault."""

    def register(inject: Inject) -> Inject:
        FAULTS[name] = Fault(name, inject, **about)
        return inject

    return register


class Outcome(NamedTuple):
    """What became of one fault: seconds until frames flowed again, the problems told, and what did not hold."""

    name: str
    recovery_s: float
    said: tuple[str, ...]
    broken: str = ""


def _flows(rig: Rig) -> bool:
    rig.take_outputs()
    time.sleep(STEADY_S)
    return len(rig.take_outputs()) >= STEADY_FRAMES


def _unreported(kinds: tuple[str, ...], said: Collection[str]) -> list[str]:
    return [each for each in kinds if not {*each.split("|")} & {*said}]


def try_fault(rig: Rig, each: Fault) -> Outcome:
    """Let one fault happen, wait until frames flow steadily again; nothing it raises leaves."""
    rig.forget()
    pid = rig.node.pid
    recovery_s, broken = float("nan"), ""
    said: tuple[str, ...] = ()
    try:
        back_s = each.inject(rig)
        recovery_s = rig.wait_for_output(back_s) - back_s
        said = rig.said(each.says)
        if not any(_flows(rig) for _ in range(STEADY_TRIES)):
            broken = f"fewer than {STEADY_FRAMES} frames in {STEADY_S:g} s for long afterwards"
        if unreported := _unreported(each.says, said):
            broken = f"not reported: {', '.join(unreported)}"
        if each.keeps and rig.node.pid != pid:
            broken = "another process"
    except (PagnetError, OSError) as error:
        broken = str(error)
    return Outcome(each.name, recovery_s, said, broken)
