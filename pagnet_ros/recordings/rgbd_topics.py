"""Which topics of a bag are the depth and the colour camera.

Looks at types, names, numbers of messages and what each image topic's first message shows, by the decoder's own list of
encodings. It answers only when there is one answer; otherwise the error lists the candidates to choose from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pagnet_ros.errors import RecordingError
from pagnet_ros.messages.compressed import compressed_role
from pagnet_ros.messages.encodings import Role, role_of
from pagnet_ros.recordings.bags import Bag, BagTopic

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_TRANSPORTS = re.compile(r"/(compressedDepth|compressed|theora|zstd)$")
_INFRARED = re.compile(r"(^|[/_])(ir|infra\d*|infrared)([/_]|$)")
_DERIVED = re.compile(r"(_reference|_truth|_hr)$")
_DEPTH_NAME = re.compile(r"(^|[/_])(depth|disparity_depth|range)([/_]|$)")


@dataclass(frozen=True)
class RgbdTopics:
    """The topics of one RGB-D camera in a bag.

    Attributes:
        depth: Depth image topic.
        color: Colour image topic.
        camera_info: Camera info beside the colour topic, or None.
        depth_info: Camera info of the depth camera's own, beside its topic, or None.
    """

    depth: str
    color: str
    camera_info: str | None
    depth_info: str | None = None


def find_rgbd_topics(bag: Bag, depth: str = "", color: str = "") -> RgbdTopics:
    """Find the depth and the colour topic of a bag.

    Args:
        bag: An open bag.
        depth: The depth topic, if known; found if empty.
        color: The colour topic, if known; found if empty.

    Returns:
        Both topics, and the camera info that belongs to each.

    Raises:
        RecordingError: A name is not in the bag, or there is no candidate, or more than one.
    """
    images = {name: topic for name, topic in bag.topics.items() if topic.msgtype in (IMAGE, COMPRESSED) and topic.count}
    roles = {name: _role(bag, topic) for name, topic in images.items()}
    chosen_depth = bag.check_topics([depth])[0] if depth else _only(bag, "depth", _depth_candidates(roles))
    if color:
        return _with_info(bag, chosen_depth, bag.check_topics([color])[0])
    return _with_info(bag, chosen_depth, _only(bag, "color", _color_candidates(roles, chosen_depth)))


def _depth_candidates(roles: dict[str, Role]) -> list[str]:
    """What may be the depth topic; 16 grey bits may be an infrared camera's, so the name has to speak for depth."""
    certain = [name for name, role in roles.items() if role == "depth" and not _INFRARED.search(name)]
    if certain:
        return certain
    grey = [name for name, role in roles.items() if role == "either" and not _INFRARED.search(name)]
    return [name for name in grey if _DEPTH_NAME.search(name)] or grey


def _color_candidates(roles: dict[str, Role], depth: str) -> list[str]:
    """What may be the colour topic; infrared and 16 grey bits only where there is nothing else."""
    others = {name: role for name, role in roles.items() if name != depth and not _is_twin(name, depth)}
    colour = [name for name, role in others.items() if role == "color"]
    grey = [name for name, role in others.items() if role == "either" and not _DEPTH_NAME.search(name)]
    visible = [name for name in colour if not _INFRARED.search(name)]
    return visible or [name for name in grey if not _INFRARED.search(name)] or colour or grey


def _is_twin(name: str, of: str) -> bool:
    """Whether two topics are transports of one image."""
    return _TRANSPORTS.sub("", name) == _TRANSPORTS.sub("", of)


def _without_twins(candidates: list[str]) -> list[str]:
    """Without the compressed twin of another, and without a better version of another."""
    kept: list[str] = []
    for name in sorted(candidates, key=lambda name: (bool(_TRANSPORTS.search(name)), name)):
        base = _DERIVED.sub("", _TRANSPORTS.sub("", name))
        if not any(_TRANSPORTS.sub("", other) in (base, _TRANSPORTS.sub("", name)) for other in kept):
            kept.append(name)
    return kept


def _only(bag: Bag, role: str, candidates: list[str]) -> str:
    """The one candidate."""
    kept = _without_twins(candidates)
    if len(kept) == 1:
        return kept[0]
    option = f"{role}:=/topic (or --{role} /topic)"
    if not kept:
        raise RecordingError(f"{bag.path}: no {role} image topic found. It has:\n{bag.describe()}")
    names = ", ".join(sorted(kept))
    raise RecordingError(f"{bag.path}: {len(kept)} {role} image topics ({names}); name one with {option}")


def _role(bag: Bag, topic: BagTopic) -> Role:
    """What a topic with messages shows, by its first one."""
    first = bag.first(topic.name)
    if first is None:
        return ""
    try:
        message = bag.decode(first)
    except RecordingError:  # one damaged message must not hide the other topics
        return ""
    return compressed_role(message) if topic.msgtype == COMPRESSED else role_of(message.encoding)


def _with_info(bag: Bag, depth: str, color: str) -> RgbdTopics:
    infos = _camera_info(bag, color), _camera_info(bag, depth)
    return RgbdTopics(depth, color, infos[0], infos[1] if infos[1] != infos[0] else None)


def _camera_info(bag: Bag, image: str) -> str | None:
    """The sibling of an image topic, where image_transport looks for it, or the topic below it."""
    base = _TRANSPORTS.sub("", image)
    for name in (f"{base.rsplit('/', 1)[0]}/camera_info", f"{base}/camera_info"):
        if name in bag.topics and bag.topics[name].msgtype == CAMERA_INFO:
            return name
    return None
