"""The node's parameters: one frozen dataclass, and its declaration as ROS parameters.

Owns every name, default, unit and range a user can set on the node. Values flow from parameter files and
`ros2 param` through `declare` and `read` into a validated `NodeParameters`; changes at run time come as a new
`NodeParameters`. The dataclass needs no ROS: parameter files can be checked without.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pagnet_ros.core.registration.setting import RegistrationSetting
from pagnet_ros.errors import ConfigError

__all__ = [
    "PARAMETER_NAMES",
    "NodeParameters",
    "changed_names",
    "declare",
    "descriptor",
    "is_runtime",
    "nearest_name",
    "read",
]

_FOREIGN_NAMES: Final = frozenset({"use_sim_time", "start_type_description_service"})
_FOREIGN_PREFIXES: Final = ("qos_overrides.", "diagnostic_updater.")


def _setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    runtime: bool = False,
) -> Any:
    """A dataclass field with what a ROS descriptor and the validation need to know of it."""
    return dataclasses.field(
        default=default,
        metadata={"text": text, "low": low, "high": high, "choices": choices, "runtime": runtime},
    )


@dataclass(frozen=True)
class NodeParameters:
    """Everything that can be set on the node; each field is a ROS parameter of the same name.

    Those marked (live) may change at any time; the others are read at configure.

    Attributes:
        weights: Name from the zoo, path of a .safetensors or .onnx file, "auto" for the network trained for the
            sensor (for any sensor where there is none), or "bicubic".
        sensor: Sensor profile that gives the range limits, the noise and the weights: a shipped name or the path of a
            YAML; empty for none.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto" or a precision that the device offers.
        latency_budget_ms: Time from a pair's arrival to its publication that is tolerated, milliseconds, 0 to 60000;
            beyond it cheaper ways of up-sampling are taken until there is time again; 0 for any (live).
        sync: "nearest" (own policy), "approximate" or "exact" (message_filters, where ROS provides it).
        slop_ms: Largest difference of the stamps of a pair, milliseconds, 0 to 10000 (live).
        max_late_ms: How much later than its partner an image may come, milliseconds, 0 to 10000 (live).
        queue_size: Most images kept per topic while waiting for a partner, which bounds the memory, 1 to 1000.
        depth_transport: "raw" or "compressedDepth".
        color_transport: "raw" or "compressed".
        input_reliability: "best_effort" (accepts any publisher) or "reliable".
        output_reliability: "reliable" (serves any subscriber) or "best_effort".
        min_depth_m: Nearest measurement that is believed, metres, 0 to 100 (live).
        max_depth_m: Farthest measurement that is believed, metres, above min_depth_m to 1000 (live).
        fill: Which missing pixels may be filled: "none", "near" or "all" (live).
        fill_radius_px: Farthest from a measurement that "near" fills, pixels of the measured depth, 0 to 256
            (live).
        remove_flying: Whether flying pixels at depth edges are removed (live).
        flying_gap: Relative depth step from which a pixel between two surfaces can be flying, 0.001 to 1
            (live).
        noise_per_m: The sensor's standard deviation is this times depth squared, 1/m, 0 to 0.1 (live).
        registration: What is done where depth does not lie on the colour image: "auto" estimates the offset and mends
            it where it is beyond doubt, "none" nothing, "X,Y" moves depth by colour pixels, to 200 (live).
        output_encoding: "32FC1" (metres, NaN unknown) or "16UC1" (millimetres, 0 unknown) (live).
        output_frame_id: frame_id of the output; empty for the colour image's (live).
        lazy: Whether frames are skipped while nobody subscribes to an output (live).
        diagnostics_period_s: Time between diagnostics, seconds, 0.1 to 60.
        topic_timeout_s: Silence of a topic, seconds, after which it is reported, 0.5 to 3600 (live).
        report_period_s: Least time between two reports of the same problem, seconds, 0 to 3600 (live).
        autostart: Whether the node configures and activates itself.

    Raises:
        ConfigError: Types, ranges or combinations that cannot be; all problems in one message.
    """

    weights: str = _setting("auto", "zoo name, .safetensors or .onnx file, 'auto' (by the sensor) or 'bicubic'")
    sensor: str = _setting("", "sensor profile for range, noise and weights: shipped name or YAML path; empty: none")
    device: str = _setting("auto", "where the network runs: auto, cpu, cuda or cuda:N")
    precision: str = _setting("auto", "arithmetic of the network: auto, or one that the device offers")
    latency_budget_ms: float = _setting(
        0.0,
        "time from arrival to publication, ms, beyond which cheaper up-sampling is taken; 0: any",
        low=0.0,
        high=60000.0,
        runtime=True,
    )
    sync: str = _setting(
        "nearest",
        "pairing: nearest stamps (own), or message_filters' approximate or exact synchroniser",
        choices=("nearest", "approximate", "exact"),
    )
    slop_ms: float = _setting(20.0, "largest stamp difference of a pair, ms", low=0.0, high=10000.0, runtime=True)
    max_late_ms: float = _setting(
        500.0, "how much later than its partner an image may come, ms", low=0.0, high=10000.0, runtime=True
    )
    queue_size: int = _setting(60, "most images kept per topic while waiting for a partner", low=1, high=1000)
    depth_transport: str = _setting("raw", "how depth comes", choices=("raw", "compressedDepth"))
    color_transport: str = _setting("raw", "how colour comes", choices=("raw", "compressed"))
    input_reliability: str = _setting(
        "best_effort", "best_effort accepts every publisher", choices=("best_effort", "reliable")
    )
    output_reliability: str = _setting(
        "reliable", "reliable serves every subscriber", choices=("reliable", "best_effort")
    )
    min_depth_m: float = _setting(0.1, "nearest measurement believed, m", low=0.0, high=100.0, runtime=True)
    max_depth_m: float = _setting(10.0, "farthest measurement believed, m", low=0.0, high=1000.0, runtime=True)
    fill: str = _setting("near", "which missing pixels may be filled", choices=("none", "near", "all"), runtime=True)
    fill_radius_px: float = _setting(
        8.0, "farthest fill from a measurement, px of the measured depth", low=0.0, high=256.0, runtime=True
    )
    remove_flying: bool = _setting(True, "whether flying pixels at depth edges are removed", runtime=True)
    flying_gap: float = _setting(
        0.05, "relative depth step from which a pixel can be flying", low=0.001, high=1.0, runtime=True
    )
    noise_per_m: float = _setting(
        0.001425, "the sensor's standard deviation is this times depth squared, 1/m", low=0.0, high=0.1, runtime=True
    )
    registration: str = _setting(
        "auto", "depth off the colour image: auto (estimate, mend), none, or its offset X,Y in colour px", runtime=True
    )
    output_encoding: str = _setting(
        "32FC1", "32FC1: metres, NaN unknown; 16UC1: mm, 0 unknown", choices=("32FC1", "16UC1"), runtime=True
    )
    output_frame_id: str = _setting("", "frame_id of the output; empty: the colour image's", runtime=True)
    lazy: bool = _setting(True, "skip frames while nobody subscribes to an output", runtime=True)
    diagnostics_period_s: float = _setting(1.0, "time between diagnostics, s", low=0.1, high=60.0)
    topic_timeout_s: float = _setting(5.0, "silence of a topic that is reported, s", low=0.5, high=3600.0, runtime=True)
    report_period_s: float = _setting(
        5.0, "least time between reports of one problem, s", low=0.0, high=3600.0, runtime=True
    )
    autostart: bool = _setting(False, "configure and activate by itself, with retries")

    def __post_init__(self) -> None:
        problems: list[str] = []
        for field in dataclasses.fields(self):
            problems += _problems_of(field, getattr(self, field.name))
        if not problems and not self.min_depth_m < self.max_depth_m:
            problems.append(
                f"min_depth_m = {self.min_depth_m:g} and max_depth_m = {self.max_depth_m:g}; expected "
                "min_depth_m below max_depth_m"
            )
        try:
            RegistrationSetting.parse(self.registration)
        except ConfigError as error:
            problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NodeParameters:
        """Build from plain values, as a parameter file holds them.

        Args:
            values: Parameter name to value; integers are taken for floats. Names that rclpy itself owns
                (use_sim_time, qos_overrides.*) are left out.

        Returns:
            The validated parameters.

        Raises:
            ConfigError: Unknown names (with the nearest known one) or values out of range.
        """
        own = {name: value for name, value in values.items() if not _is_foreign(name)}
        known = {field.name: field for field in dataclasses.fields(cls)}
        problems = [_unknown(name) for name in own if name not in known]
        typed = {name: _typed(known[name], value) for name, value in own.items() if name in known}
        try:
            parameters = cls(**typed)
        except ConfigError as error:
            problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))
        return parameters


PARAMETER_NAMES: Final = frozenset(field.name for field in dataclasses.fields(NodeParameters))
"""Names of all parameters."""


def is_runtime(name: str) -> bool:
    """Whether a parameter may change while the node is configured."""
    return any(field.name == name and field.metadata["runtime"] for field in dataclasses.fields(NodeParameters))


def changed_names(before: NodeParameters, after: NodeParameters) -> list[str]:
    """Names of the fields that differ."""
    names = [field.name for field in dataclasses.fields(NodeParameters)]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def nearest_name(name: str) -> str | None:
    """The known parameter whose name is nearest to a mistyped one, if any is near."""
    return next(iter(difflib.get_close_matches(name, sorted(PARAMETER_NAMES), 1)), None)


def descriptor(name: str) -> Any:
    """The ROS descriptor of one parameter.

    Args:
        name: A field of `NodeParameters`.

    Returns:
        rcl_interfaces/ParameterDescriptor with description, range and, for `autostart`, read-only. Floats are
        dynamically typed, so that `ros2 param set ... slop_ms 20` works; `read` makes them floats again.
    """
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    field = next(field for field in dataclasses.fields(NodeParameters) if field.name == name)
    meta = field.metadata
    made = ParameterDescriptor(name=name, description=meta["text"], read_only=name == "autostart")
    limits = [f"one of {', '.join(meta['choices'])}"] if meta["choices"] else []
    limits.append("changes take effect at once" if meta["runtime"] else "fixed while the node is configured")
    made.additional_constraints = "; ".join(limits)
    if isinstance(field.default, float):
        made.dynamic_typing = True
        made.floating_point_range = [FloatingPointRange(from_value=float(meta["low"]), to_value=float(meta["high"]))]
    elif isinstance(field.default, int) and meta["low"] is not None:
        made.integer_range = [IntegerRange(from_value=int(meta["low"]), to_value=int(meta["high"]), step=1)]
    return made


def declare(node: Any) -> dict[str, str]:
    """Declare every parameter on a node.

    Args:
        node: An rclpy node.

    Returns:
        Problems with the overrides it was started with (unknown names, wrong types, out of range), by parameter name;
        empty where all is well. A parameter with a bad override stands at its default, so the node lives and can be
        mended.
    """
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    problems: dict[str, str] = {}
    overrides = getattr(node, "_parameter_overrides", {})  # rclpy offers no public list of what it was given
    for field in dataclasses.fields(NodeParameters):
        given = overrides.get(field.name)
        wrong = _problems_of(field, given.value) if given is not None else []
        try:
            node.declare_parameter(field.name, field.default, descriptor(field.name), ignore_override=bool(wrong))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            wrong = [str(error)]
            node.declare_parameter(field.name, field.default, descriptor(field.name), ignore_override=True)
        if wrong:
            problems[field.name] = wrong[0]
    unknown = (name for name in overrides if name not in PARAMETER_NAMES and not _is_foreign(name))
    return problems | {name: _unknown(name) for name in unknown}


def read(node: Any, changes: Mapping[str, Any] | None = None) -> NodeParameters:
    """Read a node's declared parameters.

    Args:
        node: A node after `declare`.
        changes: Values that shall replace the present ones (what a set request asks for).

    Returns:
        The validated parameters.

    Raises:
        ConfigError: They do not fit together.
    """
    values = {field.name: node.get_parameter(field.name).value for field in dataclasses.fields(NodeParameters)}
    return NodeParameters.from_mapping({**values, **(changes or {})})


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN_PREFIXES)


def _unknown(name: str) -> str:
    near = nearest_name(name)
    return f"unknown parameter {name!r}; " + (f"did you mean {near!r}?" if near else "see `ros2 param list`")


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    """Take an integer for a float, as YAML writes one."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_int and isinstance(field.default, float) else value


def _problems_of(field: dataclasses.Field[Any], value: Any) -> list[str]:
    """What is wrong with one value: its type, its range, its choice."""
    low, high, choices = field.metadata["low"], field.metadata["high"], field.metadata["choices"]
    value = _typed(field, value)
    if type(value) is not type(field.default):
        return [f"{field.name} = {value!r} is a {type(value).__name__}; expected a {type(field.default).__name__}"]
    if low is not None and not low <= value <= high:
        return [f"{field.name} = {value!r} is out of range; expected {low:g} to {high:g}"]
    if choices and value not in choices:
        return [f"{field.name} = {value!r}; expected one of {', '.join(choices)}"]
    return []
