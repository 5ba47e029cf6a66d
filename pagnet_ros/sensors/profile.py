"""What one depth sensor does to the truth, as one frozen dataclass.

``simulate.py`` applies a profile, ``profile_yaml.py`` reads and writes one. Lengths are metres, image lengths pixels of
the depth image, angles radians, probabilities in [0, 1]. A field left at its default is an effect that the sensor does
not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.sensors.curves import Curve, as_curve
from pagnet_ros.sensors.evidence import Evidence
from pagnet_ros.sensors.profile_checks import CURVES, problems_of

_UNITLESS = frozenset(
    {
        "name", "description", "provenance", "weights", "evidence", "covered", "width", "height", "rate_hz",
        "reduction", "noise_span", "noise_tail", "noise_correlation_px", "noise_persistence", "noise_fixed",
        "noise_brightness_curve", "edge_jump", "missing", "missing_edge", "edge_width_px", "missing_edge_curve",
        "missing_brightness_curve", "hole_size_px", "hole_persistence",
        "hole_large_px", "hole_large_share", "registration_x_px", "registration_y_px", "registration_width",
    }
)  # fmt: skip


@dataclass(frozen=True)
class SensorProfile:
    """Parameters of a depth sensor.

    Where a value depends on something, z is the depth in metres, theta the angle of incidence, b the brightness of the
    colour image there (0 to 1) and a curve a tuple of points (x, y), linear in between and constant outside.

    Attributes:
        name: What to call it.
        description: What it is, in words.
        provenance: How the values came about: recording and command, or publications.
        weights: Network of the zoo, or family of it, that was trained for this sensor; empty for none.
        width: Pixels of the depth image, 0 where not known; it is no limit.
        height: As width.
        fx: Focal length of the depth image in pixels; fx, fy, cx, cy are all 0 where not known.
        fy: As fx.
        cx: Principal point, pixel centres at whole numbers.
        cy: As cx.
        rate_hz: Frames per second that the persistences hold for, 0 where not known.
        min_range_m: Nearest depth that is reported, > 0.
        max_range_m: Farthest depth that is reported, > min_range_m.
        reduction: How a depth pixel sums up its footprint away from edges: "area" (mean), "bicubic"
            (antialiased), or "nearest" (one ray).
        noise_floor_m: Constant part of the axial standard deviation, >= 0.
        noise_quadratic_per_m: Factor of ``(z - noise_z0_m)^2`` in it, >= 0.
        noise_z0_m: Depth at which the quadratic part vanishes.
        noise_range_curve: z -> standard deviation, in place of both within its range; outside, the formula goes on,
            scaled to meet the curve's end.
        noise_brightness_curve: b -> factor on the part of the noise that depends on z.
        noise_angle_curve: theta -> factor on that part.
        noise_angle: Factor of ``theta^2 / (pi/2 - theta)^2 / sqrt(z)`` in it, >= 0 (Nguyen et al. 2012).
        noise_amplitude_m: Factor of ``z^2 / (albedo cos theta)`` in it, >= 0: time of flight with falling
            amplitude, metres at 1 m on a white surface (Lange 2000).
        noise_span: Factor of the frame's own depth span in it, >= 0; the PAG-Net paper's constant noise of 5 grey
            levels is 5/255.
        noise_tail: Weight of the tails, 0 (Gaussian) to 0.4: an error is ``sigma g exp(noise_tail g^2 / 2)`` with a
            standard normal g (Tukey's h); sigma is then the standard deviation of its core.
        noise_correlation_px: Standard deviation of the kernel that correlates the noise spatially, >= 0.
        noise_persistence: Correlation of the changing part of the noise from frame to frame, 0 to below 1.
        noise_fixed: Share of the noise's variance that never changes, 0 to 1.
        bias_m: Constant error of the depth.
        bias_scale: Error in proportion to the depth.
        bias_curve: z -> error in metres, in place of both.
        wiggle_m: Amplitude of the periodic error of continuous-wave time of flight, >= 0.
        wiggle_period_m: Period of that error over depth, > 0.
        wiggle_phase_rad: Its phase at depth 0.
        lateral_px: Standard deviation of the sideways jitter of where a pixel looks, >= 0.
        lateral_angle_px: Factor of ``theta / (pi/2 - theta)`` added to it, >= 0.
        lateral_persistence: Correlation of the jitter from frame to frame, 0 to below 1.
        flying: Probability that a pixel whose footprint holds a depth edge reports a mixture.
        footprint_px: Widening of the footprint on each side in which edges are mixed, 0 to 2.
        edge_jump: Relative depth step between neighbouring true pixels that counts as an edge, > 0.
        depth_step_m: Quantisation of the depth, >= 0.
        disparity_step_px: Quantisation of the disparity in native pixels, >= 0 (Kinect v1: 1/8).
        baseline_m: Distance between projector and camera, > 0 (only with disparities or shadows).
        native_focal_px: Focal length at which disparities are quantised, > 0.
        shadow_side: On which side of a near object in the image lies the band that the projector does not
            reach: "none", "left" or "right".
        shadow_share: Share of that band that is missing, in pieces of some pixels; cameras fill part of it in.
        missing: Probability that a pixel is missing anywhere.
        missing_far: Additional probability at max_range_m, growing with the square of the depth.
        missing_range_curve: z -> probability, in place of both.
        missing_brightness_curve: b -> additional probability, -1 to 1.
        missing_angle_curve: theta -> additional probability, -1 to 1.
        missing_dark_angle_curve: theta -> additional probability on black, falling linearly to none at brightness
            ``dark_brightness``.
        dark_brightness: Brightness below which a surface counts as dark there, 0 to 1.
        missing_grazing: Additional probability at 90 degrees of incidence, growing with the eighth power.
        missing_dark: Additional probability on black, falling linearly to none at ``dark_amplitude``.
        dark_amplitude: Amplitude ``albedo cos theta / z^2`` (1/m^2) below which a surface counts as dark, >= 0.
        min_amplitude: Amplitude below which nothing is reported, >= 0.
        missing_edge: Probability that a pixel near a depth edge is missing.
        edge_width_px: Reach of ``missing_edge`` on each side of an edge, 0 to 16.
        missing_edge_curve: Distance to the nearest edge in pixels, 0 to 16 -> probability, none beyond its last point;
            in place of both.
        hole_size_px: Standard deviation of the kernel that makes holes come in blobs, >= 0; 0 is single pixels.
        hole_large_px: Standard deviation of a second, wider kernel, >= 0: holes of two sizes.
        hole_large_share: Share of that one in the field that decides on holes, 0 to 1.
        hole_persistence: Correlation, from frame to frame, of the field that decides on holes, 0 to below 1.
        registration_x_px: How far depth must be moved to the right to lie on the colour image, pixels of that image.
            The simulator, whose images share one camera, leaves it out.
        registration_y_px: Likewise, downwards.
        registration_width: Width of the colour image that both hold for, pixels; 0 where they are not known.
        evidence: Field name -> how well its value is known.
        covered: What the recording covered: "range_m", "brightness", ... -> (lowest, highest).

    Raises:
        ConfigError: Everything that does not fit, in one message.
    """

    name: str
    description: str = ""
    provenance: str = ""
    weights: str = ""
    width: int = 0
    height: int = 0
    fx: float = 0.0
    fy: float = 0.0
    cx: float = 0.0
    cy: float = 0.0
    rate_hz: float = 0.0
    min_range_m: float = 0.05
    max_range_m: float = 100.0
    reduction: str = "area"
    noise_floor_m: float = 0.0
    noise_quadratic_per_m: float = 0.0
    noise_z0_m: float = 0.0
    noise_range_curve: Curve = ()
    noise_brightness_curve: Curve = ()
    noise_angle_curve: Curve = ()
    noise_angle: float = 0.0
    noise_amplitude_m: float = 0.0
    noise_span: float = 0.0
    noise_tail: float = 0.0
    noise_correlation_px: float = 0.0
    noise_persistence: float = 0.0
    noise_fixed: float = 0.0
    bias_m: float = 0.0
    bias_scale: float = 0.0
    bias_curve: Curve = ()
    wiggle_m: float = 0.0
    wiggle_period_m: float = 1.0
    wiggle_phase_rad: float = 0.0
    lateral_px: float = 0.0
    lateral_angle_px: float = 0.0
    lateral_persistence: float = 0.0
    flying: float = 0.0
    footprint_px: float = 0.0
    edge_jump: float = 0.04
    depth_step_m: float = 0.0
    disparity_step_px: float = 0.0
    baseline_m: float = 0.075
    native_focal_px: float = 580.0
    shadow_side: str = "none"
    shadow_share: float = 1.0
    missing: float = 0.0
    missing_far: float = 0.0
    missing_range_curve: Curve = ()
    missing_brightness_curve: Curve = ()
    missing_angle_curve: Curve = ()
    missing_dark_angle_curve: Curve = ()
    dark_brightness: float = 0.0
    missing_grazing: float = 0.0
    missing_dark: float = 0.0
    dark_amplitude: float = 0.0
    min_amplitude: float = 0.0
    missing_edge: float = 0.0
    edge_width_px: float = 0.0
    missing_edge_curve: Curve = ()
    hole_size_px: float = 0.0
    hole_large_px: float = 0.0
    hole_large_share: float = 0.0
    hole_persistence: float = 0.0
    registration_x_px: float = 0.0
    registration_y_px: float = 0.0
    registration_width: int = 0
    evidence: Mapping[str, Evidence] = field(default_factory=dict, hash=False)
    covered: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in CURVES:
            object.__setattr__(self, name, as_curve(getattr(self, name)) or getattr(self, name))
        problems = problems_of({each.name: getattr(self, each.name) for each in fields(self)})
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
        return all(getattr(self, each.name) == each.default for each in fields(self) if each.name not in _UNITLESS)

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
