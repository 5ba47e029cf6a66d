"""From the depth that a sensor sees to the number it reports: bias, quantisation, millimetres. Pure, on any device."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from pagnet_ros.sensors.curves import on_curve
from pagnet_ros.sensors.profile import SensorProfile


def range_bias(profile: SensorProfile, z: torch.Tensor) -> torch.Tensor:
    """Systematic error in metres at depth z (metres, any shape): a curve or a line, and the wiggle."""
    bias = on_curve(profile.bias_curve, z) if profile.bias_curve else profile.bias_m + profile.bias_scale * z
    if profile.wiggle_m > 0:
        phase = z * (2 * math.pi / profile.wiggle_period_m) + profile.wiggle_phase_rad
        bias = bias + profile.wiggle_m * torch.sin(phase)
    return bias


def quantize(z: torch.Tensor, profile: SensorProfile) -> torch.Tensor:
    """Depth rounded to the steps of the profile: disparity steps first, then depth steps."""
    if profile.disparity_step_px > 0:
        scale = profile.native_focal_px * profile.baseline_m
        steps = (scale / (z * profile.disparity_step_px)).round_()
        z = scale / (steps * profile.disparity_step_px)
    if profile.depth_step_m > 0:
        z = (z / profile.depth_step_m).round_() * profile.depth_step_m
    return z


def to_millimetres(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Metres with NaN -> the 16UC1 convention: whole millimetres, 0 where missing (or beyond 65.535 m)."""
    scaled = np.rint(np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0)
    return np.where((scaled > 0) & (scaled <= 65535), scaled, 0).astype(np.uint16)
