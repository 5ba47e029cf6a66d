"""Rules on the node: its lifecycle, its own diagnostics, and the heartbeat that a Nav2 lifecycle manager waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pagnet_ros.diagnosis.finding import Fault, Severity, rule
from pagnet_ros.diagnosis.observation import Observation

_ACTIVE: Final = ("active", "")


@rule(
    "error",
    mend="Activate it: ros2 lifecycle set <node> configure, then activate; or start it with autostart:=true. Its log "
    "says why it is not active where it tried.",
)
def node_inactive(seen: Observation) -> Iterator[Fault]:
    """The node runs and is not active, so it takes no images."""
    for node in seen.consumers:
        if node.state not in _ACTIVE:
            yield Fault(node.name, f"its lifecycle state is {node.state!r}", "'active'")


@rule("warning", mend="The sentence says how; docs/troubleshooting.md explains each name.")
def node_reports(seen: Observation) -> Iterator[Fault]:
    """The node's own diagnostics are not OK."""
    for node in seen.consumers:
        if node.diagnostics_level:
            worst: Severity = "error" if node.diagnostics_level >= 2 else "warning"
            yield Fault(node.name, node.diagnostics, "diagnostics that say OK", severity=worst)


@rule(
    "error",
    mend="Set bond_timeout: 0.0 on the lifecycle manager that looks after it (Nav2 nodes under another manager keep "
    "theirs).",
)
def bond(seen: Observation) -> Iterator[Fault]:
    """A Nav2 lifecycle manager waits for a heartbeat (bond) that the node does not have, then shuts all down."""
    for node in seen.managed:
        if node.bond_timeout_s > 0 and not node.has_bond:
            came = f"{node.manager} waits {node.bond_timeout_s:g} s for its bond, and it has none"
            yield Fault(node.name, came, "bond_timeout: 0.0 for nodes that are no Nav2 nodes")
