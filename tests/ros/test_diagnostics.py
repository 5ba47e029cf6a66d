"""Diagnostics: the level and sentence an operator reads, and the message on the topic."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from pagnet_ros.ros.diagnostics import summarise
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.ros.reporter import Occurrence
from pagnet_ros.system.health import Health

SECOND = 1_000_000_000


def snapshot():
    health = Health()
    for index in range(11):
        health.tick("output", index * SECOND // 10)
        health.record_ms("total", 10.0 + index)
    health.count("frames_out", 11)
    return health.snapshot(SECOND)


def problem(kind, level):
    return Occurrence(kind, level, f"text of {kind}", 0)


def said(*arguments, **state):
    """(level, sentence) of the status."""
    status = summarise(*arguments, **state)
    return status.level[0], status.message


def test_a_working_node_says_its_rate_and_percentiles():
    status = summarise(snapshot(), [], {"device": "cpu"}, active=True, wanted=True)
    assert (status.level, status.message) == (b"\0", "publishing at 10.0 Hz")
    values = {entry.key: entry.value for entry in status.values}
    assert values["total p50/p95/p99 [ms]"] == "15.00 / 19.50 / 19.90"
    assert values["count.frames_out"] == "11"
    assert values["device"] == "cpu"
    assert values["age p50/p95/p99 [ms]"].startswith("n/a (stamps are not of this node's clock")


def test_the_worst_recent_problem_decides():
    problems = [problem("newer", "info"), problem("w", "warn"), problem("e", "error")]
    assert said(snapshot(), problems, {}, active=True, wanted=True) == (2, "[e] text of e")
    assert said(snapshot(), problems[:2], {}, active=True, wanted=True) == (1, "[w] text of w")
    assert said(snapshot(), problems[:1], {}, active=True, wanted=True)[0] == 0


def test_idle_and_inactive_are_no_faults():
    assert "nobody subscribes" in said(snapshot(), [], {}, active=True, wanted=False)[1]
    inactive = said(snapshot(), [problem("e", "error")], {"state": "inactive"}, active=False, wanted=False)
    assert inactive == (0, "inactive: takes no images")


def test_node_publishes_its_diagnostics(ros):
    overrides = [
        Parameter("weights", value="bicubic"),
        Parameter("device", value="cpu"),
        Parameter("diagnostics_period_s", value=0.1),
    ]
    node = PagnetNode(context=ros.context, parameter_overrides=overrides, namespace="robot")
    assert node.trigger_configure().name == "SUCCESS"
    ros.add(node)
    heard = ros.collect(ros.node("monitor"), DiagnosticArray, "/diagnostics")
    status = heard.wait_for(1)[0].status[0]
    assert status.name == "robot/pagnet_node: depth_hr"
    assert status.hardware_id == "cpu"
    values = {pair.key: pair.value for pair in status.values}
    assert (values["state"], values["name"]) == ("inactive", "bicubic")
