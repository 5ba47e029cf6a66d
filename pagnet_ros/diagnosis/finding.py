"""What a rule is, and what it finds.

A rule is one small function decorated with `rule`: it takes an `Observation` and yields a `Fault` for each thing that
is wrong. Its name is the finding's name, the first paragraph of its docstring is what the table of the docs says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pagnet_ros.diagnosis.observation import Observation

Severity = Literal["error", "warning"]
"""An error: nothing, or something wrong, comes out. A warning: it works, at a cost or by luck."""


class Fault(NamedTuple):
    """One thing that is wrong, as a rule yields it."""

    about: str  # the topic, node or thing it is about
    came: str  # what was seen
    expected: str  # what would be right
    mend: str = ""  # how to mend it; empty for the rule's own advice
    severity: Severity | None = None  # None for the rule's own


@dataclass(frozen=True)
class Finding:
    """A fault under the name of the rule that found it, such as "frozen_stamps"."""

    name: str
    severity: Severity
    about: str
    came: str
    expected: str
    mend: str

    @property
    def text(self) -> str:
        """One sentence for a log: what came; what was expected; the mend."""
        return f"{self.about}: {self.came}; expected {self.expected}. {self.mend}"


@dataclass(frozen=True)
class Rule:
    """A named check."""

    name: str
    severity: Severity  # of its findings, unless a fault says otherwise
    meaning: str  # one sentence for the docs
    mend: str  # advice that holds for every fault it finds
    check: Callable[[Observation], Iterator[Fault]]

    def __call__(self, seen: Observation) -> list[Finding]:
        """Everything that this rule finds."""
        return [
            Finding(self.name, severity or self.severity, about, came, expected, mend or self.mend)
            for about, came, expected, mend, severity in self.check(seen)
        ]


def rule(severity: Severity, *, mend: str) -> Callable[[Callable[[Observation], Iterator[Fault]]], Rule]:
    """Make a rule of a function, whose name and docstring's first paragraph become the rule's.

    Args:
        severity: of its findings.
        mend: how to mend what it finds, full sentences.
    """

    def decorate(check: Callable[[Observation], Iterator[Fault]]) -> Rule:
        paragraph = (inspect.getdoc(check) or "").split("\n\n")[0]
        return Rule(check.__name__, severity, " ".join(paragraph.split()), mend, check)

    return decorate
