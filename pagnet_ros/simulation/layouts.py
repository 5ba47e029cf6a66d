"""The styles by name: each a function from a generator to a complete layout."""

from __future__ import annotations

from collections.abc import Callable

from pagnet_ros.simulation.indoor_layouts import room, tabletop
from pagnet_ros.simulation.layout import Layout
from pagnet_ros.simulation.palette import Rng
from pagnet_ros.simulation.staged_layouts import clutter, posters, traps

LAYOUTS: dict[str, Callable[[Rng], Layout]] = {
    "room": room,
    "tabletop": tabletop,
    "clutter": clutter,
    "traps": traps,
    "posters": posters,
}
