"""How good depth is, in metres: one frame at a time, with memory that does not grow.

`FrameContexts` does once per frame what all methods share; one `Scorer` per method adds up its metrics; `METRICS` says
what each of them is, and `add_metrics` adds one. NumPy and OpenCV only. Frames of a recording go in, numbers come out.
"""

from pagnet_ros.replay.metrics import accuracy, calibration, groups  # each adds its metrics  # noqa: F401
from pagnet_ros.replay.metrics.frame import FrameContext, FrameContexts, FrameTruth
from pagnet_ros.replay.metrics.registry import METRICS, Group, Metric, add_metrics
from pagnet_ros.replay.metrics.scorer import Scorer
from pagnet_ros.replay.metrics.settings import MetricSettings

__all__ = [
    "METRICS",
    "FrameContext",
    "FrameContexts",
    "FrameTruth",
    "Group",
    "Metric",
    "MetricSettings",
    "Scorer",
    "add_metrics",
]
