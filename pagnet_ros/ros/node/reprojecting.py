"""The node's way to `Aligner`: calibrations, tf or the set pose, how long to wait for them, and what is said of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from pagnet_ros.errors import quoted
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.runtime.aligner import Aligner
from pagnet_ros.system.units import NS_PER_MS

if TYPE_CHECKING:
    from pagnet_ros.ros.node.node import PagnetNode

_GRACE_NS: Final = 2_000_000_000
"""For so long calibrations and tf may come later than the first images, before their lack is told."""


class Reprojecting:
    """Draws depth for the colour camera where it has to be. Call from one thread."""

    def __init__(self, node: PagnetNode, topics: TopicNames, device: str) -> None:
        self._node = node
        self._aligner = Aligner((topics.depth, topics.depth_info), (topics.color, topics.color_info), device)
        self._is_reprojected, self._lacking_ns = False, 0

    def __call__(self, depth: NDArray[Any], color_size: tuple[int, int], frames: tuple[str, str]) -> NDArray[Any] | str:
        """Depth as the colour camera sees it, or why it was not reprojected; see `Aligner`."""
        settings, node = self._node.settings, self._node
        if not settings.reproject:
            return ""
        started, pose = time.monotonic_ns(), settings.depth_pose
        infos, lookup = (node.depth_info, node.camera_info), node.lookup if pose is None else lambda *_: pose
        made = self._aligner(depth, color_size, frames, infos, lookup, always=pose is not None)
        if isinstance(made, str):
            self._is_reprojected = False
            self._lacking_ns = self._lacking_ns or started
            return made if started - self._lacking_ns >= _GRACE_NS else ""
        node.health.record_ms("reproject", (time.monotonic_ns() - started) / NS_PER_MS)
        if not self._is_reprojected:
            self._is_reprojected, self._lacking_ns = True, 0
            moved_by = "depth_pose_xyz and depth_pose_xyzw" if pose is not None else "tf"
            where = f"and {moved_by}" if pose is not None or frames[0] != frames[1] else "alone"
            text = f"depth of {quoted(frames[0])} is reprojected into {quoted(frames[1])}, by the calibrations {where}"
            node.reporter.log("reprojected", text, "info")
        return made
