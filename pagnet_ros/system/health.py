"""Rates, counts and latency percentiles, for diagnostics. Pure: times come in as arguments, no clock is read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.system.units import NS_PER_S


@dataclass(frozen=True)
class Percentiles:
    """Latency of one stage over the recent window, milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class HealthSnapshot:
    """The state at one moment.

    Attributes:
        counts: events since the start, by name.
        rates_hz: frames per second over the window, by stream.
        silent_s: seconds since the last frame, by stream.
        latency_ms: percentiles by stage.
    """

    counts: Mapping[str, int]
    rates_hz: Mapping[str, float]
    silent_s: Mapping[str, float]
    latency_ms: Mapping[str, Percentiles]


class _Latest:
    """The latest of many numbers, in memory that is taken once: frames come and go around it, and it stays in place."""

    def __init__(self, limit: int, kind: type[np.generic]) -> None:
        self._values = np.zeros(limit, kind)
        self._count = 0

    def append(self, value: float) -> None:
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def values(self) -> NDArray[Any]:
        """A copy, oldest first."""
        at = self._count % len(self._values)
        whole = self._count >= len(self._values)
        return np.concatenate((self._values[at:], self._values[:at])) if whole else self._values[:at].copy()

    @property
    def last(self) -> int:
        return int(self._values[(self._count - 1) % len(self._values)])


class Health:
    """The counters of one node or replay. Thread-safe; memory is bounded by the window sizes."""

    def __init__(self, window_ns: int = 5 * NS_PER_S, samples: int = 512) -> None:
        """Create empty counters.

        Args:
            window_ns: span over which rates are taken, nanoseconds.
            samples: latest latency samples kept per stage.
        """
        self._window_ns = window_ns
        self._samples = samples
        self._counts: dict[str, int] = {}
        self._seen_ns: dict[str, _Latest] = {}
        self._latency_ms: dict[str, _Latest] = {}
        self._lock = threading.Lock()

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + n

    def tick(self, stream: str, now_ns: int) -> None:
        """Note that a frame of a stream passed at `now_ns` (steady clock, nanoseconds)."""
        with self._lock:
            _named(self._seen_ns, stream, 1024, np.int64).append(now_ns)

    def record_ms(self, stage: str, milliseconds: float) -> None:
        """Note how long a stage took."""
        with self._lock:
            _named(self._latency_ms, stage, self._samples, np.float64).append(milliseconds)

    def silent_s(self, now_ns: int) -> dict[str, float]:
        """Seconds since the last frame at `now_ns`, by stream."""
        with self._lock:
            return {name: (now_ns - times.last) / NS_PER_S for name, times in self._seen_ns.items()}

    def rates_hz(self, now_ns: int) -> dict[str, float]:
        """Frames per second over the window that ends at `now_ns`, by stream."""
        with self._lock:
            seen = {name: times.values() for name, times in self._seen_ns.items()}
        rates = {}
        for name, times in seen.items():
            recent = times[now_ns - times <= self._window_ns]
            span = max(now_ns - int(recent[0]), 1) if len(recent) > 1 else self._window_ns
            rates[name] = (len(recent) - 1) * NS_PER_S / span if len(recent) > 1 else 0.0
        return rates

    def snapshot(self, now_ns: int) -> HealthSnapshot:
        """The state at `now_ns`, same clock as `tick`."""
        with self._lock:
            counts = dict(self._counts)
            latency = {name: values.values() for name, values in self._latency_ms.items()}
        return HealthSnapshot(
            counts=counts,
            rates_hz=self.rates_hz(now_ns),
            silent_s=self.silent_s(now_ns),
            latency_ms={name: _percentiles(values) for name, values in latency.items()},
        )


def _named(all_of_them: dict[str, _Latest], name: str, limit: int, kind: type[np.generic]) -> _Latest:
    if name not in all_of_them:
        all_of_them[name] = _Latest(limit, kind)
    return all_of_them[name]


def _percentiles(values: NDArray[Any]) -> Percentiles:
    """As `numpy.percentile` gives them, in a sixth of its time, in which the node's frames would wait."""
    places = np.array([0.5, 0.95, 0.99]) * (len(values) - 1)
    return Percentiles(*np.interp(places, np.arange(len(values)), np.sort(values)).tolist())


class RateLimiter:
    """Says each kind of message at most once per period, and how many were held back since. Thread-safe.

    Attributes:
        period_ns: the period, nanoseconds; may be changed.
    """

    def __init__(self, period_ns: int = 5 * NS_PER_S) -> None:
        """Create with a period in nanoseconds."""
        self.period_ns = period_ns
        self._last_ns: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def allow(self, key: str, now_ns: int) -> tuple[bool, int]:
        """Whether to say `key` now, and how many of it were held back since it was last said."""
        with self._lock:
            last = self._last_ns.get(key)
            if last is not None and 0 <= now_ns - last < self.period_ns:
                self._held[key] = self._held.get(key, 0) + 1
                return False, 0
            self._last_ns[key] = now_ns
            return True, self._held.pop(key, 0)
