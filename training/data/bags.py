"""Recorded bags -> `RgbdImage`: every so-manieth depth frame with the colour frame nearest in time. Needs no ROS.

The recorded depth is the truth to learn, so its own size decides: a larger colour frame is reduced to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError
from pagnet_ros.pairing import NearestPairing
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.rgbd_topics import find_rgbd_topics
from pagnet_training.data.images import RgbdImage, fit_levels, make_image, reduce_rgb

__all__ = ["read_bag"]

SLOP_NS = 20_000_000
DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
COLOUR_ORDERS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "8UC3": (2, 1, 0)}


def read_bag(path: Path, every: int, depth_topic: str, color_topic: str, problems: list[str]) -> list[RgbdImage]:
    """Read a bag; what is wrong with it is appended to `problems`, never raised.

    Args:
        path: bag folder, or a single ``.mcap`` or ``.db3`` file.
        every: take every so-manieth pair, 1 or more; neighbouring frames teach little that is new.
        depth_topic: empty finds it.
        color_topic: empty finds it.
        problems: grows by one line per problem.
    """
    images: list[RgbdImage] = []
    try:
        for number, (depth, colour) in enumerate(_pairs(path, depth_topic, color_topic)):
            if number % every == 0:
                rgb = reduce_rgb(_colour(colour), depth.height, depth.width)
                values = _depth(depth)
                metres = values if depth.encoding == "32FC1" else values / 1000
                images.append(make_image(f"{path.name}/{number:06d}", rgb, fit_levels(values), metres))
    except RecordingError as error:
        problems.append(str(error))
    if not images and not problems:
        slop_ms = SLOP_NS // 1_000_000
        problems.append(f"{path}: no depth frame has a colour frame within {slop_ms} ms; check both topics")
    return images


def _pairs(path: Path, depth_topic: str, color_topic: str) -> Iterator[tuple[Any, Any]]:
    pairing: NearestPairing[Any, Any] = NearestPairing(SLOP_NS, queue_size=30)
    with Bag(path) as bag:
        topics = find_rgbd_topics(bag, depth_topic, color_topic)
        for message in bag.messages([topics.depth, topics.color]):
            is_depth = message.topic.name == topics.depth
            stamp = message.header_stamp_ns or message.stamp_ns
            add = pairing.add_depth if is_depth else pairing.add_color
            for pair in add(stamp, message):
                yield bag.decode(pair.depth), bag.decode(pair.color)


def _depth(message: Any) -> NDArray[np.floating]:
    """``[h, w]`` float64 in the message's unit: metres for 32FC1, else millimetres (REP 118)."""
    if getattr(message, "encoding", None) not in DEPTH_TYPES:
        came = getattr(message, "encoding", type(message).__name__)
        raise RecordingError(f"depth message is {came}; expected a raw image, one of {', '.join(DEPTH_TYPES)}")
    dtype = np.dtype((">" if message.is_bigendian else "<") + DEPTH_TYPES[message.encoding])
    return np.asarray(_rows(message, dtype.itemsize).view(dtype), np.float64)


def _colour(message: Any) -> NDArray[np.uint8]:
    """``[H, W, 3]`` uint8, red first."""
    if hasattr(message, "format"):
        image = cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise RecordingError(f"compressed colour ({message.format}) cannot be decoded; expected JPEG or PNG")
        return np.ascontiguousarray(image[..., ::-1], np.uint8)
    if message.encoding == "mono8":
        return np.repeat(_rows(message, 1)[..., None], 3, axis=2)
    if message.encoding not in COLOUR_ORDERS:
        raise RecordingError(f"colour message is {message.encoding}; expected one of {', '.join(COLOUR_ORDERS)}")
    channels = 4 if "a" in message.encoding else 3
    pixels = _rows(message, channels).reshape(message.height, message.width, channels)
    return np.ascontiguousarray(pixels[..., COLOUR_ORDERS[message.encoding]])


def _rows(message: Any, pixel_bytes: int) -> NDArray[np.uint8]:
    """The image's bytes without row padding, ``[h, w * pixel_bytes]``."""
    data = np.asarray(message.data, np.uint8)
    used = message.width * pixel_bytes
    if message.step < used or data.size < message.height * message.step:
        raise RecordingError(
            f"image of {message.width}x{message.height} {message.encoding} with step {message.step} and {data.size} "
            f"bytes; expected a step of at least {used}; the message is damaged, record it again"
        )
    return np.ascontiguousarray(data[: message.height * message.step].reshape(message.height, message.step)[:, :used])
