"""A figure over time in bounded memory: bins that widen as the recording goes on.

Owns nothing but its bins. Frames' values go in as they are computed; mean, lowest and highest value of each bin come
out. The result depends on the values and their times only, so two runs over one recording give the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pagnet_ros.errors import ConfigError

__all__ = ["Timeline"]

FIRST_WIDTH_S = 1 / 64


@dataclass
class _Bin:
    """Values of one span of time."""

    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def merge(self, other: _Bin) -> None:
        self.count += other.count
        self.total += other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)


class Timeline:
    """Named figures over time. Memory is at most `bins` bins for each name, however long the recording."""

    def __init__(self, bins: int = 240) -> None:
        """Begin without values.

        Args:
            bins: Most bins kept, 2 to 10000; bins double their width when a time lies beyond the last.

        Raises:
            ConfigError: `bins` out of range.
        """
        if not 2 <= bins <= 10_000:
            raise ConfigError(f"timeline: {bins} bins; expected 2 to 10000")
        self._bins = bins
        self._width_s = FIRST_WIDTH_S
        self._series: dict[str, dict[int, _Bin]] = {}

    def add(self, time_s: float, values: Mapping[str, float]) -> None:
        """Take the values of one frame.

        Args:
            time_s: Since the first frame, seconds; negative counts as 0 (a bag whose clock went back).
            values: By name; what is not finite is left out.
        """
        time_s = max(time_s, 0.0) if math.isfinite(time_s) else 0.0
        while time_s >= self._bins * self._width_s:
            self._widen()
        index = int(time_s / self._width_s)
        for name, value in values.items():
            if math.isfinite(value):
                self._series.setdefault(name, {}).setdefault(index, _Bin()).add(value)

    def series(self) -> list[dict[str, Any]]:
        """Every figure in order of first appearance.

        Returns:
            Dictionaries of `name`, `bin_s` (width of a bin, seconds) and the equally long lists `time_s` (middles of
            bins), `mean`, `low`, `high`, `count`; bins without a value are left out. Plain JSON values.
        """
        return [{"name": name, "bin_s": self._width_s, **self._columns(bins)} for name, bins in self._series.items()]

    def _columns(self, bins: Mapping[int, _Bin]) -> dict[str, list[float]]:
        ordered = sorted(bins.items())
        return {
            "time_s": [(index + 0.5) * self._width_s for index, _ in ordered],
            "mean": [bin_.total / bin_.count for _, bin_ in ordered],
            "low": [bin_.low for _, bin_ in ordered],
            "high": [bin_.high for _, bin_ in ordered],
            "count": [bin_.count for _, bin_ in ordered],
        }

    def _widen(self) -> None:
        """Double the width of all bins; the values of two neighbours are put together."""
        self._width_s *= 2
        for name, bins in self._series.items():
            merged: dict[int, _Bin] = {}
            for index, bin_ in sorted(bins.items()):
                merged.setdefault(index // 2, _Bin()).merge(bin_)
            self._series[name] = merged
