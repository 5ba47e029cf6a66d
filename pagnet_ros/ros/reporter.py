"""Problems, each named, counted and said at most once per period.

What the node tells its user when something is wrong: a kind ("wrong_step") and a text that says what came, what is
expected and how to mend it. Problems come in from any thread; lines go to the node's log and, as the list of recent
problems, to the diagnostics. The logger is passed in: no ROS import.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, Protocol

from pagnet_ros.errors import printable
from pagnet_ros.system.health import Health, RateLimiter
from pagnet_ros.system.units import NS_PER_S

Level = Literal["info", "warn", "error"]
PREFIX: Final = "problem."
"""What the counters of problems begin with in a health snapshot."""


class _Logger(Protocol):
    def info(self, message: str) -> object: ...
    def warn(self, message: str) -> object: ...
    def error(self, message: str) -> object: ...


class Occurrence(NamedTuple):
    """The latest occurrence of one kind of problem; `at_ns` on the steady clock."""

    kind: str
    level: Level
    text: str
    at_ns: int


class Reporter:
    """Counts problems and logs them rate-limited. Thread-safe."""

    def __init__(
        self,
        logger: _Logger,
        health: Health,
        period_s: float = 5.0,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Create a reporter.

        Args:
            logger: Where lines go (a ROS node's logger or any with the same methods).
            health: Where problems are counted, as "problem.<kind>".
            period_s: Least time between two lines of the same kind, seconds, 0 for every one.
            steady_ns: The steady clock, nanoseconds.
        """
        self._logger = logger
        self._health = health
        self._steady_ns = steady_ns
        self._lock = threading.Lock()
        self._recent: dict[str, Occurrence] = {}
        self._limiter = RateLimiter(int(period_s * NS_PER_S))

    def set_period(self, period_s: float) -> None:
        """Change the least time between two lines of the same kind, seconds; what was said stays remembered."""
        self._limiter.period_ns = int(period_s * NS_PER_S)

    def report(self, kind: str, text: str, level: Level = "warn", *, about: str = "") -> None:
        """Count a problem and say it, unless it was said within the period.

        Args:
            kind: Short name; counted by it.
            text: What came; what is expected; how to mend it.
            level: "info" (goes on as asked), "warn" (a frame is lost or doubtful) or "error" (no output).
            about: The topic it concerns, so that the same problem of another topic is said too.
        """
        key, text = f"{kind} {about}", printable(text)
        now_ns = self._remember(key, kind, text, level)
        say, held = self._limiter.allow(key, now_ns)
        if say:
            self._write(f"[{kind}] {text}" + (f" ({held} more since the last report)" if held else ""), level)

    def log(self, kind: str, text: str, level: Level = "warn") -> None:
        """Count a change and say it, every time: for what happens rarely and must not be missed."""
        text = printable(text)
        self._remember(kind, kind, text, level)
        self._write(f"[{kind}] {text}", level)

    def keep(self, kind: str) -> None:
        """A problem that was said lasts: it stays among the recent ones, and is neither counted nor said again."""
        with self._lock:
            for key, problem in self._recent.items():
                if problem.kind == kind:
                    self._recent[key] = problem._replace(at_ns=self._steady_ns())

    def _remember(self, key: str, kind: str, text: str, level: Level) -> int:
        now_ns = self._steady_ns()
        self._health.count(PREFIX + kind)
        with self._lock:
            self._recent[key] = Occurrence(kind, level, text, now_ns)
        return now_ns

    def _write(self, line: str, level: Level) -> None:
        # rclpy binds the severity to the calling line, so each level needs its own.
        if level == "error":
            self._logger.error(line)
        elif level == "warn":
            self._logger.warn(line)
        else:
            self._logger.info(line)

    def recent(self, within_s: float) -> list[Occurrence]:
        """Problems seen within the last `within_s` seconds, newest first."""
        since_ns = self._steady_ns() - int(within_s * NS_PER_S)
        with self._lock:
            problems = [problem for problem in self._recent.values() if problem.at_ns >= since_ns]
        return sorted(problems, key=lambda problem: -problem.at_ns)
