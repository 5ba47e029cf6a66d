"""Every rule there is. A new one is one decorated function in one of these modules."""

from __future__ import annotations

from typing import Final

from pagnet_ros.diagnosis.finding import Rule
from pagnet_ros.diagnosis.rules import geometry, graph, images, machine, nodes, rates, stamps

__all__ = ["RULES", "markdown_table"]

RULES: Final[dict[str, Rule]] = {
    found.name: found
    for module in (graph, rates, stamps, images, geometry, nodes, machine)
    for found in vars(module).values()
    if isinstance(found, Rule)
}
"""By name, in the order in which they are looked at."""


def markdown_table() -> str:
    """The table of docs/doctor.md: one row per rule with its name, severity, what is wrong, what mends it."""
    rows = ["| finding | | what is wrong | what mends it |", "|---|---|---|---|"]
    for rule in RULES.values():
        meaning, mend = (
            text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")
            for text in (rule.meaning, rule.mend)
        )
        rows.append(f"| `{rule.name}` | {rule.severity} | {meaning} | {mend} |")
    return "\n".join(rows) + "\n"
