"""The doctor's view of a running graph: topics in, an `Observation` out, which `pagnet_ros.diagnosis` judges."""

from pagnet_ros.ros.doctor.watch import Options, watch

__all__ = ["Options", "watch"]
