"""What one depth sensor does to the truth, as one frozen dataclass, and a few named profiles.

``sensor.py`` applies a profile; fits and YAML files can fill one in field by field. Lengths are metres, image
lengths pixels of the depth image, angles radians, probabilities in [0, 1]. A field left at its default is an
effect that the sensor does not have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from types import MappingProxyType

from pagnet_ros.errors import ConfigError

REDUCTIONS = ("area", "bicubic", "nearest")
SHADOW_SIDES = ("none", "left", "right")

_POSITIVE = ("min_range_m", "max_range_m", "baseline_m", "native_focal_px", "wiggle_period_m")
_PROBABILITIES = ("flying", "missing", "missing_far", "missing_grazing", "missing_dark", "missing_edge")
_SIGNED = ("bias_m", "noise_z0_m")


@dataclass(frozen=True)
class SensorProfile:
    """Parameters of a depth sensor.

    Attributes:
        name: What to call it.
        reduction: How a depth pixel sums up its footprint away from edges: "area" (mean), "bicubic"
            (antialiased), or "nearest" (one ray).
        min_range_m: Nearest depth that is reported, > 0.
        max_range_m: Farthest depth that is reported, > min_range_m.
        noise_floor_m: Constant part of the axial standard deviation, >= 0.
        noise_quadratic_per_m: Factor of ``(z - noise_z0_m)^2`` in it, >= 0.
        noise_z0_m: Depth at which the quadratic part vanishes.
        noise_angle: Factor of ``theta^2 / (pi/2 - theta)^2 / sqrt(z)`` in it, >= 0 (Nguyen et al. 2012).
        noise_amplitude_m: Factor of ``z^2 / (albedo cos theta)`` in it, >= 0: time of flight with falling
            amplitude, metres at 1 m on a white surface (Lange 2000).
        noise_span: Factor of the frame's own depth span in it, >= 0; the PAG-Net paper's constant noise of 5 grey
            levels out of 255 is 5 / 255.
        noise_correlation_px: Standard deviation of the kernel that correlates the noise spatially, >= 0.
        bias_m: Constant error of the depth.
        wiggle_m: Amplitude of the periodic error of continuous-wave time of flight, >= 0.
        wiggle_period_m: Period of that error over depth, > 0.
        lateral_px: Standard deviation of the sideways jitter of where a pixel looks, >= 0.
        lateral_angle_px: Factor of ``theta / (pi/2 - theta)`` added to it, >= 0.
        flying: Probability that a pixel whose footprint holds a depth edge reports a mixture.
        footprint_px: Widening of the footprint on each side in which edges are mixed, 0 to 2.
        edge_jump: Relative depth step between neighbouring true pixels that counts as an edge, > 0.
        depth_step_m: Quantisation of the depth, >= 0.
        disparity_step_px: Quantisation of the disparity in native pixels, >= 0 (Kinect v1: 1/8).
        baseline_m: Distance between projector and camera, > 0 (only with disparities or shadows).
        native_focal_px: Focal length at which disparities are quantised, > 0.
        shadow_side: On which side of a near object in the image lies the band that the projector does not
            reach: "none", "left" or "right".
        missing: Probability that a pixel is missing anywhere.
        missing_far: Additional probability at max_range_m, growing with the square of the depth.
        missing_grazing: Additional probability at 90 degrees of incidence, growing with the eighth power.
        missing_dark: Additional probability on black, falling linearly to none at ``dark_amplitude``.
        dark_amplitude: Amplitude ``albedo cos theta / z^2`` (1/m^2) below which a surface counts as dark, >= 0.
        min_amplitude: Amplitude below which nothing is reported, >= 0.
        missing_edge: Probability that a pixel near a depth edge is missing.
        edge_width_px: Reach of ``missing_edge`` on each side of an edge, 0 to 16.
        hole_size_px: Standard deviation of the kernel that makes holes come in blobs, >= 0; 0 is single pixels.
    """

    name: str
    reduction: str = "area"
    min_range_m: float = 0.05
    max_range_m: float = 100.0
    noise_floor_m: float = 0.0
    noise_quadratic_per_m: float = 0.0
    noise_z0_m: float = 0.0
    noise_angle: float = 0.0
    noise_amplitude_m: float = 0.0
    noise_span: float = 0.0
    noise_correlation_px: float = 0.0
    bias_m: float = 0.0
    wiggle_m: float = 0.0
    wiggle_period_m: float = 1.0
    lateral_px: float = 0.0
    lateral_angle_px: float = 0.0
    flying: float = 0.0
    footprint_px: float = 0.0
    edge_jump: float = 0.04
    depth_step_m: float = 0.0
    disparity_step_px: float = 0.0
    baseline_m: float = 0.075
    native_focal_px: float = 580.0
    shadow_side: str = "none"
    missing: float = 0.0
    missing_far: float = 0.0
    missing_grazing: float = 0.0
    missing_dark: float = 0.0
    dark_amplitude: float = 0.0
    min_amplitude: float = 0.0
    missing_edge: float = 0.0
    edge_width_px: float = 0.0
    hole_size_px: float = 0.0

    def __post_init__(self) -> None:
        problems = [problem for f in fields(self) if (problem := _problem(f.name, getattr(self, f.name)))]
        if not problems and self.max_range_m <= self.min_range_m:
            problems.append(f"max_range_m={self.max_range_m!r} (expected more than min_range_m={self.min_range_m!r})")
        if problems:
            raise ConfigError(
                f"sensor profile {self.name!r} is not usable: {'; '.join(problems)}; "
                "correct these fields (units are metres, pixels and radians)"
            )

    @property
    def mixes_edges(self) -> bool:
        """Whether pixels on depth edges differ from the plain reduction."""
        return self.flying > 0 or self.lateral_px > 0 or self.lateral_angle_px > 0


def _problem(name: str, value: object) -> str:
    """What is wrong with one field, or nothing."""
    choices = {"reduction": REDUCTIONS, "shadow_side": SHADOW_SIDES}.get(name)
    if choices:
        return "" if value in choices else f"{name}={value!r} (expected one of {', '.join(choices)})"
    if name == "name":
        return "" if isinstance(value, str) and value else f"name={value!r} (expected a text)"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"{name}={value!r} (expected a finite number)"
    limit = {"footprint_px": 2.0, "edge_width_px": 16.0}.get(name, math.inf)
    if name in _PROBABILITIES:
        limit = 1.0
    if name in (*_POSITIVE, "edge_jump") and value <= 0:
        return f"{name}={value!r} (expected more than 0)"
    if name not in _SIGNED and not 0 <= value <= limit:
        return f"{name}={value!r} (expected {'0 or more' if limit == math.inf else f'0 to {limit:g}'})"
    return ""


_TOF = SensorProfile(
    name="tof",
    min_range_m=0.2,
    max_range_m=6.0,
    noise_floor_m=0.0015,
    noise_amplitude_m=0.0007,
    wiggle_m=0.003,
    wiggle_period_m=0.75,
    flying=0.8,
    footprint_px=0.5,
    depth_step_m=0.001,
    missing_grazing=0.3,
    missing_dark=0.5,
    dark_amplitude=0.01,
    min_amplitude=0.002,
    hole_size_px=0.7,
)
_KINECT = SensorProfile(
    name="kinect",
    reduction="nearest",
    min_range_m=0.4,
    max_range_m=6.0,
    noise_floor_m=0.0012,
    noise_quadratic_per_m=0.0019,
    noise_z0_m=0.4,
    noise_angle=0.0001,
    noise_correlation_px=0.6,
    lateral_px=0.5,
    lateral_angle_px=0.035,
    disparity_step_px=0.125,
    shadow_side="left",
    missing=0.004,
    missing_far=0.10,
    missing_grazing=0.7,
    missing_dark=0.35,
    dark_amplitude=0.02,
    missing_edge=0.25,
    edge_width_px=1.0,
    hole_size_px=1.8,
)

PROFILES = MappingProxyType(
    {
        "clean": SensorProfile(name="clean", reduction="bicubic"),
        "tof": _TOF,
        "kinect": _KINECT,
        "tof_paper": SensorProfile(name="tof_paper", reduction="bicubic", noise_span=5 / 255),
        "kinect_paper": SensorProfile(
            name="kinect_paper",
            reduction="bicubic",
            missing=0.04,
            missing_edge=0.8,
            edge_width_px=1.0,
            hole_size_px=1.5,
        ),
    }
)


def sensor_profile(name: str) -> SensorProfile:
    """The named profile, or a ``ConfigError`` that lists the names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError(
            f"sensor profile {name!r} is not known; expected one of {', '.join(PROFILES)}; choose one of these"
        ) from None
