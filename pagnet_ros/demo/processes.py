"""Starts the demo's children and makes sure that none outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from pagnet_ros.errors import PagnetError
from pagnet_ros.system.processes import words

# Signals in turn, and how long each is given, seconds.
ENDING = ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
LEAVING = (signal.SIGTERM, signal.SIGHUP)
# The wheels' start-up marks its process; a child in another environment must set its library path up itself.
_WHEEL_MARKS = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE",)


class ChildError(PagnetError):
    """A child process ended by itself; the message holds the end of its log."""


class Child:
    """One child process: ``python -m module arguments``, its output in a log file. On Linux it ends with its parent."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        """Start it, in a session of its own so that a Ctrl-C reaches it once, through `stop`."""
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words(module, *arguments)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `ChildError` with the end of its log if it has failed."""
        status = self.process.poll()
        if status:
            raise ChildError(f"the {self.name} ended with status {status}; its log ({self.log}) ends:\n{self.tail()}")

    @property
    def is_running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def tail(self) -> str:
        """The last fifteen lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.is_running:
            self.process.send_signal(number)


class Children:
    """The children of one demo, ended together on leaving the ``with``: Ctrl-C first, then harder.

    SIGTERM leaves it too, with status 143, and a closed terminal with 129, where the program has no answer of its own.
    """

    def __init__(self, log_folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """Keep logs in a folder; start children with `environ`, by default this process's."""
        self._folder = log_folder
        inherited = os.environ if environ is None else environ
        self._environ = {name: value for name, value in inherited.items() if name not in _WHEEL_MARKS}
        self._children: list[Child] = []
        self._answered: list[signal.Signals] = []

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Start ``python -m module arguments``."""
        child = Child(name, module, arguments, self._folder / f"{name.replace(' ', '_')}.log", self._environ)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise `ChildError` if one has failed."""
        for child in self._children:
            child.check()

    def __enter__(self) -> Children:
        """Nothing runs yet. From here on no signal of `LEAVING` ends this process before its children."""
        if threading.current_thread() is threading.main_thread():  # where alone Python allows it
            self._answered = [number for number in LEAVING if signal.getsignal(number) is signal.SIG_DFL]
        self._answer(_leave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of them; returns when none is left. A further signal does not cut that short."""
        self._answer(signal.SIG_IGN)
        try:
            self._end()
        finally:
            self._answer(signal.SIG_DFL)

    def _answer(self, how: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
        for number in self._answered:
            signal.signal(number, how)

    def _end(self) -> None:
        for number, patience_s in ENDING:
            for child in self._children:
                child.signal(number)
            deadline = time.monotonic() + patience_s
            for child in self._children:
                try:
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue
            if not any(child.is_running for child in self._children):
                return


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
