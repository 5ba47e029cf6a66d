"""Fixtures for tests that talk over real DDS on the loopback interface.

Every test gets its own context, its own executor thread and a DDS domain that nobody else on the machine uses. Nothing
here waits by time alone: `wait_until` ends with its predicate and fails at its deadline.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pagnet_ros.system.transport import DOMAINS, image_environment, nobody_is_in

# Before the first DDS participant: whole images arrive, and readers of another vendor match.
os.environ.update(image_environment())

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
_COUNT = itertools.count()


def wait_until(predicate: Callable[[], Any], timeout_s: float = DEADLINE_S, what: str = "") -> Any:
    """Wait for a predicate to become true, and fail the test at the deadline.

    Args:
        predicate: Called every few milliseconds; its first true value ends the wait.
        timeout_s: Deadline, seconds.
        what: What is waited for, for the failure message.

    Returns:
        The predicate's true value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:g} s for {what or predicate} in vain; last value: {value!r}")
        time.sleep(0.005)


@contextmanager
def own_domain() -> Iterator[int]:
    """A DDS domain that nobody on this machine is in, and no other test gets until the end of the block."""
    start = 41 * os.getpid()  # two runs of the tests begin far apart
    for _ in DOMAINS:
        domain = DOMAINS[(next(_COUNT) + start) % len(DOMAINS)]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f"\0pagnet_ros tests, domain {domain}")  # abstract: gone with the process that holds it
            except OSError:
                continue
            if nobody_is_in(domain):
                yield domain
                return
    pytest.skip("no free DDS domain on this machine")


class Collector:
    """Keeps what one subscription received, and waits for more."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()
        self.subscription: Any = None

    def __call__(self, message: Any) -> None:
        """Store one message (the subscription's callback)."""
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for(self, count: int = 1, timeout_s: float = DEADLINE_S) -> list[Any]:
        """Wait for at least `count` messages since the start or the last `clear`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.messages) >= count, timeout_s):
                pytest.fail(f"{len(self.messages)} of {count} messages arrived within {timeout_s:g} s")
            return list(self.messages)

    def wait_for_match(self, accept: Callable[[Any], bool], timeout_s: float = DEADLINE_S) -> Any:
        """Wait for the first message that `accept` takes, and return it."""
        found: list[Any] = []

        def seen() -> bool:
            found[:] = [m for m in self.messages if accept(m)][:1]
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(seen, timeout_s):
                pytest.fail(f"none of {len(self.messages)} messages was the one waited for")
        return found[0]

    def clear(self) -> None:
        """Forget what was received so far."""
        with self._changed:
            self.messages.clear()


class RosHarness:
    """One test's ROS: a context, a spinning executor and helpers to make nodes.

    Attributes:
        rclpy: The module (so that tests need no import of their own).
        context: This test's context; pass it to every node.
        executor: Spins in its own thread until the test ends.
        domain_id: This test's DDS domain.
    """

    def __init__(self, rclpy: Any, domain_id: int) -> None:
        from rclpy.executors import SingleThreadedExecutor

        self.rclpy = rclpy
        self.domain_id = domain_id
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Any] = []
        self._foreign: list[tuple[Any, Any]] = []
        self._failure: BaseException | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        from rclpy.exceptions import InvalidHandle

        try:
            while self.context.ok() and not self._closing:
                # A test changes a node's state from its own thread (in a process of the node the executor's does),
                # so that a publisher's events can end while this one gathers what to wait for.
                with suppress(InvalidHandle):
                    self.executor.spin_once(timeout_sec=0.2)
        except BaseException as error:  # told to the test at its end: a callback must not raise
            self._failure = error

    def add(self, node: Any) -> Any:
        """Spin a node until the test ends, then destroy it; returns the node."""
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def node(self, name: str = "probe", **kwargs: Any) -> Any:
        """Make a plain node in this test's context and spin it."""
        return self.add(self.rclpy.create_node(name, context=self.context, **kwargs))

    def foreign_node(self, name: str = "foreign", **kwargs: Any) -> Any:
        """Make a node in a context of its own, as another process would have it; it does not spin.

        DDS lets one participant use a topic name with one type only, so a clash of types needs two.
        """
        context = self.rclpy.Context()
        self.rclpy.init(context=context, domain_id=self.domain_id)
        node = self.rclpy.create_node(name, context=context, **kwargs)
        self._foreign.append((node, context))
        return node

    def collect(self, node: Any, message_type: Any, topic: str, qos: Any = 10) -> Collector:
        """Subscribe and keep everything that arrives."""
        collector = Collector()
        collector.subscription = node.create_subscription(message_type, topic, collector, qos)
        return collector

    def wait_matched(self, publisher: Any, count: int = 1, timeout_s: float = DEADLINE_S) -> None:
        """Wait until a publisher has `count` matched subscriptions."""
        wait_until(
            lambda: publisher.get_subscription_count() >= count,
            timeout_s,
            f"{count} subscription(s) on {publisher.topic_name}",
        )

    def child_environment(self) -> dict[str, str]:
        """Environment for a child process in the same domain.

        The wheels' own start-up guard is dropped, so that the child sets up its library path itself.
        """
        dropped = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        if "AMENT_PREFIX_PATH" in os.environ and "LD_LIBRARY_PATH" in os.environ and _sourced_ros():
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        return {**environment, "ROS_DOMAIN_ID": str(self.domain_id)}

    def start_process(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """``python -m module`` in the same domain; its output is kept."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def process_until_signal(self, module: str, *arguments: str, sign: int = signal.SIGINT) -> Iterator[None]:
        """Run ``python -m module`` beside the block; then a signal ends it, and it has to end cleanly."""
        process = self.start_process(module, *arguments)
        try:
            yield
            process.send_signal(sign)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 0
        assert "Traceback" not in err

    def wait_until(self, predicate: Callable[[], Any], timeout_s: float = DEADLINE_S, what: str = "") -> Any:
        """See `wait_until`; also ends when a callback raised."""
        return wait_until(lambda: self._failure is not None or predicate(), timeout_s, what)

    def call(self, client: Any, request: Any) -> Any:
        """What a service answers. The client's node is spun here.

        Asked again from time to time: a server that has not discovered its client yet answers into the void.
        """
        self.wait_until(client.service_is_ready, 60.0, "the service")
        asked: list[tuple[float, Any]] = []

        def answered() -> Any:
            if not asked or time.monotonic() > asked[-1][0] + 10.0:
                asked.append((time.monotonic(), client.call_async(request)))
            return next((future for _, future in asked if future.done()), None)

        return self.wait_until(answered, 60.0, "the answer").result()

    def close(self) -> None:
        """Stop spinning, destroy the nodes, and fail the test if a callback raised."""
        self._closing = True
        self.executor.wake()
        self._thread.join(timeout=5.0)
        self.executor.shutdown(timeout_sec=5.0)
        for node in self._nodes:
            node.destroy_node()
        for node, context in self._foreign:
            node.destroy_node()
            self.rclpy.try_shutdown(context=context)
        self.rclpy.try_shutdown(context=self.context)
        if self._failure is not None:
            raise self._failure


def _sourced_ros() -> bool:
    """Whether a ROS 2 install (not the wheels) is in use."""
    return any(Path(p, "share", "rclpy", "package.xml").is_file() for p in os.environ["AMENT_PREFIX_PATH"].split(":"))


@pytest.fixture(scope="session")
def ros_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep DDS on this machine and the logs out of the home folder."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
    patch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    yield
    patch.undo()


@pytest.fixture
def ros(ros_environment: None) -> Iterator[RosHarness]:
    """A running ROS of the test's own; skipped where rclpy is not installed."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
    with own_domain() as domain:
        harness = RosHarness(rclpy, domain)
        yield harness
        harness.close()


@pytest.fixture
def run_player(ros: RosHarness) -> Iterator[Callable[..., Any]]:
    """Start players in threads: `run(make)`, where `make(stop, context=...)` gives the node; all end with the test."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def run(make: Callable[..., Any]) -> Any:
        stop = threading.Event()
        player = ros.add(make(stop, context=ros.context))
        player.thread = threading.Thread(target=player.play)
        running.append((stop, player.thread))
        player.thread.start()
        return player

    yield run
    for stop, thread in running:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
