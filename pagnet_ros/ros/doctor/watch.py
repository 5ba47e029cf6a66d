"""Watches a graph for a few seconds: topics to listen to in, an `Observation` out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import rclpy

from pagnet_ros.diagnosis.facts import camera_info_facts, image_facts
from pagnet_ros.diagnosis.observation import (
    CAMERA_INFO_TYPE,
    IMAGE_TYPE,
    BondState,
    Machine,
    NodeFacts,
    Observation,
    Stream,
)
from pagnet_ros.ros.doctor.graph import Graph, image_type
from pagnet_ros.ros.doctor.listener import Listener, TopicLog

_DISCOVERY_S: Final = 3.0
_SETTLED_S: Final = 1.0
_LATE_S: Final = 2.0
_MANAGER: Final = "nav2_msgs/srv/ManageLifecycleNodes"
_DEFAULT_BOND_S: Final = 4.0
_LIFECYCLE: Final = "lifecycle_msgs/srv/GetState"
_OWN_PARAMETERS: Final = (
    "weights",
    "slop_ms",
    "max_late_ms",
    "use_sim_time",
    "depth_unit_m",
    "max_depth_m",
    "reproject",
    "depth_pose_xyz",
    "diagnostics_period_s",
)

Role = Literal["depth", "color", "depth_info", "color_info"]


@dataclass(frozen=True)
class Options:
    """What to watch."""

    depth: str = ""  # depth topic; empty for the one that is found, else /depth
    color: str = ""  # colour topic; likewise
    depth_info: str = ""  # calibration of the depth camera; empty for the one a node takes, else the one beside it
    color_info: str = ""  # of the colour camera; likewise
    seconds: float = 5.0  # how long, above 0


def watch(options: Options, machine: Machine | None = None, context: Any = None) -> Observation:
    """What is seen of a graph by a context of rclpy's that is initialised; what is known of the machine is passed on.

    Raises:
        ConfigError: several topics may be meant where none is named.
        Exception: rclpy's own, for topic names that are none.
    """
    listener = Listener(f"pagnet_doctor_{os.getpid()}", context=context)
    try:
        seen = _watched(options, listener, Graph(listener))
        domain = (context or rclpy.get_default_context()).get_domain_id()
        return replace(seen, machine=machine or Machine(), domain=domain)
    finally:
        listener.destroy_node()


def _watched(options: Options, listener: Listener, graph: Graph) -> Observation:
    """Who is there, what comes, and what it is, in this order."""
    _discover(listener, graph)
    lifecycle = [node for node in graph.nodes() if _LIFECYCLE in graph.services_of(node).values()]
    parameters = listener.parameters(lifecycle, _OWN_PARAMETERS)
    nodes = tuple(node for node, values in parameters.items() if {"weights", "slop_ms"} <= set(values))
    if not (options.depth and options.color):
        _hear_what_they_take(parameters, nodes, listener)
    topics = _topics(options, listener, graph, nodes)
    kinds = {role: CAMERA_INFO_TYPE if "info" in role else image_type(topic) for role, topic in topics.items()}
    logs: dict[Role, TopicLog] = {}
    for role, topic in topics.items():
        latched = any(endpoint.durability == "transient_local" for endpoint in graph.publishers(topic))
        logs[role] = listener.listen(topic, kinds[role], latched=latched and "info" in role)
    listener.spin(options.seconds)
    streams: dict[Role, Stream] = {}
    for role in sorted(topics, key=lambda role: "info" in role):  # images first: their size is asked for
        streams[role] = _stream(role, topics[role], kinds[role], logs[role], graph, streams)
    states = listener.states(nodes)
    return Observation(
        seconds=options.seconds,
        depth=streams["depth"],
        color=streams["color"],
        depth_info=streams.get("depth_info"),
        color_info=streams["color_info"],
        nodes=graph.nodes(),
        consumers=tuple(_node_facts(node, states[node], parameters[node], listener, graph) for node in nodes),
        managed=tuple(_managed(nodes, listener, graph)),
        clock_publishers=tuple(endpoint.node for endpoint in graph.publishers("/clock")),
    )


def _discover(listener: Listener, graph: Graph) -> None:
    """Wait until the graph has stopped growing for a while."""
    seen: dict[str, Any] = {"graph": None, "since": time.monotonic()}

    def settled() -> bool:
        now = (graph.nodes(), graph.topics([IMAGE_TYPE, CAMERA_INFO_TYPE]))
        if now != seen["graph"]:
            seen.update(graph=now, since=time.monotonic())
        return bool(now[0]) and time.monotonic() - seen["since"] > _SETTLED_S

    listener.spin(_DISCOVERY_S, settled)


def _hear_what_they_take(parameters: dict[str, dict[str, Any]], nodes: Sequence[str], listener: Listener) -> None:
    """Wait for diagnostics of each node that is configured: one that is idle listens to no image."""
    configured = [node for node, state in listener.states(nodes).items() if state in ("inactive", "active")]
    periods = [float(parameters[node].get("diagnostics_period_s", 0.0)) for node in configured]
    listener.spin(max(periods, default=0.0) + _LATE_S, lambda: set(configured) <= set(listener.takes))


def _topics(options: Options, listener: Listener, graph: Graph, nodes: Sequence[str]) -> dict[Role, str]:
    """Absolute names of what is listened to; depth's calibration only where it is asked for, or published."""
    taken = [listener.takes[node] for node in nodes if node in listener.takes]
    depth, color = graph.find(options.depth, options.color, nodes, taken)
    color_info = listener.resolve_topic_name(options.color_info or graph.info_of(color, nodes, depth))
    depth_info = listener.resolve_topic_name(options.depth_info or graph.info_of(depth, nodes, color))
    topics: dict[Role, str] = {"depth": depth, "color": color, "color_info": color_info}
    if options.depth_info or (depth_info != color_info and graph.publishers(depth_info)):
        topics["depth_info"] = depth_info
    return topics


def _stream(role: Role, topic: str, kind: str, log: TopicLog, graph: Graph, others: dict[Role, Stream]) -> Stream:
    stream = Stream(
        name=role,
        topic=topic,
        expected=kind,
        publishers=graph.publishers(topic, with_process=True),
        subscribers=graph.subscribers(topic),
        arrivals=log.arrivals.since(),
        latched=log.latched,
        candidates=tuple(name for name in graph.topics([kind]) if name != topic),
    )
    if role in ("depth", "color"):
        messages = [*log.first, *log.later]
        return replace(stream, images=tuple(image_facts(message, role, topic) for message in messages))
    if log.newest is None:
        return stream
    sizes = [(facts.width, facts.height) for facts in others["depth" if role == "depth_info" else "color"].images]
    return replace(stream, info=camera_info_facts(log.newest, sizes[-1] if sizes else None))


def _node_facts(node: str, state: str, parameters: dict[str, Any], listener: Listener, graph: Graph) -> NodeFacts:
    said = [value for name, value in listener.diagnostics.items() if _tells_of(name, node)]
    level, text = max(said, default=(None, ""))
    return NodeFacts(
        name=node,
        state=state,
        use_sim_time=parameters.get("use_sim_time"),
        slop_ms=parameters.get("slop_ms"),
        max_late_ms=parameters.get("max_late_ms"),
        depth_unit_m=parameters.get("depth_unit_m"),
        max_depth_m=parameters.get("max_depth_m"),
        reproject=parameters.get("reproject"),
        has_pose=bool(parameters.get("depth_pose_xyz")),
        has_reprojected=node in listener.reprojecting,
        diagnostics_level=level,
        diagnostics=text,
        outputs=tuple(
            (topic, endpoint, graph.subscribers(topic))
            for topic in graph.topics_of(node, [IMAGE_TYPE, CAMERA_INFO_TYPE], publishers=True)
            for endpoint in graph.publishers(topic)
            if endpoint.node == node
        ),
    )


def _managed(nodes: Sequence[str], listener: Listener, graph: Graph) -> list[BondState]:
    """Those of our nodes that a Nav2 lifecycle manager looks after."""
    with_bond = {endpoint.node for endpoint in graph.publishers("/bond")}
    found = []
    for manager in graph.nodes():
        if _MANAGER not in graph.services_of(manager).values():
            continue
        parameters = listener.parameters([manager], ("node_names", "bond_timeout"))[manager]
        timeout_s = float(parameters.get("bond_timeout", _DEFAULT_BOND_S))
        named = {str(name).lstrip("/") for name in parameters.get("node_names", ())}
        found += [
            BondState(node, manager, timeout_s, node in with_bond)
            for node in nodes
            if node.lstrip("/") in named or node.rpartition("/")[2] in named
        ]
    return found


def _tells_of(status: str, node: str) -> bool:
    """Whether a diagnostics status is of a node: "<node>: ..." with or without its namespace."""
    name = status.partition(":")[0].strip()
    return name.lstrip("/") in (node.lstrip("/"), node.rpartition("/")[2])
