"""The last messages of one stream, as times: what rules on stamps and rates look at. Bounded memory."""

from __future__ import annotations

from collections import deque
from typing import Final

from pagnet_ros.diagnosis.observation import Arrival

__all__ = ["StreamLog"]

_KEPT: Final = 2048


class StreamLog:
    """Arrivals of one stream, newest last. Add from one thread; any may look."""

    def __init__(self, keep: int = _KEPT) -> None:
        """Begin empty.

        Args:
            keep: the most arrivals kept.
        """
        self._arrivals: deque[Arrival] = deque(maxlen=keep)

    def add(self, steady_ns: int, system_ns: int, stamp_ns: int, sim_ns: int | None = None) -> None:
        """Note a message; see `Arrival` for the times."""
        self._arrivals.append(Arrival(steady_ns, system_ns, stamp_ns, sim_ns))

    def arrivals(self, since_ns: int = 0) -> tuple[Arrival, ...]:
        """What arrived at or after `since_ns` of the steady clock."""
        kept = tuple(self._arrivals)  # at once: another thread may add meanwhile
        return tuple(arrival for arrival in kept if arrival.steady_ns >= since_ns)

    def __len__(self) -> int:
        """How many arrivals are kept."""
        return len(self._arrivals)
