"""The doctor's rules on what a node hears: nothing on a sound camera, and what the node would not say by itself."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.diagnosis import RULES
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.examination import TOLD_BY_THE_NODE, Examination
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from tests.ros.doctor.camera import FRAME, Camera
from tests.ros.node.node_rig import MS, RELIABLE, Rig, color_message, info_message

TOPICS = TopicNames(
    "/camera/depth/image",
    "/camera/color/image",
    "/camera/depth/camera_info",
    "/camera/color/camera_info",
    "/out",
    "/out/info",
    "/out/rect",
)
KINDS = {"depth": Image, "color": Image, "camera_info": CameraInfo}


class Listening:
    """An examination of a camera that is heard for a while."""

    def __init__(self, ros):
        self.ros, self.lines, self.counts = ros, [], dict.fromkeys(KINDS, 0)
        node = self.node = ros.node("listening")
        node.declare_parameter("slop_ms", 20.0)
        node.declare_parameter("max_late_ms", 500.0)
        logger = SimpleNamespace(info=self.lines.append, warn=self.lines.append, error=self.lines.append)
        reporter = Reporter(logger, Health(), period_s=0.0)
        self.examination = Examination(node, TOPICS, NodeParameters(), reporter)
        for stream, topic in zip(KINDS, (TOPICS.depth, TOPICS.color, TOPICS.color_info), strict=True):
            node.create_subscription(KINDS[stream], topic, self._taker(stream), 10)

    def _taker(self, stream):
        def take(message):
            self.counts[stream] += 1
            self.examination.note(stream, message)

        return take

    def kinds(self, frames=12, **look):
        """Names of what is reported once that many frames came."""
        self.ros.wait_until(lambda: min(self.counts.values()) >= frames, what="frames of the camera")
        self.lines.clear()
        self.examination.look(**look)
        return {line.partition("]")[0].strip("[") for line in self.lines}


@pytest.fixture
def listening(ros):
    cameras = []

    def start(**faults):
        found = Listening(ros)
        cameras.append(Camera(ros.node("camera"), **faults).start())
        return found

    yield start
    for camera in cameras:
        camera.close()


def test_a_sound_camera_has_no_findings(listening):
    assert listening().kinds() == set()


def test_depth_in_the_unit_that_the_node_is_told_has_no_findings(listening):
    found = listening(depth_value=18_000)
    assert found.kinds() == {"doubtful_unit"}
    found.node.declare_parameter("depth_unit_m", 0.0001)
    assert found.kinds() == set()


def test_what_the_node_does_not_notice_by_itself_is_reported(listening):
    found = listening(depth_type=np.float32, depth_value=1800.0, depth_frame="/camera_color_optical_frame")
    assert found.kinds() == {"millimetres_in_32fc1", "leading_slash"}


def test_stamps_of_another_clock_are_reported_also_where_they_pair(listening):
    assert listening(stamp=lambda ns: ns - 40_000_000_000).kinds() == {"other_clock"}


def test_what_the_node_says_where_it_happens_is_left_to_it(listening):
    found = listening(depth_frame="camera_depth_optical_frame", info_focal=0.0)
    assert found.kinds() == set()
    assert {"frame_ids_differ", "camera_info_uncalibrated"} <= TOLD_BY_THE_NODE <= set(RULES)


def calibration(focal, width=80, height=60):
    matrix = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return camera_info_message(matrix, width, height, time.time_ns(), FRAME)


def test_depth_of_another_field_of_view_in_colours_frame_is_told_unless_it_is_said_to_be_registered(listening):
    found = listening()
    assert found.kinds(depth_info=calibration(62.5)) == set()
    assert found.kinds(depth_info=calibration(50.0)) == {"fields_of_view_differ"}
    assert found.kinds(depth_info=calibration(50.0), images=False) == set()  # whose frames may differ
    found.node.declare_parameter("reproject", False)
    assert found.kinds(depth_info=calibration(50.0)) == set()


def test_what_is_kept_is_bounded(listening):
    found = listening(rate_hz=60.0)
    found.kinds(frames=30)
    seen = [found.examination.observation() for _ in range(10)][-1]
    assert len(seen.color.images) <= 6
    assert len(seen.color.arrivals) <= 600


def test_nothing_heard_is_nothing_said(ros):
    found = Listening(ros)
    found.examination.look()
    assert not found.lines


def test_an_active_node_reports_what_the_doctor_would(ros):
    rig = Rig(ros, input_reliability="reliable")
    depth_info = rig.camera.create_publisher(CameraInfo, "depth/camera_info", RELIABLE)
    ros.wait_matched(depth_info)
    depth_info.publish(calibration(50.0, 32, 24))
    rig.info.publish(info_message())
    begin_ns = time.time_ns()
    count = 0

    def told():
        nonlocal count
        now_ns = time.time_ns()
        if now_ns - begin_ns > count * 50 * MS:
            rig.color.publish(color_message(now_ns))
            rig.depth.publish(image_message(np.full((24, 32), 1800.0, np.float32), now_ns, "color_optical"))
            count += 1
        lines = {name: next((line for line in list(rig.log) if f"[{name}]" in line), "") for name in wanted}
        return lines if all(lines.values()) else None

    wanted = ("millimetres_in_32fc1", "fields_of_view_differ")
    said = ros.wait_until(told, 40.0, "reports of the doctor's rules")
    assert "/depth" in said["millimetres_in_32fc1"]
    assert "REP 118" in said["millimetres_in_32fc1"]
    assert "/depth/camera_info" in said["fields_of_view_differ"]
