"""Settings as ROS parameters: declared, described, read, and bad ones kept off."""

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter

from pagnet_ros.ros.evaluator.node import EvaluatorOptions
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.parameters import declare, read
from pagnet_ros.ros.players.simulated_frames import SimulatedCameraOptions
from pagnet_ros.system.resources import config_path
from pagnet_ros.system.settings import fields_of

KINDS = (NodeParameters, SimulatedCameraOptions, EvaluatorOptions)


def started(ros, kind, fixed=None, **overrides):
    """(node, problems) of a node that was started with some values."""
    node = ros.node("any", parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()])
    return node, declare(node, kind, fixed=fixed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_a_parameter_at_its_default_and_described(ros, kind):
    node, problems = started(ros, kind)
    assert not problems
    assert read(node, kind) == kind()
    for field in fields_of(kind):
        made = node.describe_parameter(field.name)
        assert made.description == field.metadata["text"]
        assert ("take effect at once" in made.additional_constraints) == field.metadata["live"]


def test_descriptors_carry_range_choices_and_mutability(ros):
    node, _ = started(ros, NodeParameters, fixed=("autostart",))
    slop, queue, autostart = (node.describe_parameter(name) for name in ("slop_ms", "queue_size", "autostart"))
    assert (slop.floating_point_range[0].from_value, slop.floating_point_range[0].to_value) == (0.0, 10000.0)
    assert slop.dynamic_typing
    assert (queue.integer_range[0].from_value, queue.integer_range[0].to_value) == (1, 1000)
    assert autostart.read_only
    assert not slop.read_only
    assert "none, near, all" in node.describe_parameter("fill").additional_constraints


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_names_are_refused_with_the_nearest_one_on_every_node(ros, kind):
    name = next(field.name for field in fields_of(kind))
    _, problems = started(ros, kind, **{f"{name}x": 1, "use_sim_time": True, "qos_overrides./a.subscription.depth": 3})
    assert problems == {f"{name}x": f"unknown parameter '{name}x'; did you mean '{name}'?"}


def test_bad_values_are_told_and_the_default_stands(ros):
    node, problems = started(ros, NodeParameters, slop_ms="many", queue_size=0, fill="ner", max_late_ms=100)
    assert set(problems) == {"slop_ms", "queue_size", "fill"}
    assert "expected a float" in problems["slop_ms"]
    assert read(node, NodeParameters) == NodeParameters(max_late_ms=100.0)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (NodeParameters, ["pagnet.yaml"]),
        *((NodeParameters, ["pagnet.yaml", f"presets/{name}.yaml"]) for name in ("safe", "dense", "mapping")),
        (SimulatedCameraOptions, ["simulated_camera.yaml"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value[-1],
)
def test_the_shipped_files_hold_what_they_say_as_ros_reads_them(ros, kind, files):
    arguments = [word for name in files for word in ("--params-file", str(config_path(name)))]
    node = ros.node("any", cli_args=["--ros-args", *arguments])
    assert declare(node, kind) == {}
    said = {}
    for name in files:
        said |= yaml.safe_load(config_path(name).read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert read(node, kind) == kind(**said)


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_words_that_ros_takes_for_numbers_stay_words(ros, word):
    node = ros.node("any", cli_args=["--ros-args", "-p", f"publish_filled:={word}", "-p", f"fill:={word}"])
    problems = declare(node, NodeParameters)
    assert list(problems) == ["fill"]
    assert f"fill = '{word}'" in problems["fill"]
    assert read(node, NodeParameters) == NodeParameters(publish_filled=word)
