"""The evaluator: its parameters, how its recording ends, and that the recording is scored."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
pytest.importorskip("rosbags", reason="the rosbags library is not installed")

import rclpy
from rcl_interfaces.srv import ListParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.replay import cli as replay
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.evaluator import node as evaluator
from pagnet_ros.ros.evaluator.node import Evaluator
from tests.replay.bags import STORE, tf_static

ROOT = Path(__file__).parents[3]
START_NS, STEP_NS = 10**18, 33_000_000
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def make(ros, folder, **parameters):
    overrides = [
        Parameter(name, value=value) for name, value in {"input_reliability": "reliable", **parameters}.items()
    ]
    return Evaluator(folder / "recording", context=ros.context, parameter_overrides=overrides)


class Feed:
    """What a camera and the node would publish."""

    def __init__(self, ros, timeout_s=20.0):
        self.node = ros.node("feed")
        self.publishers = {t: self.node.create_publisher(Image, t, RELIABLE) for t in ("depth", "color", "depth_hr")}
        for publisher in self.publishers.values():
            ros.wait_matched(publisher, timeout_s=timeout_s)

    def send(self, k, topics=("color", "depth", "depth_hr")):
        stamp_ns = START_NS + k * STEP_NS
        images = {
            "color": np.full((32, 48, 3), 90, np.uint8),
            "depth": np.full((8, 12), 2.0, np.float32),
            "depth_hr": np.full((32, 48), 2.0, np.float32),
        }
        for topic in topics:
            self.publishers[topic].publish(image_message(images[topic], stamp_ns, "optical"))


def score(node):
    """The exit code of the replay of what was recorded, as `main` has it."""
    words = node.words()
    node.destroy_node()
    return replay.main(words)


def test_it_ends_after_so_many_results_and_scores_exactly_those(ros, tmp_path):
    node = ros.add(make(ros, tmp_path, frames=2, out=str(tmp_path / "out"), baselines=["bilinear"]))
    feed = Feed(ros)
    for k in range(5):
        feed.send(k)
    assert node.ended.wait(60)
    assert score(node) == replay.FINE
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["counts"]["evaluated"] == 2
    assert [method["name"] for method in results["methods"]] == ["depth_hr", "bilinear"]
    assert (tmp_path / "out" / "report.html").exists()


def test_it_ends_after_silence(ros, tmp_path):
    node = ros.add(make(ros, tmp_path, idle_s=0.5))
    Feed(ros).send(0)
    assert node.ended.wait(60)


def test_inputs_without_a_result_are_said_to_have_none(ros, tmp_path, capsys):
    node = ros.add(make(ros, tmp_path, idle_s=0.5))
    feed = Feed(ros)
    feed.send(0)
    for k in range(1, 4):
        feed.send(k, ("color", "depth"))
    assert node.ended.wait(60)
    assert score(node) == replay.FINE
    said = capsys.readouterr().out
    assert "no_result (3x): /depth_hr: no result with the depth stamp" in said


@pytest.fixture
def recorded(monkeypatch):
    """The topics of which an evaluator has recorded something."""
    topics, record = set(), Evaluator._record

    def noted(self, stream, connection, message):
        record(self, stream, connection, message)
        topics.add(connection.topic)

    monkeypatch.setattr(Evaluator, "_record", noted)
    return topics


@pytest.mark.parametrize("latched", [True, False])
def test_a_node_that_reprojects_is_scored_by_what_it_reprojects_by(ros, tmp_path, monkeypatch, recorded, latched):
    # The wheels have no tf2_msgs: another type stands for it in DDS, and the bytes are those of a TFMessage.
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=String))
    camera = ros.node("camera")
    camera.create_publisher(String, "/tf_static", LATCHED).publish(
        bytes(STORE.serialize_cdr(tf_static(0.1), "tf2_msgs/msg/TFMessage"))
    )
    matrices = {"depth": [[13.0, 0.0, 7.5], [0.0, 13.0, 3.5]], "color": [[40.0, 0.0, 23.5], [0.0, 40.0, 15.5]]}
    infos = {
        camera.create_publisher(CameraInfo, f"{stream}/camera_info", LATCHED if latched else RELIABLE): np.array(
            [*rows, [0.0, 0.0, 1.0]]
        )
        for stream, rows in matrices.items()
    }

    def calibrate():
        for publisher, matrix in infos.items():
            width, height = (2 * matrix[:2, 2] + 1).astype(int).tolist()
            publisher.publish(camera_info_message(matrix, width, height, START_NS, "optical"))

    if latched:
        calibrate()
    node = ros.add(make(ros, tmp_path, frames=1, out=str(tmp_path / "out"), baselines=["bilinear"]))
    feed = Feed(ros)
    if not latched:
        for publisher in infos:
            ros.wait_matched(publisher)
        calibrate()
    ros.wait_until(
        lambda: {"/tf_static", "/depth/camera_info", "/color/camera_info"} <= recorded, what="what it reprojects by"
    )
    feed.publishers["depth"].publish(image_message(np.full((8, 16), 2.0, np.float32), START_NS, "depth_optical"))
    feed.send(0, ("color",))
    ros.wait_until(lambda: {"/depth", "/color"} <= recorded, what="the images")
    feed.send(0, ("depth_hr",))
    assert node.ended.wait(60)
    assert score(node) == replay.FINE
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["counts"]["evaluated"] == 1
    assert not results["problems"]


def test_nothing_to_score_is_an_error_and_leaves_nothing(ros, tmp_path, capsys):
    node = make(ros, tmp_path, out=str(tmp_path / "out"))
    assert score(node) == replay.BAD_INPUT
    assert "/depth has no messages" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_that_are_there_are_kept_and_refused_before_anything_is_recorded(ros, tmp_path):
    (tmp_path / "results.json").write_text("mine")
    with pytest.raises(RecordingError, match=r"results\.json is there already; name another folder with `out`, or"):
        make(ros, tmp_path, out=str(tmp_path))
    assert (tmp_path / "results.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"slop_ms": 20000.0}, "slop_ms = 20000.0 is out of range; expected 0 to 10000"),
        ({"idle_s": -1.0}, "idle_s = -1.0 is out of range; expected 0 to"),
        ({"depth_transport": "zstd"}, "depth_transport"),
        ({"input_reliability": "some"}, "input_reliability"),
        ({"frames": "many"}, "frames = 'many' is a str; expected a int"),
        ({"with_refrence": True}, "unknown parameter 'with_refrence'; did you mean 'with_reference'?"),
        ({"metrics.voxel_m": -1.0}, "voxel_m = -1.0 is out of range"),
        ({"metrics.voxle_m": 0.1}, "did you mean 'voxel_m'?"),
        ({"baselines": ["bicubik"]}, "did you mean 'bicubic'?"),
    ],
)
def test_parameters_that_do_not_fit_are_named_before_anything_is_recorded(ros, tmp_path, parameters, says):
    with pytest.raises(ConfigError) as caught:
        make(ros, tmp_path, **parameters)
    assert says in str(caught.value)


def test_settings_of_the_metrics_reach_the_replay(ros, tmp_path):
    settings = {"metrics.voxel_m": 0.1, "metrics.range_edges_m": [0.0, 2.0, 5.0], "slop_ms": 5.0}
    words = ros.add(make(ros, tmp_path, **settings)).words()
    assert {"voxel_m=0.1", "range_edges_m=[0.0, 2.0, 5.0]"} <= set(words)
    assert words[words.index("--slop") + 1] == "5.0"


def test_depth_is_taken_for_registered_where_the_node_does_so(ros, tmp_path):
    assert "--no-reproject" in ros.add(make(ros, tmp_path, reproject=False)).words()


def test_depth_is_moved_for_the_filters_as_the_node_moves_it(ros, tmp_path):
    assert "--registration=-3,0" in ros.add(make(ros, tmp_path, registration="-3,0")).words()


def test_a_node_that_is_told_its_cameras_unit_and_pose_is_scored_by_them(ros, tmp_path, recorded):
    told = {"depth_unit_m": 0.0001, "max_depth_m": 30.0, "depth_pose_xyz": "-0.1,0,0"}
    node = ros.add(make(ros, tmp_path, frames=1, out=str(tmp_path / "out"), baselines=["bilinear"], **told))
    camera = ros.node("camera")
    for stream, (focal, height, width) in {"depth": (13.0, 8, 12), "color": (40.0, 32, 48)}.items():
        publisher = camera.create_publisher(CameraInfo, f"{stream}/camera_info", RELIABLE)
        ros.wait_matched(publisher)
        matrix = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
        publisher.publish(camera_info_message(matrix, width, height, START_NS, "optical"))
    feed = Feed(ros)
    feed.publishers["depth"].publish(image_message(np.full((8, 12), 20000, np.uint16), START_NS, "optical"))
    feed.send(0, ("color",))
    inputs = {f"/{stream}{below}" for stream in ("depth", "color") for below in ("", "/camera_info")}
    ros.wait_until(lambda: inputs <= recorded, what="the inputs")
    feed.send(0, ("depth_hr",))
    assert node.ended.wait(60)
    assert score(node) == replay.FINE
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["counts"]["evaluated"] == 1
    assert not results["problems"]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"depth_pose_xyz": "0.1,0"}, "depth_pose_xyz = '0.1,0' and"),
        ({"depth_pose_xyzw": "0,0,1,0"}, "expected the position too"),
        ({"registration": "sensor"}, "expected the offset itself"),
        ({"min_depth_m": 20.0}, "expected min_depth_m below max_depth_m"),
    ],
)
def test_a_camera_that_cannot_be_is_told_before_anything_is_recorded(ros, tmp_path, parameters, says):
    with pytest.raises(ConfigError, match=says):
        make(ros, tmp_path, **parameters)


def test_command_line_that_ros_refuses_is_an_error_without_a_traceback(monkeypatch, capfd):
    monkeypatch.setattr(evaluator, "prepare_process", lambda: None)
    assert evaluator.main(["evaluate", "--ros-args", "-p", "broken"]) == 1
    assert "evaluate: the arguments after --ros-args:" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["--params-file", "evaluator.yaml"]])
def test_words_that_are_not_for_ros_are_refused(ros_environment, monkeypatch, capfd, words):
    monkeypatch.setattr(evaluator, "prepare_process", lambda: None)
    assert evaluator.main(["evaluate", *words]) == 1
    assert f"evaluate: arguments '{' '.join(words)}'; expected ROS parameters only" in capfd.readouterr().err
    assert not rclpy.ok()


def test_a_parameter_of_rclpy_of_another_type_is_an_error_without_a_traceback(ros_environment, monkeypatch, capfd):
    monkeypatch.setattr(evaluator, "prepare_process", lambda: None)
    assert evaluator.main(["evaluate", "--ros-args", "-p", "use_sim_time:=1"]) == 1
    assert "evaluate: Trying to set parameter 'use_sim_time' to '1'" in capfd.readouterr().err


def test_a_signal_while_the_node_is_made_is_no_error(ros_environment, monkeypatch, capfd):
    def signalled(folder):
        rclpy.shutdown()
        raise RuntimeError("rcl node's context is invalid")

    monkeypatch.setattr(evaluator, "prepare_process", lambda: None)
    monkeypatch.setattr(evaluator, "Evaluator", signalled)
    assert evaluator.main(["evaluate"]) == replay.INTERRUPTED
    assert capfd.readouterr().err == ""


def test_it_ends_before_the_disk_is_full_and_names_the_way_out(ros, tmp_path, monkeypatch):
    node, said = make(ros, tmp_path), []
    try:
        monkeypatch.setattr(evaluator, "_LEAST_FREE_BYTES", 0)
        node._check()
        assert not node.ended.is_set()
        monkeypatch.setattr(node, "get_logger", lambda: SimpleNamespace(warning=said.append))
        monkeypatch.setattr(evaluator, "_LEAST_FREE_BYTES", 2**62)
        node._check()
        assert node.ended.is_set()
        (line,) = said
        assert str(tmp_path) in line
        assert "set TMPDIR" in line
    finally:
        node.destroy_node()


def test_the_executable_scores_what_came_when_it_is_told_to_end(ros, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "pagnet_ros.ros.evaluator", "--ros-args", "-p", "input_reliability:=reliable"]
    process = subprocess.Popen(
        [*command, "-p", f"out:={out}"],
        cwd=ROOT, env=ros.child_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        feed = Feed(ros, timeout_s=100.0)  # a process that starts on a busy machine
        for k in range(2):
            feed.send(k)
        assert all(publisher.wait_for_all_acked() for publisher in feed.publishers.values())
        asks = feed.node.create_client(ListParameters, "evaluator/list_parameters")
        ros.call(asks, ListParameters.Request())  # it spins, and takes messages before requests
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "written to" in said
    results = json.loads((out / "results.json").read_text())
    assert (results["mode"], results["main"]) == ("none", "depth_hr")
    assert results["counts"]["evaluated"] in (1, 2)  # acknowledged is not yet taken
