"""The node with an rclpy as old as Humble's: QoS events live elsewhere, nothing is called after a parameter is set."""

import subprocess
import sys

import pytest
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from pagnet_ros.ros.compat import after_parameters_are_set
from pagnet_ros.ros.node.node import PagnetNode


@pytest.fixture
def humble(monkeypatch):
    for name in ("add_post_set_parameters_callback", "add_pre_set_parameters_callback"):
        monkeypatch.delattr(Node, name)


@pytest.mark.parametrize("old", [False, True], ids=["as installed", "humble"])
def test_a_live_parameter_is_applied_and_a_refused_one_is_not(ros, request, old):
    if old:
        request.getfixturevalue("humble")
    overrides = [Parameter(name, value=value) for name, value in {"weights": "bicubic", "device": "cpu"}.items()]
    node = PagnetNode(context=ros.context, parameter_overrides=overrides)
    ros.add(node)
    assert not node.set_parameters([Parameter("slop_ms", value=-1.0)])[0].successful
    assert node.set_parameters([Parameter("slop_ms", value=33.0)])[0].successful
    ros.wait_until(lambda: node.settings.slop_ms == 33.0, what="the new value")


def test_what_another_callback_refuses_is_never_applied(ros, humble):
    node = ros.node("own")
    node.declare_parameter("limit", 1)
    applied = []
    after_parameters_are_set(node, applied.append)
    node.add_on_set_parameters_callback(
        lambda given: SetParametersResult(successful=given[0].value < 5, reason="large")
    )
    assert not node.set_parameters([Parameter("limit", value=7)])[0].successful
    assert node.set_parameters([Parameter("limit", value=3)])[0].successful
    ros.wait_until(lambda: applied, what="the call")
    assert [parameter.value for parameter in applied[0]] == [3]


HUMBLE = """
import sys, types
import rclpy.lifecycle, rclpy.event_handler as new

class PublisherEventCallbacks(new.PublisherEventCallbacks):
    def __init__(self, *, deadline=None, liveliness=None, incompatible_qos=None, use_default_callbacks=True):
        super().__init__(incompatible_qos=incompatible_qos)

old = types.ModuleType("rclpy.qos_event")
old.PublisherEventCallbacks, old.SubscriptionEventCallbacks = PublisherEventCallbacks, new.SubscriptionEventCallbacks
sys.modules["rclpy.event_handler"], sys.modules["rclpy.qos_event"] = None, old
from pagnet_ros.ros import qos
print("in", qos.subscription_events(None, "/depth").incompatible_qos)
print("out", qos.publisher_events(None, "/depth_hr", print).incompatible_qos)
"""


def test_qos_events_are_found_where_humble_has_them_and_those_it_lacks_are_done_without():
    done = subprocess.run([sys.executable, "-c", HUMBLE], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if "incompatible" in line] == ["in", "out"], done.stderr
