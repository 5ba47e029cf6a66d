"""Transforms between the cameras' frames, from /tf_static and, where those do not connect the two, from /tf.

tf2's own listener is not needed for two frames of one robot, and would cost the interpreter every message of /tf; here
/tf is listened to only until static transforms answer.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from pagnet_ros.core.frame_tree import FrameTree

_KEPT: Final = 100
"""Messages kept, as tf2 has it: each publisher of static transforms sends one."""
STATIC_TF_QOS: Final = QoSProfile(depth=_KEPT, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def tf_type() -> Any:
    """The type of /tf_static and /tf; None where Python has none, as with ROS 2 as pip wheels."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None


class Transforms:
    """Listens from construction until `close`. `lookup` may be called from another thread than the rest."""

    def __init__(self, node: Any) -> None:
        """Subscribe to /tf_static, where ROS has its type."""
        self._node, self._tree = node, FrameTree()
        self._static: Any = None
        self._moving: Any = None
        self._needs_moving = False
        self._type = tf_type()
        if self._type is not None:
            self._static = node.create_subscription(self._type, "/tf_static", self.take_static, STATIC_TF_QOS)

    def take_static(self, message: Any) -> None:
        """Take a message of /tf_static."""
        self._tree.add(message.transforms, static=True)

    def take_moving(self, message: Any) -> None:
        """Take a message of /tf."""
        self._tree.add(message.transforms, static=False)

    def lookup(self, target: str, source: str) -> NDArray[np.float64] | str:
        """The transform ``[4, 4]`` of points in one frame to another one, metres; or why there is none."""
        found = self._tree.lookup(target, source)
        self._needs_moving = found is None or not found[1]
        if found is not None:
            return found[0]
        if self._type is None:
            return (
                "Python cannot import tf2_msgs, so tf cannot be asked: set depth_pose_xyz and depth_pose_xyzw, or "
                "install tf2_msgs"
            )
        return (
            f"tf has no transform from {source} to {target}: publish it on /tf_static (static_transform_publisher), or "
            "set depth_pose_xyz and depth_pose_xyzw"
        )

    def follow(self) -> None:
        """Listen to /tf while it is needed; called from time to time in the executor's thread."""
        if self._needs_moving and self._moving is None and self._type is not None:
            qos = QoSProfile(depth=_KEPT, reliability=ReliabilityPolicy.BEST_EFFORT)  # accepts every publisher
            self._moving = self._node.create_subscription(self._type, "/tf", self.take_moving, qos)
        elif not self._needs_moving and self._moving is not None:
            self._node.destroy_subscription(self._moving)
            self._moving = None

    def close(self) -> None:
        """Unsubscribe; what is known stays."""
        for subscription in (self._static, self._moving):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._static = self._moving = None
