"""What all methods share of one frame: regions, window extremes, rays, what is static. Computed once, when asked for.

`FrameTruth` (what a recording says) -> `FrameContexts.next` -> `FrameContext`, which every `Scorer` of the run reads.
Of the frames before, only the last one's grey image and measurement are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.flying import Surroundings, surroundings
from pagnet_ros.replay.metrics.obstacles import VoxelGrid
from pagnet_ros.replay.metrics.regions import Image, Mask, depth_steps, grey, grown, nearest_up, texture
from pagnet_ros.replay.metrics.settings import MetricSettings

MIN_TEXTURED = 100


@dataclass(frozen=True)
class FrameTruth:
    """What a recording says about one frame.

    Attributes:
        reference_m: ``[H, W]`` float32 metres, NaN where unknown (so are zero and below), or None.
        measured_m: ``[h, w]`` float32 metres, NaN where not measured: what the methods were given.
        rgb: ``[H, W, 3]`` uint8, red first.
        intrinsics: ``[3, 3]`` matrix of the colour camera in pixels, or None.
        pose: ``[4, 4]`` camera to world, metres, or None.
    """

    reference_m: NDArray[np.float32] | None
    measured_m: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    intrinsics: NDArray[np.float64] | None = None
    pose: NDArray[np.float64] | None = None


class Known(NamedTuple):
    """The pixels that the reference knows, sorted by region, so that a sum over a region is one over a segment.

    Attributes:
        places: ``[n]`` flat positions in the image.
        depth: ``[n]`` reference, metres.
        codes: ``[s]`` the region of each segment (`FrameContext.region_count` of them), rising.
        starts: ``[s]`` where each segment starts.
        sizes: ``[s]`` how many pixels it has.
    """

    places: NDArray[np.intp]
    depth: Image
    codes: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]


class Still(NamedTuple):
    """What did not change since the frame before.

    Attributes:
        smooth: ``[H, W]`` static pixels away from measured depth steps.
        steps: ``[H, W]`` static pixels beside them; none where the camera moved.
        trend: ``[H, W]`` smoothed change of the measurement, metres.
    """

    smooth: Mask
    steps: Mask
    trend: Image


class _Past(NamedTuple):
    luma: Image
    measured: Image


class FrameContext:
    """One frame as the metrics see it; everything derived is computed at first use and kept with the frame."""

    def __init__(self, truth: FrameTruth, settings: MetricSettings, number: int = 0, past: _Past | None = None) -> None:
        """Begin with nothing derived.

        Args:
            truth: what the recording says.
            settings: what counts as what.
            number: position in the run.
            past: of the frame before.
        """
        self.settings = settings
        self.number = number
        self.size: tuple[int, int] = (truth.rgb.shape[0], truth.rgb.shape[1])
        self.rgb = truth.rgb
        self.measured = _clean(truth.measured_m)
        self.reference = None if truth.reference_m is None else _clean(truth.reference_m)
        self.intrinsics = truth.intrinsics
        self.pose = truth.pose
        self._past = past if past is not None and past.measured.shape == self.measured.shape else None
        if self._past is not None and self._past.luma.shape != self.size:
            self._past = None

    @property
    def truth(self) -> Image:
        """The reference, where there must be one: scorers that need none ask for none."""
        assert self.reference is not None
        return self.reference

    @cached_property
    def luma(self) -> Image:
        """Grey levels ``[H, W]``, mean of 3x3."""
        return np.asarray(cv2.blur(grey(self.rgb), (3, 3)), np.float32)

    @cached_property
    def inside(self) -> Mask:
        """Pixels whose four surrounding input pixels are all measured, ``[H, W]``."""
        seen = np.isfinite(self.measured).astype(np.float32)
        return np.asarray(cv2.resize(seen, self.size[::-1], interpolation=cv2.INTER_LINEAR) > np.float32(0.99))

    @cached_property
    def flat(self) -> Mask:
        """Pixels whose nearest input pixel and its eight neighbours differ by at most `edge_step`, ``[H, W]``."""
        window, unknown = np.ones((3, 3), np.uint8), np.isnan(self.measured)
        low = cv2.erode(np.where(unknown, np.float32(np.inf), self.measured), window)
        high = cv2.dilate(np.where(unknown, np.float32(0), self.measured), window)
        return np.asarray(nearest_up(high - low <= self.settings.edge_step * self.measured, self.size), np.bool_)

    @cached_property
    def textured(self) -> Mask:
        """Pixels at a colour edge, ``[H, W]``."""
        return texture(grey(self.rgb), self.settings.texture_levels)

    @cached_property
    def colour_edge_distance(self) -> Image:
        """Distance of each pixel to the nearest colour edge, pixels, cut off."""
        edges = cv2.Canny(grey(self.rgb).astype(np.uint8), 50, 100)
        distance = cv2.distanceTransform(255 - edges, cv2.DIST_L2, cv2.DIST_MASK_5)
        return np.asarray(np.minimum(distance, self.settings.align_cap_px), np.float32)

    @cached_property
    def steps(self) -> Mask:
        """Both sides of the reference's depth steps, ``[H, W]``."""
        return depth_steps(self.truth, self.settings.edge_step, self.settings.edge_gap_px)

    @cached_property
    def texture(self) -> Mask:
        """Textured pixels without a depth step of the reference near them, ``[H, W]``."""
        return self.textured & ~grown(self.steps, self.settings.texture_clear_px)

    @property
    def region_count(self) -> int:
        """Number of region codes: range bands and what lies outside, by edge, hole and texture."""
        return (len(self.settings.range_edges_m) + 1) * 8

    @cached_property
    def known(self) -> Known:
        """The pixels that the reference knows, by region."""
        edges = grown(self.steps, self.settings.edge_px)
        holes = ~np.asarray(nearest_up(np.isfinite(self.measured), self.size), np.bool_)
        index = np.flatnonzero(np.isfinite(self.truth))
        depth = self.truth.ravel().take(index)
        band = sum((depth >= np.float32(edge)).astype(np.uint16) for edge in self.settings.range_edges_m)
        code = self.texture + np.uint16(2) * holes + np.uint16(4) * edges
        code = code.ravel().take(index) + np.uint16(8) * band
        order = np.argsort(code, kind="stable")
        counts = np.bincount(code, minlength=self.region_count)
        present = np.flatnonzero(counts)
        starts = np.cumsum(counts[present]) - counts[present]
        return Known(index.take(order), depth.take(order), present, starts, counts[present])

    @property
    def is_judged(self) -> bool:
        """Whether the reference knows any pixel: a frame without does not count among those of a mean per frame."""
        return bool(self.known.places.size)

    @cached_property
    def surroundings(self) -> Surroundings:
        """Where points can float between surfaces of the reference."""
        return surroundings(self.truth, self.settings)

    @cached_property
    def grid(self) -> VoxelGrid | None:
        """The voxel grid with what the reference marks; None without one, intrinsics, or a pose where one is needed."""
        if not self.is_judged or self.intrinsics is None or (self.settings.up == "pose" and self.pose is None):
            return None
        return VoxelGrid.of(self.settings, self.known.places, self.known.depth, self.size, self.intrinsics, self.pose)

    @cached_property
    def still(self) -> Still | None:
        """What is static since the frame before; None for a first frame."""
        if self._past is None:
            return None
        settings, before, now = self.settings, self._past.measured, self.measured
        grey_static = ~grown(np.abs(self.luma - self._past.luma) > settings.static_levels, 1)
        change = now - before
        low_static = np.abs(change) <= np.float32(settings.static_relative) * now
        low_static = ~grown(~low_static, 1)
        static = grey_static & np.asarray(nearest_up(low_static, self.size), np.bool_)
        low_steps = grown(depth_steps(now, settings.edge_step) | depth_steps(before, settings.edge_step), 1)
        near_step = np.asarray(nearest_up(low_steps, self.size), np.bool_)
        textured = np.count_nonzero(self.textured)
        held = np.count_nonzero(self.textured & grey_static)
        stands = textured >= MIN_TEXTURED and held >= settings.still_share * textured
        return Still(static & ~near_step, static & near_step & stands, _trend(change, self.size))

    def past(self) -> _Past:
        """What the next frame needs of this one."""
        return _Past(self.luma, self.measured)


class FrameContexts:
    """Makes the contexts of one run, in order. Keeps of the past only the last frame's grey image and measurement."""

    def __init__(self, settings: MetricSettings) -> None:
        self._settings = settings
        self._number = 0
        self._past: _Past | None = None

    def next(self, truth: FrameTruth) -> FrameContext:
        """The context of the next frame."""
        context = FrameContext(truth, self._settings, self._number, self._past)
        self._number += 1
        self._past = context.past()
        return context


class Result:
    """What a method gave for a frame."""

    def __init__(
        self,
        frame: FrameContext,
        depth_m: NDArray[np.float32],
        sigma_m: NDArray[np.float32] | None = None,
        common: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take ``[H, W]`` float32 metres (NaN = none), the same for sigma, bool for common."""
        self.frame = frame
        self.sigma = sigma_m
        self.common = common
        with np.errstate(invalid="ignore"):
            given = np.isfinite(depth_m) & (depth_m > 0)
        self.given: Mask = given
        self.depth: Image = np.where(given, depth_m, np.float32(np.nan))

    @cached_property
    def at_known(self) -> Image:
        """Depth at the pixels that the reference knows, in the order of `FrameContext.known`."""
        return np.asarray(self.depth.ravel().take(self.frame.known.places), np.float32)

    @cached_property
    def error_at_known(self) -> Image:
        """Depth less reference there, NaN where none is given."""
        return self.at_known - self.frame.known.depth


def _clean(depth: NDArray[np.float32]) -> Image:
    """Depth with NaN wherever it is not above zero and finite."""
    fine = np.isfinite(depth) & (depth > 0)
    return np.asarray(depth if fine.all() else np.where(fine, depth, np.float32(np.nan)), np.float32)


def _trend(change: Image, size: tuple[int, int]) -> Image:
    """The mean change of the measurement over an eighth of the image around each pixel; 0 where nothing is known."""
    seen = np.isfinite(change)
    window = (2 * (change.shape[1] // 16) + 1, 2 * (change.shape[0] // 16) + 1)
    total = cv2.boxFilter(np.where(seen, change, np.float32(0)), -1, window, borderType=cv2.BORDER_REPLICATE)
    weight = cv2.boxFilter(seen.astype(np.float32), -1, window, borderType=cv2.BORDER_REPLICATE)
    mean = total / np.maximum(weight, np.float32(1e-6))
    return np.asarray(cv2.resize(mean, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
