"""message_filters' synchronisers behind the interface of `pagnet_ros.core.pairing`, for who wants those.

What makes them safe to use: their callback only appends, so it cannot raise while their lock is held; they are built
anew when a stamp goes backwards, because full queues of future stamps would swallow every message after it. Only
stamped messages go in. Needs ROS's message_filters; `NearestPairing` is the default and needs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from pagnet_ros.core.pairing import Pair
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.image import stamp_ns


class FilterPairing:
    """ApproximateTimeSynchronizer or TimeSynchronizer. Not thread-safe: the caller locks.

    Their matching is strict: with the approximate one a difference equal to the slop does not match, and slop 0
    nothing.
    """

    def __init__(self, slop_ns: int, queue_size: int, *, exact: bool) -> None:
        """Build the synchroniser: only equal stamps match where `exact`, and the slop is not used.

        Raises:
            ConfigError: message_filters is not installed.
        """
        try:
            self._filters: Any = importlib.import_module("message_filters")
        except ImportError as error:
            raise ConfigError(
                f"sync = {'exact' if exact else 'approximate'!r} needs ROS's message_filters, which cannot be imported "
                f"({error}); expected an installed ROS 2 with ros-<distro>-message-filters. Set sync:=nearest, which "
                "needs nothing and matches the nearest stamps"
            ) from error
        self._slop_ns, self._queue_size, self._exact = slop_ns, queue_size, exact
        self._pairs: list[Pair[Any, Any]] = []
        self.clear()

    @property
    def slop_ns(self) -> int:
        """Largest stamp difference of a pair, nanoseconds; setting it empties the queues."""
        return self._slop_ns

    @slop_ns.setter
    def slop_ns(self, value: int) -> None:
        self._slop_ns = value
        self.clear()

    def add_depth(self, stamp_ns: int, depth: Any) -> list[Pair[Any, Any]]:
        """Take a depth message; return the pairs it completes."""
        return self._add(0, stamp_ns, depth)

    def add_color(self, stamp_ns: int, color: Any) -> list[Pair[Any, Any]]:
        """Take a colour message; return the pairs it completes."""
        return self._add(1, stamp_ns, color)

    def clear(self) -> None:
        """Forget all waiting messages by building the synchroniser anew."""
        self._feeds = [self._filters.SimpleFilter() for _ in range(2)]
        if self._exact:
            synchronizer = self._filters.TimeSynchronizer(self._feeds, queue_size=self._queue_size)
        else:
            synchronizer = self._filters.ApproximateTimeSynchronizer(
                self._feeds, queue_size=self._queue_size, slop=self._slop_ns / 1e9
            )
        synchronizer.registerCallback(self._on_pair)
        self._synchronizer = synchronizer
        self._newest_ns = [-1, -1]

    def _add(self, stream: int, stamp: int, message: Any) -> list[Pair[Any, Any]]:
        if stamp < self._newest_ns[stream]:
            self.clear()
        self._newest_ns[stream] = stamp
        self._feeds[stream].signalMessage(message)
        pairs, self._pairs = self._pairs, []
        return pairs

    def _on_pair(self, depth: Any, color: Any) -> None:
        self._pairs.append(Pair(stamp_ns(depth), stamp_ns(color), depth, color))
