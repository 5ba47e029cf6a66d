"""Messages to facts: what an image, its depth values and a camera_info say, without keeping the message.

Works on any object with the messages' fields: no ROS import.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.diagnosis.observation import CameraInfoFacts, DepthFacts, ImageFacts
from pagnet_ros.errors import MessageError
from pagnet_ros.messages.camera_info import as_delivered
from pagnet_ros.messages.pair import read_color, read_depth

_MOST_VALUES: Final = 80_000
"""Values looked at of one depth image: its quantiles need no more."""

_LONGEST: Final = 500
"""Characters kept of what a message says."""


def image_facts(message: Any, stream: Literal["depth", "color"], topic: str) -> ImageFacts:
    """Facts of one image; a message that cannot be read gives its problem.

    Args:
        message: Image or CompressedImage.
        stream: what it is for.
        topic: its topic, for the problem's text.
    """
    data = message.data
    encoding = str(message.encoding if hasattr(message, "step") else message.format)[:_LONGEST]
    frame_id, size, checksum = str(message.header.frame_id)[:_LONGEST], len(data), zlib.adler32(data)
    try:
        pixels = read_depth(message, topic) if stream == "depth" else read_color(message, topic)
    except Exception as error:  # whatever a decoder makes of a hostile message, it must not end the examination
        kind = error.kind if isinstance(error, MessageError) else "undecodable"
        text = str(error).removeprefix(f"{topic}: ")[:_LONGEST]
        return ImageFacts(0, 0, encoding, size, frame_id, checksum, problem=kind, problem_text=text)
    height, width = pixels.shape[:2]
    depth = depth_facts(pixels) if stream == "depth" else None
    spread = None if stream == "depth" else int(pixels.max()) - int(pixels.min())
    return ImageFacts(width, height, encoding, size, frame_id, checksum, spread=spread, depth=depth)


def depth_facts(depth: NDArray[Any]) -> DepthFacts:
    """Facts of depth values, in the unit they are written in.

    Args:
        depth: ``[h, w]`` uint16 or float32.
    """
    values = depth.reshape(-1)
    values = values[:: max(1, values.size // _MOST_VALUES)]
    finite = np.isfinite(values)
    positive = values[finite & (values > 0)].astype(np.float64)
    shares = {
        "zeros": float(np.mean(values == 0)),
        "not_finite": float(1.0 - np.mean(finite)),
        "negative": float(np.mean(finite & (values < 0))),
    }
    if not positive.size:
        return DepthFacts(**shares)
    p05, median, p95 = np.percentile(positive, (5, 50, 95)).tolist()
    return DepthFacts(**shares, median=median, p05=p05, p95=p95)


def camera_info_facts(message: Any, image_size: tuple[int, int] | None = None) -> CameraInfoFacts:
    """Facts of a camera_info, for the image as it is delivered.

    Args:
        message: sensor_msgs/CameraInfo.
        image_size: width and height of its image. A calibration that has this size already is taken as it is; to any
            other its region of interest and binning are applied.
    """
    width, height, k = int(message.width), int(message.height), [float(value) for value in message.k]
    if image_size != (width, height) and k[0] > 0:
        k, _, (width, height) = as_delivered(message)
    return CameraInfoFacts(width, height, k[0], k[4], k[2], k[5], str(message.header.frame_id)[:_LONGEST])
