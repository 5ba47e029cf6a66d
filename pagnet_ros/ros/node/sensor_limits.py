"""What a sensor profile says about measurements: their range, how their noise grows, which network knows it.

From the parameter `sensor` (a shipped name or a YAML file) to limits that the pipeline's options are narrowed by. No
ROS import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pagnet_ros.errors import ConfigError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.system.settings import build

if TYPE_CHECKING:
    from pagnet_ros.sensors.profile import SensorProfile

_FARTHEST_M: Final = 10.0
_MOST_PER_M: Final = 0.1
_MOST_FLOOR_M: Final = 1.0


class SensorNoise(NamedTuple):
    """Standard deviation ``floor_m + per_m * z**2``, metres."""

    floor_m: float
    per_m: float


class SensorLimits(NamedTuple):
    """Range in metres, noise (None: not known), the weights trained for the sensor (empty: none), and its offset.

    The offset, ``(x, y)``, is what depth must be moved by to lie on the colour image, as shares of that one's width.
    """

    min_depth_m: float = 0.0
    max_depth_m: float = float("inf")
    noise: SensorNoise | None = None
    weights: str = ""
    offset: tuple[float, float] = (0.0, 0.0)


ANY_SENSOR: Final = SensorLimits()
"""Of no sensor in particular: the parameters alone decide."""


def sensor_limits(sensor: str) -> SensorLimits:
    """Limits of a sensor: a shipped profile's name, the path of a profile's YAML file, or empty for any sensor.

    Raises:
        ConfigError: No such profile or file, unknown fields, or values out of range.
    """
    if not sensor:
        return ANY_SENSOR
    from pagnet_ros.sensors.profile_yaml import load_profile  # the renderer comes along: only where asked for

    profile = load_profile(sensor)
    return SensorLimits(
        profile.min_range_m, profile.max_range_m, _noise_of(profile), profile.weights, profile.registration
    )


def options_of(parameters: NodeParameters, sensor: SensorLimits = ANY_SENSOR) -> UpsamplerOptions:
    """The pipeline's options: what both the parameters and the sensor allow. 32FC1 is metres (REP 118).

    The sensor's noise, where known, takes the place of the parameter's.

    Raises:
        ConfigError: No depth lies in both ranges.
    """
    nearest = max(parameters.min_depth_m, sensor.min_depth_m)
    farthest = min(parameters.max_depth_m, sensor.max_depth_m)
    if not nearest < farthest:
        raise ConfigError(
            f"min_depth_m = {parameters.min_depth_m:g}, max_depth_m = {parameters.max_depth_m:g} and the sensor "
            f"{parameters.sensor!r} with {sensor.min_depth_m:g} to {sensor.max_depth_m:g} m have no depth in common; "
            "expected ranges that overlap. Widen the parameters, or choose another sensor"
        )
    if sensor.noise is not None and parameters.noise_per_m != NodeParameters().noise_per_m:
        raise ConfigError(
            f"noise_per_m = {parameters.noise_per_m:g} and sensor = {parameters.sensor!r}, which tells its own noise; "
            f"expected one of the two. Leave noise_per_m at {NodeParameters().noise_per_m:g}, or put the noise you "
            "measured into a sensor profile"
        )
    noise = sensor.noise or SensorNoise(0.0, parameters.noise_per_m)
    return build(
        UpsamplerOptions,
        parameters,
        metric=True,
        min_depth_m=nearest,
        max_depth_m=farthest,
        noise_floor_m=noise.floor_m,
        noise_per_m=noise.per_m,
        known_offset=sensor.offset,
    )


def _noise_of(profile: SensorProfile) -> SensorNoise | None:
    """The profile's standard deviation over its range as a floor and a square of the depth, by relative least squares.

    It is taken on a surface of medium reflectivity that faces the camera.
    """
    import torch

    from pagnet_ros.sensors.noise import axial_sigma

    z = np.linspace(profile.min_range_m, max(min(profile.max_range_m, _FARTHEST_M), 2 * profile.min_range_m), 64)
    half, facing = torch.full((64,), 0.5), torch.ones(64)
    sigma = axial_sigma(profile, torch.from_numpy(z).float(), half, facing).numpy().astype(np.float64)
    if not (sigma > 0).all():
        return None
    columns = np.stack([1 / sigma, z**2 / sigma], axis=1)
    floor, per = np.linalg.lstsq(columns, np.ones(64), rcond=None)[0]
    if floor < 0 or per < 0:  # the better of the two alone
        alone = columns.sum(axis=0) / np.square(columns).sum(axis=0)
        left = [float(np.square(columns[:, i] * alone[i] - 1).sum()) for i in (0, 1)]
        floor, per = (alone[0], 0.0) if left[0] < left[1] else (0.0, alone[1])
    return SensorNoise(min(float(floor), _MOST_FLOOR_M), min(float(per), _MOST_PER_M))
