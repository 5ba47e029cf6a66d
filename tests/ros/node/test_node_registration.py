"""A node whose depth lies off the colour image mends it, says so, and shows it on the diagnostics; or leaves it."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from pagnet_ros.messages.image import depth_from_image
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.ros.encode import image_message
from tests.core.registration.boxes import boxes
from tests.ros.node.node_rig import MS, RELIABLE, START_NS, Rig

OFF = (7, -6)


def send(rig, index):
    """Send a frame that is off, and wait for its result."""
    depth, rgb = boxes(seed=3, offset=OFF)
    at_ns = START_NS + index * 33 * MS
    rig.color.publish(image_message(rgb, at_ns, "color_optical"))
    rig.depth.publish(image_message(coarse_depth(depth, 4), at_ns, "depth_optical"))
    return depth_from_image(rig.out.wait_for(index + 1)[-1])


def test_depth_that_is_off_is_mended_and_said_once(ros):
    rig = Rig(ros, diagnostics_period_s=0.1)
    diagnostics = ros.collect(rig.camera, DiagnosticArray, "/diagnostics", RELIABLE)
    first, second = send(rig, 0), send(rig, 1)
    line = rig.wait_log("registration")
    assert "depth and colour are off by (+" in line
    assert sum("[registration]" in each for each in rig.log) == 1
    np.testing.assert_array_equal(first, second)

    def told():
        values = [{v.key: v.value for v in status.values} for array in diagnostics.messages for status in array.status]
        return next((each["registration"] for each in values if "depth moved by" in each.get("registration", "")), "")

    text = ros.wait_until(told, what="the offset on the diagnostics")
    assert "standard error" in text


def test_registration_can_be_set_and_switched_off_live(ros):
    rig = Rig(ros, registration="7,-6")
    fixed = send(rig, 0)
    assert rig.node.set_parameters([Parameter("registration", value="none")])[0].successful
    left = send(rig, 1)
    assert np.nanmax(np.abs(fixed - left)) > 0.5
    assert not any("[registration]" in line for line in rig.log)
    refused = rig.node.set_parameters([Parameter("registration", value="sometimes")])[0]
    assert "expected auto, none, or an offset X,Y" in refused.reason
