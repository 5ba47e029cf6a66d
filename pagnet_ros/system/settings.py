"""What can be set, as frozen dataclasses that check themselves: a default, a range, choices and a sentence per field.

    @dataclass(frozen=True)
    class MySettings(Settings):
        rate_hz: float = setting(30.0, "frames per second", low=0.1, high=240.0, live=True)

The same field is a parameter of a ROS node (`pagnet_ros.ros.parameters`), a key of a YAML file, and an argument in
Python, with one range for all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pagnet_ros.errors import ConfigError, did_you_mean

S = TypeVar("S", bound="Settings")
_KINDS = {"int | None": int, "float | None": float}
"""Of fields whose default is None."""


def setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Collection[str] = (),
    live: bool = False,
) -> Any:
    """A dataclass field that a user can set.

    Args:
        default: its value, and by that its type: bool, int, float, str, or a tuple of one of them.
        text: what it is, in one sentence, with its unit.
        low: least value, inclusive.
        high: largest value, inclusive.
        choices: allowed values; any if empty.
        live: whether a node takes a change while it runs.
    """
    metadata = {"text": text, "low": low, "high": high, "choices": tuple(choices), "live": live}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Base of what can be set. A field without `setting` is for code alone; only its type is checked here.

    Raises:
        ConfigError: types, ranges or combinations that cannot be; all problems in one message.
    """

    def __post_init__(self) -> None:
        """Check every field, then their combination."""
        fields = dataclasses.fields(self)
        problems = [
            problem for field in fields for problem in problems_of(field.name, field, getattr(self, field.name))
        ]
        problems = problems or list(self.conflicts())
        if problems:
            raise ConfigError("; ".join(problems))

    def conflicts(self) -> Iterable[str]:
        """What does not fit together, though each value is sound by itself."""
        return ()

    def changed(self, other: Settings) -> list[str]:
        """Names of the fields whose values differ."""
        return [field.name for field in fields_of(self) if getattr(self, field.name) != getattr(other, field.name)]


def fields_of(settings: Settings | type[Settings]) -> list[dataclasses.Field[Any]]:
    """The fields that a user can set, in their order."""
    return [field for field in dataclasses.fields(settings) if "text" in field.metadata]


def add_flags(parser: Any, kind: type[Settings], flags: Mapping[str, str] | None = None) -> None:
    """Give a command line, or a group of it, a flag for each field that a user can set; its value has the field's name.

    Args:
        parser: of argparse.
        kind: of settings.
        flags: by field, where a flag is not called ``--name-of-the-field``.
    """
    for field in fields_of(kind):
        default: Any = field.default
        text = field.metadata["text"].replace("%", "%%") + (f" (default {default})" if default else "")
        how: dict[str, Any] = {"dest": field.name, "default": default, "help": text}
        if isinstance(default, bool):
            how["action"] = "store_true"
        else:
            how |= {"type": _kind(field), "choices": field.metadata["choices"] or None}
        parser.add_argument((flags or {}).get(field.name, f"--{field.name.replace('_', '-')}"), **how)


def build(kind: type[S], settings: Settings, **changes: Any) -> S:
    """Settings of a kind whose fields another kind has too.

    Args:
        kind: what is wanted.
        settings: where its values come from.
        changes: values that take their place.
    """
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(kind)}
    return kind(**{**values, **changes})


def unknown_name(name: str, known: Iterable[str]) -> str:
    """What to say of a name that does not exist."""
    return f"unknown parameter {name[:80]!r}; {did_you_mean(name, sorted(known), 'see `ros2 param list`')}"


def typed(default: Any, value: Any) -> Any:
    """A value in the type of its default, as far as nothing is lost: 15 for 15.0, a list for a tuple."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list | str):
        items = [value] if isinstance(value, str) else value
        return tuple(typed(default[0], item) for item in items) if default else tuple(items)
    return value


def _kind(field: dataclasses.Field[Any]) -> type:
    return type(field.default) if field.default is not None else _KINDS[str(field.type)]


def problems_of(name: str, field: dataclasses.Field[Any], value: Any) -> list[str]:
    """What is wrong with one value: its type, its range, its choice. A field without `setting` has its type alone."""
    default: Any = field.default
    if default is None and value is None:
        return []
    kind = _kind(field)
    low, high, choices = (field.metadata.get(key) for key in ("low", "high", "choices"))
    value = typed(kind() if default is None else default, value)
    fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if kind is tuple and default and fits:
        fits = all(isinstance(item, type(default[0])) for item in value)
    if not fits:
        return [f"{name} = {value!r:.80} is a {type(value).__name__}; expected a {kind.__name__}"]
    if low is not None and not low <= value <= high:
        return [f"{name} = {value!r} is out of range; expected {low:g} to {high:g}"]
    if choices and value not in choices:
        hint = did_you_mean(value, choices)
        return [f"{name} = {value[:80]!r}; expected one of {', '.join(choices)}" + (f" ({hint})" if hint else "")]
    return []
