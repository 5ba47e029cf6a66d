"""Recorded bags -> `RgbdImage`: every n-th depth frame with the colour frame nearest in time. Needs no ROS.

The recorded depth is the truth to learn, so its own size decides: a larger colour frame is reduced to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import MessageError, RecordingError
from pagnet_ros.messages.pair import read_color, read_depth
from pagnet_ros.recordings.bags import Bag, BagMessage
from pagnet_ros.recordings.rgbd_topics import find_rgbd_topics
from pagnet_ros.system.units import MILLIMETRE, from_counts, in_metres
from pagnet_training.data.images import LEAST_MEASURED, RgbdImage, fit_levels, make_image, measured, reduce_rgb

logger = logging.getLogger(__name__)

SLOP_NS = 20_000_000


def read_bag(
    path: Path, every: int, depth_topic: str, color_topic: str, problems: list[str], depth_unit_m: float = MILLIMETRE
) -> list[RgbdImage]:
    """Read a bag; what is wrong with it is appended to `problems`, never raised.

    Frames of which less than `LEAST_MEASURED` is measured, as while a camera starts, are left out with a warning.

    Args:
        path: bag folder, or a single ``.mcap`` or ``.db3`` file.
        every: take every n-th pair, 1 or more; neighbouring frames teach little that is new.
        depth_topic: empty finds it.
        color_topic: empty finds it.
        problems: grows by one line per problem.
        depth_unit_m: metres per count of 16-bit depth.
    """
    images: list[RgbdImage] = []
    empty = 0
    try:
        for number, (depth, colour) in enumerate(_pairs(path, depth_topic, color_topic)):
            if number % every == 0:
                stored = from_counts(read_depth(*depth), depth_unit_m)
                values, metres = stored.astype(np.float64), in_metres(stored)
                if measured(values).mean() < LEAST_MEASURED:
                    empty += 1
                    continue
                rgb = reduce_rgb(read_color(*colour), *stored.shape)
                images.append(make_image(f"{path.name}/{number:06d}", rgb, fit_levels(values), metres))
    except RecordingError as error:
        problems.append(str(error))
    except MessageError as error:
        problems.append(f"{path}: {error}")
    if empty:
        came = f"{empty} of {empty + len(images)} depth frames have less than {LEAST_MEASURED:.0%} of their pixels"
        if images:
            logger.warning("%s: %s measured and are left out", path, came)
        else:
            problems.append(f"{path}: {came} measured; expected some that have more; check the depth topic")
    if not images and not problems:
        slop_ms = SLOP_NS // 1_000_000
        problems.append(f"{path}: no depth frame has a colour frame within {slop_ms} ms; check both topics")
    return images


def _pairs(path: Path, depth_topic: str, color_topic: str) -> Iterator[tuple[tuple[Any, str], tuple[Any, str]]]:
    """Depth and colour, each as its message and its topic."""
    pairing: NearestPairing[BagMessage, BagMessage] = NearestPairing(SLOP_NS, queue_size=30)
    with Bag(path) as bag:
        topics = find_rgbd_topics(bag, depth_topic, color_topic)
        for message in bag.messages([topics.depth, topics.color]):
            is_depth = message.topic.name == topics.depth
            stamp = message.header_stamp_ns or message.stamp_ns
            add = pairing.add_depth if is_depth else pairing.add_color
            yield from _decoded(bag, add(stamp, message))
        yield from _decoded(bag, pairing.flush())


def _decoded(bag: Bag, pairs: list[Pair[BagMessage, BagMessage]]) -> Iterator[tuple[tuple[Any, str], tuple[Any, str]]]:
    for pair in pairs:
        depth, color = ((bag.decode(each), each.topic.name) for each in (pair.depth, pair.color))
        yield depth, color
