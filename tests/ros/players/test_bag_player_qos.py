"""Playing bags: quality of service, and what publishers latched."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image
from std_msgs.msg import String

from tests.replay import bags
from tests.ros.players.played import START_NS, STEP_NS, image

LATE = QoSProfile(depth=9, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TEXT = "std_msgs/msg/String"


def qos_recorded(reliability, durability):
    zero = QosTime(0, 0)
    return Qos(QosHistory.KEEP_LAST, 7, reliability, durability, zero, zero, QosLiveliness.AUTOMATIC, zero, False)


def test_recorded_qos_is_offered_on_wish(ros, play, tmp_path):
    offered = qos_recorded(QosReliability.BEST_EFFORT, QosDurability.VOLATILE)
    path = bags.write(tmp_path / "b", [("/depth", START_NS, image(0))], qos=[offered])

    recorded = play(path, wait=False, qos="recorded")
    default = play(path, wait=False)

    assert recorded._outputs["/depth"].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert default._outputs["/depth"].qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_latched_topics_stay_latched(ros, play, tmp_path):
    offered = qos_recorded(QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)
    path = bags.write(tmp_path / "b", [("/map", START_NS, image(3))], qos=[offered])

    player = play(path, wait=False)
    ros.wait_until(lambda: player.published == 1)
    seen = ros.collect(ros.node(), Image, "/map", LATE)

    assert seen.wait_for(1)[0].data[0] == 3


def test_what_several_publishers_latched_on_one_topic_is_all_kept(ros, play, tmp_path):
    offered = qos_recorded(QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)._replace(depth=1)
    messages = [("/map", START_NS, image(3)), ("/map", START_NS + 1, image(4))]  # as /tf_static has several
    path = bags.write(tmp_path / "b", messages, qos=[offered, offered])

    player = play(path, wait=False)
    ros.wait_until(lambda: player.published == 2)
    seen = ros.collect(ros.node(), Image, "/map", LATE)

    assert [m.data[0] for m in seen.wait_for(2)] == [3, 4]


def test_static_transforms_are_latched_and_all_kept_though_the_bag_does_not_tell_its_qos(ros, play, tmp_path):
    path = bags.write(tmp_path / "b", [("/robot/tf_static", START_NS + k, image(k)) for k in range(3)])

    player = play(path, wait=False)
    ros.wait_until(lambda: player.published == 3)
    seen = ros.collect(ros.node(), Image, "/robot/tf_static", LATE)

    assert [m.data[0] for m in seen.wait_for(3)] == [0, 1, 2]


def test_what_was_latched_before_the_piece_that_is_played_comes_first(ros, play, tmp_path):
    depth = [("/depth", START_NS + k * STEP_NS, image(k)) for k in range(10)]
    path = bags.write(tmp_path / "b", [("/tf_static", START_NS, image(9)), *depth])
    transforms = ros.collect(ros.node(), Image, "/tf_static", LATE)
    seen = ros.collect(ros.node(), Image, "/depth", 50)

    player = play(path, start_s=5 * STEP_NS / 1e9)

    assert [m.data[0] for m in transforms.wait_for(1)] == [9]
    assert [m.data[0] for m in seen.wait_for(5)] == [5, 6, 7, 8, 9]
    ros.wait_until(lambda: not player.thread.is_alive())
    assert player.published == 6


def test_what_was_latched_in_ros_1_stays_latched(ros, play, tmp_path):
    path, store = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(path) as writer:
        for name in ("one", "other"):
            connection = writer.add_connection("/map", TEXT, typestore=store, callerid=name, latching=1)
            writer.write(connection, START_NS, store.serialize_ros1(store.types[TEXT](name), TEXT))

    player = play(path, wait=False)
    ros.wait_until(lambda: player.published == 2)
    seen = ros.collect(ros.node(), String, "/map", LATE)

    assert [m.data for m in seen.wait_for(2)] == ["one", "other"]
