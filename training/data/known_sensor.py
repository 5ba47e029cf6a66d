"""Patches seen through sensors that are described by a profile: the simulated camera's `sense`, on training patches.

Data flows: a recipe's list of sensors -> `Sensors` -> one sensor per patch -> low-resolution depth and validity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.sensors.curves import Curve
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_ros.sensors.profile_yaml import load_profile
from pagnet_ros.sensors.simulate import sense

UNKNOWN = "unknown"
PAPER_LEVELS = 255.0
_FIELD_OF_VIEW = (45.0, 75.0)

_NOISE = ("noise_floor_m", "noise_quadratic_per_m", "noise_angle", "noise_amplitude_m", "noise_span")
_MISSING = ("missing", "missing_far", "missing_grazing", "missing_dark", "missing_edge")


@dataclass(frozen=True)
class MetricDepth:
    """What a sensor model needs to know of an image beyond colour and levels.

    Attributes:
        depth_m: ``[H, W]`` float32 metres along the optical axis, finite and above 0 everywhere (holes are filled).
        focal_px: focal length in pixels, 0 where not known.
        albedo: ``[H, W]`` uint8, reflectivity times 255, or None where not known.
        cosine: ``[H, W]`` uint8, cosine of the angle of incidence times 255, or None where not known.
    """

    depth_m: NDArray[np.float32]
    focal_px: float = 0.0
    albedo: NDArray[np.uint8] | None = None
    cosine: NDArray[np.uint8] | None = None


class MetricPatch(NamedTuple):
    """A patch as a sensor meets it, all of one size.

    Attributes:
        depth: ``[h, w]`` float32, metres (levels for a profile that is free of units).
        brightness: ``[h, w]`` float32, 0 to 1.
        albedo: ``[h, w]`` float32, 0 to 1.
        cosine: ``[h, w]`` float32, 0 to 1, or None for surfaces that face the camera.
        focal_px: focal length.
    """

    depth: NDArray[np.float32]
    brightness: NDArray[np.float32]
    albedo: NDArray[np.float32]
    cosine: NDArray[np.float32] | None
    focal_px: float


class Sensors:
    """The sensors of a recipe; each patch draws one.

    Args:
        names: profile names or paths, or `UNKNOWN` for a random sensor that nobody described.
        spread: how far noise and missing probabilities may differ from the profile: they are multiplied by a factor
            drawn log-uniformly between ``exp(-spread)`` and ``exp(spread)``, so that a network also serves the next
            device of the same kind.

    Raises:
        ConfigError: a profile that does not exist or is not sound.
    """

    def __init__(self, names: Sequence[str], spread: float = 0.0) -> None:
        self.profiles = [None if name == UNKNOWN else load_profile(name) for name in names]
        self.spread = spread

    @property
    def unit_free(self) -> bool:
        """Whether all of them are described and count levels instead of metres."""
        return all(profile is not None and profile.unit_free for profile in self.profiles)

    def draw(self, rng: np.random.Generator) -> SensorProfile | None:
        """One sensor; None is an unknown one."""
        if not self.profiles:
            return None
        profile = self.profiles[int(rng.integers(len(self.profiles)))]
        return _varied(profile, rng, self.spread) if profile is not None and self.spread > 0 else profile


def observe(
    patch: MetricPatch, profile: SensorProfile, scale: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """See a patch through a sensor.

    Args:
        patch: ``[s*h, s*w]``.
        profile: the sensor.
        scale: s.
        rng: decides everything.

    Returns:
        ``[h, w]`` low-resolution depth in the patch's unit (0 where missing), and ``[h, w]`` bool, True where measured.
    """
    height, width = patch.depth.shape
    camera = PinholeCamera(patch.focal_px, patch.focal_px, (width - 1) / 2, (height - 1) / 2, width, height)
    span = None
    if profile.unit_free:  # it reports whatever levels there are
        span, profile = PAPER_LEVELS, replace(profile, min_range_m=1e-6, max_range_m=1e6)
    low = sense(
        patch.depth,
        camera,
        profile,
        int(rng.integers(2**62)),
        factor=scale,
        albedo=patch.albedo,
        cos_incidence=patch.cosine,
        brightness=patch.brightness,
        span_m=span,
    )
    measured = np.isfinite(low)
    return np.where(measured, low, np.float32(0)), measured


def focal_length(known_px: float, width: int, rng: np.random.Generator) -> float:
    """A known focal length, or that of a random usual field of view over an image's width, in pixels."""
    angle = float(rng.uniform(*_FIELD_OF_VIEW))
    return known_px if known_px > 0 else width / (2 * math.tan(math.radians(angle) / 2))


def _varied(profile: SensorProfile, rng: np.random.Generator, spread: float) -> SensorProfile:
    noise, missing = np.exp(rng.uniform(-spread, spread, size=2)).tolist()
    changed: dict[str, float | Curve | dict[str, object]] = {name: getattr(profile, name) * noise for name in _NOISE}
    changed |= {name: min(getattr(profile, name) * missing, 1.0) for name in _MISSING}
    changed["noise_range_curve"] = tuple((x, y * noise) for x, y in profile.noise_range_curve)
    for name in ("missing_range_curve", "missing_dark_angle_curve", "missing_edge_curve"):
        changed[name] = tuple((x, min(y * missing, 1.0)) for x, y in getattr(profile, name))
    return replace(profile, evidence={}, **changed)  # type: ignore[arg-type]  # field by field of the right kind
