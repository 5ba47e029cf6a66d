"""What rclpy of ROS 2 Humble lacks or has elsewhere; nothing else of the package asks for a release.

Humble came before `add_post_set_parameters_callback` (Iron) and has the classes for QoS events in `rclpy.qos_event`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult

try:
    from rclpy import event_handler as qos_events
except ImportError:  # Humble
    from rclpy import qos_event as qos_events

PublisherEventCallbacks = qos_events.PublisherEventCallbacks
SubscriptionEventCallbacks = qos_events.SubscriptionEventCallbacks


def after_parameters_are_set(node: Any, apply: Callable[[list[Any]], None]) -> None:
    """Call a function with the parameters each time some have been set, when they read as their new values.

    On Humble the call comes from the node's executor, right after the request that set them. Call this before the
    node's own `add_on_set_parameters_callback`: the latest one is asked first, and what it refuses never gets here.
    """
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_post_set_parameters_callback(apply)
        return
    accepted: list[Any] = []

    def take_accepted() -> None:
        parameters = accepted.copy()
        accepted.clear()
        apply(parameters)

    wake = node.create_guard_condition(take_accepted)

    def accept(parameters: list[Any]) -> SetParametersResult:
        accepted.extend(parameters)
        wake.trigger()
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(accept)
