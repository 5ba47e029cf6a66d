"""The node's lifecycle, parameters and remapped topics; each refusal says why."""

import sys
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy

from pagnet_ros.errors import WeightsError
from pagnet_ros.messages.image import depth_from_image
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node import lifecycle, loading
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.system.transport import nobody_is_in
from tests.ros.conftest import own_domain
from tests.ros.node.node_rig import MS, START_NS, Rig


def test_lifecycle_runs_round_twice(ros):
    rig = Rig(ros)
    for index in range(2):
        rig.send(START_NS + index * 33 * MS)
        rig.out.wait_for(index + 1)
        assert rig.node.trigger_deactivate().name == "SUCCESS"
        assert rig.node.trigger_cleanup().name == "SUCCESS"
        assert rig.node.trigger_configure().name == "SUCCESS"
        assert rig.node.trigger_activate().name == "SUCCESS"
        rig.wait_matched()
    assert rig.node.trigger_shutdown().name == "SUCCESS"
    assert not [t for t in threading.enumerate() if t.name == "pagnet_worker"]


def test_autostart_becomes_active_by_itself_and_retries(ros, monkeypatch):
    monkeypatch.setattr(lifecycle, "_RETRY_S", 0.05)
    calls = []

    def load(parameters):
        calls.append(1)
        if len(calls) < 3:
            raise WeightsError("not yet there")
        return DepthUpsampler.bicubic(device="cpu")

    rig = Rig(ros, activate=False, load=load, autostart=True)
    ros.wait_until(lambda: rig.node.state == "active", what="the active state")
    assert len(calls) == 3
    rig.wait_matched()
    rig.send(START_NS)
    rig.out.wait_for(1)


def test_failed_configure_says_why_and_can_be_tried_again(ros):
    calls = []

    def load(parameters):
        calls.append(1)
        if len(calls) == 1:
            raise WeightsError("weights file x.safetensors is foreign; expected one of ours; train or download one")
        return DepthUpsampler.bicubic(device="cpu")

    rig = Rig(ros, activate=False, load=load)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert not [t for t in threading.enumerate() if t.name == "pagnet_worker"]
    assert rig.node.trigger_configure().name == "SUCCESS"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"weights": "no-such-network"}, "no-such-network"),
        ({"weights": "missing.safetensors"}, "missing.safetensors"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"precision": "fp16"}, "precision 'fp16' is not supported on cpu; expected auto, fp32 or bf16"),
        ({"sensor": "kinekt"}, "'kinekt' is not known; expected one of"),
        ({"slop_msec": 5.0}, "unknown parameter 'slop_msec'; did you mean 'slop_ms'?"),
        ({"slop_ms": -1.0}, "slop_ms = -1.0 is out of range; expected 0 to 10000"),
        ({"weights": 3}, "weights = 3 is a int; expected a str"),
        ({"min_depth_m": 5.0, "max_depth_m": 2.0}, "expected min_depth_m below max_depth_m"),
        ({"sync": "exact"}, "message_filters"),
    ],
)
def test_bad_configuration_fails_with_a_reason_and_the_node_lives(ros, monkeypatch, parameters, says):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    rig = Rig(ros, activate=False, **parameters)
    said = []
    monkeypatch.setattr(rig.node, "get_logger", lambda: SimpleNamespace(error=said.append, info=lambda line: None))
    rig.node.trigger_configure()
    if rig.node.state == "inactive":
        rig.node.trigger_activate()
    assert any(says in line for line in said), said
    assert rig.node.state in ("unconfigured", "inactive")


@pytest.mark.parametrize(
    ("parameters", "mended", "value"),
    [
        ({"min_depth_m": 5.0, "max_depth_m": 2.0}, "max_depth_m", 9.0),
        ({"registration": "somewhere"}, "registration", "none"),
    ],
)
def test_values_that_do_not_fit_together_can_be_mended_and_configured(ros, parameters, mended, value):
    rig = Rig(ros, activate=False, **parameters)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert rig.node.set_parameters([Parameter(mended, value=value)])[0].successful
    assert rig.node.trigger_configure().name == "SUCCESS"


def test_an_output_that_cannot_be_advertised_is_named_and_leaves_none_behind(ros):
    rig = Rig(ros, activate=False, listen=False, **{"qos_overrides./depth_hr/camera_info.publisher.depth": "many"})
    said = []
    rig.node.get_logger = lambda: SimpleNamespace(error=said.append, info=said.append)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert "cannot publish /depth_hr/camera_info as CameraInfo" in said[-1]
    assert "mend qos_overrides" in said[-1]
    assert "Traceback" not in said[-1]
    ros.wait_until(lambda: rig.camera.count_publishers("depth_hr") == 0, what="the other outputs to be withdrawn")


def test_no_configuration_ends_in_silent_bicubic(ros, monkeypatch):
    def missing(*args, **kwargs):
        raise WeightsError("no shipped network is called so")

    monkeypatch.setattr(loading.DepthUpsampler, "from_zoo", missing)
    rig = Rig(ros, activate=False, weights="auto")
    assert rig.node.trigger_configure().name == "FAILURE"


def test_a_gpu_that_torch_cannot_use_is_warned_of_with_the_mend(ros, capfd):
    def load(parameters):
        upsampler = DepthUpsampler.bicubic(device="cpu")
        upsampler._engines.gpu_problem = "frames are computed on the CPU though this machine has an NVIDIA device"
        return upsampler

    rig = Rig(ros, activate=False, load=load)
    assert rig.node.trigger_configure().name == "SUCCESS"
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "NVIDIA device" in line]
    assert "WARN" in line


def test_live_parameters_act_at_once(ros):
    rig = Rig(ros)
    rig.send(START_NS)
    assert rig.out.wait_for(1)[0].encoding == "32FC1"
    result = rig.node.set_parameters(
        [
            Parameter("output_encoding", value="16UC1"),
            Parameter("output_frame_id", value="elsewhere"),
            Parameter("slop_ms", value=40),
            Parameter("max_depth_m", value=1.5),
        ]
    )
    assert all(r.successful for r in result), result
    rig.send(START_NS + 100 * MS, color_offset_ns=35 * MS)
    out = rig.out.wait_for(2)[1]
    assert (out.encoding, out.header.frame_id) == ("16UC1", "elsewhere")
    assert (depth_from_image(out) == 0).all()


def test_fixed_parameters_are_refused_with_the_way_to_change_them(ros):
    rig = Rig(ros)
    result = rig.node.set_parameters([Parameter("weights", value="rt-x4-clean")])[0]
    assert not result.successful
    assert "ros2 lifecycle set /pagnet_node deactivate, ros2 lifecycle set /pagnet_node cleanup" in result.reason
    assert rig.node.get_parameter("weights").value == "bicubic"
    rig.node.trigger_deactivate()
    rig.node.trigger_cleanup()
    assert rig.node.set_parameters([Parameter("queue_size", value=3)])[0].successful


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("slop_ms", -2.0, "out of range"),
        ("max_depth_m", 0.05, "expected min_depth_m below max_depth_m"),
    ],
)
def test_bad_values_are_refused_at_run_time(ros, name, value, says):
    rig = Rig(ros)
    before = rig.node.get_parameter(name).value
    result = rig.node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert says in result.reason
    assert rig.node.get_parameter(name).value == before


def test_qos_can_be_overridden_by_parameter(ros):
    rig = Rig(ros, listen=False, **{"qos_overrides./depth_hr.publisher.reliability": "best_effort"})
    info = ros.wait_until(lambda: rig.camera.get_publishers_info_by_topic("/depth_hr"))
    assert info[0].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_reliability_follows_its_parameters_when_the_node_is_configured_anew(ros):
    rig = Rig(ros, listen=False, lazy=False, **{"qos_overrides./color.subscription.depth": 7})
    assert rig.node.trigger_deactivate().name == rig.node.trigger_cleanup().name == "SUCCESS"
    new = {"input_reliability": "reliable", "output_reliability": "best_effort"}
    for name, value in new.items():
        assert rig.node.set_parameters([Parameter(name, value=value)])[0].successful
    rig.activate()
    color = next(each.qos_profile for each in rig.node.subscriptions if each.topic_name == "/color")
    output = next(each.qos_profile for each in rig.node.publishers if each.topic_name == "/depth_hr")
    assert (color.reliability, color.depth) == (ReliabilityPolicy.RELIABLE, 7)
    assert output.reliability == ReliabilityPolicy.BEST_EFFORT


def test_remapped_color_takes_its_camera_info_and_outputs_along(ros):
    remaps = ["--ros-args", "-r", "color:=/cam/color/image_raw", "-r", "depth_hr:=/sharp/depth", "-r", "__ns:=/robot"]
    rig = Rig(ros, activate=False, listen=False, cli_args=remaps)
    assert rig.node.trigger_configure().name == "SUCCESS"
    topics = rig.node._outputs.topics
    assert topics.depth == "/robot/depth"
    assert topics.color == "/cam/color/image_raw"
    assert topics.color_info == "/cam/color/camera_info"
    assert topics.output_info == "/sharp/depth/camera_info"
    assert topics.output_rect == "/sharp/depth/image_rect"


def test_explicit_remap_of_camera_info_wins(ros):
    remaps = ["--ros-args", "-r", "color:=/cam/rgb", "-r", "color/camera_info:=/other/info"]
    rig = Rig(ros, activate=False, listen=False, cli_args=remaps, color_transport="compressed")
    assert rig.node.trigger_configure().name == "SUCCESS"
    assert rig.node._outputs.topics.color_info == "/other/info"
    assert rig.node._outputs.topics.color == "/cam/rgb/compressed"


@pytest.mark.parametrize(
    ("remaps", "topic"),
    [
        ({"depth": "/cam/depth", "depth_hr": "/cam/depth"}, "/cam/depth"),
        ({"depth": "/cam/depth/image_rect", "depth_hr": "/cam/depth"}, "/cam/depth/image_rect"),
        ({"depth": "/cam/depth/image_raw", "depth_hr": "/cam/depth"}, "/cam/depth/camera_info"),
        (
            {"color": "/cam/image", "depth_hr": "/cam/sharp", "depth_hr/camera_info": "/cam/camera_info"},
            "/cam/camera_info",
        ),
    ],
)
def test_an_output_that_is_an_input_is_refused(ros, remaps, topic):
    words = [word for names in remaps.items() for word in ("-r", ":=".join(names))]
    rig = Rig(ros, activate=False, listen=False, cli_args=["--ros-args", *words])
    said = []
    rig.node.get_logger = lambda: SimpleNamespace(error=said.append, info=said.append)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert f"{topic} is an input, and would be an output too (depth_hr is {remaps['depth_hr']})" in said[-1]


def test_a_destroyed_node_leaves_its_dds_domain_though_somebody_still_holds_it(ros):
    with own_domain() as domain:
        context = ros.rclpy.Context()
        ros.rclpy.init(context=context, domain_id=domain)
        node = PagnetNode(context=context)
        assert not nobody_is_in(domain)
        node.destroy_node()
        ros.rclpy.try_shutdown(context=context)
        ros.wait_until(lambda: nobody_is_in(domain), what="the participant to leave")
