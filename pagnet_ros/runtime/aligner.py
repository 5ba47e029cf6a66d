"""Which depth has to be reprojected into the colour camera, and the reprojection that holds at present.

Depth is taken as it comes where it is in the colour camera's frame and of its image's shape. Else both calibrations and
the transform between the cameras are needed; what is missing is told, and depth left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.reprojection import Reprojection
from pagnet_ros.errors import MessageError
from pagnet_ros.messages.calibration import Calibration, is_rectified, read_calibration
from pagnet_ros.messages.shapes import differ_in_shape
from pagnet_ros.runtime.devices import named_device_errors

Lookup = Callable[[str, str], "NDArray[np.float64] | str"]
"""The transform ``[4, 4]`` to one frame from another one, metres, or why there is none."""


class Aligner:
    """Reprojects depth where that has to be. Use from one thread at a time."""

    def __init__(self, depth: tuple[str, str], color: tuple[str, str], device: str = "cpu") -> None:
        """Create.

        Args:
            depth: its topic and that of its camera_info; the first tells whether the image is rectified.
            color: likewise.
            device: torch's, where depth is reprojected.
        """
        self._topics, self._device = (depth, color), device
        self._key: tuple[Calibration, Calibration, bytes] | None = None
        self._reprojection: Reprojection | None = None

    def __call__(
        self,
        depth: NDArray[Any],
        color_size: tuple[int, int],
        frames: tuple[str, str],
        infos: tuple[Any, Any],
        lookup: Lookup,
        *,
        always: bool = False,
    ) -> NDArray[Any] | str:
        """Depth for the colour camera.

        Args:
            depth: ``[h, w]`` uint16 millimetres or float32 metres.
            color_size: ``(H, W)`` of the colour image.
            frames: the depth's and the colour image's frame_id.
            infos: newest camera_info of the depth and the colour camera, None where there is none.
            lookup: the transform between their frames.
            always: whether depth is known not to be aligned, whatever its frame_id says.

        Returns:
            ``[h', w']`` float32 metres, NaN unknown; or why it was not reprojected, empty where it need not be.

        Raises:
            DeviceError: the device ran out of memory, or failed.
        """
        other_frame = frames[0] != frames[1]
        if not (always or (other_frame and all(frames)) or differ_in_shape(depth.shape, color_size)):
            return ""
        for info, (_, topic) in zip(infos, self._topics, strict=True):
            if info is None:
                return f"there is no camera_info on {topic}"
        transform = lookup(frames[1], frames[0]) if always or other_frame else np.eye(4)
        if isinstance(transform, str):
            return transform
        calibrations = []
        for info, size, (image, topic) in zip(infos, (depth.shape, color_size), self._topics, strict=True):
            try:
                calibrations.append(read_calibration(info, size[0], size[1], rectified=is_rectified(image)))
            except MessageError as error:
                return f"{topic} cannot be used: {error}"
        key = (calibrations[0], calibrations[1], np.round(transform, 6).tobytes())
        with named_device_errors(torch.device(self._device)):
            if key != self._key or self._reprojection is None:
                self._key = self._reprojection = None  # whose memory the new one may need
                self._reprojection = Reprojection(calibrations[0], calibrations[1], transform, self._device)
                self._key = key
            return self._reprojection(depth)
