"""How to evaluate, and who looks on: what goes into a run beside its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pagnet_ros.errors import ConfigError
from pagnet_ros.pipeline import UpsamplerOptions
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.methods import MethodOutput
from pagnet_ros.replay.metrics import FrameTruth, MetricSettings
from pagnet_ros.replay.modes import MODES, SCALES

__all__ = ["Observer", "Outputs", "RunOptions", "Scores"]

Scores = Mapping[str, Mapping[str, float]]
Outputs = Mapping[str, MethodOutput]


class Observer(Protocol):
    """Sees every evaluated frame, in order. Arrays must not be kept without a copy, nor written to."""

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: Outputs, scores: Scores) -> None:
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
        pipeline: what counts as measured (in inputs and references) and what networks believe.
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
