"""Sensor profiles as YAML files: one flat mapping, each field its value or a mapping of value and evidence.

    name: my_camera
    max_range_m: 4.0
    noise_floor_m: {value: 0.0012, low: 0.0011, high: 0.0013, samples: 120000, source: "fit: temporal differences"}

The shipped ones lie in ``config/sensors``. Data flows: a name or path -> `system.files.load_yaml` -> `SensorProfile`,
and back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pagnet_ros.errors import ConfigError, did_you_mean
from pagnet_ros.sensors.curves import shown
from pagnet_ros.sensors.evidence import Evidence
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_ros.sensors.profile_checks import is_curve, nearest
from pagnet_ros.system.files import TextFileError, load_yaml, replaced
from pagnet_ros.system.resources import config_path

MAX_PROBLEMS = 20
_FOLDER = "sensors"
_FIELDS = {each.name: each for each in fields(SensorProfile)}
_EVIDENCE = tuple(each.name for each in fields(Evidence))


def load_profile(sensor: str | os.PathLike[str]) -> SensorProfile:
    """A shipped profile, or one from a file.

    Args:
        sensor: Name of a shipped profile; or a path: anything that ends in .yaml or .yml, holds a separator, or is a
            ``Path``.

    Raises:
        ConfigError: No such profile or file, or a file that is none; every problem of a file at once, unknown keys
            with the nearest known name.
    """
    if isinstance(sensor, str) and not sensor.endswith((".yaml", ".yml")) and os.sep not in sensor:
        return sensor_profile(sensor)
    return _read(Path(sensor).expanduser())


def save_profile(profile: SensorProfile, path: str | os.PathLike[str]) -> None:
    """Write a profile; `load_profile` gives an equal one back. An existing file is replaced in one step.

    Args:
        profile: What to write; fields at their default without evidence are left out.
        path: Where; its folder must exist.

    Raises:
        ConfigError: The file cannot be written.
    """
    target = Path(path)
    content: dict[str, Any] = {}
    for name, each in _FIELDS.items():
        value, evidence = getattr(profile, name), profile.evidence.get(name)
        default = {} if name == "covered" else each.default
        if name == "evidence" or (evidence is None and value == default):
            continue
        content[name] = _plain(value) if evidence is None else {"value": _plain(value), **_plain_evidence(evidence)}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)
    try:
        with replaced(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"sensor profile {target} cannot be written ({error}); expected a folder that exists and may be written to"
        ) from error


class _Shipped(Mapping[str, SensorProfile]):
    """The profiles of ``config/sensors`` by name; a file is read when its profile is asked for."""

    def __getitem__(self, name: str) -> SensorProfile:
        if name not in _shipped_names():
            raise KeyError(name)
        return _shipped(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_shipped_names())

    def __len__(self) -> int:
        return len(_shipped_names())


PROFILES: Mapping[str, SensorProfile] = _Shipped()
"""Shipped profiles by name."""


def sensor_profile(name: str) -> SensorProfile:
    """The shipped profile of that name, or a ``ConfigError`` that lists the names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError(
            f"sensor profile {name!r} is not known; expected one of {', '.join(PROFILES)}, or the path of a .yaml file"
            f"; {did_you_mean(name, PROFILES, 'none has a name like it')}"
        ) from None


@cache
def _shipped_names() -> tuple[str, ...]:
    try:
        folder = config_path(_FOLDER)
    except FileNotFoundError as error:
        raise ConfigError(f"the shipped sensor profiles are missing: {error}") from error
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


@cache
def _shipped(name: str) -> SensorProfile:
    return _read(config_path(f"{_FOLDER}/{name}.yaml"))


def _read(path: Path) -> SensorProfile:
    content = _content(path)
    problems: list[str] = []
    values: dict[str, Any] = {"name": path.stem}
    evidence: dict[str, Evidence] = {}
    for key, entry in content.items():
        if key not in _FIELDS or key == "evidence":
            hint = nearest(str(key), [name for name in _FIELDS if name != "evidence"])
            problems.append(f"unknown field {shown(key)}; {hint}")
        elif isinstance(entry, dict) and key not in ("covered", "name"):
            _take_evidence(key, entry, values, evidence, problems)
        else:
            values[key] = _value(key, entry)
    try:
        profile = SensorProfile(**values, evidence=evidence)
    except ConfigError as error:
        raise ConfigError(f"{path}: {'; '.join([*_first(problems), str(error)])}") from None
    if problems:
        raise ConfigError(f"{path}: {'; '.join(_first(problems))}; correct these fields of the sensor profile")
    return profile


def _first(problems: list[str]) -> list[str]:
    """A file of another kind has nothing but unknown keys; the first ones tell as much."""
    left = len(problems) - MAX_PROBLEMS
    return [*problems[:MAX_PROBLEMS], f"and {left} more"] if left > 0 else problems


def _content(path: Path) -> dict[Any, Any]:
    """The mapping in a file that is not too large and cannot run anything."""
    try:
        content = load_yaml(path)
    except TextFileError as error:
        raise ConfigError(
            f"{path}: cannot be read as a sensor profile ({error}); expected a YAML file with one mapping, or the name "
            f"of a shipped profile: {', '.join(PROFILES)}"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds {type(content).__name__}; expected a mapping of field to value")
    return content


def _take_evidence(
    key: str, entry: dict[Any, Any], values: dict[str, Any], evidence: dict[str, Evidence], problems: list[str]
) -> None:
    """Split ``{value: ..., low: ..., high: ..., samples: ..., source: ...}``."""
    unknown = [str(part) for part in entry if part not in ("value", *_EVIDENCE)]
    problems += [f"unknown field {shown(f'{key}.{part}')}; {nearest(part, ['value', *_EVIDENCE])}" for part in unknown]
    if "value" in entry:
        values[key] = _value(key, entry["value"])
    else:
        problems.append(f"{key} has no value (expected {key}: {{value: ..., source: ...}})")
    parts = {part: entry[part] for part in _EVIDENCE if part in entry}
    parts |= {part: _number(parts[part]) for part in ("low", "high") if part in parts}
    try:
        evidence[key] = Evidence(**parts)
    except ConfigError as error:
        problems.append(f"{key}: {error}")


def _value(key: str, entry: Any) -> Any:
    """YAML 1.1 reads 1e-3 as a text; where a number belongs it is one."""
    if key == "name" or isinstance(_FIELDS[key].default, str):
        return entry
    if key == "covered" and isinstance(entry, dict):
        return {name: _number(span) for name, span in entry.items()}
    if is_curve(_FIELDS[key]):
        return [_number(pair) for pair in entry] if isinstance(entry, list) else entry
    return _number(entry)


def _number(entry: Any) -> Any:
    if isinstance(entry, list):
        return tuple(_number(part) if isinstance(part, str) else part for part in entry)
    if isinstance(entry, str):
        try:
            return float(entry)
        except ValueError:
            return entry
    return entry


def _plain(value: Any) -> Any:
    """Plain types that ``yaml.safe_dump`` knows, whatever NumPy handed over."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value)
    return str(value) if isinstance(value, str) else value


def _plain_evidence(evidence: Evidence) -> dict[str, Any]:
    parts = {name: getattr(evidence, name) for name in _EVIDENCE}
    empty = Evidence()
    return {name: _plain(value) for name, value in parts.items() if value != getattr(empty, name)}
