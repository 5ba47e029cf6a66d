"""Which topics of a bag are the depth and the colour camera.

Looks at types, names and the encoding of each image topic's first message. It answers only when there is one answer;
otherwise the error lists the candidates to choose from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bags import Bag, BagTopic

__all__ = ["RgbdTopics", "find_rgbd_topics"]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_ENCODINGS = frozenset({"16UC1", "32FC1", "mono16"})
_COLOR_ENCODINGS = frozenset({"rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC3", "8UC4"})
_TRANSPORTS = re.compile(r"/(compressedDepth|compressed|theora|zstd)$")
_INFRARED = re.compile(r"(^|[/_])(ir|infra\d*|infrared)([/_]|$)")
_DERIVED = re.compile(r"(_reference|_truth|_hr)$")


@dataclass(frozen=True)
class RgbdTopics:
    """The topics of one RGB-D camera in a bag.

    Attributes:
        depth: Depth image topic.
        color: Colour image topic.
        camera_info: Camera info beside the colour topic, or None.
    """

    depth: str
    color: str
    camera_info: str | None


def find_rgbd_topics(bag: Bag, depth: str = "", color: str = "") -> RgbdTopics:
    """Find the depth and the colour topic of a bag.

    Args:
        bag: An open bag.
        depth: The depth topic, if known; found if empty.
        color: The colour topic, if known; found if empty.

    Returns:
        Both topics, and the camera info that belongs to the colour one.

    Raises:
        RecordingError: A name is not in the bag, or there is no candidate, or more than one.
    """
    roles = {name: _role(bag, topic) for name, topic in bag.topics.items() if topic.msgtype in (IMAGE, COMPRESSED)}
    chosen = {
        role: bag.check_topics([given])[0] if given else _only(bag, role, [n for n, r in roles.items() if r == role])
        for role, given in (("depth", depth), ("color", color))
    }
    return RgbdTopics(chosen["depth"], chosen["color"], _camera_info(bag, chosen["color"]))


def _only(bag: Bag, role: str, candidates: list[str]) -> str:
    """The one candidate; a compressed twin of a topic, or a better version of it, does not count as another."""
    if role == "color":
        candidates = [n for n in candidates if not _INFRARED.search(n)] or candidates
    kept = [
        name
        for name in candidates
        if not any(twin.search(name) and twin.sub("", name) in candidates for twin in (_TRANSPORTS, _DERIVED))
    ]
    if len(kept) == 1:
        return kept[0]
    option = f"{role}:=/topic (or --{role} /topic)"
    if not kept:
        raise RecordingError(f"{bag.path}: no {role} image topic found. It has:\n{bag.describe()}")
    names = ", ".join(sorted(kept))
    raise RecordingError(f"{bag.path}: {len(kept)} {role} image topics ({names}); name one with {option}")


def _role(bag: Bag, topic: BagTopic) -> str:
    """What an image topic shows: "depth", "color", or "" for neither."""
    if topic.msgtype == COMPRESSED and topic.name.endswith("/compressedDepth"):
        return "depth"
    first = bag.first(topic.name) if topic.count else None
    if first is None:
        return ""
    message = bag.decode(first)
    if topic.msgtype == COMPRESSED:
        return "depth" if "compressedDepth" in message.format else "color"
    if message.encoding in _DEPTH_ENCODINGS:
        return "depth"
    known = message.encoding in _COLOR_ENCODINGS or message.encoding.lower().startswith(("yuv", "uyvy", "yuyv", "nv"))
    return "color" if known else ""


def _camera_info(bag: Bag, color: str) -> str | None:
    """The sibling of the colour topic, where image_transport looks for it, or the topic below it."""
    base = _TRANSPORTS.sub("", color)
    for name in (f"{base.rsplit('/', 1)[0]}/camera_info", f"{base}/camera_info"):
        if name in bag.topics and bag.topics[name].msgtype == CAMERA_INFO:
            return name
    return None
