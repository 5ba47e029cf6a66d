"""How good depth is, in metres: one frame at a time, with memory that does not grow.

`FrameContexts` does once per frame what all methods share; one `Scorer` per method adds up its figures; `METRICS` says
what each figure is. NumPy and OpenCV only. A recording's frames go in, plain numbers come out.
"""

from pagnet_ros.replay.metrics.catalogue import METRICS, Metric
from pagnet_ros.replay.metrics.frame import FrameContext, FrameContexts, FrameTruth
from pagnet_ros.replay.metrics.scorer import Scorer
from pagnet_ros.replay.metrics.settings import MetricSettings

__all__ = ["METRICS", "FrameContext", "FrameContexts", "FrameTruth", "Metric", "MetricSettings", "Scorer"]
