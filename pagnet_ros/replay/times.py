"""What differs between two runs: how long things took, and what computed them."""

from __future__ import annotations

import platform
import resource
from array import array
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from pagnet_ros.replay.timeline import Timeline

__all__ = ["Times", "versions"]


class Times:
    """How long things took: bounded over time, four bytes a sample for the percentiles."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self.last_s = 0.0
        self._samples: dict[str, array[float]] = {}
        self._timeline = Timeline()

    def take(self, time_s: float, times_ms: Mapping[str, float]) -> None:
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
    """Versions of what computed the figures."""
    versions = {"python": platform.python_version()}
    for name in ("pagnet_ros", "numpy", "torch", "opencv-python-headless", "opencv-python", "rosbags"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
