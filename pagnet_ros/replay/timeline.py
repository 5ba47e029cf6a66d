"""Values over time in bounded memory, and how long things took: what a run notes beside its metrics.

The bins depend on the values and their times only, so two runs over one recording give the
same.
"""

from __future__ import annotations

import math
import platform
import resource
from array import array
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

BINS = 240
FIRST_WIDTH_S = 1 / 64

Bin = tuple[int, float, float, float]
"""Count, sum, lowest and highest of some values."""


class Timeline:
    """Named values over time: at most `bins` bins for each name, which double their width as the recording goes on."""

    def __init__(self, bins: int = BINS) -> None:
        self._bins = bins
        self._width_s = FIRST_WIDTH_S
        self._series: dict[str, dict[int, Bin]] = {}

    def add(self, time_s: float, values: Mapping[str, float]) -> None:
        """Take the values of one frame, `time_s` seconds after the first; values that are not finite are left out.

        A negative time (a bag whose clock went back) counts as 0.
        """
        time_s = max(time_s, 0.0) if math.isfinite(time_s) else 0.0
        while time_s >= self._bins * self._width_s:
            self._width_s *= 2
            for name, bins in self._series.items():
                wider: dict[int, Bin] = {}
                self._series[name] = wider
                for index, content in sorted(bins.items()):
                    _merge(wider, index // 2, content)
        for name, value in values.items():
            if math.isfinite(value):
                _merge(self._series.setdefault(name, {}), int(time_s / self._width_s), (1, value, value, value))

    def series(self) -> list[dict[str, Any]]:
        """Every name in order of first appearance.

        Returns:
            Dictionaries of `name`, `bin_s` (width of a bin, seconds) and the equally long lists `time_s` (middles of
            bins), `mean`, `low`, `high`, `count`; bins without a value are left out. Plain JSON values.
        """
        found = []
        for name, bins in self._series.items():
            indexes, contents = zip(*sorted(bins.items()), strict=True)
            count, total, low, high = zip(*contents, strict=True)
            found.append(
                {
                    "name": name,
                    "bin_s": self._width_s,
                    "time_s": [(index + 0.5) * self._width_s for index in indexes],
                    "mean": [part / n for part, n in zip(total, count, strict=True)],
                    "low": list(low),
                    "high": list(high),
                    "count": list(count),
                }
            )
        return found


def _merge(bins: dict[int, Bin], index: int, more: Bin) -> None:
    known = bins.get(index)
    if known is not None:
        more = known[0] + more[0], known[1] + more[1], min(known[2], more[2]), max(known[3], more[3])
    bins[index] = more


class Times:
    """How long things took: bounded over time, four bytes a sample for the percentiles."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self.last_s = 0.0
        self._samples: dict[str, array[float]] = {}
        self._timeline = Timeline()

    def add(self, time_s: float, times_ms: Mapping[str, float]) -> None:
        """Note one frame's times, milliseconds by name ("<method>/ms" or a stage's)."""
        self.last_s = max(self.last_s, time_s)
        for name, value in times_ms.items():
            self._samples.setdefault(name, array("f")).append(value)
        self._timeline.add(time_s, {name if "/" in name else f"stage/{name}": ms for name, ms in times_ms.items()})

    def summary(self, frames: int, wall_s: float, seconds: float) -> dict[str, Any]:
        """The block `timings` of the results."""
        spread = {name: _percentiles(samples) for name, samples in self._samples.items()}
        return {
            "wall_s": wall_s,
            "frames_per_s": frames / wall_s if wall_s > 0 else None,
            "realtime_factor": seconds / wall_s if wall_s > 0 else None,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "stages": {name: values for name, values in spread.items() if "/" not in name},
            "methods": {name.removesuffix("/ms"): values for name, values in spread.items() if "/" in name},
            "timeline": self._timeline.series(),
        }


def _percentiles(samples: array[float]) -> dict[str, float]:
    values = np.frombuffer(samples, np.float32).astype(np.float64)
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {"mean": float(values.mean()), "p50": float(p50), "p95": float(p95), "p99": float(p99)}


def versions() -> dict[str, str]:
    """Versions of what computed the metrics."""
    found = {"python": platform.python_version()}
    for name in ("pagnet_ros", "numpy", "torch", "opencv-python-headless", "opencv-python", "rosbags"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
