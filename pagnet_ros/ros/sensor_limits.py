"""What a sensor profile says about measurements: their range, and how their noise grows.

Owns the way from the parameter `sensor` (a shipped name or a YAML file) to limits that the pipeline's options are
narrowed by. No ROS import.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from pagnet_ros.errors import ConfigError
from pagnet_ros.pipeline import UpsamplerOptions
from pagnet_ros.ros.parameters import NodeParameters

if TYPE_CHECKING:
    from pagnet_ros.simulation.sensor_profile import SensorProfile

__all__ = ["ANY_SENSOR", "SensorLimits", "options_of", "sensor_limits"]

_MAX_FILE_BYTES: Final = 1 << 20


class SensorLimits(NamedTuple):
    """Range in metres, and the factor of depth squared in the standard deviation, 1/m (None: not known)."""

    min_depth_m: float = 0.0
    max_depth_m: float = float("inf")
    noise_per_m: float | None = None


ANY_SENSOR: Final = SensorLimits()
"""Of no sensor in particular: the parameters alone decide."""


def sensor_limits(sensor: str) -> SensorLimits:
    """Limits of a sensor.

    Args:
        sensor: Name of a shipped profile, path of a YAML file with a profile's fields, or empty for any sensor.

    Returns:
        The limits.

    Raises:
        ConfigError: No such profile or file, unknown fields, or values out of range.
    """
    if not sensor:
        return ANY_SENSOR
    from pagnet_ros.simulation.sensor_profile import sensor_profile  # the renderer comes along: only where asked for

    is_path = sensor.endswith((".yaml", ".yml")) or os.sep in sensor
    profile = _read_profile(Path(sensor).expanduser()) if is_path else sensor_profile(sensor)
    noise = profile.noise_quadratic_per_m
    return SensorLimits(profile.min_range_m, profile.max_range_m, noise if noise > 0.0 else None)


def options_of(parameters: NodeParameters, sensor: SensorLimits = ANY_SENSOR) -> UpsamplerOptions:
    """The pipeline's options: what both the parameters and the sensor allow. 32FC1 is metres (REP 118).

    Args:
        parameters: The node's parameters.
        sensor: The sensor's limits; its noise, where known, takes the place of the parameter's.

    Returns:
        The options.

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
    return UpsamplerOptions(
        metric=True,
        min_depth_m=nearest,
        max_depth_m=farthest,
        noise_per_m=parameters.noise_per_m if sensor.noise_per_m is None else min(sensor.noise_per_m, 0.1),
        fill=parameters.fill,
        fill_radius_px=parameters.fill_radius_px,
        remove_flying=parameters.remove_flying,
        flying_gap=parameters.flying_gap,
    )


def _read_profile(path: Path) -> SensorProfile:
    """A profile from a YAML mapping of its fields."""
    from pagnet_ros.simulation.sensor_profile import SensorProfile

    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"sensor profile {path} is larger than 1 MiB; expected a short YAML mapping")
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"sensor profile {path} cannot be read ({error}); expected a YAML file") from error
    if not isinstance(values, dict):
        raise ConfigError(f"sensor profile {path} holds {type(values).__name__}; expected a mapping of field to value")
    known = [field.name for field in dataclasses.fields(SensorProfile)]
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        near = next(iter(difflib.get_close_matches(unknown[0], known, 1)), None)
        hint = f"; did you mean {near!r}?" if near else f"; known are {', '.join(known)}"
        raise ConfigError(f"sensor profile {path} has unknown fields {', '.join(unknown)}{hint}")
    return SensorProfile(**{"name": path.stem, **values})
