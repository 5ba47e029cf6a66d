"""Parameters of any type and value, set on the node or given at its start, are taken or refused with a reason."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

import rclpy
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import parameter_value_to_python

from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.system.settings import fields_of
from tests.fuzz.budget import examples

MAX_TEXT = 3000
NAMES = [field.name for field in fields_of(NodeParameters)]
CHOICES = ["none", "near", "exact", "16UC1", "compressed", "surface", "sensor", "3,4", "kinect", "bicubic", "auto"]
names = st.sampled_from([*NAMES, *NAMES, "slop", "use_sim_time", "qos_overrides./depth.x", "", "\0", "x" * 500, "é"])
text = st.one_of(st.text(max_size=20), st.sampled_from([*CHOICES, "x" * 5000, "\n[ERROR] x", "\u202e", "/dev/zero"]))
number = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1e308, 20.0, 0.5]))
whole = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 100))
FIELDS = {
    1: ("bool_value", st.booleans()), 2: ("integer_value", whole), 3: ("double_value", number),
    4: ("string_value", text), 5: ("byte_array_value", st.lists(st.binary(min_size=1, max_size=1), max_size=4)),
    6: ("bool_array_value", st.lists(st.booleans(), max_size=4)),
    7: ("integer_array_value", st.lists(whole, max_size=4)), 8: ("double_array_value", st.lists(number, max_size=4)),
    9: ("string_array_value", st.lists(text, max_size=4)),
}  # fmt: skip


@st.composite
def parameters(draw):
    """A parameter as a message brings it, of a type that does not exist too."""
    kind = draw(st.one_of(st.sampled_from([*FIELDS]), st.sampled_from([0, 10, 200])))
    value = ParameterValue(type=kind)
    if kind in FIELDS:
        field, values = FIELDS[kind]
        setattr(value, field, draw(values))
    return Parameter(name=draw(names).replace("\0", ""), value=value)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
    patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=77)
    yield context
    rclpy.try_shutdown(context=context)
    patch.undo()


def bicubic(settings):
    return DepthUpsampler.bicubic(device="cpu")


@pytest.fixture(scope="module")
def node(context):
    node = PagnetNode(context=context, load=bicubic)
    assert node.trigger_configure().name == "SUCCESS"
    yield node
    node.destroy_node()


@pytest.mark.parametrize("service", [SetParameters, SetParametersAtomically])
@examples(300)
@given(changes=st.lists(parameters(), max_size=4))
def test_any_request_is_taken_or_refused_and_changes_nothing_unless_taken(node, service, changes):
    answer = next(each.callback for each in node.services if each.srv_type is service)
    before = node.settings
    try:
        response = answer(service.Request(parameters=changes), service.Response())
    except Exception:  # rclpy's own, of a type that does not exist; the node's executor goes on
        assert any(change.value.type > ParameterType.PARAMETER_STRING_ARRAY for change in changes)
        assert service is SetParameters or node.settings == before
    else:
        results = response.results if service is SetParameters else [response.result]
        assert all(result.successful or 0 < len(result.reason) < MAX_TEXT for result in results)
        if not any(result.successful for result in results):
            assert node.settings == before
    dataclasses.replace(node.settings)  # checks itself: what was taken is sound
    node.set_parameters([rclpy.Parameter("slop_ms", value=33.0)])
    assert node.settings.slop_ms == 33.0


@examples(30)
@given(given_at_start=st.lists(parameters(), max_size=4))
def test_a_node_started_with_any_parameters_lives_and_says_what_is_wrong(context, given_at_start):
    overrides = []
    for each in given_at_start:
        if each.name and each.value.type in FIELDS and not each.name.startswith(("weights", "use_sim_time", "device")):
            overrides.append(rclpy.Parameter(each.name, value=parameter_value_to_python(each.value)))
    node = PagnetNode(context=context, load=bicubic, parameter_overrides=overrides, start_parameter_services=False)
    try:
        assert node.trigger_configure().name in ("SUCCESS", "FAILURE")
        assert node.state in ("inactive", "unconfigured")
    finally:
        node.destroy_node()


@examples(30)
@given(
    content=st.one_of(
        st.text(max_size=80),
        st.dictionaries(st.sampled_from(NAMES), st.one_of(st.booleans(), whole, number, text, st.lists(whole))).map(
            lambda values: "/**:\n  ros__parameters:\n" + "".join(f"    {k}: {v!r}\n" for k, v in values.items())
        ),
        st.sampled_from(["a: &a [*a]\n", "[" * 2000, "/**: {ros__parameters: {slop_ms: 1" + "0" * 400 + "}}"]),
    )
)
def test_any_parameter_file_is_read_or_refused(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_text(content, encoding="utf-8", errors="replace")
    context = rclpy.Context()
    try:
        rclpy.init(context=context, args=["--ros-args", "--params-file", str(path)], domain_id=77)
    except Exception as error:  # rclpy's classes for this are private; the node's `main` says it in one line
        assert str(path) in str(error)
        return
    try:
        PagnetNode(context=context, load=bicubic, start_parameter_services=False).destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
