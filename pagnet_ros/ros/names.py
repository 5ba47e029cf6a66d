"""Topic names: where the inputs and outputs stand after expansion and remapping.

A name that the user remapped is taken as it is; otherwise a topic that belongs to an image stands beside or below
wherever that image was remapped to, as image_transport has it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pagnet_ros.messages.transports import without_transport


class TopicNames(NamedTuple):
    """Absolute topic names; those of the inputs have their transport's suffix."""

    depth: str
    color: str
    depth_info: str  # calibration of the depth camera
    color_info: str
    output: str  # up-sampled depth
    output_info: str
    output_rect: str  # the same image where image_transport finds `output_info` as its sibling

    @property
    def inputs(self) -> tuple[str, str, str, str]:
        """What is subscribed to."""
        return self.depth, self.color, self.depth_info, self.color_info


def resolve_topics(node: Any, depth_transport: str, color_transport: str) -> TopicNames:
    """The node's topics, by its namespace and remappings, and by how depth and colour come."""
    color = node.resolve_topic_name("color")
    output = node.resolve_topic_name("depth_hr")
    return TopicNames(
        depth=_with_transport(node.resolve_topic_name("depth"), depth_transport),
        color=_with_transport(color, color_transport),
        depth_info=_follow(node, "depth", "camera_info", sibling=True),
        color_info=_follow(node, "color", "camera_info", sibling=True),
        output=output,
        output_info=below_output(node, "camera_info"),
        output_rect=below_output(node, "image_rect"),
    )


def below_output(node: Any, leaf: str) -> str:
    """Where `depth_hr/<leaf>` stands: as remapped itself, else following a remapped `depth_hr`."""
    return _follow(node, "depth_hr", leaf, sibling=False)


def _with_transport(topic: str, transport: str) -> str:
    """`<base>/<transport>`, as image_transport names it; a name that already ends so is left alone."""
    return topic if transport == "raw" or topic.endswith("/" + transport) else f"{topic}/{transport}"


def _follow(node: Any, base: str, leaf: str, *, sibling: bool) -> str:
    """Where `<base>/<leaf>` stands: as remapped itself, else following `base` if that was remapped."""
    name = f"{base}/{leaf}"
    resolved = str(node.resolve_topic_name(name))
    if resolved != node.resolve_topic_name(name, only_expand=True):
        return resolved
    target = str(node.resolve_topic_name(base))
    if target == node.resolve_topic_name(base, only_expand=True):
        return resolved
    if sibling:
        target = without_transport(target).rpartition("/")[0]
    return f"{target}/{leaf}"
