"""The evaluator's parameters: one frozen dataclass, and its declaration as ROS parameters.

Owns every name, default, unit and range that can be set on it; the figures' own settings are parameters named
`metrics.<field of MetricSettings>`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final

from rcl_interfaces.msg import ParameterDescriptor

from pagnet_ros.errors import ConfigError, did_you_mean
from pagnet_ros.replay.metrics import MetricSettings

__all__ = ["EvaluatorParameters", "read_evaluator_parameters"]

METRICS_PREFIX: Final = "metrics."
_FOREIGN_NAMES: Final = ("use_sim_time", "start_type_description_service")


@dataclass(frozen=True)
class EvaluatorParameters:
    """Everything that can be set on the evaluator; each field but `metrics` is a ROS parameter of the same name.

    Attributes:
        with_reference: Whether `reference` is subscribed to: better depth of the same view, of the colour image's size.
        baselines: Classical filters that are run on the same inputs, for comparison, as `replay --baselines` takes
            them; "none" for none.
        out: Folder for the report, JSON and CSV; empty prints the JSON.
        force: Replace results that are there.
        frames: End after so many evaluated frames; 0 for never, 0 to 10000000.
        idle_s: End after so much silence of all images, once some came, seconds; 0 for never, 0 to 86400.
        depth_transport: "raw" or "compressedDepth".
        color_transport: "raw" or "compressed".
        input_reliability: "best_effort" (accepts any publisher) or "reliable".
        slop_ms: Largest stamp difference of a pair, milliseconds, 0 to 10000; the node's.
        queue_size: Messages kept per topic while waiting for a partner, 1 to 1000; the node's.
        diagnostics_period_s: Time between diagnostics, seconds, 0.1 to 60.
        metrics: Settings of the figures.

    Raises:
        ConfigError: Values out of range; all problems in one message.
    """

    with_reference: bool = False
    baselines: tuple[str, ...] = ("bicubic",)
    out: str = ""
    force: bool = False
    frames: int = 0
    idle_s: float = 0.0
    depth_transport: str = "raw"
    color_transport: str = "raw"
    input_reliability: str = "best_effort"
    slop_ms: float = 20.0
    queue_size: int = 10
    diagnostics_period_s: float = 1.0
    metrics: MetricSettings = field(default_factory=MetricSettings)

    def __post_init__(self) -> None:
        """Check every field."""
        choices = {
            "depth_transport": ("raw", "compressedDepth"),
            "color_transport": ("raw", "compressed"),
            "input_reliability": ("best_effort", "reliable"),
        }
        ranges = {
            "frames": (0, 10_000_000),
            "idle_s": (0, 86_400),
            "slop_ms": (0, 10_000),
            "queue_size": (1, 1000),
            "diagnostics_period_s": (0.1, 60),
        }
        problems = [
            f"{name} = {getattr(self, name)!r}; expected one of {', '.join(known)}"
            for name, known in choices.items()
            if getattr(self, name) not in known
        ]
        problems += [
            f"{name} = {getattr(self, name)!r} is out of range; expected {low:g} to {high:g}"
            for name, (low, high) in ranges.items()
            if not low <= getattr(self, name) <= high
        ]
        if problems:
            raise ConfigError("; ".join(problems))


def read_evaluator_parameters(node: Any) -> EvaluatorParameters:
    """Declare every parameter on a node, read-only, and read them.

    Args:
        node: An rclpy node.

    Raises:
        ConfigError: Unknown names, wrong types or values out of range; all problems in one message.
    """
    problems: list[str] = []
    own = [item for item in dataclasses.fields(EvaluatorParameters) if item.name != "metrics"]
    values = {item.name: _declared(node, item.name, item.default, problems) for item in own}
    settings = dataclasses.asdict(MetricSettings())
    metrics = {name: _declared(node, METRICS_PREFIX + name, value, problems) for name, value in settings.items()}
    overrides = getattr(node, "_parameter_overrides", {})  # rclpy offers no public list of what it was given
    known = [*values, *(METRICS_PREFIX + name for name in metrics)]
    for name in overrides:
        if name not in known and name not in _FOREIGN_NAMES and not name.startswith("qos_overrides."):
            problems.append(f"unknown parameter {name!r}; {did_you_mean(name, known, 'there is none like it')}")
    if problems:
        raise ConfigError("; ".join(problems))
    return EvaluatorParameters(**values, metrics=MetricSettings(**metrics))


def _declared(node: Any, name: str, default: Any, problems: list[str]) -> Any:
    """Declare a parameter, and return its value in the type of its default; a wrong type is a problem."""
    as_ros = list(default) if isinstance(default, tuple) else default
    value = node.declare_parameter(name, as_ros, ParameterDescriptor(read_only=True, dynamic_typing=True)).value
    if isinstance(default, tuple):
        items = [value] if isinstance(value, str | int | float) else list(value or ())
        kind = type(default[0]) if default else str
        if all(isinstance(item, kind) or (kind is float and _is_whole(item)) for item in items):
            return tuple(kind(item) for item in items)
    elif isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool):
        return value
    elif isinstance(default, float) and _is_whole(value):
        return float(value)
    expected = "list" if isinstance(default, tuple) else type(default).__name__
    problems.append(f"{name} = {value!r} is a {type(value).__name__}; expected a {expected}")
    return default


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
