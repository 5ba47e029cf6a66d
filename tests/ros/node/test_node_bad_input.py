"""What a camera may send wrongly: told by name, counted, survived."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from pagnet_ros.messages.image import depth_from_image, stamp_ns
from pagnet_ros.ros.encode import set_stamp
from tests.ros.node.node_rig import MS, RELIABLE, START_NS, Rig, color_message, depth_message, repeating


def damaged(**changes):
    message = depth_message(START_NS)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


BAD_DEPTH = [
    (damaged(encoding="64FC1"), "unknown_encoding", "unknown depth encoding '64FC1'"),
    (damaged(height=25), "truncated_data", "expected step x height"),
    (damaged(header=color_message(0).header), "zero_stamp", "header.stamp 0"),
    (depth_message(START_NS, shape=(200, 300)), "depth_larger_than_color", "Are the topics swapped"),
    (depth_message(START_NS, value=np.inf), "no_valid_depth", "0 or not finite"),
]
"""One of each place where something is refused; `tests/messages` has the others."""


@pytest.mark.parametrize(("message", "kind", "says"), BAD_DEPTH, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_depth_is_named_counted_and_survived(ros, message, kind, says):
    rig = Rig(ros)
    rig.color.publish(color_message(START_NS))
    rig.depth.publish(message)
    line = rig.wait_log(kind)
    assert says in line
    assert rig.counts()[f"problem.{kind}"] >= 1
    rig.send(START_NS + 33 * MS)
    good = rig.out.wait_for_match(lambda m: stamp_ns(m) == START_NS + 33 * MS)
    assert np.isfinite(depth_from_image(good)).all()


def test_storm_of_bad_messages_leaves_the_node_working(ros):
    rig = Rig(ros)
    rng = np.random.default_rng(5)
    encodings = ["16UC1", "32FC1", "rgb8", "", "nonsense", "mono8"]
    for _ in range(200):
        for publisher in (rig.depth, rig.color):
            message = Image(
                height=int(rng.integers(0, 40)),
                width=int(rng.integers(0, 40)),
                encoding=encodings[rng.integers(len(encodings))],
                is_bigendian=int(rng.integers(0, 2)),
                step=int(rng.integers(0, 160)),
            )
            message.data.frombytes(rng.bytes(int(rng.integers(0, 4000))))
            set_stamp(message, START_NS + int(rng.integers(0, 50)) * MS, "optical")
            publisher.publish(message)
    rig.send(START_NS + 10**9)
    rig.out.wait_for_match(lambda m: stamp_ns(m) == START_NS + 10**9)
    assert "problem.internal_error" not in rig.counts()


def test_topic_of_another_type_is_named_with_its_publisher(ros):
    rig = Rig(ros, activate=False, feed_depth=False, topic_timeout_s=0.5)
    ros.foreign_node("lidar").create_publisher(PointCloud2, "depth", 1)
    rig.activate()
    line = rig.wait_log("wrong_type")
    assert "/depth: published as sensor_msgs/msg/PointCloud2 by /lidar; expected sensor_msgs/msg/Image" in line
    assert "These exist: /color" in line


def test_topic_that_this_process_uses_with_another_type_is_refused_by_name(ros):
    rig = Rig(ros, activate=False, feed_depth=False)
    rig.camera.create_publisher(PointCloud2, "depth", 1)
    said = []
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig.node.get_logger = lambda: SimpleNamespace(error=said.append, info=said.append)
    assert rig.node.trigger_activate().name == "FAILURE"
    assert "cannot subscribe to /depth as Image" in said[0]
    assert rig.node.state == "inactive"


@pytest.mark.parametrize(
    ("published", "parameters", "mend"),
    [
        (
            CompressedImage,
            {},
            "depth_transport:=compressedDepth, and, as the name lacks that suffix, remap /depth/compressedDepth:=",
        ),
        (Image, {"depth_transport": "compressedDepth"}, "depth_transport:=raw"),
    ],
)
def test_wrong_transport_is_told_with_the_parameter_to_set(ros, published, parameters, mend):
    topic = "depth/compressedDepth" if parameters else "depth"
    rig = Rig(ros, activate=False, feed_depth=False, **parameters)
    ros.foreign_node("driver").create_publisher(published, topic, 1)
    rig.activate()
    assert mend in rig.wait_log("wrong_type")


def test_silent_topic_lists_what_there_is_to_subscribe(ros):
    rig = Rig(ros, activate=False, feed_depth=False, topic_timeout_s=0.5)
    rig.node.get_publisher_names_and_types_by_node = lambda *_: []  # discovery lags: its own outputs are not told yet
    rig.activate()
    line = rig.wait_log("no_publisher")
    assert "/depth: nobody publishes it" in line
    assert "These Image topics exist: /color." in line
    assert "depth:= and color:= for the node" in line


def test_camera_that_stops_while_its_driver_lives_is_told(ros):
    rig = Rig(ros, topic_timeout_s=0.5)
    rig.send_until_output()
    line = rig.wait_log("silent_topic")
    assert "/depth: no message in 0.5 s" in line or "/color: no message in 0.5 s" in line
    assert "Check that the camera streams" in line


def test_frames_that_never_pair_are_told_with_their_offset(ros):
    rig = Rig(ros, topic_timeout_s=0.5, slop_ms=5.0)
    with repeating(lambda index: rig.send(START_NS + index * 100 * MS, color_offset_ns=12 * MS), 0.03):
        line = rig.wait_log("never_pairs")
    assert "+12.0 ms from depth; expected within slop_ms = 5. Set slop_ms above 12" in line


def test_depth_in_another_frame_than_colour_is_told_once(ros):
    rig = Rig(ros)
    sent = 0

    def told():
        nonlocal sent
        sent += 1
        rig.send(START_NS + sent * 33 * MS)
        rig.out.wait_for(sent)
        return sum("[frame_ids_differ]" in line for line in rig.log)

    ros.wait_until(told, what="[frame_ids_differ]")
    for _ in range(3):
        assert told() == 1
    assert rig.counts()["problem.frame_ids_differ"] == 1
    (line,) = (line for line in rig.log if "[frame_ids_differ]" in line)
    assert "(there is no camera_info on /depth/camera_info). Depth is taken as it comes" in line
    assert "/depth is in frame 'depth_optical', /color in 'color_optical'" in line


def test_publisher_with_weaker_qos_is_told(ros):
    rig = Rig(ros, activate=False, input_reliability="reliable")
    rig.camera.create_publisher(Image, "depth", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    rig.activate()
    line = rig.wait_log("incompatible_qos")
    assert "a publisher on /depth offers incompatible QoS (reliability" in line
    assert "input_reliability:=best_effort" in line


def test_subscriber_that_asks_for_more_than_is_offered_is_told(ros):
    rig = Rig(ros, output_reliability="best_effort", listen=False)
    ros.collect(rig.camera, Image, "depth_hr", RELIABLE)
    assert "a subscriber of /depth_hr asks for incompatible QoS" in rig.wait_log("incompatible_qos_output")
