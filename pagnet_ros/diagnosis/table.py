"""The table of findings for docs/doctor.md, made from the rules."""

from __future__ import annotations

from pagnet_ros.diagnosis.rules import RULES

__all__ = ["markdown_table"]


def markdown_table() -> str:
    """One row per rule: name, severity, what is wrong, what mends it."""
    rows = ["| finding | | what is wrong | what mends it |", "|---|---|---|---|"]
    rows += [
        f"| `{rule.name}` | {rule.severity} | {_cell(rule.meaning)} | {_cell(rule.mend)} |" for rule in RULES.values()
    ]
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")
