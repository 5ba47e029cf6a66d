"""The diagnosis: what was seen of a graph and a machine in, findings with the mend for each out.

`observation` says what can be seen, `rules` what is wrong with it; `machine` and `processes` look at this machine,
`facts` at messages. The doctor (`pagnet_ros.doctor`) gathers observations through `pagnet_ros.ros.doctor`; a node can
fill in what it knows of its own topics. Needs no ROS.
"""

from __future__ import annotations

from pagnet_ros.diagnosis.finding import Finding, Rule
from pagnet_ros.diagnosis.observation import Observation
from pagnet_ros.diagnosis.rules import RULES

__all__ = ["RULES", "Finding", "Observation", "Rule", "diagnose"]


def diagnose(seen: Observation) -> list[Finding]:
    """Look at an observation with every rule.

    Args:
        seen: what was seen; what is None or empty in it was not looked at, and nothing is said about it.

    Returns:
        The findings, errors first, each group in the order of the rules.
    """
    found = [finding for rule in RULES.values() for finding in rule(seen)]
    return sorted(found, key=lambda finding: finding.severity != "error")
