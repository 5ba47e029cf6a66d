"""What a metric is, and the one place where each is added: a class of sums that says which metrics it gives.

The decorator `add_metrics` fills `METRICS` and `GROUPS` while the package is imported. Scorer, tables,
report, CSV, gate and the table of docs/metrics.md read these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.settings import MetricSettings

if TYPE_CHECKING:
    from pagnet_ros.replay.metrics.frame import Result

Better = Literal["lower", "higher", "target"]
Needs = Literal["any", "reference", "sigma"]
Sums = NDArray[np.float64]
Values = dict[str, float]

EIGEN = "Eigen et al. 2014"
OWN = "this project"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: its key.
        label: head of its column.
        definition: what exactly is measured; names in back quotes are fields of `MetricSettings`.
        unit: ``m``, ``px``, a count per frame, or empty for a share or ratio.
        source: where the definition comes from.
        needs: ``any`` recording, one with a ``reference``, or one with a reference and a predicted ``sigma``.
        better: ``lower``, ``higher`` (a share, best at 1) or nearest to `target`.
        target: the best value where `better` is ``target``.
        lead: whether it stands first in tables and is followed over time.
        shared: whether it depends on which other methods run.
    """

    name: str
    label: str
    definition: str
    unit: str = ""
    source: str = OWN
    needs: Needs = "reference"
    better: Better = "lower"
    target: float | None = None
    lead: bool = False
    shared: bool = False

    def loss(self, value: float) -> float:
        """How far a value is from the best, 0 at best, whichever way is better."""
        if self.better == "lower":
            return value
        return abs((1.0 if self.target is None else self.target) - value)

    def regression(self, old: float, new: float) -> float:
        """By which share the loss grew: 0.02 is 2 % worse, below 0 is better; infinite from a perfect old value."""
        before, now = self.loss(old), self.loss(new)
        if before == 0:
            return math.inf if now > 0 else 0.0
        return now / before - 1

    @property
    def is_share(self) -> bool:
        """Whether it is a share of something, which people read in per cent."""
        return not self.unit and (self.better == "higher" or self.name.endswith(("_share", "_rate")))

    @property
    def shown_unit(self) -> str:
        """The unit in which `shown` writes it."""
        return "mm" if self.unit == "m" else "%" if self.is_share else self.unit

    def shown(self, value: float | None) -> str:
        """A value for people, without its unit: metres in millimetres, shares in per cent, a dash where undefined."""
        if value is None or not math.isfinite(value):
            return "–"
        if self.unit == "m":
            return f"{value * 1e3:.1f}"
        if self.is_share:
            return f"{value * 100:.2f}"
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


class Group:
    """Metrics that come from the same sums. The sums of frames add up to those of a recording.

    Attributes:
        shared: Whether a metric of it depends on which other methods run.
    """

    shared = False

    def __init__(self, settings: MetricSettings) -> None:
        self.settings = settings

    def sums(self, result: Result) -> Sums:
        """The sums of one frame, always the same length."""
        raise NotImplementedError

    def values(self, sums: Sums) -> Values:
        """Every metric of the group, of one frame's sums or of any number of frames; NaN where undefined."""
        raise NotImplementedError

    def tables(self, sums: Sums) -> dict[str, Any]:
        """What else the sums tell, as plain values by name."""
        return {}


G = TypeVar("G", bound=type[Group])
_METRICS: dict[str, Metric] = {}
_GROUPS: list[tuple[type[Group], bool]] = []
METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)
"""Every metric by name, in the order in which they were added."""
GROUPS = _GROUPS
"""Every class of sums, and whether it needs a reference."""


def add_metrics(*metrics: Metric) -> Callable[[G], G]:
    """Class decorator for a `Group`: adds the metrics that its `values` gives.

    Raises:
        ValueError: a metric of that name is there already.
    """

    def add(group: G) -> G:
        for metric in metrics:
            if metric.name in _METRICS:
                raise ValueError(f"metric {metric.name} is there already; expected another name")
            _METRICS[metric.name] = metric
        group.shared = any(metric.shared for metric in metrics)
        _GROUPS.append((group, any(metric.needs != "any" for metric in metrics)))
        return group

    return add


def ratio(part: float, whole: float) -> float:
    """A quotient, NaN where there is nothing to divide by."""
    return float(part / whole) if whole > 0 else float("nan")


def root(total: float, count: float) -> float:
    """Root of a mean, NaN of nothing."""
    return math.sqrt(ratio(total, count))


def markdown_table() -> str:
    """All metrics as the table of docs/metrics.md."""
    rows = ["| metric | unit | better | needs | definition | source |", "|---|---|---|---|---|---|"]
    for metric in METRICS.values():
        better = f"near {metric.target:g}" if metric.better == "target" else metric.better
        definition = metric.definition.replace("|", "\\|")
        rows.append(
            f"| `{metric.name}` ({metric.label}) | {metric.unit or '1'} | {better} | {metric.needs} | "
            f"{definition} | {metric.source} |"
        )
    return "\n".join(rows) + "\n"
