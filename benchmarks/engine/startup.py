"""From a new process to its first output: cold, when nothing was ever built for this machine, and warm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from pagnet_ros.errors import DeviceError

_FIRST_OUTPUT = """
import sys, numpy, pagnet_ros
up = pagnet_ros.DepthUpsampler.from_zoo(sys.argv[1], device=sys.argv[2])
up(numpy.full((120, 160), 1000, numpy.uint16), numpy.zeros((480, 640, 3), numpy.uint8))
"""


class StartUp(NamedTuple):
    """Seconds from the start of the process to its end after one frame.

    Attributes:
        cold_s: with an empty cache.
        warm_s: the second time.
    """

    cold_s: float
    warm_s: float


def measure_start_up(weights: str, device: str) -> StartUp:
    """Start Python twice with a cache folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return StartUp(_seconds(weights, device, folder), _seconds(weights, device, folder))


def _seconds(weights: str, device: str, cache: str) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_OUTPUT, weights, device],
        env={**os.environ, "PAGNET_CACHE": cache},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DeviceError(f"the process that was timed failed: {done.stderr.strip()[-400:]}")
    return time.perf_counter() - begin
