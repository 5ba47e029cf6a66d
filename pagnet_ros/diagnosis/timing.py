"""Arithmetic on arrival times and stamps: rates, ages, drift, the nearest partner, what was lost.

Pure: no clock is read. Times are nanoseconds as they come, results are in the unit of their name.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.stamps import Arrival
from pagnet_ros.system.units import NS_PER_MS, NS_PER_S

OTHER_CLOCK_S: Final = 10.0
"""Stamps farther than this from the clock are of another clock, not late, seconds."""
_LEAST_FOR_DRIFT: Final = 15
_LEAST_SPAN_S: Final = 2.0
_PARTS: Final = 6
_OFF_LINE: Final = 0.15
_LEAST_GAPS: Final = 8


def rate_hz(arrivals: Sequence[Arrival]) -> float:
    """Messages per second between the first and the last one; 0 for fewer than two."""
    if len(arrivals) < 2:
        return 0.0
    span = arrivals[-1].steady_ns - arrivals[0].steady_ns
    return (len(arrivals) - 1) * NS_PER_S / span if span > 0 else 0.0


def age_ms(arrivals: Sequence[Arrival]) -> NDArray[np.float64]:
    """Age of each message at its arrival, by the clock that its stamp is of: /clock where that is nearer.

    Returns:
        ``[n]`` milliseconds; negative for stamps of the future.
    """
    system, sim = _ages_ms(arrivals)
    return sim if runs_on_sim_time(arrivals) else system


def median_age_ms(arrivals: Sequence[Arrival]) -> float:
    """Median of `age_ms`; NaN without any message."""
    ages = age_ms(arrivals)
    return float(np.median(ages)) if len(ages) else float("nan")


def clock_offset_s(arrivals: Sequence[Arrival]) -> float:
    """How far the stamps lie behind the nearest clock there is, median, seconds; NaN without any message."""
    return median_age_ms(arrivals) / 1000.0


def runs_on_sim_time(arrivals: Sequence[Arrival]) -> bool:
    """Whether stamps follow /clock, which may run at any speed."""
    system, sim = _ages_ms(arrivals)
    return bool(len(sim)) and bool(abs(np.median(sim)) < abs(np.median(system)))


def _ages_ms(arrivals: Sequence[Arrival]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ages by the system's clock, and by /clock where it was heard."""
    system = np.array([a.system_ns - a.stamp_ns for a in arrivals], np.float64)
    sim = np.array([a.sim_ns - a.stamp_ns for a in arrivals if a.sim_ns is not None], np.float64)
    return system / NS_PER_MS, sim / NS_PER_MS


def drift_ms_per_s(arrivals: Sequence[Arrival]) -> float:
    """How much older messages become by the second: stamps of a clock that runs at another speed.

    Delays only ever add to the age, so the smallest age of each sixth of the time is taken: a burst of late messages is
    no drift. Where these do not lie on a line, as on a machine that has more and more to do, none can be told.

    Returns:
        Milliseconds per second; positive where the stamps' clock is slow; 0 where it cannot be told.
    """
    if len(arrivals) < _LEAST_FOR_DRIFT or any(b.stamp_ns < a.stamp_ns for a, b in pairwise(arrivals)):
        return 0.0
    times_s = np.array([a.steady_ns - arrivals[0].steady_ns for a in arrivals], np.float64) / NS_PER_S
    if times_s[-1] < _LEAST_SPAN_S:
        return 0.0
    ages = np.array([a.system_ns - a.stamp_ns for a in arrivals], np.float64) / NS_PER_MS
    parts = np.minimum(times_s / times_s[-1] * _PARTS, _PARTS - 1).astype(int)
    members = [np.flatnonzero(parts == part) for part in range(_PARTS)]
    if any(len(part) < 2 for part in members):
        return 0.0
    best = [part[np.argmin(ages[part])] for part in members]
    slope, start = np.polyfit(times_s[best], ages[best], 1)
    off_line = np.abs(ages[best] - (start + slope * times_s[best])).max()
    return float(slope) if off_line < _OFF_LINE * abs(slope) * times_s[-1] else 0.0


def nearest_offsets_ms(depth: Sequence[Arrival], color: Sequence[Arrival]) -> NDArray[np.float64]:
    """For each depth frame, the nearest colour stamp minus its own.

    Args:
        depth: frames with stamps.
        color: likewise.

    Returns:
        ``[n]`` milliseconds; empty if either stream is.
    """
    if not depth or not color:
        return np.empty(0)
    stamps = np.sort(np.array([a.stamp_ns for a in color], np.int64))
    wanted = np.array([a.stamp_ns for a in depth], np.int64)
    after = np.clip(np.searchsorted(stamps, wanted), 0, len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    candidates = np.stack([stamps[before] - wanted, stamps[after] - wanted])
    nearest = np.take_along_axis(candidates, np.abs(candidates).argmin(axis=0)[None], axis=0)[0]
    return np.asarray(nearest / NS_PER_MS, np.float64)


def share_received(arrivals: Sequence[Arrival]) -> float:
    """Which share of a camera's frames came, by its own stamps: gaps of several periods lack frames.

    The longest gap does not count: a camera that was started again loses nothing.

    Returns:
        0 to 1; 1 where the gaps are not those of a regular camera, or there are too few.
    """
    gaps = np.diff(np.array([a.stamp_ns for a in arrivals], np.int64)).astype(np.float64)
    gaps = np.sort(gaps[gaps > 0])[:-1]
    if len(gaps) < _LEAST_GAPS:
        return 1.0
    period = float(np.percentile(gaps, 10))
    multiples = gaps / period
    regular = np.abs(multiples - np.rint(multiples)) < 0.15
    if np.mean(regular) < 0.85:
        return 1.0
    return float(len(gaps) / np.rint(multiples).sum())
