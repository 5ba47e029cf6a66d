"""What a voxel grid such as Nav2's would mark: points -> cells, and which of them have no counterpart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.regions import Image, Mask
from pagnet_ros.replay.metrics.settings import MetricSettings


@dataclass(frozen=True)
class VoxelGrid:
    """The grid around one camera position, for the pixels that the reference knows.

    Attributes:
        rays: ``[3, n]`` cells upwards, ahead and sideways per metre of depth, of each pixel.
        reach: ``[n]`` distance to the camera per metre of depth.
        reference: ``[n]`` depth, metres.
        floor: cells by which the camera stands above the lower end of the height band.
        settings: cell size, height band, range.
    """

    rays: Image
    reach: Image
    reference: Image
    floor: float
    settings: MetricSettings

    @classmethod
    def of(
        cls,
        settings: MetricSettings,
        index: NDArray[np.intp],
        reference: Image,
        size: tuple[int, int],
        intrinsics: NDArray[np.float64],
        pose: NDArray[np.float64] | None,
    ) -> VoxelGrid:
        """The grid of one frame.

        Args:
            settings: what counts as an obstacle.
            index: ``[n]`` flat positions of pixels.
            reference: ``[n]`` their depth, metres.
            size: ``(H, W)``.
            intrinsics: ``[3, 3]`` pixels.
            pose: ``[4, 4]`` camera to world, used where `settings.up` is ``pose``.
        """
        rows, columns = np.divmod(index, size[1])
        across = ((columns - intrinsics[0, 2]) / intrinsics[0, 0]).astype(np.float32)
        down = ((rows - intrinsics[1, 2]) / intrinsics[1, 1]).astype(np.float32)
        axes, height = _axes(settings, pose)
        axes = axes / settings.voxel_m
        rays = np.stack([a * across + b * down + c for a, b, c in axes.astype(np.float32)])
        reach = np.sqrt(across * across + down * down + np.float32(1))
        return cls(rays, reach, reference, (height - settings.min_height_m) / settings.voxel_m, settings)

    @cached_property
    def marked(self) -> Mask:
        """Cells that the reference marks, ``[up, ahead, sideways]``."""
        return self.mark(self.reference)

    @cached_property
    def around_marked(self) -> Mask:
        """Those cells and their neighbours."""
        return _grown(self.marked)

    def mark(self, depth: Image) -> Mask:
        """The cells that hold enough points.

        Args:
            depth: ``[n]`` metres, NaN where none is given.

        Returns:
            bool, ``[up, ahead, sideways]``.
        """
        shape = self.settings.grid_shape
        half = np.float32(shape[1] // 2)
        top = (self.settings.max_height_m - self.settings.min_height_m) / self.settings.voxel_m
        up = depth * self.rays[0] + np.float32(self.floor)
        inside = (up >= 0) & (up < np.float32(top)) & (depth * self.reach <= np.float32(self.settings.obstacle_range_m))
        chosen = np.flatnonzero(inside)
        depth = depth.take(chosen)
        ahead, sideways = ((depth * self.rays[axis].take(chosen) + half).astype(np.int32) for axis in (1, 2))
        cells = (up.take(chosen).astype(np.int32) * shape[1] + ahead) * shape[2] + sideways
        marked = np.zeros(shape, np.bool_)
        if self.settings.voxel_points > 1:
            held, points = np.unique(cells, return_counts=True)
            cells = held[points >= self.settings.voxel_points]
        marked.reshape(-1)[cells] = True
        return marked


def unmatched(result: Mask, grid: VoxelGrid) -> tuple[int, int]:
    """Cells of the result with none of the reference around them, and the other way round."""
    false = np.count_nonzero(result & ~grid.around_marked)
    missed = np.count_nonzero(grid.marked & ~_grown(result))
    return int(false), int(missed)


def _grown(cells: Mask) -> Mask:
    """Cells and their 26 neighbours."""
    for axis in range(3):
        cells = np.moveaxis(cells, axis, 0)
        wider = cells.copy()
        wider[1:] |= cells[:-1]
        wider[:-1] |= cells[1:]
        cells = np.moveaxis(wider, 0, axis)
    return cells


def _axes(settings: MetricSettings, pose: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], float]:
    """Rows up, ahead, sideways in the camera's axes (x right, y down, z ahead), and the camera's height in metres."""
    if settings.up == "pose" and pose is not None:
        return np.asarray(pose, np.float64)[[2, 0, 1], :3], float(pose[2, 3])
    pitch = math.radians(settings.camera_pitch_deg)
    axes = [[0, -math.cos(pitch), -math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)], [1, 0, 0]]
    return np.array(axes, np.float64), settings.camera_height_m
