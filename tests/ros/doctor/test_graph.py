"""Which topics of a graph are meant where the user named none, or one."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.diagnosis.observation import IMAGE_TYPE
from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.doctor.graph import Graph

ONE = ("/cam/depth/image_raw", "/cam/color/image_raw")
OTHER = ("/other/depth/image_raw", "/other/color/image_raw")


class Topics:
    """What `Graph` asks of a node, with these image topics published and nobody who listens."""

    def __init__(self, topics):
        self._topics = topics

    def get_name(self):
        return "doctor"

    def get_namespace(self):
        return "/"

    def get_topic_names_and_types(self):
        return [(topic, [IMAGE_TYPE]) for topic in self._topics]

    def count_publishers(self, topic):
        return int(topic in self._topics)

    def resolve_topic_name(self, topic):
        return topic


def find(*topics, depth="", color="", taken=()):
    return Graph(Topics(topics)).find(depth, color, (), taken)


@pytest.mark.parametrize(
    "beside", ["/cam/depth_truth", "/cam/depth/image_raw_reference", "/cam/depth_reference", "/depth_hr/sigma"]
)
def test_what_is_no_measured_depth_is_not_meant(beside):
    assert find(*ONE, beside) == ONE


def test_of_several_candidates_none_is_guessed():
    with pytest.raises(ConfigError, match=r"/cam/depth/image_raw, /other/depth/image_raw; expected one.*--depth"):
        find(*ONE, *OTHER)
    with pytest.raises(ConfigError, match=r"/cam/color/image_raw, /other/color/image_raw; expected one.*--color"):
        find(*ONE, *OTHER, depth=ONE[0])
    assert find(*ONE, *OTHER, depth=ONE[0], color=OTHER[1]) == (ONE[0], OTHER[1])


def test_a_default_is_not_paired_with_what_was_found():
    assert find("/webcam/color") == ("/depth", "/color")
    assert find("/cam/depth") == ("/depth", "/color")
    assert find("/webcam/color", depth="/cam/range") == ("/cam/range", "/webcam/color")
    assert find(depth="/cam/range") == ("/cam/range", "/color")


def test_what_a_node_says_it_takes_comes_before_names():
    assert find(*ONE, *OTHER, taken=[OTHER]) == OTHER
    assert find(*ONE, *OTHER, taken=[ONE, OTHER], depth=OTHER[0]) == OTHER
    with pytest.raises(ConfigError, match="several depth topics"):
        find(*ONE, *OTHER, taken=[ONE, OTHER])
