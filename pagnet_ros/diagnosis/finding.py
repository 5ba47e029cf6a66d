"""What a rule is, and what it finds.

A rule is one small function decorated with `rule`: it takes an `Observation` and yields a `Fault` for each thing that
is
wrong. Its name is the finding's name, the first paragraph of its docstring is what the table of the docs says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pagnet_ros.diagnosis.observation import Observation

__all__ = ["Fault", "Finding", "Rule", "Severity", "rule"]

Severity = Literal["error", "warning"]
"""An error: nothing, or something wrong, comes out. A warning: it works, at a cost or by luck."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, as a rule yields it.

    Attributes:
        about: the topic, node or thing it is about.
        came: what was seen.
        expected: what would be right.
        mend: how to mend it; empty for the rule's own advice.
        severity: another one than the rule's; None for the rule's own.
    """

    about: str
    came: str
    expected: str
    mend: str = ""
    severity: Severity | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and how to mend it.

    Attributes:
        name: of the rule that found it, such as "frozen_stamps".
        severity: "error" (nothing, or something wrong, comes out) or "warning" (it works, at a cost or by luck).
        about: the topic, node or thing it is about.
        came: what was seen.
        expected: what would be right.
        mend: how to mend it.
    """

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
    """A named check.

    Attributes:
        name: of its findings.
        severity: of its findings, unless a fault says otherwise.
        meaning: one sentence for the docs.
        mend: advice that holds for every fault it finds.
        check: the function.
    """

    name: str
    severity: Severity
    meaning: str
    mend: str
    check: Callable[[Observation], Iterator[Fault]]

    def __call__(self, seen: Observation) -> list[Finding]:
        """Everything that this rule finds."""
        return [
            Finding(
                self.name,
                fault.severity or self.severity,
                fault.about,
                fault.came,
                fault.expected,
                fault.mend or self.mend,
            )
            for fault in self.check(seen)
        ]


def rule(severity: Severity, *, mend: str) -> Callable[[Callable[[Observation], Iterator[Fault]]], Rule]:
    """Make a rule of a function.

    Args:
        severity: of its findings.
        mend: how to mend what it finds, full sentences.

    Returns:
        The decorator; the function's name and the first paragraph of its docstring become the rule's.
    """

    def decorate(check: Callable[[Observation], Iterator[Fault]]) -> Rule:
        paragraph = (inspect.getdoc(check) or "").split("\n\n")[0]
        return Rule(check.__name__, severity, " ".join(paragraph.split()), mend, check)

    return decorate
