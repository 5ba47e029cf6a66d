"""Watches a graph for a few seconds: topics to listen to in, an `Observation` out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import rclpy
from rclpy.executors import SingleThreadedExecutor

from pagnet_ros.diagnosis.facts import camera_info_facts, image_facts
from pagnet_ros.diagnosis.observation import (
    CAMERA_INFO_TYPE,
    IMAGE_TYPE,
    Machine,
    ManagedNode,
    NodeFacts,
    Observation,
    Stream,
)
from pagnet_ros.ros.doctor.graph import Graph, image_type
from pagnet_ros.ros.doctor.listener import Ear, Listener
from pagnet_ros.ros.doctor.questions import Questions
from pagnet_ros.ros.running import spin

__all__ = ["Options", "watch"]

_DISCOVERY_S: Final = 3.0
_SETTLED_S: Final = 1.0
_MANAGER: Final = "nav2_msgs/srv/ManageLifecycleNodes"
_DEFAULT_BOND_S: Final = 4.0
_LIFECYCLE: Final = "lifecycle_msgs/srv/GetState"
_OWN_PARAMETERS: Final = ("weights", "slop_ms", "max_late_ms", "use_sim_time")

Role = Literal["depth", "color", "depth_info", "color_info"]


@dataclass(frozen=True)
class Options:
    """What to watch.

    Attributes:
        depth: depth topic; empty for the one that is found, else /depth.
        color: colour topic; likewise.
        depth_info: calibration of the depth camera; empty for the one beside the image.
        color_info: that of the colour camera; empty for the one the node takes, else the one beside the image.
        seconds: how long, above 0.
    """

    depth: str = ""
    color: str = ""
    depth_info: str = ""
    color_info: str = ""
    seconds: float = 5.0


def watch(options: Options, machine: Machine | None = None, context: Any = None) -> Observation:
    """Watch.

    Args:
        options: what to watch.
        machine: what is known of the machine; passed on.
        context: rclpy's context, initialised; None for the default one.

    Returns:
        What was seen.

    Raises:
        Exception: rclpy's own, for topic names that are none.
    """
    listener = Listener(f"pagnet_doctor_{os.getpid()}", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    try:
        return _Visit(options, listener, executor, context).made(machine)
    finally:
        executor.shutdown(timeout_sec=1.0)
        listener.destroy_node()


class _Visit:
    """One watching: who is there, what comes, and what it is."""

    def __init__(self, options: Options, listener: Listener, executor: Any, context: Any) -> None:
        self._options, self._listener, self._executor, self._context = options, listener, executor, context
        self._graph = Graph(listener)
        self._questions = Questions(listener, executor)

    def made(self, machine: Machine | None) -> Observation:
        """Everything, in order."""
        graph, options = self._graph, self._options
        self._discover()
        nodes = self._own_nodes()
        depth, color = graph.find(options.depth, options.color, nodes)
        color_info = options.color_info or graph.info_of(color, nodes)
        depth_info = options.depth_info or graph.info_of(depth, ())
        topics: dict[Role, str] = {"depth": depth, "color": color, "color_info": self._absolute(color_info)}
        if options.depth_info or (depth_info != topics["color_info"] and graph.publishers(depth_info)):
            topics["depth_info"] = self._absolute(depth_info)
        kinds = {role: CAMERA_INFO_TYPE if "info" in role else image_type(topic) for role, topic in topics.items()}
        ears = {role: self._listen(role, topic, kinds[role]) for role, topic in topics.items()}
        self._spin(options.seconds)
        streams: dict[Role, Stream] = {}
        for role in sorted(topics, key=lambda role: "info" in role):  # images first: their size is asked for
            streams[role] = self._stream(role, topics[role], kinds[role], ears[role], streams)
        consumers = tuple(self._node_facts(node) for node in nodes)
        return Observation(
            seconds=options.seconds,
            depth=streams["depth"],
            color=streams["color"],
            depth_info=streams.get("depth_info"),
            color_info=streams["color_info"],
            nodes=graph.nodes(),
            consumers=consumers,
            managed=tuple(self._managed(nodes)),
            clock_publishers=tuple(endpoint.node for endpoint in graph.publishers("/clock")),
            machine=machine,
            domain=(self._context or rclpy.get_default_context()).get_domain_id(),
        )

    def _listen(self, role: Role, topic: str, kind: str) -> Ear:
        if "info" not in role:
            return self._listener.listen(topic, kind)
        offered = {endpoint.durability for endpoint in self._graph.publishers(topic)}
        return self._listener.listen_to_info(topic, latched="transient_local" in offered)

    def _absolute(self, topic: str) -> str:
        return str(self._listener.resolve_topic_name(topic))

    def _spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        spin(self._executor, self._listener.get_logger(), lambda: time.monotonic() >= end or until())

    def _discover(self) -> None:
        """Wait until the graph has stopped growing for a while."""
        seen: dict[str, Any] = {"graph": None, "since": time.monotonic()}

        def settled() -> bool:
            now = (self._graph.nodes(), self._graph.topics([IMAGE_TYPE, CAMERA_INFO_TYPE]))
            if now != seen["graph"]:
                seen.update(graph=now, since=time.monotonic())
            return bool(now[0]) and time.monotonic() - seen["since"] > _SETTLED_S

        self._spin(_DISCOVERY_S, settled)

    def _own_nodes(self) -> tuple[str, ...]:
        """The up-sampling nodes: lifecycle nodes with this package's parameters."""
        lifecycle = [node for node in self._graph.nodes() if _LIFECYCLE in self._graph.services_of(node).values()]
        return tuple(
            node
            for node in lifecycle
            if {"weights", "slop_ms"} <= set(self._questions.parameters(node, _OWN_PARAMETERS))
        )

    def _stream(self, role: Role, topic: str, kind: str, ear: Ear, others: dict[Role, Stream]) -> Stream:
        graph = self._graph
        stream = Stream(
            name=role,
            topic=topic,
            expected=kind,
            publishers=graph.publishers(topic, with_process=True),
            subscribers=graph.subscribers(topic),
            arrivals=ear.log.arrivals(),
            latched=ear.latched,
            candidates=tuple(name for name in graph.topics([kind]) if name != topic),
        )
        if role in ("depth", "color"):
            name: Literal["depth", "color"] = "depth" if role == "depth" else "color"
            return replace(stream, images=tuple(image_facts(message, name, topic) for message in ear.kept))
        if ear.newest is None:
            return stream
        sizes = [(facts.width, facts.height) for facts in others["depth" if role == "depth_info" else "color"].images]
        return replace(stream, info=camera_info_facts(ear.newest, sizes[-1] if sizes else None))

    def _node_facts(self, node: str) -> NodeFacts:
        graph = self._graph
        parameters = self._questions.parameters(node, _OWN_PARAMETERS)
        said = [value for name, value in self._listener.diagnostics.items() if _tells_of(name, node)]
        level, text = max(said, default=(None, ""))
        return NodeFacts(
            name=node,
            state=self._questions.state(node),
            use_sim_time=parameters.get("use_sim_time"),
            slop_ms=parameters.get("slop_ms"),
            max_late_ms=parameters.get("max_late_ms"),
            diagnostics_level=level,
            diagnostics=text,
            outputs=tuple(
                (topic, endpoint, graph.subscribers(topic))
                for topic in graph.topics_of(node, [IMAGE_TYPE, CAMERA_INFO_TYPE], publishers=True)
                for endpoint in graph.publishers(topic)
                if endpoint.node == node
            ),
        )

    def _managed(self, nodes: Sequence[str]) -> list[ManagedNode]:
        """Those of our nodes that a Nav2 lifecycle manager looks after."""
        with_bond = {endpoint.node for endpoint in self._graph.publishers("/bond")}
        found = []
        for manager in self._graph.nodes():
            if _MANAGER not in self._graph.services_of(manager).values():
                continue
            parameters = self._questions.parameters(manager, ("node_names", "bond_timeout"))
            timeout_s = float(parameters.get("bond_timeout", _DEFAULT_BOND_S))
            named = {str(name).lstrip("/") for name in parameters.get("node_names", ())}
            found += [
                ManagedNode(node, manager, timeout_s, node in with_bond)
                for node in nodes
                if node.lstrip("/") in named or node.rpartition("/")[2] in named
            ]
        return found


def _tells_of(status: str, node: str) -> bool:
    """Whether a diagnostics status is of a node: "<node>: ..." with or without its namespace."""
    name = status.partition(":")[0].strip()
    return name.lstrip("/") in (node.lstrip("/"), node.rpartition("/")[2])
