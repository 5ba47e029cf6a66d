"""What the doctor keeps of a topic while it listens."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.core.stamps import Arrival
from pagnet_ros.diagnosis import diagnose
from pagnet_ros.diagnosis.observation import CAMERA_INFO_TYPE, IMAGE_TYPE, Observation, Stream
from pagnet_ros.ros.doctor.listener import Listener, TopicLog
from tests.diagnosis.healthy import MS, START_NS, publisher

HOUR_S = 3600
LATE_NS = 5 * MS


def heard(name, kind, rate_hz):
    """A stream that is listened to for an hour."""
    log = TopicLog()
    for index in range(int(rate_hz * HOUR_S)):
        taken_ns = int(index * 1e9 / rate_hz)
        log.arrivals.add(Arrival(taken_ns + LATE_NS, START_NS + taken_ns + LATE_NS, START_NS + taken_ns))
    return Stream(name, f"/camera/{name}", kind, (publisher(kind),), arrivals=log.arrivals.since())


def test_two_frame_rates_are_healthy_however_long_they_are_watched():
    depth, color = heard("depth", IMAGE_TYPE, 14.5), heard("color", IMAGE_TYPE, 30.0)
    assert diagnose(Observation(seconds=HOUR_S, depth=depth, color=color)) == []


def test_lost_images_show_however_long_they_are_watched():
    color, color_info = heard("color", IMAGE_TYPE, 10.0), heard("color_info", CAMERA_INFO_TYPE, 30.0)
    found = diagnose(Observation(seconds=HOUR_S, color=color, color_info=color_info))
    assert [finding.name for finding in found] == ["images_lost"]


def test_nodes_that_do_not_answer_are_waited_for_together_and_once(ros, monkeypatch):
    hung = [ros.foreign_node(f"hung_{number}").get_fully_qualified_name() for number in range(5)]
    ros.node("answering").declare_parameter("weights", "bicubic")
    listener = Listener("listener", context=ros.context)
    spin, waited = listener.spin, []
    monkeypatch.setattr(listener, "spin", lambda seconds, until: waited.append(spin(seconds, until)))
    try:
        values = listener.parameters([*hung, "/answering"], ("weights", "slop_ms", "use_sim_time"))
    finally:
        listener.destroy_node()
    assert values == {node: {} for node in hung} | {"/answering": {"weights": "bicubic", "use_sim_time": False}}
    assert len(waited) == 4, "once for their services, once for each name"
