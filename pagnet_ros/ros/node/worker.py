"""One thread that owns the device, and the one-slot mailbox that feeds it.

Owns the rule that keeps the delay bounded at any input rate: only the newest job waits, what it replaces is
counted and never computed. Jobs come from ROS callbacks; the step that consumes them is built and run in the
worker's own thread. Pure Python: no ROS import.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Mailbox", "Worker"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item, the newest. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._in_hand = False
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave an item; true if it replaced one that nobody had taken."""
        with self._changed:
            replaced = self._item is not None
            self._item = item
            self._changed.notify_all()
            return replaced

    def take(self) -> T | None:
        """Wait for an item; None once the mailbox is closed. Who takes has done with the item before."""
        with self._changed:
            self._in_hand = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            self._in_hand = not self._closed
            return item if self._in_hand else None

    def drain(self, timeout_s: float) -> bool:
        """Throw away what waits, and wait until what was taken is done with; false if it outlasts the timeout."""
        with self._changed:
            self._item = None
            return self._changed.wait_for(lambda: not self._in_hand, timeout_s)

    def close(self) -> None:
        """Let every `take` return None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Worker(Generic[T]):
    """Runs one step per job in its own thread, which an exception in a step never ends."""

    def __init__(self, on_error: Callable[[Exception], None], name: str = "pagnet_worker") -> None:
        """Create without starting.

        Args:
            on_error: Told of any exception that a step lets through; called in the worker's thread.
            name: The thread's name.
        """
        self._on_error = on_error
        self._name = name
        self._mailbox: Mailbox[T] = Mailbox()
        self._thread: threading.Thread | None = None

    def start(self, build_step: Callable[[], Callable[[T], None]]) -> None:
        """Start the thread, build the step in it, and wait until that is done.

        Args:
            build_step: Called once in the worker's thread (it loads the network there); returns the step.

        Raises:
            Exception: Whatever `build_step` raised; the thread has ended then.
        """
        built: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(build_step, built), name=self._name, daemon=True)
        self._thread.start()
        built.result()

    def submit(self, job: T) -> bool:
        """Leave a job; true if it replaced one that had not been started."""
        return self._mailbox.put(job)

    def drain(self, timeout_s: float = 30.0) -> bool:
        """Throw away the waiting job and wait for the running one; false if it outlasts the timeout."""
        return self._mailbox.drain(timeout_s)

    def stop(self, timeout_s: float = 30.0) -> bool:
        """End the thread after the running job; false if it outlasts the timeout."""
        self._mailbox.close()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self, build_step: Callable[[], Callable[[T], None]], built: Future[None]) -> None:
        try:
            step = build_step()
        except BaseException as error:
            built.set_exception(error)
            return
        built.set_result(None)
        while (job := self._mailbox.take()) is not None:
            try:
                step(job)
            except Exception as error:
                self._on_error(error)
                time.sleep(0.001)  # a step that fails at once must not take the GIL from the callbacks
