"""What the node says of topics that come, but not as they should."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter

from tests.ros.node.node_rig import MS, START_NS, Rig, color_message, depth_message, info_message, repeating


def frames(rig, color_every=1):
    """Publish frames of a camera, of whose colour images only some arrive."""

    def send(index):
        at_ns = START_NS + index * 50 * MS
        info = info_message()
        info.header.stamp = depth_message(at_ns).header.stamp
        rig.info.publish(info)
        rig.depth.publish(depth_message(at_ns))
        if index % color_every == 0:
            rig.color.publish(color_message(at_ns))

    return repeating(send)


def test_images_that_get_lost_are_told_by_their_camera_info(ros):
    rig = Rig(ros, topic_timeout_s=0.5, slop_ms=1000.0)
    with frames(rig, color_every=10):
        line = rig.wait_log("images_lost")
    assert "messages on /color/camera_info" in line
    assert "fastdds_large_images.xml" in line


def test_images_that_all_arrive_are_not_called_lost(ros):
    rig = Rig(ros, topic_timeout_s=0.5)
    with frames(rig):
        rig.out.wait_for(60)
    assert not any("[images_lost]" in line for line in rig.log)


def test_two_nodes_of_one_name_are_told(ros):
    rig = Rig(ros)
    ros.foreign_node("pagnet_node")
    assert "/pagnet_node: 2 nodes have this name; expected one" in rig.wait_log("duplicate_node_names")


def test_a_topic_without_publisher_is_told_also_where_nobody_listens(ros):
    rig = Rig(ros, listen=False, feed_depth=False, topic_timeout_s=0.5)
    assert "/depth: nobody publishes it" in rig.wait_log("no_publisher")
    assert not any("/color: " in line for line in rig.log)


def test_a_change_of_any_parameter_does_not_make_reports_come_more_often(ros):
    rig = Rig(ros, report_period_s=3600.0)
    for index in range(5):
        rig.send(START_NS + index * 33 * MS)
        rig.out.wait_for(index + 1)
        assert rig.node.set_parameters([Parameter("slop_ms", value=20.0 + index)])[0].successful
    assert sum("[no_camera_info]" in line for line in rig.log) == 1
