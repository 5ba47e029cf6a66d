"""The node's parameters: validated as a whole, readable from YAML without ROS, described for ROS."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.parameters import (
    PARAMETER_NAMES,
    NodeParameters,
    changed_names,
    descriptor,
    is_runtime,
    nearest_name,
)

CONFIG = Path(__file__).parents[2] / "config"


def shipped_parameters():
    """Parameters of this node in every YAML of config/ that is made for it."""
    for path in sorted(CONFIG.glob("pagnet*.yaml")):
        for node, content in (yaml.safe_load(path.read_text()) or {}).items():
            if isinstance(content, dict) and "ros__parameters" in content:
                yield pytest.param(content["ros__parameters"], id=f"{path.name}:{node}")


def test_defaults_are_valid():
    assert NodeParameters() == NodeParameters.from_mapping({})


@pytest.mark.parametrize("values", list(shipped_parameters()))
def test_shipped_parameter_files_are_accepted(values):
    NodeParameters.from_mapping(values)


def test_every_field_is_explained_in_the_docstring():
    documented = NodeParameters.__doc__
    assert all(f"\n        {name}: " in documented for name in PARAMETER_NAMES)
    live = {line.split(":")[0].strip() for line in _entries(documented) if "(live)" in line}
    assert live == {name for name in PARAMETER_NAMES if is_runtime(name)}


def _entries(docstring):
    """Attribute entries of a docstring, continuation lines joined."""
    entries = []
    for line in docstring.split("Attributes:")[1].split("Raises:")[0].splitlines():
        if line.startswith("        ") and not line.startswith("         "):
            entries.append(line)
        elif line.strip():
            entries[-1] += " " + line.strip()
    return entries


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"slopms": 3.0}, "unknown parameter 'slopms'; did you mean 'slop_ms'?"),
        ({"zzz": 1}, "unknown parameter 'zzz'; see `ros2 param list`"),
        ({"slop_ms": float("nan")}, "slop_ms = nan is out of range"),
        ({"queue_size": 0}, "queue_size = 0 is out of range; expected 1 to 1000"),
        ({"queue_size": 2.5}, "queue_size = 2.5 is a float; expected a int"),
        ({"remove_flying": 1}, "remove_flying = 1 is a int; expected a bool"),
        ({"queue_size": True}, "queue_size = True is a bool; expected a int"),
        ({"sync": "newest"}, "sync = 'newest'; expected one of nearest, approximate, exact"),
        ({"min_depth_m": 3, "max_depth_m": 3}, "expected min_depth_m below max_depth_m"),
        ({"fill": None}, "fill = None is a NoneType; expected a str"),
    ],
)
def test_bad_values_say_what_is_expected(values, says):
    with pytest.raises(ConfigError) as raised:
        NodeParameters.from_mapping(values)
    assert says in str(raised.value)


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as raised:
        NodeParameters.from_mapping({"slopms": 3.0, "queue_size": 0, "fill": "x"})
    assert all(name in str(raised.value) for name in ("slopms", "queue_size", "fill"))


def test_integers_are_taken_for_floats_and_rclpys_own_names_left_alone():
    values = {"slop_ms": 15, "use_sim_time": True, "qos_overrides./depth.subscription.reliability": "reliable"}
    parameters = NodeParameters.from_mapping(values)
    assert parameters.slop_ms == 15.0
    assert type(parameters.slop_ms) is float


def test_changes_are_named():
    before = NodeParameters()
    after = dataclasses.replace(before, slop_ms=3.0, weights="x")
    assert sorted(changed_names(before, after)) == ["slop_ms", "weights"]
    assert is_runtime("slop_ms")
    assert not is_runtime("weights")
    assert not is_runtime("nothing")
    assert nearest_name("wieghts") == "weights"


def test_descriptors_carry_text_range_and_mutability():
    pytest.importorskip("rcl_interfaces.msg", reason="rclpy is not installed")
    for name in PARAMETER_NAMES:
        made = descriptor(name)
        assert made.description
        assert made.additional_constraints
        assert made.read_only == (name == "autostart")
    slop = descriptor("slop_ms")
    assert (slop.floating_point_range[0].from_value, slop.floating_point_range[0].to_value) == (0.0, 10000.0)
    assert slop.dynamic_typing
    queue = descriptor("queue_size").integer_range[0]
    assert (queue.from_value, queue.to_value) == (1, 1000)
    assert "none, near, all" in descriptor("fill").additional_constraints
