"""Why depth and colour do not pair: what the stamps of the two streams, and the times of their arrival, tell.

Pure: stamps and times come in, a cause goes out. Used where a person asks, not for each frame. The node and the doctor
give the same answer, because both ask here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.system.units import NS_PER_MS

Cause = Literal["frozen", "drift", "late", "other_clock", "offset"]
_Times = NDArray[np.int64]

OTHER_CLOCK_NS: Final = 1_000_000_000
"""Stamps of one clock do not differ by more than this."""
_FEWEST: Final = 3
_RECENT: Final = 20
_MOST: Final = 1024
"""Messages looked at of one stream: each is compared with each of the other."""
_LEAST_DRIFT: Final = 2e-3
"""Difference of two clocks' rates, seconds per second, that arrival times show within a few seconds."""
_LEAST_DRIFT_ERRORS: Final = 4.0
_LEAST_DRIFT_SPAN_NS: Final = 2_000_000_000


@dataclass(frozen=True)
class Arrival:
    """One message's times, nanoseconds."""

    steady_ns: int  # when it arrived, of a clock that never jumps
    system_ns: int  # when it arrived, of the machine's clock (since 1970)
    stamp_ns: int  # its header.stamp
    sim_ns: int | None = None  # the newest time on /clock when it arrived; None without one


class ArrivalLog:
    """The latest messages of one stream, newest last. Add from one thread; any may look."""

    def __init__(self, limit: int = 2048) -> None:
        """Remember at most `limit` messages."""
        self._arrivals: deque[Arrival] = deque(maxlen=limit)

    def add(self, arrival: Arrival) -> None:
        """Note a message."""
        self._arrivals.append(arrival)

    def since(self, since_ns: int = 0) -> tuple[Arrival, ...]:
        """What arrived at or after `since_ns` of the steady clock."""
        kept = tuple(self._arrivals)  # at once: another thread may add meanwhile
        return tuple(arrival for arrival in kept if arrival.steady_ns >= since_ns)

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._arrivals)


@dataclass(frozen=True)
class PairingFault:
    """Why two streams that both arrive do not pair.

    Attributes:
        cause: "frozen" (a stream's stamps do not advance), "drift" (the two clocks run at different rates), "late" (a
            frame comes after its partner was dropped), "other_clock" (stamps of two clocks), "offset" (stamps that are
            never nearer than some milliseconds).
        text: what came, in words.
        mend: how to mend it.
    """

    cause: Cause
    text: str
    mend: str


def pairing_fault(
    depth: Sequence[Arrival],
    color: Sequence[Arrival],
    topics: tuple[str, str],
    *,
    slop_ns: int,
    max_late_ns: int | None,
    queue_size: int | None = None,
) -> PairingFault | None:
    """Find the cause.

    Args:
        depth: latest messages of the depth stream, oldest first.
        color: latest messages of the colour stream.
        topics: names of the two, for the text.
        slop_ns: largest stamp difference of a pair, nanoseconds.
        max_late_ns: how much later than its partner a frame may come, nanoseconds; None for any time.
        queue_size: most frames that wait per stream; None for any number.

    Returns:
        The cause; None where one stream has too few messages to tell, or nothing is wrong with them.
    """
    if min(len(depth), len(color)) < _FEWEST:
        return None
    streams = _Stream.of(depth), _Stream.of(color)
    for topic, stream in zip(topics, streams, strict=True):
        recent = stream.stamps[-_RECENT - 1 :]
        repeated = int(np.count_nonzero(np.diff(recent) == 0))
        if 2 * repeated >= len(recent) - 1:
            return PairingFault(
                "frozen",
                f"the stamps of {topic} do not advance: {repeated} of its latest {len(recent)} messages repeat the "
                "stamp before",
                "Its driver must stamp the images anew, each by itself",
            )
    return _drift(*streams) or _late(streams, topics, slop_ns, max_late_ns, queue_size) or _apart(*streams, slop_ns)


class _Stream(NamedTuple):
    """Stamps and times of arrival, each ``[n]`` nanoseconds, in the order of arrival."""

    stamps: _Times
    arrived: _Times

    @classmethod
    def of(cls, arrivals: Sequence[Arrival]) -> _Stream:
        both = np.array([(each.stamp_ns, each.steady_ns) for each in arrivals[-_MOST:]], np.int64)
        return cls(both[:, 0], both[:, 1])


def _drift(depth: _Stream, color: _Stream) -> PairingFault | None:
    """Two clocks at different rates, each judged by the times of arrival."""
    (depth_rate, depth_error), (color_rate, color_error) = (_rate_error(*stream) for stream in (depth, color))
    drift, error = color_rate - depth_rate, float(np.hypot(depth_error, color_error))
    if abs(drift) < max(_LEAST_DRIFT, _LEAST_DRIFT_ERRORS * error):
        return None
    return PairingFault(
        "drift",
        f"the two clocks drift apart: colour's stamps gain {1e3 * drift:+.1f} ms per second on depth's",
        "Synchronise the clocks (PTP, chrony), or let both drivers stamp with the same computer's time",
    )


def _rate_error(stamps: _Times, arrived: _Times) -> tuple[float, float]:
    """By how much a stream's stamps run fast, seconds per second, and the standard error; infinite where too short."""
    t, lead = (arrived - arrived[0]) * 1e-9, ((stamps - stamps[0]) - (arrived - arrived[0])) * 1e-9
    if arrived[-1] - arrived[0] < _LEAST_DRIFT_SPAN_NS:
        return 0.0, float("inf")
    t -= t.mean()
    slope = float((t * lead).sum() / np.square(t).sum())
    left = lead - lead.mean() - slope * t
    # neighbouring messages are late together, so a quarter of them counts as independent
    return slope, float(np.sqrt(4 * np.square(left).mean() / np.square(t).sum()))


def _late(
    streams: tuple[_Stream, _Stream],
    topics: tuple[str, str],
    slop_ns: int,
    max_late_ns: int | None,
    queue_size: int | None,
) -> PairingFault | None:
    """Frames that have a partner by their stamps, only that it comes too late."""
    slower, faster = sorted(streams, key=lambda stream: len(stream.stamps))
    (stamps, arrived), (other_stamps, other_arrived) = slower, faster
    common = (stamps >= other_stamps.min() - slop_ns) & (stamps <= other_stamps.max() + slop_ns)
    stamps, arrived = stamps[common], arrived[common]
    distance = np.abs(stamps[:, None] - other_stamps[None, :])
    nearest = distance.argmin(axis=1) if len(stamps) else np.zeros(0, np.intp)
    has_partner = distance[np.arange(len(stamps)), nearest] <= slop_ns
    if np.count_nonzero(has_partner) < max(_FEWEST, 0.5 * len(stamps)):
        return None
    later_ns = (arrived - other_arrived[nearest])[has_partner]
    late_ns = int(np.abs(later_ns).max())
    is_late, waits = (slower, faster) if np.median(later_ns) > 0 else (faster, slower)
    late, early = topics if is_late is streams[0] else topics[::-1]
    text = f"{late} arrives up to {late_ns / NS_PER_MS:.0f} ms after the {early} frame of the same stamp"
    if max_late_ns is not None and late_ns > max_late_ns:
        return PairingFault("late", text, f"Set max_late_ms above {late_ns / NS_PER_MS:.0f}")
    waiting = waits.arrived
    rate_hz = (len(waiting) - 1) / max((int(waiting[-1]) - int(waiting[0])) * 1e-9, 1e-3)
    needed = int(np.ceil(late_ns * 1e-9 * rate_hz)) + 2
    if queue_size is not None and needed > queue_size:
        return PairingFault("late", text, f"Set queue_size to {needed} or more")
    return None


def _apart(depth: _Stream, color: _Stream, slop_ns: int) -> PairingFault | None:
    """Stamps that never come near each other."""
    newest_ns = int(color.stamps[-1] - depth.stamps[-1])
    offsets = color.stamps[None, :] - depth.stamps[-_RECENT:, None]
    nearest = np.take_along_axis(offsets, np.abs(offsets).argmin(axis=1)[:, None], axis=1)
    offset_ns = float(np.median(nearest))
    if abs(offset_ns) > OTHER_CLOCK_NS:
        return PairingFault(
            "other_clock",
            f"colour is stamped {newest_ns * 1e-9:+.1f} s from depth",
            "The two stamps come from different clocks: let both drivers stamp with the system's (or /clock's) time",
        )
    if abs(offset_ns) <= slop_ns:
        return None
    return PairingFault(
        "offset",
        f"colour is stamped {offset_ns / NS_PER_MS:+.1f} ms from depth",
        f"Set slop_ms above {abs(offset_ns) / NS_PER_MS:.0f}, or synchronise the cameras",
    )
