"""The evaluator on its own: parameters, diagnostics, how it ends, and what it leaves."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.replay.results import Results
from pagnet_ros.ros.encode import image_message
from pagnet_ros.ros.evaluator import node
from pagnet_ros.ros.evaluator.node import Evaluator

ROOT = Path(__file__).parents[3]
START_NS, STEP_NS = 10**18, 33_000_000
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


def make(ros, **parameters):
    overrides = [
        Parameter(name, value=value) for name, value in {"input_reliability": "reliable", **parameters}.items()
    ]
    return Evaluator(context=ros.context, parameter_overrides=overrides)


class Feed:
    """What a camera and the node would publish."""

    def __init__(self, ros):
        self.node = ros.node("feed")
        self.publishers = {t: self.node.create_publisher(Image, t, RELIABLE) for t in ("depth", "color", "depth_hr")}
        for publisher in self.publishers.values():
            ros.wait_matched(publisher)

    def send(self, k):
        stamp_ns = START_NS + k * STEP_NS
        rgb = np.full((32, 48, 3), 90, np.uint8)
        for topic, array in (
            ("color", rgb),
            ("depth", np.full((8, 12), 2.0, np.float32)),
            ("depth_hr", np.full((32, 48), 2.0, np.float32)),
        ):
            self.publishers[topic].publish(image_message(array, stamp_ns, "optical"))


def test_recent_figures_are_on_diagnostics(ros):
    node = ros.add(make(ros, diagnostics_period_s=0.1))
    feed = Feed(ros)
    seen = ros.collect(feed.node, DiagnosticArray, "/diagnostics")
    waiting = seen.wait_for(1)[0].status[0]
    assert (waiting.name, waiting.level) == ("evaluator: depth quality", b"\x01")
    assert "no frame scored yet" in waiting.message
    for k in range(3):
        feed.send(k)
    ros.wait_until(lambda: node._recent._count >= 2, what="two scored frames")
    told = seen.wait_for_match(lambda m: m.status[0].level == b"\x00").status[0]
    assert told.message.startswith("consistency, mm, mean of the last")
    assert "depth_hr" in told.message
    assert "bicubic" in told.message
    assert "depth_hr/consistency_m" in {value.key for value in told.values}


def test_it_ends_after_so_many_frames(ros, tmp_path):
    node = ros.add(make(ros, frames=2, out=str(tmp_path / "out"), baselines=["none"]))
    feed = Feed(ros)
    for k in range(2):
        feed.send(k)
    assert node.ended.wait(20)
    results, written = node.finish()
    assert results.counts.evaluated == 2
    assert [method.name for method in results.methods] == ["depth_hr"]
    assert (tmp_path / "out" / "report.html") in written


def test_it_ends_after_silence(ros):
    node = ros.add(make(ros, idle_s=0.5))
    Feed(ros).send(0)
    assert node.ended.wait(20)
    assert node.finish()[0].counts.evaluated == 1


def test_nothing_to_evaluate_is_an_error_and_leaves_nothing(ros, tmp_path):
    node = ros.add(make(ros, out=str(tmp_path / "out")))
    with pytest.raises(RecordingError, match="nothing to evaluate"):
        node.finish()
    assert not (tmp_path / "out").exists()


def test_results_that_are_there_are_kept(ros, tmp_path):
    (tmp_path / "results.json").write_text("mine")
    with pytest.raises(RecordingError, match=r"results\.json is there already"):
        make(ros, out=str(tmp_path))
    assert (tmp_path / "results.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"slop_ms": -1.0}, "slop_ms = -1.0 is out of range; expected 0 to 10000"),
        ({"depth_transport": "zstd"}, "depth_transport = 'zstd'; expected one of raw, compressedDepth"),
        ({"frames": "many"}, "frames = 'many' is a str; expected a int"),
        ({"with_refrence": True}, "unknown parameter 'with_refrence'; did you mean 'with_reference'?"),
        ({"metrics.voxel_m": -1.0}, "voxel_m=-1.0"),
        ({"metrics.voxle_m": 0.1}, "did you mean 'metrics.voxel_m'?"),
        ({"baselines": ["bicubik"]}, "did you mean 'bicubic'?"),
    ],
)
def test_parameters_that_do_not_fit_are_named(ros, parameters, says):
    with pytest.raises(ConfigError, match=r".*") as caught:
        make(ros, **parameters)
    assert says in str(caught.value)


def test_metrics_can_be_set(ros):
    node = ros.add(make(ros, **{"metrics.voxel_m": 0.1, "metrics.range_edges_m": [0.0, 2.0, 5.0], "slop_ms": 5}))
    assert node.parameters.metrics.voxel_m == 0.1
    assert node.parameters.metrics.range_edges_m == (0.0, 2.0, 5.0)
    assert node.parameters.slop_ms == 5.0


def test_command_line_that_ros_refuses_is_an_error_without_a_traceback(monkeypatch, capfd):
    monkeypatch.setattr(node, "prepare_process", lambda: None)
    assert node.main(["evaluate", "--ros-args", "-p", "broken"]) == 1
    assert "evaluate: the arguments after --ros-args:" in capfd.readouterr().err


def test_a_signal_in_the_middle_of_the_diagnostics_costs_no_results(ros):
    context = ros.rclpy.Context()
    ros.rclpy.init(context=context, domain_id=ros.domain_id)
    node = Evaluator(context=context)
    ros.rclpy.shutdown(context=context)
    node.publish_diagnostics()
    node.destroy_node()


def test_the_executable_prints_the_json_when_it_is_told_to_end(ros):
    """Ctrl-C, and the same JSON as the replay's on standard output."""
    command = [sys.executable, "-m", "pagnet_ros.ros.evaluator", "--ros-args", "-p", "input_reliability:=reliable"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=ros.child_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        feed = Feed(ros)
        seen = ros.collect(feed.node, DiagnosticArray, "/diagnostics")
        feed.send(0)
        feed.send(1)
        seen.wait_for_match(lambda m: "last 1 frames" in m.status[0].message or "last 2 frames" in m.status[0].message)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert json.loads(said)["mode"] == "none"
    assert Results.from_json(said).counts.evaluated == 2
