"""Which way of up-sampling a frame's time allows: the rungs, and when to step from one to another. Pure.

No clock is read: each frame's end and cost come in, a step or nothing goes out. Steps down need a few frames over the
budget, steps up a rest of `hold_ms` besides, so the choice never swings faster than that. How many times as long one
rung takes as the next is learned at each step between them, and before from trials; because a busy machine slows all
of them alike, that and the present cost tell what another rung would take now. One that would take no less than a
better one is skipped. Against a forecast a better rung is still tried, ever more rarely, for forecasts can be wrong.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pagnet_ros.errors import ConfigError

__all__ = [
    "BICUBIC",
    "JOINT_BILATERAL",
    "NETWORK",
    "RUNGS",
    "SMALLER_NETWORK",
    "SMALLER_SIZE",
    "Ladder",
    "LadderOptions",
    "Skipped",
    "Step",
]

NETWORK: Final = "network"
SMALLER_NETWORK: Final = "smaller network"
SMALLER_SIZE: Final = "smaller working size"
JOINT_BILATERAL: Final = "joint bilateral"
BICUBIC: Final = "bicubic"
RUNGS: Final = (NETWORK, SMALLER_NETWORK, SMALLER_SIZE, JOINT_BILATERAL, BICUBIC)
"""All there are, best first."""

_NS_PER_MS: Final = 1e6
_RATIOS: Final = 5
"""Steps whose ratios of cost are remembered: their median counts, for the load may change at a step."""
_HIGH_SHARE: Final = 0.8
_HIGH_OF: Final = 4
"""A step up is decided by this quantile of this many times `frames`."""
_MOST_DOUBLINGS: Final = 20
_FIT_DOUBLINGS: Final = 2
"""How often a wait is doubled at most where the forecast is good."""
_UNKNOWN_DOUBLINGS: Final = 2
"""Where there is no forecast, as after a fault, the wait is this often doubled from the start."""
_UNFIT_DOUBLINGS: Final = 3
"""Where the forecast is bad."""


@dataclass(frozen=True)
class LadderOptions:
    """When to step.

    Attributes:
        budget_ms: time a frame may take, milliseconds, 0 or more; 0: any.
        frames: number of frames whose median is judged, 1 to 100.
        hold_ms: least time from any step to a step up, milliseconds, above 0.
        longest_hold_ms: longest wait before a better rung is tried again, milliseconds, at least `hold_ms`.
        room: share of the budget that a better rung's forecast must stay below, above 0 to 1.

    Raises:
        ConfigError: values out of range; all problems in one message.
    """

    budget_ms: float = 0.0
    frames: int = 5
    hold_ms: float = 2000.0
    longest_hold_ms: float = 60000.0
    room: float = 0.8

    def __post_init__(self) -> None:
        """Check every field."""
        checks = (
            (0 <= self.budget_ms < math.inf, f"budget_ms={self.budget_ms!r}, expected 0 or more"),
            (1 <= self.frames <= 100, f"frames={self.frames!r}, expected 1 to 100"),
            (0 < self.hold_ms < math.inf, f"hold_ms={self.hold_ms!r}, expected above 0"),
            (
                self.hold_ms <= self.longest_hold_ms < math.inf,
                f"longest_hold_ms={self.longest_hold_ms!r}, expected at least hold_ms={self.hold_ms!r}",
            ),
            (0 < self.room <= 1, f"room={self.room!r}, expected above 0 to 1"),
        )
        problems = [text for sound, text in checks if not sound]
        if problems:
            raise ConfigError("ladder options: " + "; ".join(problems))


class Skipped(NamedTuple):
    """A rung passed over, because a frame would take no less there than on the better end of the step; milliseconds."""

    rung: str
    forecast_ms: float
    better_ms: float


class Step(NamedTuple):
    """A change of rung.

    Attributes:
        before, after: the rungs.
        cost_ms: median time of a frame on `before`, milliseconds; NaN where a fault made the step.
        skipped: rungs between them that are not worth a visit, best first.
    """

    before: str
    after: str
    cost_ms: float
    skipped: tuple[Skipped, ...] = ()

    @property
    def is_down(self) -> bool:
        """Whether it trades quality for time."""
        return RUNGS.index(self.after) > RUNGS.index(self.before)


class Ladder:
    """Owns the present rung. Call from one thread, with times of one steady clock."""

    def __init__(
        self, rungs: Sequence[str], options: LadderOptions | None = None, trials_ms: Mapping[str, float] | None = None
    ) -> None:
        """Begin on the top rung.

        Args:
            rungs: those at hand, at least one, in the order of `RUNGS`.
            options: when to step.
            trials_ms: what one frame, the same for all, took on the rungs that were tried before, milliseconds.

        Raises:
            ConfigError: no rung, an unknown one, or another order.
        """
        if not rungs or list(rungs) != [rung for rung in RUNGS if rung in rungs]:
            raise ConfigError(f"rungs {tuple(rungs)}; expected some of {RUNGS} in this order")
        self.options = options or LadderOptions()
        self._rungs = tuple(rungs)
        self._at = 0
        self._since_ns: int | None = None
        self._climbed = False
        self._recent_ms: deque[float] = deque(maxlen=400)
        self._left: tuple[int, float] | None = None
        self._ratios: list[deque[float]] = [deque(maxlen=_RATIOS) for _ in rungs[1:]]
        tried_ms = [(trials_ms or {}).get(rung, 0.0) for rung in rungs]
        pairs = itertools.pairwise(tried_ms)
        self._tried = [better / cheaper if better > 0 and cheaper > 0 else None for better, cheaper in pairs]
        self._failures = [0] * len(rungs)

    @property
    def rung(self) -> str:
        """The present rung."""
        return self._rungs[self._at]

    @property
    def top(self) -> str:
        """The best rung at hand."""
        return self._rungs[0]

    def note(self, now_ns: int, spent_ms: float) -> Step | None:
        """Take one frame's time on the present rung; say whether to step before the next.

        Args:
            now_ns: when the frame was done, nanoseconds of a steady clock.
            spent_ms: its time, milliseconds.

        Returns:
            The step taken, or None.
        """
        if self._since_ns is None:
            self._since_ns = now_ns
        self._recent_ms.append(spent_ms)
        if len(self._recent_ms) < self.options.frames:
            return None
        cost_ms = statistics.median(list(self._recent_ms)[-self.options.frames :])
        held_ms = (now_ns - self._since_ns) / _NS_PER_MS
        if self._climbed and held_ms >= self._wait_ms(self._at, 0.0):
            self._failures[self._at], self._climbed = 0, False
        self._learn(cost_ms)
        target = self._better(held_ms, max(cost_ms, self._high_ms()))
        if target is None and cost_ms > self._budget_ms:
            target = self._cheaper(cost_ms)
        return None if target is None else self._step(target, now_ns, cost_ms)

    def fail(self, now_ns: int) -> Step | None:
        """The present rung cannot run at all (no memory for it): step down at once; None where it is the last."""
        if self._at == len(self._rungs) - 1:
            return None
        self._ratios[self._at].clear()
        self._tried[self._at] = None
        step = self._step(self._at + 1, now_ns, math.nan)
        self._left = None
        return step

    def _high_ms(self) -> float:
        """What all but few of the recent frames stayed below: a step up asks for more than the median."""
        recent = sorted(list(self._recent_ms)[-_HIGH_OF * self.options.frames :])
        return recent[int(_HIGH_SHARE * (len(recent) - 1))]

    @property
    def _budget_ms(self) -> float:
        return self.options.budget_ms or math.inf

    def _wait_ms(self, rung: int, forecast_ms: float | None) -> float:
        """How long to rest before `rung` is tried, given what a frame on it should take; None: not known."""
        doublings = self._failures[rung]
        if forecast_ms is None:
            doublings += _UNKNOWN_DOUBLINGS
        elif self._fits(forecast_ms):
            doublings = min(doublings, _FIT_DOUBLINGS)
        else:
            doublings += _UNFIT_DOUBLINGS
        return min(self.options.hold_ms * 2.0 ** min(doublings, _MOST_DOUBLINGS), self.options.longest_hold_ms)

    def _fits(self, forecast_ms: float) -> bool:
        return forecast_ms <= self.options.room * self._budget_ms

    def _learn(self, cost_ms: float) -> None:
        """Compare what a frame took on the rung just left with what it takes on this one."""
        if self._left is None:
            return
        (before, before_ms), self._left = self._left, None
        if before_ms <= 0 or cost_ms <= 0:
            return
        ratio = before_ms / cost_ms if before < self._at else cost_ms / before_ms
        first, last = sorted((before, self._at))
        if last == first + 1:
            self._ratios[first].append(ratio)
        elif known := self._ratio(first, last):  # what was only tried and leapt over was as wrong as the leap shows
            leapt = [rung for rung in range(first, last) if not self._ratios[rung]]
            for rung in leapt:
                self._tried[rung] = (self._tried[rung] or 1.0) * (ratio / known) ** (1 / len(leapt))

    def _ratio(self, first: int, last: int) -> float | None:
        """How many times as long a frame takes on one rung as on another below it; None where that is not known."""
        product = 1.0
        for learned, tried in zip(self._ratios[first:last], self._tried[first:last], strict=True):
            ratio = statistics.median(learned) if learned else tried
            if ratio is None:
                return None
            product *= ratio
        return product

    def _forecast_ms(self, rung: int, present_ms: float) -> float | None:
        """What a frame should take on another rung; None where that cannot be told."""
        ratio = self._ratio(min(rung, self._at), max(rung, self._at))
        if ratio is None:
            return None
        return present_ms * ratio if rung < self._at else present_ms / ratio

    def _better(self, held_ms: float, present_ms: float) -> int | None:
        """The best rung that should fit, else one that is due for a trial; None while it is too early."""
        due, least_ms = [], math.inf
        for rung in range(self._at):
            forecast_ms = self._forecast_ms(rung, present_ms)
            wait_ms = self._wait_ms(rung, forecast_ms)
            if forecast_ms is not None:
                if forecast_ms >= least_ms:  # a better one takes no more: only in case that is wrong
                    wait_ms = self.options.longest_hold_ms
                least_ms = min(least_ms, forecast_ms)
            if held_ms >= wait_ms:
                if forecast_ms is not None and self._fits(forecast_ms):
                    return rung
                due.append(rung)
        return min(due, key=lambda rung: (self._failures[rung], -rung), default=None)

    def _cheaper(self, cost_ms: float) -> int | None:
        """The next rung below that is not known to take as long; the last one in any case."""
        last = len(self._rungs) - 1
        if self._at == last:
            return None
        forecasts = ((rung, self._forecast_ms(rung, cost_ms)) for rung in range(self._at + 1, last))
        return next((rung for rung, ms in forecasts if ms is None or ms < cost_ms), last)

    def _skipped(self, target: int, cost_ms: float) -> tuple[Skipped, ...]:
        """What a step passes over because it takes no less than the better end of the step."""
        first, last = sorted((self._at, target))
        better_ms = self._forecast_ms(first, cost_ms)
        forecasts = ((rung, self._forecast_ms(rung, cost_ms)) for rung in range(first + 1, last))
        return tuple(
            Skipped(self._rungs[rung], ms, better_ms)
            for rung, ms in forecasts
            if ms is not None and better_ms is not None and ms >= better_ms
        )

    def _step(self, target: int, now_ns: int, cost_ms: float) -> Step:
        if target > self._at:  # it could not stay: the longer it was tried in vain, the later the next trial
            self._failures[self._at] = self._failures[self._at] + 1 if self._climbed else 0
        step = Step(self.rung, self._rungs[target], cost_ms, self._skipped(target, cost_ms))
        self._climbed, self._left = target < self._at, (self._at, cost_ms)
        self._at, self._since_ns = target, now_ns
        self._recent_ms.clear()
        return step
