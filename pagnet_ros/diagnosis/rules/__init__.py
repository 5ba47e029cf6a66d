"""Every rule there is. A new one is one decorated function in one of these modules."""

from __future__ import annotations

from typing import Final

from pagnet_ros.diagnosis.finding import Rule
from pagnet_ros.diagnosis.rules import graph, images, machine, nodes, rates, stamps

__all__ = ["RULES"]

RULES: Final[dict[str, Rule]] = {
    found.name: found
    for module in (graph, rates, stamps, images, nodes, machine)
    for found in vars(module).values()
    if isinstance(found, Rule)
}
"""By name, in the order in which they are looked at."""
