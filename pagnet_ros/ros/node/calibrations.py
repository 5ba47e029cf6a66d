"""The newest calibration of each camera.

A publisher that latches its calibration sends it once, before this node was there: it is subscribed to as transient
local, too, where and only where a publisher offers that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.qos import subscribe_latched

Subscribe = Callable[[list[Any], str, Any, Callable[[Any], None]], None]
"""Takes the list to add to, the topic, its type and the callback."""


class Calibrations:
    """Subscribed from construction until `close`; what came stays known. Callbacks run in the executor's thread.

    Attributes:
        color: Newest camera_info of the colour camera, or None.
        depth: Newest one of the depth camera, or None, as where it has no topic of its own.
    """

    def __init__(
        self, node: Any, topics: TopicNames, subscribe: Subscribe, on_color: Callable[[CameraInfo], None]
    ) -> None:
        """Subscribe; `on_color` gets each calibration of the colour camera that differs from the one before.

        Raises:
            ConfigError: DDS refuses a topic.
        """
        self.color: CameraInfo | None = None
        self.depth: CameraInfo | None = None
        self._node, self._on_color = node, on_color
        self._held: dict[str, list[Any]] = {}
        self._callbacks = {topics.depth_info: self._take_depth, topics.color_info: self._take_color}
        try:
            for topic, callback in self._callbacks.items():  # of one topic, the colour camera's counts
                subscribe(self._held.setdefault(topic, []), topic, CameraInfo, callback)
        except ConfigError:
            self.close()
            raise
        self.ask_for_latched()

    def ask_for_latched(self) -> None:
        """Subscribe as transient local where a publisher is: only so does what it sent before come.

        Called from time to time, because discovery takes some, and a driver that is started again sends at once; the
        other subscription stays, for other publishers.
        """
        for topic, held in self._held.items():
            if len(held) != 1:
                continue
            latched = subscribe_latched(self._node, CameraInfo, topic, self._callbacks[topic])
            if latched is not None:
                held.append(latched)

    def close(self) -> None:
        """Unsubscribe; what came is kept for the frame that still runs."""
        for held in self._held.values():
            while held:
                self._node.destroy_subscription(held.pop())

    def _take_depth(self, message: CameraInfo) -> None:
        self.depth = message

    def _take_color(self, message: CameraInfo) -> None:
        before, self.color = self.color, message  # though equal: `==` of Jazzy and Humble overlooks a changed K
        if message != before:  # not the same one through the other subscription
            self._on_color(message)
