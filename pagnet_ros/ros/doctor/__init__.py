"""The doctor's ears: a listener on a running graph. Topics in, an `Observation` out; `pagnet_ros.doctor` judges it."""

from pagnet_ros.ros.doctor.watch import Options, watch

__all__ = ["Options", "watch"]
