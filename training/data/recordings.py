"""Recorded bags and folders -> `RgbdImage`: every n-th depth frame with its colour frame. Needs no ROS.

The recorded depth is the truth to learn, so its own size decides: a larger colour frame is reduced to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import MessageError, RecordingError, did_you_mean, quoted
from pagnet_ros.messages.pair import read_color, read_depth
from pagnet_ros.recordings.bags import Bag, BagMessage
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.rgbd_topics import find_rgbd_topics
from pagnet_ros.system.units import MILLIMETRE, from_counts, in_metres
from pagnet_training.data.images import LEAST_MEASURED, RgbdImage, fit_levels, make_image, measured, reduce_rgb

Depth = NDArray[np.uint16] | NDArray[np.float32]

logger = logging.getLogger(__name__)

SLOP_NS = 20_000_000
ENOUGH = 30
"""Frames of a folder below which none is left out."""


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
    pairs = _pairs(path, depth_topic, color_topic)
    frames = (
        (f"{path.name}/{number:06d}", from_counts(read_depth(*depth), depth_unit_m), read_color(*colour))
        for number, (depth, colour) in enumerate(pairs)
        if number % every == 0
    )
    before = len(problems)
    images = _images(path, frames, problems)
    if not images and len(problems) == before:
        slop_ms = SLOP_NS // 1_000_000
        problems.append(f"{path}: no depth frame has a colour frame within {slop_ms} ms; check both topics")
    return images


def read_frame_folder(
    path: Path, every: int, leave_out: tuple[str, ...], problems: list[str], depth_unit_m: float | None = None
) -> list[RgbdImage]:
    """Read a recorded folder of frames in any layout of docs/replay.md, as `read_bag` does a bag.

    Args:
        path: the folder.
        every: take every n-th frame, 1 or more, of a long sequence: where fewer than `ENOUGH` would be left, more are
            taken, and of stills each, as neighbours show different things.
        leave_out: names of frames that are not read.
        problems: grows by one line per problem.
        depth_unit_m: metres per count of 16-bit depth; None for what the folder proves, else millimetres.
    """
    try:
        folder = open_frames(path, depth_unit_m=depth_unit_m)
    except RecordingError as error:
        problems.append(str(error))
        return []
    names = [files.name for files in folder.files]
    for name in leave_out:
        if name not in names:
            hint = did_you_mean(name, names, "name a frame of this folder, or leave it out")
            problems.append(f"{path}: leave_out names {quoted(name)}, which is not there; {hint}")
    for note in folder.notes:
        logger.warning("%s: %s", path, note)
    step = 1 if folder.holds_stills else max(1, min(every, len(names) // ENOUGH))
    read = (folder.read(number) for number in range(0, len(names), step) if names[number] not in leave_out)
    return _images(path, ((f"{path.name}/{frame.name}", frame.depth, frame.rgb) for frame in read), problems)


def _images(path: Path, frames: Iterator[tuple[str, Depth, NDArray[np.uint8]]], problems: list[str]) -> list[RgbdImage]:
    """Images of frames that come one by one, each with its name."""
    images: list[RgbdImage] = []
    empty = 0
    try:
        for name, stored, colour in frames:
            values, metres = stored.astype(np.float64), in_metres(stored)
            if measured(values).mean() < LEAST_MEASURED:
                empty += 1
                continue
            images.append(make_image(name, reduce_rgb(colour, *stored.shape), fit_levels(values), metres))
    except RecordingError as error:
        problems.append(str(error))
    except MessageError as error:
        problems.append(f"{path}: {error}")
    if empty:
        came = f"{empty} of {empty + len(images)} depth frames have less than {LEAST_MEASURED:.0%} of their pixels"
        if images:
            logger.warning("%s: %s measured and are left out", path, came)
        else:
            problems.append(f"{path}: {came} measured; expected some that have more; is it depth?")
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
