"""Adds up the metrics of one method over a recording. Memory does not grow with the number of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.frame import FrameContext, Result
from pagnet_ros.replay.metrics.registry import GROUPS, METRICS, Sums, Values
from pagnet_ros.replay.metrics.settings import MetricSettings
from pagnet_ros.replay.results import plain


class Scorer:
    """The metrics of one method. Feed it every frame of the run, in order, as the run's `FrameContexts` makes them."""

    def __init__(self, settings: MetricSettings, has_reference: bool) -> None:
        """`has_reference`: whether frames come with one; without, only the metrics that need none are computed."""
        self._groups = [group(settings) for group, needs_reference in GROUPS if has_reference or not needs_reference]
        self._totals: dict[frozenset[str], list[Sums]] = {}
        self._frames = 0

    def add(
        self,
        frame: FrameContext,
        depth_m: NDArray[np.float32],
        sigma_m: NDArray[np.float32] | None = None,
        common: NDArray[np.bool_] | None = None,
        among: frozenset[str] = frozenset(),
    ) -> Values:
        """Score one frame.

        Args:
            frame: what all methods share of it.
            depth_m: ``[H, W]`` float32 metres, the size of the colour image, NaN where none is given.
            sigma_m: ``[H, W]`` float32 predicted standard deviation, metres, or None.
            common: ``[H, W]`` bool, pixels that every method of `among` gives, or None.
            among: The methods that give any pixel of this frame.

        Returns:
            The metrics of this frame alone, in the order of `METRICS`; NaN where undefined.
        """
        result = Result(frame, depth_m, sigma_m, common)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            sums = [group.sums(result) for group in self._groups]
        before = self._totals.get(among)
        self._totals[among] = sums if before is None else [a + b for a, b in zip(before, sums, strict=True)]
        self._frames += 1
        return self._values(sums)

    def summary(self, among: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The metrics of all frames together, as plain JSON values with None for what is undefined.

        Args:
            among: The methods that metrics called common compare; a frame that other methods answer counts for none.

        Returns:
            ``frames``; ``metrics`` by name; ``by_range`` and ``calibration``, rows of tables; ``pixels``, how many
            each region had. Metrics come from sums over the pixels of all frames; those per frame are means.
        """
        found: dict[str, Any] = {"frames": self._frames, "metrics": {}, "by_range": [], "calibration": [], "pixels": {}}
        if self._totals:
            everything = [np.sum(sums, axis=0) for sums in zip(*self._totals.values(), strict=True)]
            compared = self._totals.get(among, [np.zeros_like(sums) for sums in everything])
            totals = [
                part if group.shared else whole
                for group, part, whole in zip(self._groups, compared, everything, strict=True)
            ]
            found["metrics"] = self._values(totals)
            for group, sums in zip(self._groups, totals, strict=True):
                found |= group.tables(sums)
        return dict(plain(found))

    def _values(self, sums: list[Sums]) -> Values:
        found: Values = {}
        for group, own in zip(self._groups, sums, strict=True):
            found |= group.values(own)
        return {name: float(found[name]) for name in METRICS if name in found}
