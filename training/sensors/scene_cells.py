"""Which bins every pixel of a scene falls into, and where it lies flat enough to tell noise."""

from __future__ import annotations

import numpy as np

from pagnet_training.sensors.cells import CELLS, NB, angle_bin, brightness_bin, range_bin
from pagnet_training.sensors.images import Mask
from pagnet_training.sensors.scenes import Scene

__all__ = ["SceneCells"]


class SceneCells:
    """The bins of every pixel of a scene.

    Attributes:
        z, brightness, angle: ``[h, w]`` bins.
        index: Flat index into `CELLS`.
        slope_squared: Depth change per pixel sideways, squared, square metres.
    """

    def __init__(self, scene: Scene) -> None:
        self.z = range_bin(scene.z)
        self.brightness = brightness_bin(scene.grey)
        self.angle = angle_bin(scene.plane.theta)
        self.index = (self.z * NB + self.brightness) * CELLS[2] + self.angle
        plane = scene.plane
        self.slope_squared = (plane.gx**2 + plane.gy**2) / np.maximum(plane.w, 1e-2) ** 4
        self._scene = scene

    def flat_mask(self, margin_px: int) -> Mask:
        """Pixels farther than a margin from every depth edge, on a surface whose depth is known."""
        scene = self._scene
        return (scene.edges.distance > margin_px) & np.isfinite(scene.z) & ~scene.split & scene.plane.whole
