"""Somebody else on the network, until SIGINT: ``subscribers`` that come and go, or ``bytes`` on every input.

The subscribers take nothing: in one process that makes, destroys and takes from many subscriptions of a topic, Fast DDS
2.14's own ``take`` can end in a loop without end.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from sensor_msgs.msg import CameraInfo, Image

MOST, PAUSE_S = 20, 0.02
INPUTS = {"/depth": Image, "/color": Image, "/color/camera_info": CameraInfo}


def main() -> int:
    """Be that somebody."""
    rclpy.init()
    node = rclpy.create_node("neighbour")
    act = {"subscribers": _subscribers, "bytes": _bytes}[sys.argv[1]](node)
    while rclpy.ok():
        act()
        time.sleep(PAUSE_S)
    return 0


def _subscribers(node: Any) -> Callable[[], None]:
    held: list[Any] = []

    def change() -> None:
        if len(held) >= MOST or (held and random.random() < 0.4):
            node.destroy_subscription(held.pop(random.randrange(len(held))))
        else:
            held.append(node.create_subscription(Image, "/depth_hr", lambda _: None, random.choice((1, 10))))

    return change


def _bytes(node: Any) -> Callable[[], None]:
    publishers = [node.create_publisher(kind, topic, 10) for topic, kind in INPUTS.items()]

    def publish() -> None:
        begin = random.choice((b"", b"\0\1\0\0", b"\0\1"))
        for publisher in publishers:
            publisher.publish(begin + random.randbytes(random.randrange(200)))

    return publish


if __name__ == "__main__":
    sys.exit(main())
