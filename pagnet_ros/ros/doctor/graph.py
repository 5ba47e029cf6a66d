"""The ROS graph as plain data: endpoints with their QoS and process, candidates, and which topics were meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pagnet_ros.diagnosis.observation import CAMERA_INFO_TYPE, COMPRESSED_TYPE, IMAGE_TYPE, Endpoint
from pagnet_ros.diagnosis.processes import is_here, process_of
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.transports import SUFFIXES, without_transport

_UNKNOWN: Final = "_NODE_NAME_UNKNOWN_"
_NO_LIMIT_NS: Final = 1 << 62
_IMAGES: Final = (IMAGE_TYPE, COMPRESSED_TYPE)
_COLOR_WORDS: Final = ("color", "colour", "rgb")
_NOT_MEASURED: Final = ("depth_hr", "sigma", "provenance", "confidence", "truth", "reference")
_ALIGNED_WORDS: Final = ("aligned", "registered")


class Graph:
    """Questions to the graph that one node sees."""

    def __init__(self, node: Any) -> None:
        """Look through a node; its own endpoints are left out of every answer."""
        self._node = node
        self._own = full_name(node.get_name(), node.get_namespace())
        self._own_gid: tuple[int, ...] | None = None

    def nodes(self) -> tuple[str, ...]:
        """Full names of all nodes but this one; hidden ones (beginning with an underscore) are tools, not nodes."""
        names = [(name, namespace) for name, namespace in self._node.get_node_names_and_namespaces()]
        found = [full_name(name, namespace) for name, namespace in names if not name.startswith("_")]
        if self._own in found:
            found.remove(self._own)
        return tuple(sorted(found))

    def publishers(self, topic: str, *, with_process: bool = False) -> tuple[Endpoint, ...]:
        """Who publishes a topic."""
        return self._endpoints(self._node.get_publishers_info_by_topic(topic), with_process)

    def subscribers(self, topic: str) -> tuple[Endpoint, ...]:
        """Who listens to it."""
        return self._endpoints(self._node.get_subscriptions_info_by_topic(topic), False)

    def _endpoints(self, found: Iterable[Any], with_process: bool) -> tuple[Endpoint, ...]:
        endpoints = []
        for info in found:
            name = "" if info.node_name == _UNKNOWN else full_name(info.node_name, info.node_namespace)
            if name == self._own:
                continue
            gid = tuple(info.endpoint_gid)
            here = is_here(gid, self._gid()) if with_process else None
            deadline_ns = info.qos_profile.deadline.nanoseconds
            endpoints.append(
                Endpoint(
                    node=name,
                    type=info.topic_type,
                    reliability=_policy(info.qos_profile.reliability, ("reliable", "best_effort")),
                    durability=_policy(info.qos_profile.durability, ("volatile", "transient_local")),
                    deadline_ns=deadline_ns if 0 < deadline_ns < _NO_LIMIT_NS else None,
                    here=here,
                    process=process_of(gid) if here else None,
                )
            )
        return tuple(endpoints)

    def _gid(self) -> tuple[int, ...]:
        """Id of an endpoint of this node's."""
        if self._own_gid is None:
            for info in self._node.get_publishers_info_by_topic("/rosout"):
                if full_name(info.node_name, info.node_namespace) == self._own:
                    self._own_gid = tuple(info.endpoint_gid)
        return self._own_gid or ()

    def topics(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """Names of all published topics of some types."""
        wanted = set(kinds)
        return tuple(
            sorted(
                name
                for name, types in self._node.get_topic_names_and_types()
                if wanted & set(types) and self._node.count_publishers(name)
            )
        )

    def find(
        self, depth: str, color: str, taken_by: Iterable[str], taken: Iterable[tuple[str, str]] = ()
    ) -> tuple[str, str]:
        """The two image topics that are meant.

        Args:
            depth: as the user named it, empty for one to be found.
            color: likewise.
            taken_by: nodes that up-sample depth; what they listen to is looked at first, what they publish is left out.
            taken: the depth and colour topics that they say they take.

        Returns:
            Absolute names: those given; else the pair that a node takes; else the only ones whose names say what they
            hold; else the node's defaults, for both where only one is found.

        Raises:
            ConfigError: several topics may be meant.
        """
        given = [self._node.resolve_topic_name(name) if name else "" for name in (depth, color)]
        if all(given):
            return given[0], given[1]
        pairs = [pair for pair in taken if given[0] in ("", pair[0]) and given[1] in ("", pair[1])]
        if pairs:
            return _single([pair[0] for pair in pairs], "depth"), _single([pair[1] for pair in pairs], "color")
        consumers = tuple(taken_by)
        heard = {topic for node in consumers for topic in self.topics_of(node, _IMAGES, publishers=False)}
        made = {topic for node in consumers for topic in self.topics_of(node, _IMAGES, publishers=True)}
        there = [topic for topic in self.topics(_IMAGES) if topic not in made]
        groups = [sorted(heard), [t for t in there if not t.endswith(SUFFIXES)], there]
        found = (
            given[0] or _single(_candidates(groups, _is_depth), "depth"),
            given[1] or _single(_candidates(groups, _is_color), "color"),
        )
        if not all(found):  # one alone may be of another camera than the default of the other
            return given[0] or "/depth", given[1] or "/color"
        return found

    def topics_of(self, node: str, kinds: Iterable[str], *, publishers: bool) -> tuple[str, ...]:
        """What a node publishes, or listens to, of some types."""
        namespace, _, name = node.rpartition("/")
        ask = (
            self._node.get_publisher_names_and_types_by_node
            if publishers
            else self._node.get_subscriber_names_and_types_by_node
        )
        wanted = set(kinds)
        try:
            return tuple(sorted(topic for topic, types in ask(name, namespace or "/") if wanted & set(types)))
        except Exception:  # the node has gone; rclpy's class for that is private
            return ()

    def services_of(self, node: str) -> dict[str, str]:
        """{service: type} of a node."""
        namespace, _, name = node.rpartition("/")
        try:
            found = self._node.get_service_names_and_types_by_node(name, namespace or "/")
        except Exception:  # likewise
            return {}
        return {service: types[0] for service, types in found if types}

    def info_of(self, image: str, consumers: Iterable[str], other: str = "") -> str:
        """The camera_info topic of an image.

        Args:
            image: its topic.
            consumers: nodes that take it: what they listen to is the answer, where that is only one.
            other: the other image that they take; the topics beside and below it are left out.

        Returns:
            The one that a consumer takes; else the one beside or below the image.
        """
        for node in consumers:
            heard = self.topics_of(node, [CAMERA_INFO_TYPE], publishers=False)
            found = heard if len(heard) == 1 else [topic for topic in heard if topic not in infos_by_name(other)]
            if len(found) == 1:
                return found[0]
        beside, below = infos_by_name(image)
        return below if self._node.count_publishers(below) and not self._node.count_publishers(beside) else beside


def infos_by_name(image: str) -> tuple[str, str]:
    """The camera_info topics beside and below an image, of whatever transport."""
    base = without_transport(image)
    return f"{base.rpartition('/')[0]}/camera_info", f"{base}/camera_info"


def image_type(topic: str) -> str:
    """The image type that a topic's name promises."""
    return COMPRESSED_TYPE if topic.endswith(SUFFIXES) else IMAGE_TYPE


def full_name(name: str, namespace: str) -> str:
    """A node's full name."""
    return f"{namespace.rstrip('/')}/{name}"


def _policy(value: Any, known: tuple[str, ...]) -> str:
    name = str(value.name).lower()
    return name if name in known else ""


def _is_depth(topic: str) -> bool:
    words = topic.lower()
    return "depth" in words and not any(made in words for made in _NOT_MEASURED)


def _is_color(topic: str) -> bool:
    words = topic.lower()
    return any(word in words for word in _COLOR_WORDS) and "depth" not in words


def _candidates(groups: list[list[str]], accept: Any) -> list[str]:
    """What is accepted of the first group with any; of several those that say they are aligned."""
    for group in groups:
        found = [topic for topic in group if accept(topic)]
        if len(found) > 1:
            found = [topic for topic in found if any(word in topic.lower() for word in _ALIGNED_WORDS)] or found
        if found:
            return found
    return []


def _single(topics: list[str], role: str) -> str:
    """The one topic; empty where there is none."""
    several = sorted(set(topics))
    if len(several) > 1:
        raise ConfigError(
            f"several {role} topics may be meant: {', '.join(several)}; expected one. Name it with --{role}"
        )
    return several[0] if several else ""
