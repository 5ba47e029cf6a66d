"""Did it get worse? One replay's metrics against an earlier one's, over the same recording.

Every metric that both have is compared, each in its own direction (`metrics.Metric.loss`). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.results import MethodResult, Results

FRAMES = "frames"
"""Name under which a smaller number of answered frames falls."""


@dataclass(frozen=True)
class Fall:
    """A metric that got worse by more than is allowed.

    Attributes:
        method: whose.
        metric: its name.
        old: value in the earlier replay.
        new: value now; None if it is undefined now.
        growth: by which share its loss grew, 0.02 is 2 %; infinite from a perfect value, or where it is gone.
    """

    method: str
    metric: str
    old: float
    new: float | None
    growth: float

    def __str__(self) -> str:
        """One line for people."""
        unit = METRICS[self.metric].unit if self.metric in METRICS else ""
        now = "undefined" if self.new is None else f"{self.new:.6g}"
        worse = "" if math.isinf(self.growth) else f" ({self.growth:.1%} worse)"
        return f"{self.method}: {self.metric} {self.old:.6g} -> {now} {unit}".rstrip() + worse


@dataclass(frozen=True)
class Verdict:
    """What the comparison says.

    Attributes:
        falls: metrics that got worse by more than is allowed, worst first.
        compared: how many metrics were compared.
        notes: what could not be compared.
    """

    falls: tuple[Fall, ...]
    compared: int
    notes: tuple[str, ...]


def compare(old: Results, new: Results, max_regression: float, names: Collection[str] = ()) -> Verdict:
    """Compare two replays.

    Args:
        old: the earlier one.
        new: this one.
        max_regression: largest growth of a metric's loss that passes, at least 0; 0.02 is 2 %.
        names: of the metrics to judge; all if empty.

    Returns:
        The metrics that fell.

    Raises:
        ConfigError: a metric that does not exist, or was asked for and depends on methods that differ; replays of
            different kinds, or without a method in common.
    """
    unknown = [name for name in names if name not in METRICS and name != FRAMES]
    if unknown:
        raise ConfigError(f"no metric is called {', '.join(unknown)}; expected some of {', '.join(METRICS)}")
    _check_comparable(old, new)
    pairs = [(before, now) for before in old.methods if (now := new.method(before.name)) is not None]
    if not pairs:
        was, is_now = (", ".join(method.name for method in results.methods) for results in (old, new))
        raise ConfigError(
            f"no method in common: the baseline has {was}, this replay {is_now}; name the same --weights, --baselines"
        )
    shared = _not_comparable(old, new, names)
    falls: list[Fall] = []
    compared = 0
    for before, now in pairs:
        for name, value, today, growth in _growths(before, now, names):
            if name in shared:
                continue
            compared += 1
            if growth > max_regression:
                falls.append(Fall(before.name, name, value, today, growth))
    falls.sort(key=lambda fall: -fall.growth)
    missing = [method.name for method in old.methods if new.method(method.name) is None]
    notes = [f"not replayed now: {', '.join(missing)}"] if missing else []
    if shared:
        notes.append(f"not compared, as they depend on which methods run: {', '.join(shared)}")
    if old.recording.paths != new.recording.paths:
        notes.append(f"other names: the baseline replayed {', '.join(old.recording.paths)}")
    return Verdict(tuple(falls), compared, tuple(notes))


def parse_share(text: str) -> float:
    """Read "2%" or "0.02".

    Raises:
        ConfigError: neither.
    """
    stripped = text.strip()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ConfigError(f"regression {text!r}; expected a share such as 2% or 0.02")
    return value


def _growths(
    before: MethodResult, now: MethodResult, names: Collection[str]
) -> Iterator[tuple[str, float, float | None, float]]:
    """(name, old value, new value, growth of its loss) of every metric the earlier replay has."""
    for name, metric in METRICS.items():
        value, today = before.metrics.get(name), now.metrics.get(name)
        if value is None or (names and name not in names):
            continue
        yield name, value, today, math.inf if today is None else metric.regression(value, today)
    if before.frames and (not names or FRAMES in names):
        yield FRAMES, before.frames, now.frames, (before.frames - now.frames) / before.frames


def _not_comparable(old: Results, new: Results, names: Collection[str]) -> list[str]:
    """Metrics that depend on which methods run, where others ran.

    Raises:
        ConfigError: one of them was asked for by name.
    """
    depend = [name for name, metric in METRICS.items() if metric.shared]
    was, is_now = (  # a method that gives nothing has none of them, and is none of those compared
        {method.name for method in results.methods if any(method.metrics.get(name) is not None for name in depend)}
        for results in (old, new)
    )
    shared = depend if was != is_now else []
    if asked := [name for name in names if name in shared]:
        raise ConfigError(
            f"{', '.join(asked)} depends on which methods run; the baseline has {', '.join(sorted(was))}, this replay "
            f"{', '.join(sorted(is_now))}; name the same --weights, --baselines"
        )
    return shared


def _check_comparable(old: Results, new: Results) -> None:
    """Metrics compare only if they mean the same."""
    parts = (
        ("mode", old.mode, new.mode),
        ("scale", old.scale, new.scale),
        ("start", old.recording.start_s, new.recording.start_s),
        ("duration", old.recording.duration_s, new.recording.duration_s),
        ("every", old.recording.every, new.recording.every),
        ("scored", old.settings.get("scored"), new.settings.get("scored")),
        ("metrics", old.settings.get("metrics"), new.settings.get("metrics")),
        *((name, _of_pipeline(old, name), _of_pipeline(new, name)) for name in ("min_depth_m", "max_depth_m")),
    )
    differing = [f"{name} was {was}, now {now}" for name, was, now in parts if was != now]
    if differing:
        raise ConfigError("the baseline is of another kind: " + "; ".join(differing) + "; replay with the same options")


def _of_pipeline(results: Results, name: str) -> Any:
    """An option of the pipeline; None where it is not there."""
    return results.settings.get("pipeline", {}).get(name)
