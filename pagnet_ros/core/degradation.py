"""Which quality level a frame's time and memory allow, and when to change it. Pure: no clock is read.

Two levels: the network, and bicubic interpolation. The end and the cost of each frame come in; a change of level, or
nothing, goes out. A level is left when the median of a few frames is over the budget, or when there is no memory for
it. A better one is tried once frames have fitted well for some time; each time that a trial fails, the wait for the
next one doubles, so a level that does not fit costs a few late frames a minute at most.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.units import NS_PER_MS

NETWORK: Final = "network"
BICUBIC: Final = "bicubic"
LEVELS: Final = (NETWORK, BICUBIC)
"""All quality levels, best first."""

_FRAMES: Final = 5
"""Frames whose median is judged."""
_ROOM: Final = 0.8
"""Share of the budget that frames must stay below before a better level is tried."""
_HOLD_MS: Final = 2000.0
_LONGEST_HOLD_MS: Final = 60_000.0


class LevelChange(NamedTuple):
    """A change of the quality level.

    Attributes:
        before, after: the levels.
        cost_ms: median time of a frame on `before`, milliseconds; NaN where there was no memory for it.
    """

    before: str
    after: str
    cost_ms: float

    @property
    def is_down(self) -> bool:
        """Whether it trades quality for time."""
        return LEVELS.index(self.after) > LEVELS.index(self.before)


class Degradation:
    """The present quality level. Call from one thread, with times of one steady clock.

    Attributes:
        budget_ms: time a frame may take, milliseconds; 0 for any.
        levels: those at hand, best first.
    """

    def __init__(self, levels: Sequence[str] = LEVELS, budget_ms: float = 0.0) -> None:
        """Begin with the best level.

        Raises:
            ConfigError: no level, an unknown one, or another order than that of `LEVELS`.
        """
        if not levels or list(levels) != [level for level in LEVELS if level in levels]:
            raise ConfigError(f"quality levels {tuple(levels)}; expected some of {LEVELS} in this order")
        self.budget_ms = budget_ms
        self.levels = tuple(levels)
        self._at = 0
        self._recent_ms: deque[float] = deque(maxlen=4 * _FRAMES)
        self._since_ns: int | None = None
        self._hold_ms = _HOLD_MS
        self._on_trial = False

    @property
    def level(self) -> str:
        """The present level."""
        return self.levels[self._at]

    def set_budget(self, budget_ms: float) -> None:
        """Change the time a frame may take, milliseconds, 0 for any; a new one is a new chance for better levels."""
        if budget_ms != self.budget_ms:
            self.budget_ms, self._hold_ms, self._on_trial = budget_ms, _HOLD_MS, False

    def note(self, now_ns: int, spent_ms: float) -> LevelChange | None:
        """Take one frame's time; say whether to change the level before the next.

        Args:
            now_ns: when the frame was done, nanoseconds of a steady clock.
            spent_ms: its time, milliseconds.
        """
        self._since_ns = now_ns if self._since_ns is None else self._since_ns
        self._recent_ms.append(spent_ms)
        if len(self._recent_ms) < _FRAMES:
            return None
        budget_ms = self.budget_ms or math.inf
        cost_ms = statistics.median(list(self._recent_ms)[-_FRAMES:])
        held_ms = (now_ns - self._since_ns) / NS_PER_MS
        if cost_ms > budget_ms:
            return self._change(self._at + 1, now_ns, cost_ms) if self._at + 1 < len(self.levels) else None
        if held_ms < self._hold_ms:
            return None
        if self._on_trial:  # it has lasted for as long as it was waited for
            self._on_trial, self._hold_ms = False, _HOLD_MS
        if self._at and sorted(self._recent_ms)[-2] <= _ROOM * budget_ms:  # all but one stray frame
            return self._change(self._at - 1, now_ns, cost_ms)
        return None

    def fail(self, now_ns: int) -> LevelChange | None:
        """There is no memory for the present level: leave it at once; None where it is the last."""
        return self._change(self._at + 1, now_ns, math.nan) if self._at + 1 < len(self.levels) else None

    def _change(self, to: int, now_ns: int, cost_ms: float) -> LevelChange:
        if to > self._at and self._on_trial:
            self._hold_ms = min(2 * self._hold_ms, _LONGEST_HOLD_MS)
        change = LevelChange(self.level, self.levels[to], cost_ms)
        self._on_trial = to < self._at
        self._at, self._since_ns = to, now_ns
        self._recent_ms.clear()
        return change
