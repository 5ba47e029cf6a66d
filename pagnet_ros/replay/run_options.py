"""How to evaluate, what a frame is compared with, and who looks on: what goes into a run beside its frames.

In mode "self" the recorded depth is the truth, and what a sensor with pixels `scale` times as large would have seen is
the methods' input. Holes stay holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError, InputError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.recordings.coarse import coarse_depth, coarse_intrinsics
from pagnet_ros.replay.frame import RawDepth, ReplayFrame
from pagnet_ros.replay.methods import MethodOutput
from pagnet_ros.replay.metrics import FrameTruth, MetricSettings
from pagnet_ros.system.units import MILLIMETRES_PER_METRE

MODES = ("reference", "self", "none")
SCALES = (2, 16)

Scores = Mapping[str, Mapping[str, float]]
MethodOutputs = Mapping[str, MethodOutput]


class Observer(Protocol):
    """Sees every evaluated frame, in order. Arrays must not be kept without a copy, nor written to."""

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: MethodOutputs, scores: Scores) -> None:
        """Look at one frame.

        Args:
            frame: what the methods got: with mode "self" the coarser depth, and the recorded one as `reference`.
            truth: what they are scored against, in metres.
            outputs: answers by method; a method that failed is missing.
            scores: metrics of this frame, by method and name; empty where scoring is switched off.
        """
        ...


@dataclass(frozen=True)
class RunOptions:
    """How to evaluate.

    Attributes:
        mode: "reference", "self", "none", or "auto": self with a `scale`, else reference where there is one.
        scale: factor of mode "self", 2 to 16; None in the others.
        pipeline: what counts as measured (in inputs and references) and which depth of the networks is published.
        metrics: what counts as what in the metrics.
        score: False only runs the methods, for their outputs and times.
    """

    mode: str = "auto"
    scale: int | None = None
    pipeline: UpsamplerOptions = field(default_factory=lambda: UpsamplerOptions(metric=True))
    metrics: MetricSettings = field(default_factory=MetricSettings)
    score: bool = True

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        if self.mode not in ("auto", *MODES):
            problems.append(f"mode {self.mode!r}; expected auto, {', '.join(MODES)}")
        if self.scale is not None and not (isinstance(self.scale, int) and SCALES[0] <= self.scale <= SCALES[1]):
            problems.append(f"scale {self.scale!r}; expected a whole number from {SCALES[0]} to {SCALES[1]}")
        if self.mode == "self" and self.scale is None:
            problems.append("mode self without a scale; give --scale, for example 4")
        if self.mode in ("reference", "none") and self.scale is not None:
            problems.append(f"scale {self.scale} with mode {self.mode}; leave one out")
        if problems:
            raise ConfigError("; ".join(problems))

    def resolved(self, has_reference: bool) -> str:
        """The mode for a recording.

        Raises:
            ConfigError: mode "reference" for a recording without one.
        """
        if self.mode == "reference" and not has_reference:
            raise ConfigError(
                "mode reference, but the recording has none; name its topic with --reference, or use --scale 4 to take "
                "the recorded depth itself as the truth"
            )
        if self.mode != "auto":
            return self.mode
        if self.scale is not None:
            return "self"
        return "reference" if has_reference else "none"


class Metres:
    """Depth as it is recorded -> float32 metres, NaN where nothing was measured or it lies outside the limits.

    Equals `depth.decode_depth` on every value, by a table for uint16.
    """

    def __init__(self, min_depth_m: float, max_depth_m: float) -> None:
        """Take the limits of what counts as measured, metres, inclusive."""
        self._limits = np.float32(min_depth_m), np.float32(max_depth_m)
        table = (np.arange(65536, dtype=np.float64) / MILLIMETRES_PER_METRE).astype(np.float32)
        self._table = self._within(table)

    def __call__(self, depth: RawDepth) -> NDArray[np.float32]:
        """Convert ``[h, w]`` uint16 millimetres or float32 metres; a new array."""
        if depth.dtype == np.uint16:
            # never wraps, and so need not look for indices out of range: a third of the time
            return np.asarray(self._table.take(depth.view(np.uint16), mode="wrap"))
        return self._within(depth.astype(np.float32))

    def _within(self, metres: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high = self._limits
        with np.errstate(invalid="ignore"):
            metres[~((metres > 0) & (metres >= low) & (metres <= high))] = np.nan
        return metres


def downsampled(frame: ReplayFrame, scale: int) -> ReplayFrame:
    """The frame that a sensor `scale` times coarser would have delivered, with the recorded depth as its reference.

    Sizes are cut to multiples of `scale` at the right and at the bottom. Colour that is finer than the recorded depth
    is reduced to its size (by area), so that the truth is known at every pixel of the result.

    Args:
        frame: as recorded.
        scale: 2 to 16.

    Raises:
        InputError: fewer than 2 x 2 pixels would be left.
    """
    height, width = (side // scale * scale for side in frame.depth.shape)
    if height < 2 * scale or width < 2 * scale:
        raise InputError(
            f"depth of {frame.depth.shape[1]} x {frame.depth.shape[0]} made coarser by {scale} leaves less than 2 x 2 "
            "pixels; choose a smaller --scale"
        )
    rgb, intrinsics = _at_size_of(frame)
    reference: Any = np.ascontiguousarray(frame.depth[:height, :width])
    return replace(
        frame,
        depth=coarse_depth(reference, scale),
        rgb=np.ascontiguousarray(rgb[:height, :width]),
        reference=reference,
        intrinsics=intrinsics,
    )


def _at_size_of(frame: ReplayFrame) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
    """Colour at the size of the recorded depth, and its matrix."""
    height, width = frame.depth.shape
    if frame.rgb.shape[:2] == (height, width):
        return frame.rgb, frame.intrinsics
    ratios = frame.rgb.shape[1] / width, frame.rgb.shape[0] / height
    reduced = cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
    intrinsics = None if frame.intrinsics is None else coarse_intrinsics(frame.intrinsics, *ratios)
    return np.asarray(reduced, dtype=np.uint8), intrinsics
