"""Adds up the metrics of one method over a recording. Memory does not grow with the number of frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.frame import FrameContext, FrameContexts, FrameTruth
from pagnet_ros.replay.metrics.registry import GROUPS, METRICS, Sums, Values
from pagnet_ros.replay.metrics.result import Result
from pagnet_ros.replay.metrics.settings import MetricSettings

__all__ = ["Scorer"]


class Scorer:
    """The metrics of one method. Feed it every frame of the run, in order.

    Methods that are compared share one `FrameContexts`, which does what depends on the frame alone once; a single
    method can be fed with `FrameTruth` directly.
    """

    def __init__(self, settings: MetricSettings, has_reference: bool) -> None:
        """Create with empty sums.

        Args:
            settings: what counts as what.
            has_reference: whether frames come with a reference; without, only the metrics that need none are computed.
        """
        self._groups = [group(settings) for group, needs_reference in GROUPS if has_reference or not needs_reference]
        self._totals: list[Sums] = []
        self._frames = 0
        self._contexts = FrameContexts(settings)

    def add(
        self,
        frame: FrameContext | FrameTruth,
        depth_m: NDArray[np.float32],
        sigma_m: NDArray[np.float32] | None = None,
        common: NDArray[np.bool_] | None = None,
    ) -> Values:
        """Score one frame.

        Args:
            frame: the frame, from the run's `FrameContexts` where several methods are compared.
            depth_m: ``[H, W]`` float32 metres, the size of the colour image, NaN where none is given.
            sigma_m: ``[H, W]`` float32 predicted standard deviation, metres, or None.
            common: ``[H, W]`` bool, pixels that every method of the run gives, or None.

        Returns:
            The metrics of this frame alone, in the order of `METRICS`; NaN where undefined.

        Raises:
            InputError: arrays that do not fit together.
        """
        context = self._contexts.next(frame) if isinstance(frame, FrameTruth) else frame
        result = Result(context, depth_m, sigma_m, common)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            sums = [group.sums(result) for group in self._groups]
        self._totals = [a + b for a, b in zip(self._totals, sums, strict=True)] if self._totals else sums
        self._frames += 1
        return self._values(sums)

    def summary(self) -> dict[str, Any]:
        """The metrics of all frames together, as plain JSON values with None for what is undefined.

        Returns:
            ``frames``; ``metrics`` by name; ``by_range`` and ``calibration``, rows of tables; ``pixels``, how many
            each region had. Metrics come from sums over the pixels of all frames; those per frame are means.
        """
        found: dict[str, Any] = {"frames": self._frames, "metrics": {}, "by_range": [], "calibration": [], "pixels": {}}
        if self._totals:
            found["metrics"] = self._values(self._totals)
            for group, sums in zip(self._groups, self._totals, strict=True):
                found |= group.tables(sums)
        plain = _plain(found)
        assert isinstance(plain, dict)
        return plain

    def _values(self, sums: list[Sums]) -> Values:
        found: Values = {}
        for group, own in zip(self._groups, sums, strict=True):
            found |= group.values(own)
        return {name: float(found[name]) for name in METRICS if name in found}


def _plain(value: Any) -> Any:
    """The same with None in the place of every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
