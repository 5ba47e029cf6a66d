"""Several bags as one: in order of recording, whatever order they are named in, and merged where they overlap."""

import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.recordings.joined import JoinedBags
from tests.recordings.small_bags import rgbd
from tests.replay.bags import write


def of_topic(messages, word):
    return [message for message in messages if word in message[0]]


def test_a_bag_for_each_camera_is_read_in_order_of_recording(tmp_path):
    messages = list(rgbd(4))
    paths = [write(tmp_path / word, of_topic(messages, word)) for word in ("depth", "color")]
    with JoinedBags(paths) as bags:
        read = [(message.topic.name, message.stamp_ns) for message in bags.messages()]
        assert (bags.start_ns, bags.end_ns) == (messages[0][1], messages[-1][1] + 1)
    assert read == [(topic, at_ns) for topic, at_ns, _ in messages]


def test_bags_one_after_the_other_are_read_so_whichever_is_named_first(tmp_path):
    messages = list(rgbd(4))
    first, second = write(tmp_path / "first", messages[:4]), write(tmp_path / "second", messages[4:])
    with JoinedBags([second, first]) as bags:
        assert [message.stamp_ns for message in bags.messages()] == [at_ns for _, at_ns, _ in messages]
        assert {name: topic.count for name, topic in bags.topics.items()} == {"/cam/color": 4, "/cam/depth": 4}
