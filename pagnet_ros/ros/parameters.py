"""ROS parameters of every node here: a frozen dataclass of settings, declared on a node and read from it.

What can be set, its default, range and sentence stand in the node's settings (`pagnet_ros.system.settings`). A
parameter with a bad value stands at its default until it is mended, so that the node lives and can say what is wrong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.settings import Settings, fields_of, problems_of, typed, unknown_name

S = TypeVar("S", bound=Settings)
_Field = dataclasses.Field[Any]

_FOREIGN_NAMES: Final = frozenset({"use_sim_time", "start_type_description_service"})
_FOREIGN_PREFIXES: Final = ("qos_overrides.", "diagnostic_updater.")
"""Of parameters that are rclpy's own or another library's."""


def overrides(node: Any) -> Mapping[str, Any]:
    """The parameters that a node was started with, `rclpy.parameter.Parameter` by name."""
    return dict(getattr(node, "_parameter_overrides", {}))  # rclpy offers no public list


def declare(
    node: Any, kind: type[Settings], *, fixed: Collection[str] | None = None, others: tuple[str, ...] = ()
) -> dict[str, str]:
    """Declare every field of a kind of settings on a node.

    Args:
        node: an rclpy node.
        kind: its settings.
        fixed: names that cannot change once the node is there; None for all.
        others: what names begin with that are none of these settings, and are left to the caller.

    Returns:
        Problems with the values that the node was started with (unknown names, wrong types, out of range), by name of
        the parameter; empty where all is well.
    """
    problems: dict[str, str] = {}
    given = overrides(node)
    known = {field.name: field for field in fields_of(kind)}
    for name, field in known.items():
        value, start = given[name].value if name in given else None, _plain(field.default)
        is_word = isinstance(field.default, str) and isinstance(value, float) and not math.isfinite(value)
        if is_word:  # rcl reads nan and inf without quotes as numbers
            value = str(value)
        wrong = problems_of(name, field, value) if name in given else []
        made = _descriptor(name, field, read_only=fixed is None or name in fixed)
        if is_word and not wrong:
            start = value
        try:
            node.declare_parameter(name, start, made, ignore_override=is_word or bool(wrong))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            wrong = [str(error)]
            node.declare_parameter(name, _plain(field.default), made, ignore_override=True)
        if wrong:
            problems[name] = wrong[0]
    foreign = (*_FOREIGN_PREFIXES, *others)
    unknown = (name for name in given if name not in {*known, *_FOREIGN_NAMES} and not name.startswith(foreign))
    return problems | {name: unknown_name(name, known) for name in unknown}


def read(node: Any, kind: type[S], changes: Mapping[str, Any] | None = None) -> S:
    """Read a node's parameters after `declare` of the same kind, with `changes` in place of the present values.

    Raises:
        ConfigError: they do not fit together; all problems in one message.
    """
    given = changes or {}
    values = {
        field.name: typed(field.default, given.get(field.name, node.get_parameter(field.name).value))
        for field in fields_of(kind)
    }
    return kind(**values)


def declare_and_read(node: Any, kind: type[S], *, others: tuple[str, ...] = ()) -> S:
    """Declare every field of a kind of settings as a parameter that cannot change, and read them; see `declare`.

    Raises:
        ConfigError: unknown names, wrong types, values out of range or that do not fit; all problems in one message.
    """
    problems = list(declare(node, kind, others=others).values())
    try:
        made = read(node, kind)
    except ConfigError as error:
        raise ConfigError("; ".join([*problems, str(error)])) from error
    if problems:
        raise ConfigError("; ".join(problems))
    return made


def _descriptor(name: str, field: _Field, *, read_only: bool) -> ParameterDescriptor:
    """What `ros2 param describe` shows: sentence, range, and whether a change takes effect at once.

    Numbers that need no whole value are dynamically typed, so that `ros2 param set ... slop_ms 20` works; `read` makes
    them floats again.
    """
    meta = field.metadata
    made = ParameterDescriptor(name=name, description=meta.get("text", ""), read_only=read_only)
    limits = [f"one of {', '.join(meta['choices'])}"] if meta.get("choices") else []
    limits.append("changes take effect at once" if meta.get("live") else "fixed while the node is configured")
    made.additional_constraints = "; ".join(limits)
    low, high = meta.get("low"), meta.get("high")
    if isinstance(field.default, float | tuple):
        made.dynamic_typing = True
    if isinstance(field.default, float) and low is not None and high is not None:
        made.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif isinstance(field.default, int) and low is not None and high is not None:
        made.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return made


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
