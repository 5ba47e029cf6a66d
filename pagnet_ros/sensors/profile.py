"""What one depth sensor does to the truth, as one frozen dataclass.

``simulate.py`` applies a profile, ``profile_yaml.py`` reads and writes one. Lengths are metres, image lengths pixels of
the depth image, angles radians, probabilities in [0, 1]. A field left at its default is an effect that the sensor does
not have. Each field is one declaration: what it means, its default, what may stand in it, and whether it is free of a
unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf, pi

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.sensors.curves import Curve, as_curve
from pagnet_ros.sensors.evidence import Evidence
from pagnet_ros.sensors.profile_checks import choice, curve, is_curve, mapping, number, problems_of, text, whole


@dataclass(frozen=True)
class SensorProfile:
    """Parameters of a depth sensor.

    Where a value depends on something, z is the depth in metres, theta the angle of incidence, b the brightness of the
    colour image there (0 to 1) and a curve a tuple of points (x, y), linear in between and constant outside.

    Raises:
        ConfigError: Everything that does not fit, in one message.
    """

    name: str = text("What to call it.", required=True)
    description: str = text("What it is, in words.")
    provenance: str = text("How the values came about: recording and command, or publications.")
    weights: str = text("Network of the zoo, or family of it, that was trained for this sensor; empty for none.")
    width: int = whole("Pixels of the depth image, 0 where not known; it is no limit.")
    height: int = whole("As width.")
    fx: float = number("Focal length of the depth image in pixels; fx, fy, cx, cy are all 0 where not known.")
    fy: float = number("As fx.")
    cx: float = number("Principal point, pixel centres at whole numbers.", signed=True)
    cy: float = number("As cx.", signed=True)
    rate_hz: float = number("Frames per second that the persistences hold for, 0 where not known.", unit_free=True)
    min_range_m: float = number("Nearest depth that is reported.", 0.05, above_zero=True)
    max_range_m: float = number("Farthest depth that is reported, > min_range_m.", 100.0, above_zero=True)
    reduction: str = choice(
        "How a depth pixel sums up its footprint away from edges: 'area' (mean), 'bicubic' (antialiased), or "
        "'nearest' (one ray).",
        "area",
        "bicubic",
        "nearest",
        unit_free=True,
    )
    noise_floor_m: float = number("Constant part of the axial standard deviation.")
    noise_quadratic_per_m: float = number("Factor of `(z - noise_z0_m)^2` in it.")
    noise_z0_m: float = number("Depth at which the quadratic part vanishes.", signed=True)
    noise_range_curve: Curve = curve(
        "z -> standard deviation, in place of both within its range; outside, the formula goes on, scaled to meet "
        "the curve's end."
    )
    noise_brightness_curve: Curve = curve(
        "b -> factor on the part of the noise that depends on z.", x=(0, 1), unit_free=True
    )
    noise_angle_curve: Curve = curve("theta -> factor on that part.", x=(0, pi / 2))
    noise_angle: float = number("Factor of `theta^2 / (pi/2 - theta)^2 / sqrt(z)` in it (Nguyen et al. 2012).")
    noise_amplitude_m: float = number(
        "Factor of `z^2 / (albedo cos theta)` in it: time of flight with falling amplitude, metres at 1 m on a "
        "white surface (Lange 2000)."
    )
    noise_span: float = number(
        "Factor of the frame's own depth span in it; the PAG-Net paper's constant noise of 5 grey levels is 5/255.",
        unit_free=True,
    )
    noise_tail: float = number(
        "Weight of the tails, 0 (Gaussian) to 0.4: an error is `sigma g exp(noise_tail g^2 / 2)` with a standard "
        "normal g (Tukey's h); sigma is then the standard deviation of its core.",
        most=0.4,
        unit_free=True,
    )
    noise_correlation_px: float = number(
        "Standard deviation of the kernel that correlates the noise spatially.", most=16, unit_free=True
    )
    noise_persistence: float = number(
        "Correlation of the changing part of the noise from frame to frame.", below_one=True, unit_free=True
    )
    noise_fixed: float = number("Share of the noise's variance that never changes.", most=1, unit_free=True)
    bias_m: float = number("Constant error of the depth.", signed=True)
    bias_scale: float = number("Error in proportion to the depth.", signed=True)
    bias_curve: Curve = curve("z -> error in metres, in place of both.", y=(-inf, inf))
    wiggle_m: float = number("Amplitude of the periodic error of continuous-wave time of flight.")
    wiggle_period_m: float = number("Period of that error over depth.", 1.0, above_zero=True)
    wiggle_phase_rad: float = number("Its phase at depth 0.", signed=True)
    lateral_px: float = number("Standard deviation of the sideways jitter of where a pixel looks.")
    lateral_angle_px: float = number("Factor of `theta / (pi/2 - theta)` added to it.")
    lateral_persistence: float = number("Correlation of the jitter from frame to frame.", below_one=True)
    flying: float = number("Probability that a pixel whose footprint holds a depth edge reports a mixture.", most=1)
    footprint_px: float = number("Widening of the footprint on each side in which edges are mixed.", most=2)
    edge_jump: float = number(
        "Relative depth step between neighbouring true pixels that counts as an edge.",
        0.04,
        above_zero=True,
        unit_free=True,
    )
    depth_step_m: float = number("Quantisation of the depth.")
    disparity_step_px: float = number("Quantisation of the disparity in native pixels (Kinect v1: 1/8).")
    baseline_m: float = number(
        "Distance between projector and camera (only with disparities or shadows).", 0.075, above_zero=True
    )
    native_focal_px: float = number("Focal length at which disparities are quantised.", 580.0, above_zero=True)
    shadow_side: str = choice(
        "On which side of a near object in the image lies the band that the projector does not reach: 'none', "
        "'left' or 'right'.",
        "none",
        "left",
        "right",
    )
    shadow_share: float = number(
        "Share of that band that is missing, in pieces of some pixels; cameras fill part of it in.", 1.0, most=1
    )
    missing: float = number("Probability that a pixel is missing anywhere.", most=1, unit_free=True)
    missing_far: float = number("Additional probability at max_range_m, growing with the square of the depth.", most=1)
    missing_range_curve: Curve = curve("z -> probability, in place of both.", y=(0, 1))
    missing_brightness_curve: Curve = curve("b -> additional probability.", x=(0, 1), y=(-1, 1), unit_free=True)
    missing_angle_curve: Curve = curve("theta -> additional probability.", x=(0, pi / 2), y=(-1, 1))
    missing_dark_angle_curve: Curve = curve(
        "theta -> additional probability on black, falling linearly to none at brightness `dark_brightness`.",
        x=(0, pi / 2),
        y=(0, 1),
    )
    dark_brightness: float = number("Brightness below which a surface counts as dark there.", most=1)
    missing_grazing: float = number(
        "Additional probability at 90 degrees of incidence, growing with the eighth power.", most=1
    )
    missing_dark: float = number(
        "Additional probability on black, falling linearly to none at `dark_amplitude`.", most=1
    )
    dark_amplitude: float = number("Amplitude `albedo cos theta / z^2` (1/m^2) below which a surface counts as dark.")
    min_amplitude: float = number("Amplitude below which nothing is reported.")
    missing_edge: float = number("Probability that a pixel near a depth edge is missing.", most=1, unit_free=True)
    edge_width_px: float = number("Reach of `missing_edge` on each side of an edge.", most=16, unit_free=True)
    missing_edge_curve: Curve = curve(
        "Distance to the nearest edge in pixels -> probability, none beyond its last point; in place of both.",
        x=(0, 16),
        y=(0, 1),
        unit_free=True,
    )
    hole_size_px: float = number(
        "Standard deviation of the kernel that makes holes come in blobs; 0 is single pixels.", most=64, unit_free=True
    )
    hole_large_px: float = number(
        "Standard deviation of a second, wider kernel: holes of two sizes.", most=512, unit_free=True
    )
    hole_large_share: float = number("Share of that one in the field that decides on holes.", most=1, unit_free=True)
    hole_persistence: float = number(
        "Correlation, from frame to frame, of the field that decides on holes.", below_one=True, unit_free=True
    )
    registration_x_px: float = number(
        "How far depth must be moved to the right to lie on the colour image, pixels of that image. The simulator, "
        "whose images share one camera, leaves it out.",
        signed=True,
        unit_free=True,
    )
    registration_y_px: float = number("Likewise, downwards.", signed=True, unit_free=True)
    registration_width: int = whole("Width of the colour image that both hold for, pixels; 0 where they are not known.")
    evidence: Mapping[str, Evidence] = mapping("Field name -> how well its value is known.")
    covered: Mapping[str, tuple[float, float]] = mapping(
        "What the recording covered: 'range_m', 'brightness', ... -> (lowest, highest)."
    )

    def __post_init__(self) -> None:
        for each in filter(is_curve, fields(self)):
            object.__setattr__(self, each.name, as_curve(getattr(self, each.name)) or getattr(self, each.name))
        problems = problems_of(self)
        if problems:
            raise ConfigError(
                f"sensor profile {self.name!r} is not usable: {'; '.join(problems)}; "
                "correct these fields (units are metres, pixels and radians)"
            )
        object.__setattr__(self, "evidence", dict(self.evidence))
        object.__setattr__(self, "covered", {name: (float(a), float(b)) for name, (a, b) in self.covered.items()})

    @property
    def mixes_edges(self) -> bool:
        """Whether pixels on depth edges differ from the plain reduction."""
        return self.flying > 0 or self.lateral_px > 0 or self.lateral_angle_px > 0

    @property
    def has_noise(self) -> bool:
        """Whether the depth is noisy at all."""
        parts = (self.noise_floor_m, self.noise_quadratic_per_m, self.noise_angle, self.noise_amplitude_m)
        return bool(self.noise_range_curve) or any(part > 0 for part in (*parts, self.noise_span))

    @property
    def unit_free(self) -> bool:
        """Whether its effects need no metres, so that it may be applied to disparity or grey levels (the paper's)."""
        return all(getattr(self, each.name) == each.default for each in fields(self) if not each.metadata["unit_free"])

    @property
    def registration(self) -> tuple[float, float]:
        """``(x, y)`` that depth must be moved by to lie on colour, shares of the colour image's width; 0 if unknown."""
        width = self.registration_width
        return (self.registration_x_px / width, self.registration_y_px / width) if width else (0.0, 0.0)

    @property
    def camera(self) -> PinholeCamera | None:
        """Intrinsics of the depth image, or None where they are not known."""
        if not (self.fx > 0 and self.width > 0):
            return None
        return PinholeCamera(self.fx, self.fy, self.cx, self.cy, self.width, self.height)
