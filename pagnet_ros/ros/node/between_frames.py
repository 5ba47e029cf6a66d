"""Puts a periodic job where it delays no frame: right after one, when the next is still far.

A timer that fires while a frame is under way competes with it for the interpreter; with a job of a few milliseconds
every second that alone makes the slowest frames of a hundred. Pure Python: no ROS import.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class BetweenFrames:
    """Runs one job after the next frame where frames come, else at once. Thread-safe."""

    def __init__(
        self, job: Callable[[], None], period_ns: int, steady_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`due` is called every `period_ns`; frames come if one was done within that. Any of the calls runs the job."""
        self._job, self._period_ns, self._steady_ns = job, period_ns, steady_ns
        self._lock = threading.Lock()
        self._waiting = False
        self._frame_ns: int | None = None

    def due(self) -> None:
        """The period is over: leave the job to the next frame, unless none comes or the last one did not."""
        with self._lock:
            flowing = self._frame_ns is not None and self._steady_ns() - self._frame_ns < self._period_ns
            now = self._waiting or not flowing
            self._waiting = not now
        if now:
            self._job()

    def frame_done(self) -> None:
        """A frame is done: run the job if it waits."""
        with self._lock:
            self._frame_ns = self._steady_ns()
            waited, self._waiting = self._waiting, False
        if waited:
            self._job()
