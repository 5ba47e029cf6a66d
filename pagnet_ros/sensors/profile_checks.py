"""How a field of a sensor profile is declared, and what may stand in it: values in, all problems at once out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any

from pagnet_ros.errors import did_you_mean
from pagnet_ros.sensors.curves import curve_problem, is_number, shown
from pagnet_ros.sensors.evidence import Evidence

_INF = math.inf
_Limits = tuple[float, float]
Check = Callable[[Any], str]
"""What was expected in the place of a value; empty where the value is sound."""


def text(about: str, *, required: bool = False) -> Any:
    """A field that holds a text, empty unless it is required."""

    def check(value: Any) -> str:
        return "" if isinstance(value, str) and (value or not required) else "a text"

    return _declared(MISSING if required else "", about, check, unit_free=True)


def choice(about: str, *choices: str, unit_free: bool = False) -> Any:
    """A field that holds one of some texts, the first unless given."""

    def check(value: Any) -> str:
        return "" if value in choices else f"one of {', '.join(choices)}"

    return _declared(choices[0], about, check, unit_free)


def whole(about: str) -> Any:
    """A field that holds a number of pixels, 0 where it is not known."""

    def check(value: Any) -> str:
        if not is_number(value):
            return "a finite number"
        fine = isinstance(value, int) and 0 <= value <= 65536
        return "" if fine else "a whole number of pixels, 0 where it is not known"

    return _declared(0, about, check, unit_free=True)


def number(
    about: str,
    default: float = 0.0,
    *,
    most: float = _INF,
    signed: bool = False,
    above_zero: bool = False,
    below_one: bool = False,
    unit_free: bool = False,
) -> Any:
    """A field that holds a finite number, 0 to `most` unless one of the flags says otherwise."""

    def check(value: Any) -> str:
        if not is_number(value):
            return "a finite number"
        if above_zero:
            return "" if value > 0 else "more than 0"
        if below_one:
            return "" if 0 <= value < 1 else "0 to below 1"
        if signed or 0 <= value <= most:
            return ""
        return "0 or more" if most == _INF else f"0 to {most:g}"

    return _declared(default, about, check, unit_free)


def curve(about: str, x: _Limits = (0.0, _INF), y: _Limits = (0.0, _INF), *, unit_free: bool = False) -> Any:
    """A field that holds a curve of points within limits, none unless given."""
    metadata = {"about": about, "unit_free": unit_free, "limits": (x, y)}
    return field(default=(), metadata=metadata)


def mapping(about: str) -> Any:
    """A field that holds a mapping, empty unless given."""
    return field(default_factory=dict, hash=False, metadata={"about": about, "unit_free": True})


def _declared(default: Any, about: str, check: Check, unit_free: bool) -> Any:
    return field(default=default, metadata={"about": about, "unit_free": unit_free, "check": check})


def is_curve(declared: Field[Any]) -> bool:
    """Whether a field of a profile holds a curve."""
    return "limits" in declared.metadata


def problems_of(profile: Any) -> list[str]:
    """What is wrong with the fields of a profile, one text each."""
    values = {each.name: getattr(profile, each.name) for each in fields(profile)}
    curves = {each.name for each in fields(profile) if is_curve(each)}
    problems = []
    for each in fields(profile):
        name, value = each.name, values[each.name]
        if is_curve(each):
            if value != () and (problem := curve_problem(value, *each.metadata["limits"])):
                problems.append(f"{name} {problem}" if problem.startswith("with") else f"{name}={problem}")
        elif name == "evidence":
            problems += _evidence_problems(value, values, curves)
        elif name == "covered":
            problems += _covered_problems(value)
        elif expected := each.metadata["check"](value):
            problems.append(f"{name}={shown(value)} (expected {expected})")
    return problems or _combination_problems(values)


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """A hint at what a mistyped name may mean, to append to a message."""
    listed = f"known: {', '.join(known)}" if len(known) <= 10 else "docs/sensors.md lists the fields"
    return did_you_mean(name, known, listed)


def _combination_problems(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if values["max_range_m"] <= values["min_range_m"]:
        problems.append(
            f"max_range_m={values['max_range_m']!r} (expected more than min_range_m={values['min_range_m']!r})"
        )
    if (values["width"] > 0) != (values["height"] > 0):
        problems.append(f"width={values['width']}, height={values['height']} (expected both, or neither)")
    if (values["fx"] > 0) != (values["fy"] > 0):
        problems.append(f"fx={values['fx']!r}, fy={values['fy']!r} (expected both, or neither)")
    width = values["registration_width"]
    if max(abs(values["registration_x_px"]), abs(values["registration_y_px"])) > width:
        problems.append(
            f"registration_width={width} (expected the width of the colour image that the offset holds for)"
        )
    return problems


def _evidence_problems(evidence: object, values: Mapping[str, Any], curves: set[str]) -> list[str]:
    if not isinstance(evidence, Mapping):
        return [f"evidence={shown(evidence)} (expected a mapping of field to Evidence)"]
    known = [name for name in values if name not in ("name", "evidence", "covered")]
    problems = []
    for name, entry in evidence.items():
        if name not in known:
            problems.append(f"evidence of {shown(name)}, which is no field ({nearest(str(name), known)})")
        elif not isinstance(entry, Evidence):
            problems.append(f"evidence of {name} is {type(entry).__name__} (expected Evidence)")
        elif entry.low is not None:
            wanted = len(values[name]) if name in curves and isinstance(values[name], tuple) else None
            if entry.knots() != wanted:
                shape = "one number" if wanted is None else f"{wanted} numbers, one per knot"
                problems.append(f"evidence of {name} has low={shown(entry.low)} (expected {shape})")
    return problems


def _covered_problems(covered: object) -> list[str]:
    if not isinstance(covered, Mapping):
        return [f"covered={shown(covered)} (expected a mapping of name to [lowest, highest])"]
    return [
        f"covered {shown(name)}: {shown(span)} (expected [lowest, highest])"
        for name, span in covered.items()
        if not _is_span(span) or not isinstance(name, str)
    ]


def _is_span(span: object) -> bool:
    if not isinstance(span, (list, tuple)) or len(span) != 2:
        return False
    return all(is_number(value) for value in span) and span[0] <= span[1]
