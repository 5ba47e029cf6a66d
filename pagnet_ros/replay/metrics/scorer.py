"""Adds up the figures of one method over a recording. Memory does not grow with the number of frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.accuracy import Accuracy, Common, Deltas
from pagnet_ros.replay.metrics.calibration import Calibration
from pagnet_ros.replay.metrics.catalogue import METRICS
from pagnet_ros.replay.metrics.frame import FrameContext, FrameContexts, FrameTruth
from pagnet_ros.replay.metrics.groups import Alignment, Flicker, Flying, FlyingRate, Measurement, Obstacles
from pagnet_ros.replay.metrics.result import Figures, Group, Result, Sums
from pagnet_ros.replay.metrics.settings import MetricSettings
from pagnet_ros.replay.metrics.texture import Texture

__all__ = ["Scorer"]


class Scorer:
    """The figures of one method. Feed it every frame of the run, in order.

    Methods that are compared share one `FrameContexts`, which does what depends on the frame alone once; a single
    method can be fed with `FrameTruth` directly.
    """

    def __init__(self, settings: MetricSettings, has_reference: bool) -> None:
        """Create with empty sums.

        Args:
            settings: what counts as what.
            has_reference: whether frames come with a reference; without, only the figures that need none are made.
        """
        self._accuracy = Accuracy(settings)
        self._calibration = Calibration()
        self._groups: dict[str, Group] = {}
        if has_reference:
            self._groups |= {
                "accuracy": self._accuracy,
                "deltas": Deltas(),
                "common": Common(),
                "texture": Texture(),
                "flying": Flying(settings),
                "obstacles": Obstacles(),
                "calibration": self._calibration,
            }
        self._groups |= {
            "measurement": Measurement(),
            "flicker": Flicker(),
            "alignment": Alignment(settings),
            "flying rate": FlyingRate(settings),
        }
        self._totals: dict[str, Sums] = {}
        self._frames = 0
        self._contexts = FrameContexts(settings)

    def add(
        self,
        frame: FrameContext | FrameTruth,
        depth_m: NDArray[np.float32],
        sigma_m: NDArray[np.float32] | None = None,
        common: NDArray[np.bool_] | None = None,
    ) -> Figures:
        """Score one frame.

        Args:
            frame: the frame, from the run's `FrameContexts` where several methods are compared.
            depth_m: ``[H, W]`` float32 metres, the size of the colour image, NaN where none is given.
            sigma_m: ``[H, W]`` float32 predicted standard deviation, metres, or None.
            common: ``[H, W]`` bool, pixels that every method of the run gives, or None.

        Returns:
            The figures of this frame alone, in the order of `METRICS`; NaN where undefined.

        Raises:
            InputError: arrays that do not fit together.
        """
        context = self._contexts.next(frame) if isinstance(frame, FrameTruth) else frame
        result = Result(context, depth_m, sigma_m, common)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            sums = {name: group.sums(result) for name, group in self._groups.items()}
        for name, values in sums.items():
            self._totals[name] = self._totals[name] + values if name in self._totals else values
        self._frames += 1
        return self._figures(sums)

    def summary(self) -> dict[str, Any]:
        """The figures of all frames together, as plain JSON values with None for what is undefined.

        Returns:
            ``frames``; ``figures`` by name; ``by_range`` and ``calibration``, rows of tables; ``pixels``, how many
            each region had. Figures come from sums over the pixels of all frames; those per frame are means.
        """
        totals = self._totals
        accuracy, calibration = totals.get("accuracy"), totals.get("calibration")
        summary = {
            "frames": self._frames,
            "figures": self._figures(totals) if totals else {},
            "by_range": [] if accuracy is None else self._accuracy.by_range(accuracy),
            "calibration": [] if calibration is None else self._calibration.table(calibration),
            "pixels": {} if accuracy is None else self._accuracy.pixels(accuracy),
        }
        plain = _plain(summary)
        assert isinstance(plain, dict)
        return plain

    def _figures(self, sums: dict[str, Sums]) -> Figures:
        found: Figures = {}
        for name, group in self._groups.items():
            found |= group.figures(sums[name])
        return {name: float(found[name]) for name in METRICS if name in found}


def _plain(value: Any) -> Any:
    """The same with None in the place of every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
