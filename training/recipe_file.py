"""A recipe file -> the plain values of one recipe: those of its family, of a kind of depth, and of a scale.

A file of a family has a section `sensors`: for each kind of depth that its networks are trained for, the values that
differ from those above it, and in the section's own `scales` those that differ once more for one scale. Mappings are
merged key by key, everything else is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError, did_you_mean
from pagnet_ros.model.config import SURFACE_SCALES, ModelConfig
from pagnet_ros.system.files import TextFileError, load_yaml


def read_recipe(path: Path, scale: int | None = None, sensor: str | None = None) -> Any:
    """Read what a file says about one network.

    Args:
        path: the file of a family or of a single recipe; where there is no ``rt_x4_clean.yaml`` or ``rt_clean.yaml``,
            these stand for scale 4 and sensor clean, and for sensor clean, of ``rt.yaml``.
        scale: of up-sampling; None takes the file's.
        sensor: key of the section `sensors`; None takes the first.

    Raises:
        ConfigError: unreadable, or a kind of depth that the file does not know.
    """
    named = re.fullmatch(r"([a-z]+)(?:_x(\d+))?(?:_(\w+))?", path.stem)
    if named and not path.exists() and (family := path.with_name(f"{named[1]}{path.suffix}")).exists():
        path, scale = family, scale or (int(named[2]) if named[2] else None)
        sensor = sensor or (named[3].replace("_", "-") if named[3] else None)
    content = read_yaml(path, "recipe")
    if not isinstance(content, Mapping):
        return content
    common = {key: value for key, value in content.items() if key != "sensors"}
    if "sensors" in content:
        common = _of_sensor(common, _mapping(content["sensors"], f"{path}: sensors"), path, scale, sensor)
    elif sensor is not None:
        raise ConfigError(f"{path}: --sensor {sensor}, but the recipe has no section `sensors`; leave the option out")
    elif scale is not None:
        common = merged(common, {"model": {"scale": scale}})
    return common


def read_yaml(path: Path, what: str) -> Any:
    """The plain values of a YAML file; `what` says in messages what it should be.

    Raises:
        ConfigError: missing, too large, or not plain YAML.
    """
    try:
        return load_yaml(path)
    except TextFileError as error:
        raise ConfigError(f"{what} {path}: {error}") from error


def _of_sensor(
    common: dict[Any, Any], sensors: Mapping[Any, Any], path: Path, scale: int | None, sensor: str | None
) -> dict[Any, Any]:
    sensor = next(iter(sensors), "") if sensor is None else sensor
    if sensor not in sensors:
        known = ", ".join(map(str, sensors))
        hint = did_you_mean(sensor, map(str, sensors), "choose one of them")
        raise ConfigError(f"{path}: --sensor {sensor!r}; the recipe knows {known}; {hint}")
    chosen = dict(_mapping(sensors[sensor], f"{path}: sensors.{sensor}"))
    scales = _mapping(chosen.pop("scales", {}), f"{path}: sensors.{sensor}.scales")
    found = merged(common, chosen)
    model = found.get("model")
    scale = scale or (model.get("scale") if isinstance(model, Mapping) else None) or ModelConfig().scale
    odd = [each for each in scales if each not in SURFACE_SCALES]
    if odd:
        raise ConfigError(f"{path}: sensors.{sensor}.scales names {odd}; expected scales of {SURFACE_SCALES}")
    found = merged(found, {"model": {"scale": scale}})
    found = merged(found, _mapping(scales.get(scale, {}), f"{path}: sensors.{sensor}.scales.{scale}"))
    return {**found, "name": f"{found.get('name', path.stem)}-x{scale}-{sensor}"}


def _mapping(value: object, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {type(value).__name__}; expected a mapping of keys")
    return value


def merged(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    """Both, mappings within them key by key; where they disagree, `above`."""
    both = dict(below)
    for key, value in above.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return both
