"""The remaining groups of figures: surfaces and obstacles against a reference; and what needs none."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pagnet_ros.replay.metrics.flying import between_surfaces, ramps
from pagnet_ros.replay.metrics.obstacles import unmatched
from pagnet_ros.replay.metrics.regions import Image, Mask, footprint_depth, grown
from pagnet_ros.replay.metrics.result import Figures, Result, Sums, ratio, root
from pagnet_ros.replay.metrics.settings import MetricSettings

__all__ = ["Alignment", "Flicker", "Flying", "FlyingRate", "Measurement", "Obstacles", "depth_ridges"]

GRADIENT_LEVELS = 10_000.0
"""What a rise of log depth by 1 per pixel is for Canny, whose gradients are 16-bit integers."""


class Flying:
    """Flying pixels against the reference."""

    def __init__(self, settings: MetricSettings) -> None:
        """Create with radius and margins."""
        self._settings = settings

    def sums(self, result: Result) -> Sums:
        """Frames, flying pixels."""
        flying = between_surfaces(result.depth, result.frame.surroundings, self._settings)
        return np.array([1, flying.size], np.float64)

    def figures(self, sums: Sums) -> Figures:
        """The mean per frame."""
        return {"flying_pixels": ratio(sums[1], sums[0])}


class Obstacles:
    """False and missed obstacles of a voxel grid; undefined for frames without intrinsics."""

    def sums(self, result: Result) -> Sums:
        """Frames, cells of the result and of the reference, false and missed ones."""
        grid = result.frame.grid
        if grid is None:
            return np.zeros(5)
        marked = grid.mark(result.at_known)
        false, missed = unmatched(marked, grid)
        return np.array([1, np.count_nonzero(marked), np.count_nonzero(grid.marked), false, missed], np.float64)

    def figures(self, sums: Sums) -> Figures:
        """Means per frame, and shares."""
        frames, cells, reference_cells, false, missed = sums.tolist()
        return {
            "false_obstacles": ratio(false, frames),
            "missed_obstacles": ratio(missed, frames),
            "false_obstacle_share": ratio(false, cells),
            "missed_obstacle_share": ratio(missed, reference_cells),
        }


class Measurement:
    """How much is given, and whether it agrees with what was measured."""

    def sums(self, result: Result) -> Sums:
        """Pixels, given ones, measured ones, answered ones, squared differences."""
        measured = result.frame.measured
        seen = footprint_depth(result.depth, (measured.shape[0], measured.shape[1]))
        difference = seen - measured
        answered = np.isfinite(difference)
        square = np.square(difference[answered]).sum(dtype=np.float64)
        counts = [np.count_nonzero(mask) for mask in (result.given, np.isfinite(measured), answered)]
        return np.array([result.given.size, *counts, square], np.float64)

    def figures(self, sums: Sums) -> Figures:
        """Shares and the root mean square difference."""
        pixels, given, measured, answered, square = sums.tolist()
        return {
            "given_share": ratio(given, pixels),
            "consistency_m": root(square, answered),
            "answered_share": ratio(answered, measured),
        }


class Flicker:
    """Changes of the result where nothing changed. Keeps the last frame's result."""

    def __init__(self) -> None:
        """Create without a past."""
        self._last: tuple[int, Image] | None = None

    def sums(self, result: Result) -> Sums:
        """Pixels and squared changes, away from depth steps and beside them."""
        last, frame = self._last, result.frame
        self._last = (frame.number, result.depth)
        if frame.still is None or last is None or last[0] != frame.number - 1 or last[1].shape != frame.size:
            return np.zeros(4)
        change = result.depth - last[1] - frame.still.trend
        sums: list[float] = []
        for static in (frame.still.smooth, frame.still.steps):
            values = change[static & np.isfinite(change)]
            sums += [values.size, np.square(values).sum(dtype=np.float64)]
        return np.array(sums, np.float64)

    def figures(self, sums: Sums) -> Figures:
        """The standard deviation that such changes come from."""
        return {"flicker_m": root(sums[1] / 2, sums[0]), "flicker_edges_m": root(sums[3] / 2, sums[2])}


class Alignment:
    """How far depth edges are from colour edges."""

    def __init__(self, settings: MetricSettings) -> None:
        """Create for the settings' depth step."""
        self._rise = settings.edge_step / 4

    def sums(self, result: Result) -> Sums:
        """Pixels on depth edges, and the sum of their distances."""
        ridges = depth_ridges(result.depth, self._rise)
        distances = result.frame.colour_edge_distance[ridges]
        return np.array([distances.size, distances.sum(dtype=np.float64)])

    def figures(self, sums: Sums) -> Figures:
        """The mean distance."""
        return {"edge_distance_px": ratio(sums[1], sums[0])}


def depth_ridges(depth: Image, rise: float) -> Mask:
    """The lines along which depth changes most, wherever its logarithm rises by more than `rise` per pixel.

    Args:
        depth: ``[H, W]`` metres, NaN where none is given; nothing is found within two pixels of such.
        rise: of log depth, per pixel (3x3 Sobel).

    Returns:
        ``[H, W]`` bool, lines one pixel wide.
    """
    unknown = np.isnan(depth)
    log_depth = np.log(np.where(unknown, np.float32(1), depth))
    apart = ~grown(unknown, 2)
    gradients = [
        np.where(apart, cv2.Sobel(log_depth, cv2.CV_32F, *order, scale=GRADIENT_LEVELS / 8), np.float32(0))
        for order in ((1, 0), (0, 1))
    ]
    limit = 32767.0 / math.sqrt(2)
    across, down = (np.clip(gradient, -limit, limit).astype(np.int16) for gradient in gradients)
    threshold = rise * GRADIENT_LEVELS
    return np.asarray(cv2.Canny(across, down, threshold, threshold, L2gradient=True) > 0)


class FlyingRate:
    """Flying pixels as far as the result itself shows them."""

    def __init__(self, settings: MetricSettings) -> None:
        """Create for the settings' ramps."""
        self._settings = settings

    def sums(self, result: Result) -> Sums:
        """Given pixels, and flying ones."""
        matrix = result.frame.intrinsics
        width = float(result.frame.size[1])
        focal = (width, width) if matrix is None else (float(matrix[0, 0]), float(matrix[1, 1]))
        flying = ramps(result.depth, focal, self._settings)
        return np.array([np.count_nonzero(result.given), np.count_nonzero(flying)], np.float64)

    def figures(self, sums: Sums) -> Figures:
        """The share."""
        return {"flying_rate": ratio(sums[1], sums[0])}
