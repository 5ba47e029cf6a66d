"""The doctor on real DDS: a healthy graph has no findings, a fault planted on it is named."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

import rclpy
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pagnet_ros.diagnosis import diagnose
from pagnet_ros.diagnosis.observation import COMPRESSED_TYPE, Machine
from pagnet_ros.doctor import cli
from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.doctor import Options, watch
from tests.ros.doctor.camera import BEST_EFFORT, LATCHED, Camera
from tests.ros.node.node_rig import Rig
from tests.ros.node.test_node_reprojection import Cameras

TOPICS = {"depth": "/camera/depth/image", "color": "/camera/color/image"}
MODULE = "pagnet_ros.doctor"
watching = sys.modules["pagnet_ros.ros.doctor.watch"]


@pytest.fixture
def camera(ros):
    """Start a camera: camera(depth_frame="x"); it ends with the test."""
    started = []

    def start(node=None, **faults):
        started.append(Camera(node or ros.node("camera"), **faults).start())
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def examine(ros):
    """Watch the graph in a context of its own, as another process would; gives (observation, {finding: about})."""

    def look(seconds=2.0, **options):
        context = ros.rclpy.Context()
        ros.rclpy.init(context=context, domain_id=ros.domain_id)
        try:
            seen = watch(Options(**{**TOPICS, **options}, seconds=seconds), context=context)
        finally:
            ros.rclpy.try_shutdown(context=context)
        return seen, {finding.name: finding for finding in diagnose(seen)}

    return look


def test_a_healthy_graph_has_no_findings(camera, examine):
    camera()
    seen, found = examine(3.0)
    assert not found
    assert len(seen.depth.arrivals) > 10
    assert len(seen.color_info.arrivals) > 10
    assert (seen.color.images[0].width, seen.color.images[0].encoding) == (320, "rgb8")
    assert seen.color_info.info.fx == 250.0
    assert seen.depth_info.topic == "/camera/depth/camera_info"


def test_a_publisher_is_traced_to_its_process(camera, examine):
    camera()
    seen, _ = examine(0.5)
    (publisher,) = seen.color.publishers
    assert (publisher.node, publisher.here) == ("/camera", True)
    assert (publisher.process.pid, publisher.process.uid) == (os.getpid(), os.getuid())


def test_topics_are_found_by_name_where_none_is_given(camera, examine):
    camera()
    seen, found = examine(1.0, depth="", color="")
    assert (seen.depth.topic, seen.color.topic) == (TOPICS["depth"], TOPICS["color"])
    assert "no_publisher" not in found


def test_missing_topics_and_what_there_is_instead(camera, examine):
    camera()
    _, found = examine(0.5, depth="/cam/depth")
    assert "/camera/depth/image" in found["no_publisher"].mend


def test_an_empty_domain_is_told_as_such(examine):
    _, found = examine(0.5)
    assert "ROS_DOMAIN_ID" in found["no_publisher"].mend


def test_a_topic_of_another_type(ros, examine):
    node, _ = ros.foreign_node("talker"), None
    publisher = node.create_publisher(String, TOPICS["depth"], 5)
    assert publisher
    seen, found = examine(0.5)
    assert "std_msgs/msg/String" in found["wrong_type"].came
    assert seen.depth.topic == TOPICS["depth"]


def test_a_compressed_topic_is_expected_by_its_name(examine):
    seen, _ = examine(0.2, depth="/camera/depth/image/compressedDepth")
    assert seen.depth.expected == COMPRESSED_TYPE


def test_qos_that_cannot_match(ros, camera, examine):
    camera(qos=BEST_EFFORT)
    ear = ros.node("recorder")
    reliable = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
    ros.collect(ear, Image, TOPICS["depth"], reliable)
    _, found = examine(1.0)
    assert set(found) == {"incompatible_qos"}
    assert "/recorder" in found["incompatible_qos"].came


def test_a_camera_hears_of_no_subscriber_that_it_cannot_serve(ros, camera, examine):
    camera(info_qos=BEST_EFFORT)
    seen, found = examine(1.0)
    assert not found
    assert seen.color_info.latched == 0


def test_latched_camera_info(camera, examine):
    camera(info_qos=LATCHED, info_every=10**6)
    seen, found = examine(2.0)
    assert set(found) == {"camera_info_latched"}
    assert seen.color_info.info.fx == 250.0


def test_a_silent_topic(camera, examine):
    camera(streams=("color",))
    _, found = examine(2.0)
    assert set(found) == {"silent_topic"}
    assert "messages came on /camera/depth/camera_info" in found["silent_topic"].came


def test_two_nodes_of_one_name(ros, camera, examine):
    camera()
    ros.foreign_node("camera")
    witness = ros.node("witness")
    ros.wait_until(lambda: witness.get_node_names().count("camera") == 2, what="both nodes")
    for seconds in (1.0, 5.0, 20.0):  # a busy machine discovers late
        found = examine(seconds)[1]
        if "duplicate_node_names" in found:
            break
    assert "duplicate_node_names" in found


def test_a_node_that_is_not_active(ros, examine):
    rig = Rig(ros, activate=False, depth_unit_m=0.0001, max_depth_m=12.0, depth_pose_xyz="0.1,0,0")
    seen, found = examine(0.5)
    assert found["node_inactive"].about == "/pagnet_node"
    assert seen.consumers[0].slop_ms == rig.node.get_parameter("slop_ms").value
    assert (seen.consumers[0].depth_unit_m, seen.consumers[0].max_depth_m) == (0.0001, 12.0)
    assert (seen.consumers[0].reproject, seen.consumers[0].has_pose) == (True, True)


def test_the_topics_of_an_active_node_are_found_and_its_diagnostics_heard(ros, examine):
    rig = Rig(ros, diagnostics_period_s=0.2)
    rig.send_until_output()
    seen, found = examine(1.5, depth="", color="")
    assert (seen.depth.topic, seen.color.topic) == ("/depth", "/color")
    assert seen.color_info.topic == "/color/camera_info"
    (node,) = seen.consumers
    assert (node.state, node.use_sim_time) == ("active", False)
    assert node.diagnostics
    assert "node_inactive" not in found


def test_a_node_that_reprojects_is_seen_to_do_so(ros, examine):
    rig = Cameras(ros, depth_pose_xyz="0.1,0,0", diagnostics_period_s=0.2)
    rig.columns_of_box()

    def examined():
        seen, found = examine(0.5, depth="/depth", color="/color")
        return seen.consumers and seen.consumers[0].has_reprojected and found

    assert "frame_ids_differ" not in ros.wait_until(examined, 60.0, "its diagnostics")


def test_the_topics_of_an_idle_node_are_found_among_other_cameras(ros, examine):
    other = ros.node("other_camera")
    for topic in ("/webcam/color", "/other/depth/image_raw", "/other/color/image_raw", "/cam/depth_truth"):
        other.create_publisher(Image, topic, 5)
    words = ["-r", "depth:=/cam/depth/image_raw", "-r", "color:=/cam/color/image_raw"]
    rig = Rig(ros, activate=False, listen=False, diagnostics_period_s=0.2, cli_args=["--ros-args", *words])
    rig.activate()
    assert not rig.node._inputs.receives_images

    def examined():
        try:
            seen, _ = examine(0.1, depth="", color="")
        except ConfigError:  # the node was not discovered yet: a busy machine is late
            return False
        return seen.consumers and (seen.depth.topic, seen.color.topic, seen.color_info.topic)

    topics = ("/cam/depth/image_raw", "/cam/color/image_raw", "/cam/color/camera_info")
    assert ros.wait_until(examined, 60.0, "the node") == topics


@pytest.mark.parametrize("stream", ["depth", "color"])
def test_a_calibration_that_a_node_takes_from_elsewhere_is_the_one_examined(ros, examine, stream):
    wanted = {"depth": "/cam/depth/camera_info", "color": "/cam/color/camera_info", stream: "/calib/info"}
    camera = ros.node("camera")
    publishers = [camera.create_publisher(CameraInfo, topic, 5) for topic in wanted.values()]
    remapped = {"depth": "/cam/depth/image", "color": "/cam/color/image", f"{stream}/camera_info": "/calib/info"}
    words = [word for name, topic in remapped.items() for word in ("-r", f"{name}:={topic}")]
    rig = Rig(ros, activate=False, cli_args=["--ros-args", *words])
    rig.activate()
    for publisher in publishers:
        ros.wait_matched(publisher)

    def examined():
        seen, _ = examine(0.1, depth=remapped["depth"], color=remapped["color"])
        found = {"depth": seen.depth_info and seen.depth_info.topic, "color": seen.color_info.topic}
        return seen.consumers and found == wanted

    ros.wait_until(examined, 60.0, f"an examination of {wanted}")  # a busy machine discovers late


def test_a_lifecycle_manager_that_waits_for_a_bond(ros, examine, monkeypatch):
    monkeypatch.setattr(watching, "_MANAGER", "std_srvs/srv/Trigger")  # Nav2's own service type is not installed here
    Rig(ros, activate=False)
    manager = ros.node("lifecycle_manager")
    manager.declare_parameter("node_names", ["pagnet_node", "map_server"])
    manager.declare_parameter("bond_timeout", 4.0)
    manager.create_service(Trigger, "~/manage_nodes", lambda request, response: response)
    _, found = examine(0.5)
    assert found["bond"].about == "/pagnet_node"
    assert "/lifecycle_manager waits 4 s" in found["bond"].came
    manager.set_parameters([Parameter("bond_timeout", value=0.0)])
    assert "bond" not in examine(0.5)[1]


def test_a_signal_while_its_node_is_made_is_not_taken_for_wrong_usage(ros_environment, monkeypatch, capfd):
    def signalled(*_):
        rclpy.shutdown()
        return rclpy.create_node("of_a_context_that_has_ended")

    monkeypatch.setattr("pagnet_ros.system.transport.prepare_process", lambda: None)
    monkeypatch.setattr("pagnet_ros.ros.doctor.watch", signalled)
    monkeypatch.setattr("pagnet_ros.doctor.cli.look_at_machine", Machine)
    assert cli.main(["--seconds", "1"]) == cli.INTERRUPTED
    assert capfd.readouterr().out == ""


CAMERA_WITHOUT_PROFILE = """
import sys
import rclpy
from tests.ros.doctor.camera import BEST_EFFORT, Camera
rclpy.init()
node = rclpy.create_node("camera")
camera = Camera(node, qos=BEST_EFFORT, color_shape=(720, 960), depth_shape=(240, 320)).start()
print("ready", flush=True)
sys.stdin.read()
camera.close()
node.destroy_node()
rclpy.shutdown()
"""


def test_a_camera_without_room_for_its_images(ros, examine):
    environment = {name: value for name, value in ros.child_environment().items() if "PROFILES_FILE" not in name}
    command = [sys.executable, "-c", CAMERA_WITHOUT_PROFILE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # killed, it would leave its shared memory
        assert process.stdout.readline() == "ready\n"
        seen, found = examine(3.0)
    (publisher,) = seen.color.publishers
    assert publisher.process.pid == process.pid
    assert publisher.process.segment_bytes < 1 << 20
    if seen.color.images:
        assert "dds_profile_missing" in found
    else:  # not even one came through
        assert "silent_topic" in found


def run(ros, *words):
    return subprocess.run(
        [sys.executable, "-m", MODULE, *words],
        env=ros.child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_tells_programs_what_it_found(ros, camera):
    camera(depth_frame="camera_depth_optical_frame")
    for seconds in ("2", "10", "30"):  # processes find each other late on a busy machine
        done = run(ros, "--seconds", seconds, "--json")
        assert done.returncode == 1, done.stderr
        whole = json.loads(done.stdout)
        if "no_publisher" not in [finding["name"] for finding in whole["findings"]]:
            break
    assert "frame_ids_differ" in [finding["name"] for finding in whole["findings"]]
    assert whole["domain"] == ros.domain_id
    assert {topic["topic"] for topic in whole["topics"]} >= set(TOPICS.values())


def test_the_command_line_asks_for_a_name_where_several_cameras_are_there(ros):
    node = ros.node("cameras")
    publishers = [node.create_publisher(Image, f"/{name}/depth", 5) for name in ("left", "right")]

    def asked():
        done = run(ros, "--seconds", "0.1")
        return done.returncode == 2 and done.stderr

    said = ros.wait_until(asked, 60.0, f"an answer about {publishers}")  # a busy machine discovers late
    assert "doctor: several depth topics may be meant: /left/depth, /right/depth; expected one" in said


def test_a_name_that_is_no_topic_is_wrong_usage(ros):
    done = run(ros, "--depth", "/no topic")
    assert done.returncode == 2
    assert done.stderr.startswith("doctor: ")
    assert "Traceback" not in done.stderr
