"""A node whose depth lies off the colour image says so and leaves it, or moves it by what was set."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from pagnet_ros.messages.image import depth_from_image
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.ros.encode import image_message
from tests.core.alignment.boxes import boxes
from tests.ros.node.node_rig import MS, START_NS, Rig

OFF = (7, -6)


def send(rig, index, offset=OFF):
    """Send a frame, and wait for its result."""
    depth, rgb = boxes(seed=3, offset=offset)
    at_ns = START_NS + index * 33 * MS
    rig.color.publish(image_message(rgb, at_ns, "color_optical"))
    rig.depth.publish(image_message(coarse_depth(depth, 4), at_ns, "depth_optical"))
    return depth_from_image(rig.out.wait_for(index + 1)[-1])


def test_depth_that_is_off_is_said_on_the_diagnostics_and_not_moved(ros):
    rig = Rig(ros, diagnostics_period_s=0.5, topic_timeout_s=3600.0)
    diagnostics = ros.collect(rig.camera, DiagnosticArray, "/diagnostics", 1)
    left = send(rig, 0)
    line = rig.wait_log("alignment")
    assert "depth seems to lie off the colour image by (+" in line
    assert "standard error" in line
    warned = diagnostics.wait_for_match(lambda array: "[alignment]" in array.status[0].message, timeout_s=60.0)
    assert warned.status[0].level == b"\x01"
    assert rig.node.set_parameters([Parameter("registration", value="7,-6")])[0].successful
    moved = send(rig, 1)
    assert np.nanmax(np.abs(moved - left)) > 0.5


def test_aligned_depth_is_not_warned_of(ros):
    rig = Rig(ros)
    for index in range(3):
        send(rig, index, offset=(0, 0))
    assert not any("[alignment]" in line for line in rig.log)


def test_an_offset_can_be_set_and_switched_off_live_and_is_not_doubted(ros):
    rig = Rig(ros, registration="7,-6")
    fixed = send(rig, 0)
    assert not any("[alignment]" in line for line in rig.log)
    assert rig.node.set_parameters([Parameter("registration", value="none")])[0].successful
    left = send(rig, 1)
    assert np.nanmax(np.abs(fixed - left)) > 0.5
    refused = rig.node.set_parameters([Parameter("registration", value="auto")])[0]
    assert "expected none, sensor (the offset of the sensor profile), or an offset X,Y" in refused.reason
