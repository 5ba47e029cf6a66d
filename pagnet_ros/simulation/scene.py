"""A scene: surfaces, lights, a colour camera and a viewpoint, all given by one seed and a style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pagnet_ros.errors import ConfigError
from pagnet_ros.simulation.indoor_layouts import room, tabletop
from pagnet_ros.simulation.palette import Layout, Rng
from pagnet_ros.simulation.staged_layouts import clutter, posters, traps

LAYOUTS: dict[str, Callable[[Rng], Layout]] = {
    "room": room,
    "tabletop": tabletop,
    "clutter": clutter,
    "traps": traps,
    "posters": posters,
}
STYLES = (*LAYOUTS, "mixed")
_MIX = {"room": 0.3, "tabletop": 0.25, "clutter": 0.33, "traps": 0.12}


@dataclass(frozen=True)
class Scene(Layout):
    """Everything that can be rendered, immutable.

    Attributes:
        style: Name of the layout.
        seed: What it was made from.
        bank_seed: Seed of the pattern bank that material numbers refer to.
    """

    style: str
    seed: int
    bank_seed: int = 0

    @classmethod
    def random(cls, seed: int, style: str = "mixed", *, bank_seed: int = 0) -> Scene:
        """The scene of a seed; the same arguments give the same scene, bit for bit.

        Args:
            seed: Any whole number >= 0.
            style: "room" (furnished), "tabletop" (many small things before a wall, as in stereo benchmarks),
                "clutter" (everything everywhere, the most varied), "traps" (strong patterns on flat surfaces and
                depth edges without a colour edge), "posters" (leaning prints with straight edges), or "mixed" (one of
                the first four, drawn by the seed).
            bank_seed: Seed of the pattern bank, >= 0; training may vary it now and then.

        Raises:
            ConfigError: Unknown style or negative seed.
        """
        if style not in STYLES:
            raise ConfigError(f"scene style is {style!r}; expected one of {', '.join(STYLES)}; choose one of these")
        if seed < 0 or bank_seed < 0:
            raise ConfigError(
                f"scene seed is {seed} and bank_seed {bank_seed}; expected whole numbers >= 0; drop the sign"
            )
        rng = np.random.default_rng([seed, 7919])
        if style == "mixed":
            style = str(rng.choice(list(_MIX), p=list(_MIX.values())))
        return cls(**vars(LAYOUTS[style](rng)), style=style, seed=seed, bank_seed=bank_seed)
