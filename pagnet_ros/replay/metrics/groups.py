"""Metrics of surfaces and obstacles against a reference, those that need none, and what is copied from colour."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pagnet_ros.replay.metrics.flying import between_surfaces, ramps
from pagnet_ros.replay.metrics.frame import Result
from pagnet_ros.replay.metrics.obstacles import unmatched
from pagnet_ros.replay.metrics.regions import Image, Mask, footprint_depth, grey, grown
from pagnet_ros.replay.metrics.registry import Group, Metric, Sums, Values, add_metrics, ratio, root
from pagnet_ros.replay.metrics.settings import MetricSettings

WINDOW_PX = 9
MIN_SHARE = 0.5
MIN_VARIANCE = 1.0
GRADIENT_LEVELS = 10_000.0
"""What a rise of log depth by 1 per pixel is for Canny, whose gradients are 16-bit integers."""


@add_metrics(
    Metric(
        "flying_pixels",
        "flying pixels",
        "Pixels that lie between two surfaces of the reference and belong to none: within `flying_px` (square "
        "window) the reference is known both nearer and farther, and nowhere within m = "
        "max(`flying_margin_m`, `flying_margin_relative` * d) of d; mean number per frame.",
        unit="per frame",
        source="this project, after the idea of mixed pixels (Tang et al. 2007)",
    )
)
class Flying(Group):
    """Flying pixels against the reference."""

    def sums(self, result: Result) -> Sums:
        """Frames, flying pixels."""
        flying = between_surfaces(result.depth, result.frame.surroundings, self.settings)
        return np.array([result.frame.is_judged, flying.size], np.float64)

    def values(self, sums: Sums) -> Values:
        """The mean per frame."""
        return {"flying_pixels": ratio(sums[1], sums[0])}


@add_metrics(
    Metric(
        "false_obstacles",
        "false obstacles",
        "Cells of `voxel_m` that hold at least `voxel_points` points of the result, between `min_height_m` "
        "and `max_height_m` above the floor and within `obstacle_range_m` of the camera, while no cell of the "
        "reference in their 3x3x3 neighbourhood does; only pixels that the reference knows; mean number per "
        "frame.",
        unit="per frame",
        source="the marking of Nav2's voxel layer",
        lead=True,
    ),
    Metric(
        "missed_obstacles",
        "missed obstacles",
        "The same with result and reference exchanged.",
        unit="per frame",
        source="the marking of Nav2's voxel layer",
        lead=True,
    ),
    Metric("false_obstacle_share", "false obstacles, share", "False obstacles over cells of the result."),
    Metric("missed_obstacle_share", "missed obstacles, share", "Missed obstacles over cells of the reference."),
)
class Obstacles(Group):
    """False and missed obstacles of a voxel grid; undefined for frames without intrinsics or a reference."""

    def sums(self, result: Result) -> Sums:
        """Frames, cells of the result and of the reference, false and missed ones."""
        grid = result.frame.grid
        if grid is None:
            return np.zeros(5)
        marked = grid.mark(result.at_known)
        false, missed = unmatched(marked, grid)
        return np.array([1, np.count_nonzero(marked), np.count_nonzero(grid.marked), false, missed], np.float64)

    def values(self, sums: Sums) -> Values:
        """Means per frame, and shares."""
        frames, cells, reference_cells, false, missed = sums.tolist()
        return {
            "false_obstacles": ratio(false, frames),
            "missed_obstacles": ratio(missed, frames),
            "false_obstacle_share": ratio(false, cells),
            "missed_obstacle_share": ratio(missed, reference_cells),
        }


@add_metrics(
    Metric(
        "given_share",
        "given",
        "Share of the image for which a depth is given.",
        needs="any",
        better="higher",
        lead=True,
    ),
    Metric(
        "consistency_m",
        "consistency",
        "Root mean square difference between the measurement and the result seen by the sensor: each measured "
        "pixel's footprint in the result gives the mean of its depths within 1 % (at least 5 mm) of their "
        "median; a footprint with fewer than a quarter of its pixels given gives nothing.",
        unit="m",
        needs="any",
        lead=True,
    ),
    Metric(
        "answered_share",
        "answered",
        "Share of measured pixels whose footprint gives something.",
        needs="any",
        better="higher",
    ),
)
class Measurement(Group):
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

    def values(self, sums: Sums) -> Values:
        """Shares and the root mean square difference."""
        pixels, given, measured, answered, square = sums.tolist()
        return {
            "given_share": ratio(given, pixels),
            "consistency_m": root(square, answered),
            "answered_share": ratio(answered, measured),
        }


@add_metrics(
    Metric(
        "flicker_m",
        "flicker",
        "Temporal standard deviation on static pixels: root of half the mean squared change of the result "
        "between consecutive frames, less the change of the measurement averaged over an eighth of the image. "
        "Static: grey (3x3 mean) within one pixel changes by at most `static_levels`, and the nearest "
        "measured pixel and its neighbours by at most `static_relative`. Pixels whose measured neighbourhood "
        "holds a depth step (`edge_step`) are left out.",
        unit="m",
        source="successive differences (von Neumann 1941)",
        needs="any",
        lead=True,
    ),
    Metric(
        "flicker_edges_m",
        "flicker, edges",
        "The same over the pixels left out there, between frames where the camera stands still: at least "
        "`still_share` of the textured pixels are static in grey.",
        unit="m",
        source="successive differences (von Neumann 1941)",
        needs="any",
    ),
)
class Flicker(Group):
    """Changes of the result where nothing changed. Keeps the last frame's result."""

    def __init__(self, settings: MetricSettings) -> None:
        super().__init__(settings)
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

    def values(self, sums: Sums) -> Values:
        """The standard deviation that such changes come from."""
        return {"flicker_m": root(sums[1] / 2, sums[0]), "flicker_edges_m": root(sums[3] / 2, sums[2])}


@add_metrics(
    Metric(
        "edge_distance_px",
        "edge distance",
        "Mean distance of the result's depth edges to the nearest colour edge, each cut off at "
        "`align_cap_px`. Depth edges: ridges (Canny) of the Sobel gradient of log depth, where it rises by "
        "more than a quarter of `edge_step` per pixel. Colour edges: Canny on grey, thresholds 50 and 100 "
        "(steps of about 25 levels).",
        unit="px",
        source="this project, after the depth boundary error of Koch et al. 2018",
        needs="any",
        lead=True,
    )
)
class Alignment(Group):
    """How far depth edges are from colour edges."""

    def sums(self, result: Result) -> Sums:
        """Pixels on depth edges, and the sum of their distances."""
        ridges = depth_ridges(result.depth, self.settings.edge_step / 4)
        distances = result.frame.colour_edge_distance[ridges]
        return np.array([distances.size, distances.sum(dtype=np.float64)])

    def values(self, sums: Sums) -> Values:
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


@add_metrics(
    Metric(
        "flying_rate",
        "flying rate",
        "Share of given pixels that belong to no surface, judged without a reference: inside a ramp of at "
        "most `ramp_px` pixels of one row or column that rises or falls all along, is seen at more than "
        "`ramp_incidence_deg` from its normal, and spans more than `edge_step`; or with no given pixel of the "
        "eight neighbours nearer than such a slope.",
        needs="any",
        lead=True,
    )
)
class FlyingRate(Group):
    """Flying pixels as far as the result itself shows them."""

    def sums(self, result: Result) -> Sums:
        """Given pixels, and flying ones."""
        matrix = result.frame.intrinsics
        width = float(result.frame.size[1])
        focal = (width, width) if matrix is None else (float(matrix[0, 0]), float(matrix[1, 1]))
        flying = ramps(result.depth, focal, self.settings)
        return np.array([np.count_nonzero(result.given), np.count_nonzero(flying)], np.float64)

    def values(self, sums: Sums) -> Values:
        """The share."""
        return {"flying_rate": ratio(sums[1], sums[0])}


@add_metrics(
    Metric(
        "texture_copying_m",
        "texture copying",
        "How much of the error there follows colour: root mean square over those pixels of the covariance of "
        "d - z with grey in a window of 9x9 pixels, divided by the standard deviation of grey. Depth that "
        "copies a pattern of 1 cm has 1 cm; noise without any relation to colour has about a ninth of its "
        "size.",
        unit="m",
    )
)
class Texture(Group):
    """Texture copying over the textured pixels of the reference."""

    def sums(self, result: Result) -> Sums:
        """Pixels, and squares of what was copied."""
        frame = result.frame
        error = result.depth - frame.truth
        square = copied(error, grey(frame.rgb))[frame.texture & np.isfinite(error)]
        square = square[np.isfinite(square)]
        return np.array([square.size, square.sum(dtype=np.float64)])

    def values(self, sums: Sums) -> Values:
        """The root mean square."""
        return {"texture_copying_m": root(sums[1], sums[0])}


def copied(error: Image, luma: Image) -> Image:
    """The variance of an error that grey explains around each pixel.

    Args:
        error: ``[H, W]`` metres, NaN where unknown.
        luma: ``[H, W]`` grey levels.

    Returns:
        ``[H, W]`` square metres: covariance with grey in a square window, squared, over the variance of grey; NaN
        where fewer than half of the window is known or grey does not vary by a level.
    """
    seen: Mask = np.isfinite(error)
    known = seen.astype(np.float32)
    clean = np.where(seen, error, np.float32(0))
    shade = (luma - np.float32(128)) * known  # about zero, where float32 is finest
    share = _mean(known)
    share = np.where(share >= np.float32(MIN_SHARE), share, np.float32(np.nan))
    mean_error, mean_shade, product, square = (
        _mean(values) / share for values in (clean, shade, clean * shade, shade * shade)
    )
    covariance = product - mean_error * mean_shade
    variance = square - mean_shade * mean_shade
    return np.asarray(covariance * covariance / np.where(variance >= MIN_VARIANCE, variance, np.float32(np.nan)))


def _mean(image: Image) -> Image:
    return np.asarray(cv2.blur(image, (WINDOW_PX, WINDOW_PX)), np.float32)
