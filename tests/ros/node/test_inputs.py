"""Images taken as serialised bytes: the fields that were sent, a header that can be sent on, an error by name."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.messages.image import depth_from_image, stamp_ns
from pagnet_ros.ros.encode import image_message, set_stamp
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.calibrations import Calibrations
from pagnet_ros.ros.node.inputs import reader_of


def test_an_image_has_the_fields_that_were_sent():
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4)
    taken = []
    reader_of(Image, taken.append)(serialize_message(image_message(depth, 1_700_000_000_123_456_789, "optical")))
    assert stamp_ns(taken[0]) == 1_700_000_000_123_456_789
    assert taken[0].header.frame_id == "optical"
    assert np.array_equal(depth_from_image(taken[0]), depth)


def test_its_header_can_be_sent_on():
    message, taken = CompressedImage(format="png"), []
    set_stamp(message, 5_000_000_007, "cam")
    message.data.frombytes(b"12345")
    reader_of(CompressedImage, taken.append)(serialize_message(message))
    assert Image(header=taken[0].header).header == message.header
    assert bytes(taken[0].data) == b"12345"


@pytest.mark.parametrize("raw", [b"", b"\0\1\0\0", b"\0\1\0\0" + bytes(7)])
def test_bytes_that_are_no_image_are_an_error_by_name(raw):
    with pytest.raises(RecordingError, match="no sensor_msgs/msg/Image"):
        reader_of(Image, lambda _: None)(raw)


def test_a_refused_calibration_topic_leaves_no_subscription_behind():
    held = []
    node = SimpleNamespace(destroy_subscription=held.remove)
    topics = TopicNames("depth", "color", "depth/camera_info", "color/camera_info", "hr", "hr_info", "hr_rect")

    def subscribe(subscriptions, topic, kind, callback):
        if topic == topics.color_info:
            raise ConfigError(f"DDS refuses {topic}")
        subscriptions.append(topic)
        held.append(topic)

    with pytest.raises(ConfigError, match="refuses color/camera_info"):
        Calibrations(node, topics, subscribe, lambda _: None)
    assert not held
