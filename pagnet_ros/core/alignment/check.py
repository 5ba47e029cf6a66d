"""The alignment offset over a stream of frames: evidence gathered from a few of them.

A camera's offset does not change from one frame to the next, so few frames are looked at; every look adds its evidence
to what is slowly forgotten. Which frames are looked at depends on their number alone.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.agreement import Agreement, agreement
from pagnet_ros.core.alignment.estimate import Estimate, estimate

PERIOD: Final = 64
"""One frame in this many is looked at while a node runs."""
MEMORY: Final = 0.85
"""What is left of the evidence from one look to the next while a node runs."""


class AlignmentCheck:
    """Whether depth and colour of one camera lie on each other. Use from one thread at a time."""

    def __init__(self, period: int = PERIOD, memory: float = MEMORY) -> None:
        """Begin before the first frame.

        Args:
            period: one frame in this many is looked at, and those whose number is a power of two.
            memory: what is left of the evidence from one look to the next, above 0 to 1.
        """
        self._period, self._memory = period, memory
        self._sizes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._frames = 0
        self._evidence: Agreement | None = None
        self.estimate: Estimate | None = None

    def look(
        self, depth: NDArray[np.generic], rgb: NDArray[np.uint8], minimum: float = 0.0, maximum: float = math.inf
    ) -> Estimate | None:
        """Take the next frame; one of other sizes begins anew.

        Args:
            depth: ``[h, w]`` uint16 millimetres (0 = no measurement) or float32 in any positive linear unit.
            rgb: ``[H, W, 3]`` uint8.
            minimum: nearest depth that counts, metres or the unit of float input.
            maximum: farthest depth that counts, likewise.

        Returns:
            The latest estimate, sure or not; None before any depth edge was seen.
        """
        sizes = depth.shape, rgb.shape
        if sizes != self._sizes:
            self._sizes, self._frames, self._evidence, self.estimate = sizes, 0, None, None
        self._frames += 1
        if self._frames % self._period == 0 or self._frames & (self._frames - 1) == 0:
            seen = agreement(_measured(depth, minimum, maximum), rgb)
            if self._evidence is None:
                self._evidence = seen
            else:
                self._evidence.add(seen, self._memory)
            self.estimate = estimate(self._evidence)
        return self.estimate


def _measured(depth: NDArray[np.generic], minimum: float, maximum: float) -> NDArray[np.float32]:
    """Depth as float32, NaN where it does not count; uint16 in metres."""
    values = depth.astype(np.float32)
    if depth.dtype == np.uint16:
        values /= np.float32(1000.0)
    values[~((values > 0) & (values >= minimum) & (values <= maximum) & (values < math.inf))] = np.nan
    return values
