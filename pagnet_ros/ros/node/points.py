"""The result as a point cloud, made only while somebody subscribes to it.

Points lie on the rays of the colour camera's own lens model, so that a colour image that is not rectified makes no bent
walls.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

from pagnet_ros.core.lens import frame_rays
from pagnet_ros.errors import MessageError
from pagnet_ros.messages.calibration import Calibration, is_rectified, read_calibration
from pagnet_ros.messages.points import make_points
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter

_FIELDS: Final = ("x", "y", "z", "rgb")


class Points:
    """Publishes clouds. Call from one thread."""

    def __init__(self, publisher: Any, color_topic: str, reporter: Reporter) -> None:
        """The topic's name tells whether the colour image is rectified."""
        self._publisher, self._rectified, self._reporter = publisher, is_rectified(color_topic), reporter

    def publish(
        self, header: Any, depth_m: NDArray[np.float32], rgb: NDArray[np.uint8], info: Any, settings: NodeParameters
    ) -> None:
        """Publish depth ``[H, W]`` metres and colour ``[H, W, 3]`` as points, if anybody subscribes.

        `info` is the colour camera's camera_info as it came; None makes no cloud, which is told with the image.
        """
        if info is None or self._publisher.get_subscription_count() == 0:
            return
        try:
            camera = read_calibration(info, depth_m.shape[0], depth_m.shape[1], rectified=self._rectified)
        except MessageError as error:
            self._reporter.report(error.kind, f"no points: {error}")
            return
        colours = rgb if settings.points_color else None
        points = make_points(
            depth_m, _rays(camera), colours, voxel_m=settings.points_voxel_m, dense=settings.points_dense
        )
        self._publisher.publish(cloud_message(header, points))


@functools.lru_cache(maxsize=2)
def _rays(camera: Calibration) -> NDArray[np.float32]:
    return frame_rays(camera).astype(np.float32)


def cloud_message(header: Any, points: NDArray[np.float32]) -> PointCloud2:
    """A message of points as `pagnet_ros.messages.points.make_points` gives them."""
    columns = points.shape[-1]
    message = PointCloud2(header=header)
    message.height, message.width = points.shape[:2] if points.ndim == 3 else (1, points.shape[0])
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(_FIELDS[:columns])
    ]
    message.point_step, message.row_step = 4 * columns, 4 * columns * message.width
    message.is_dense = points.ndim == 2
    message.data.frombytes(np.ascontiguousarray(points).reshape(-1).view(np.uint8).data)
    return message
