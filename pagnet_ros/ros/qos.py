"""Quality of service of the node's topics, and the report when two ends cannot match.

The defaults (best effort in, which accepts every publisher; reliable out, which serves every subscriber), the
`qos_overrides.*` parameters on top of them, and the texts for incompatible ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from pagnet_ros.ros.compat import PublisherEventCallbacks, SubscriptionEventCallbacks
from pagnet_ros.ros.parameters import overrides
from pagnet_ros.ros.reporter import Reporter

_RELIABILITY: Final = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
_KINDS: Final = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
IMAGE_DEPTH: Final = 5
"""Messages DDS keeps per topic. Callbacks only store, so this bridges a pause of the executor and adds no
delay."""


def image_qos(reliability: str, depth: int = IMAGE_DEPTH) -> QoSProfile:
    """Volatile, keeping the last messages, for images and camera_info: "reliable" or "best_effort"."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=_RELIABILITY[reliability],
        durability=DurabilityPolicy.VOLATILE,
    )


def subscribe_latched(node: Any, kind: Any, topic: str, callback: Callable[[Any], None], *, raw: bool = False) -> Any:
    """Subscribe as transient local, which alone brings what was sent before, where a publisher offers that; else None.

    Only there: every other publisher would log a warning about a subscriber that it cannot serve.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if all(publisher.qos_profile.durability != DurabilityPolicy.TRANSIENT_LOCAL for publisher in publishers):
        return None
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(kind, topic, callback, latched, event_callbacks=silent, raw=raw)


def overriding_options(node: Any, topic: str, entity: Literal["publisher", "subscription"]) -> QoSOverridingOptions:
    """Let parameter files set history, depth, reliability and durability of a topic (its absolute name).

    Only those that are set: rclpy declares each policy it is told of as a parameter that cannot change, whose first
    value would then hold against what the node's own parameters say when it is configured anew.
    """
    given, stem = overrides(node), f"qos_overrides.{topic}.{entity}"
    return QoSOverridingOptions(policy_kinds=[kind for kind in _KINDS if f"{stem}.{kind.name.lower()}" in given])


def subscription_events(reporter: Reporter, topic: str) -> SubscriptionEventCallbacks:
    """Report publishers whose QoS cannot match ours."""

    def incompatible(event: Any) -> None:
        policy = _policy(event)
        reporter.report(
            "incompatible_qos",
            f"a publisher on {topic} offers incompatible QoS ({policy}), no message will come from it; "
            f"expected one at least as strict as this subscription. {_mend(topic, 'subscription', policy)}",
            about=topic,
        )

    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def publisher_events(reporter: Reporter, topic: str, on_matched: Callable[[], None]) -> PublisherEventCallbacks:
    """Report subscribers whose QoS cannot match ours, and call `on_matched` when a subscriber comes or goes."""

    def incompatible(event: Any) -> None:
        policy = _policy(event)
        reporter.report(
            "incompatible_qos_output",
            f"a subscriber of {topic} asks for incompatible QoS ({policy}) and will get nothing; expected "
            f"one that asks for no more than is offered. {_mend(topic, 'publisher', policy)}",
            about=topic,
        )

    try:
        return PublisherEventCallbacks(incompatible_qos=incompatible, matched=lambda event: on_matched())
    except TypeError:  # Humble has no such event: the node finds out when it looks at its topics
        return PublisherEventCallbacks(incompatible_qos=incompatible)


def _policy(event: Any) -> str:
    return str(qos_policy_name_from_kind(event.last_policy_kind)).lower()


def _mend(topic: str, entity: str, policy: str) -> str:
    ours = "input_reliability:=best_effort" if entity == "subscription" else "output_reliability:=reliable"
    first = f"Set {ours}, or" if policy.startswith("reliability") else "Set"
    return f"{first} the parameter qos_overrides.{topic}.{entity}.{policy}, or change the other end."
