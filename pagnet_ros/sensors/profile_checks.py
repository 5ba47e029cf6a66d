"""What may stand in each field of a sensor profile. Pure: values in, problems out, all of them at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pagnet_ros.errors import did_you_mean
from pagnet_ros.sensors.curves import curve_problem, is_number, shown
from pagnet_ros.sensors.evidence import Evidence

REDUCTIONS = ("area", "bicubic", "nearest")
SHADOW_SIDES = ("none", "left", "right")

_CHOICES = {"reduction": REDUCTIONS, "shadow_side": SHADOW_SIDES}
_TEXTS = ("name", "description", "provenance", "weights")
_WHOLE = ("width", "height", "registration_width")
_ABOVE_ZERO = ("min_range_m", "max_range_m", "baseline_m", "native_focal_px", "wiggle_period_m", "edge_jump")
_SIGNED = (
    "bias_m", "bias_scale", "noise_z0_m", "wiggle_phase_rad", "cx", "cy", "registration_x_px", "registration_y_px",
)  # fmt: skip
_BELOW_ONE = ("noise_persistence", "lateral_persistence", "hole_persistence")
_MOST = {
    "footprint_px": 2.0,
    "edge_width_px": 16.0,
    "noise_tail": 0.4,
    "noise_correlation_px": 16.0,
    "hole_size_px": 64.0,
    "hole_large_px": 512.0,
    "hole_large_share": 1.0,
    "shadow_share": 1.0,
    **dict.fromkeys(("flying", "missing", "missing_far", "missing_grazing", "missing_dark", "missing_edge"), 1.0),
    "noise_fixed": 1.0,
    "dark_brightness": 1.0,
}
_INF = math.inf
CURVES: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "noise_range_curve": ((0.0, _INF), (0.0, _INF)),
    "noise_brightness_curve": ((0.0, 1.0), (0.0, _INF)),
    "noise_angle_curve": ((0.0, math.pi / 2), (0.0, _INF)),
    "bias_curve": ((0.0, _INF), (-_INF, _INF)),
    "missing_range_curve": ((0.0, _INF), (0.0, 1.0)),
    "missing_brightness_curve": ((0.0, 1.0), (-1.0, 1.0)),
    "missing_angle_curve": ((0.0, math.pi / 2), (-1.0, 1.0)),
    "missing_dark_angle_curve": ((0.0, math.pi / 2), (0.0, 1.0)),
    "missing_edge_curve": ((0.0, 16.0), (0.0, 1.0)),
}
"""Field -> limits of x and of y."""


def problems_of(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the fields of a profile, one text each.

    Args:
        values: Every field of a profile by name.
    """
    problems = []
    for name, value in values.items():
        if name in CURVES:
            if value != () and (problem := curve_problem(value, *CURVES[name])):
                problems.append(f"{name} {problem}" if problem.startswith("with") else f"{name}={problem}")
        elif name == "evidence":
            problems += _evidence_problems(value, values)
        elif name == "covered":
            problems += _covered_problems(value)
        elif problem := _scalar_problem(name, value):
            problems.append(problem)
    return problems or _combination_problems(values)


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """A hint at what a mistyped name may mean, to append to a message."""
    listed = f"known: {', '.join(known)}" if len(known) <= 10 else "docs/sensors.md lists the fields"
    return did_you_mean(name, known, listed)


def _scalar_problem(name: str, value: Any) -> str:
    """What is wrong with one field, or nothing."""
    came = f"{name}={shown(value)}"
    if choices := _CHOICES.get(name):
        return "" if value in choices else f"{came} (expected one of {', '.join(choices)})"
    if name in _TEXTS:
        fine = isinstance(value, str) and (value or name != "name")
        return "" if fine else f"{came} (expected a text)"
    if not is_number(value):
        return f"{came} (expected a finite number)"
    if name in _WHOLE and not (isinstance(value, int) and 0 <= value <= 65536):
        return f"{came} (expected a whole number of pixels, 0 where it is not known)"
    if name in _ABOVE_ZERO and value <= 0:
        return f"{came} (expected more than 0)"
    if name in _BELOW_ONE and not 0 <= value < 1:
        return f"{came} (expected 0 to below 1)"
    most = _MOST.get(name, _INF)
    if name not in _SIGNED and not 0 <= value <= most:
        return f"{came} (expected {'0 or more' if most == _INF else f'0 to {most:g}'})"
    return ""


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


def _evidence_problems(evidence: object, values: Mapping[str, Any]) -> list[str]:
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
            wanted = len(values[name]) if name in CURVES and isinstance(values[name], tuple) else None
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
