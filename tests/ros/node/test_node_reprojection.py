"""Cameras that stand apart: depth is drawn for the colour camera by a set pose or tf, else left as it is, and told."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from geometry_msgs.msg import TransformStamped
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CameraInfo

from pagnet_ros.messages.image import depth_from_image
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.node.transforms import Transforms
from tests.ros.node.node_rig import MS, RELIABLE, START_NS, Rig, color_message, info_message

WALL, BOX, APART = 3.0, 1.5, 0.15
"""Metres; the box is in the middle of the depth image, and APART moves it by 10 of its 32 columns, the wall by 5."""
DEPTH_INFO = camera_info_message(
    np.array([[100.0, 0.0, 15.5], [0.0, 100.0, 11.5], [0.0, 0.0, 1.0]]), 32, 24, 0, "depth_optical"
)
COLOR_INFO = camera_info_message(
    np.array([[400.0, 0.0, 63.5], [0.0, 400.0, 47.5], [0.0, 0.0, 1.0]]), 128, 96, 0, "color_optical"
)


def scene():
    depth = np.full((24, 32), WALL, np.float32)
    depth[8:16, 12:20] = BOX
    return depth


class Cameras(Rig):
    """A rig whose depth camera has a calibration of its own."""

    def __init__(self, ros, *, depth_info=DEPTH_INFO, **parameters):
        super().__init__(ros, fill="none", remove_flying=False, **parameters)
        self.sent = 0
        self.depth_info = self.camera.create_publisher(CameraInfo, "depth/camera_info", RELIABLE)
        for publisher, message in ((self.depth_info, depth_info), (self.info, COLOR_INFO)):
            ros.wait_matched(publisher)
            publisher.publish(message)
        calibrations = self.node._inputs.calibrations
        ros.wait_until(lambda: calibrations.color is not None and calibrations.depth is not None, what="camera_info")

    def columns_of_box(self):
        """Where the box is in a new result's middle row, depth pixels."""
        self.sent += 1
        self.send(START_NS + self.sent * 33 * MS, value=scene())
        row = depth_from_image(self.out.wait_for(self.sent)[-1])[48]
        columns = np.flatnonzero(np.abs(row - BOX) < 0.1)
        return round(columns[0] / 4), round((columns[-1] + 1) / 4)


def test_a_set_pose_moves_depth_to_where_colour_sees_it_live(ros):
    rig = Cameras(ros, depth_pose_xyz=f"{-APART},0,0")
    assert rig.columns_of_box() == (2, 10)
    assert any("[reprojected]" in line and "depth_pose_xyz" in line for line in rig.log)
    assert "reproject" in rig.node.health.snapshot(0).latency_ms
    moved = [Parameter("depth_pose_xyz", value=f"{APART},0,0")]
    assert rig.node.set_parameters(moved)[0].successful
    assert rig.columns_of_box() == (22, 30)
    for left in (Parameter("depth_pose_xyz", value=""), Parameter("reproject", value=False)):
        assert rig.node.set_parameters([left])[0].successful
    assert rig.columns_of_box() == (12, 20)
    assert not any("[frame_ids_differ]" in line for line in rig.log)


def transform(parent, child, x):
    made = TransformStamped()
    made.header.frame_id, made.child_frame_id = parent, child
    made.transform.translation.x = x
    return made


def test_the_transform_of_tf_moves_depth(ros):
    rig = Cameras(ros)
    tf = [transform("mast", "color_optical", APART), transform("mast", "depth_optical", 0.0)]
    rig.node._inputs.transforms.take_static(SimpleNamespace(transforms=tf))
    assert rig.columns_of_box() == (2, 10)
    assert any("[reprojected]" in line and "by the calibrations and tf" in line for line in rig.log)


def test_depth_of_the_colour_cameras_frame_and_another_shape_is_told_to_be_moved_by_the_calibrations_alone(ros):
    rig = Cameras(ros, depth_info=info_message((90, 128)))
    rig.color.publish(color_message(START_NS))
    rig.depth.publish(image_message(np.full((90, 128), 2.0, np.float32), START_NS, "color_optical"))
    assert "into 'color_optical', by the calibrations alone" in rig.wait_log("reprojected")


def test_without_a_transform_depth_is_taken_as_it_comes_and_the_lack_is_told(ros):
    rig = Cameras(ros)
    ros.wait_until(
        lambda: rig.columns_of_box() == (12, 20) and any("[frame_ids_differ]" in line for line in rig.log),
        what="[frame_ids_differ]",
    )
    (line,) = (line for line in rig.log if "[frame_ids_differ]" in line)
    assert "depth_pose_xyz and depth_pose_xyzw" in line


def test_a_singular_calibration_is_told_and_the_node_goes_on(ros):
    singular = camera_info_message(np.zeros((3, 3)), 32, 24, 0, "depth_optical")
    rig = Cameras(ros, depth_info=singular, depth_pose_xyz="0.1,0,0")
    ros.wait_until(
        lambda: rig.columns_of_box() == (12, 20) and any("[frame_ids_differ]" in line for line in rig.log),
        what="[frame_ids_differ]",
    )
    (line,) = (line for line in rig.log if "[frame_ids_differ]" in line)
    assert "/depth/camera_info cannot be used: camera_info of 32 x 24 with focal lengths 0, 0" in line


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (
            {"depth_pose_xyzw": "0,0,1,0"},
            "depth_pose_xyz = '' and depth_pose_xyzw = '0,0,1,0'; expected the position too",
        ),
        ({"depth_pose_xyz": "1,0"}, "expected X,Y,Z in m and a quaternion"),
        ({"depth_pose_xyz": "1,0,0", "depth_pose_xyzw": "0,0,0,0"}, "expected X,Y,Z in m and a quaternion"),
        (
            {"depth_pose_xyz": "1,0,0", "reproject": False},
            "depth_pose_xyz = '1,0,0' and reproject = false, which contradict each other",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_both_named(ros, parameters, told):
    rig = Rig(ros, activate=False)
    result = rig.node.set_parameters_atomically([Parameter(name, value=value) for name, value in parameters.items()])
    assert not result.successful
    assert told in result.reason


class FakeNode:
    """Notes subscriptions; the wheels have no tf2_msgs to make real ones with."""

    def __init__(self):
        self.topics = {}

    def create_subscription(self, kind, topic, callback, qos):
        self.topics[topic] = qos
        return topic

    def destroy_subscription(self, topic):
        del self.topics[topic]


def test_tf_is_listened_to_only_until_static_transforms_answer(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=object))
    node = FakeNode()
    transforms = Transforms(node)
    assert node.topics["/tf_static"].durability == DurabilityPolicy.TRANSIENT_LOCAL
    transforms.follow()
    assert set(node.topics) == {"/tf_static"}, "nobody has asked yet"
    assert "tf has no transform from depth to color" in transforms.lookup("color", "depth")
    transforms.follow()
    assert set(node.topics) == {"/tf_static", "/tf"}
    transforms.take_moving(SimpleNamespace(transforms=[transform("color", "depth", 1.0)]))
    assert transforms.lookup("color", "depth")[0, 3] == 1.0
    transforms.follow()
    assert "/tf" in node.topics, "a moving transform may change"
    transforms.take_static(SimpleNamespace(transforms=[transform("color", "depth", 2.0)]))
    assert transforms.lookup("color", "depth")[0, 3] == 2.0
    transforms.follow()
    assert set(node.topics) == {"/tf_static"}
    transforms.close()
    assert not node.topics


def test_without_tf2_msgs_the_parameters_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", None)
    transforms = Transforms(FakeNode())
    assert "cannot import tf2_msgs" in transforms.lookup("color", "depth")
    transforms.follow()
