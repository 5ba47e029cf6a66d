"""What distinguishes one sensor's frames from another's, counted: differences over time, missing pixels, holes.

Streams: add frames in order, memory stays constant. Two sets of counts are then compared by their distances, which
are 0 for equal ones and 1 for ones with nothing in common.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.images import edge_mask
from pagnet_training.sensors.realism import RealismCounts
from studies.fusion import moved_points
from studies.regions import distance_to

RANGE_EDGES_M = np.array([0.0, *np.arange(0.5, 3.0, 0.25), 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, np.inf])
BRIGHTNESS_EDGES = np.linspace(0.0, 1.0, 13)
EDGE_PX_EDGES = np.array([0.0, 0.5, 1.5, 2.5, 3.5, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0, np.inf])
JOINT_RANGE_M = np.array([0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, np.inf])
JOINT_BRIGHTNESS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0])
JOINT_EDGE_PX = np.array([0.0, 1.5, 3.5, 7.0, 15.0, np.inf])
JOINT_BINS = (len(JOINT_RANGE_M) - 1) * (len(JOINT_BRIGHTNESS) - 1) * (len(JOINT_EDGE_PX) - 1)
HOLE_PX_EDGES = np.array([1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 1025, 4097, np.inf])
TEMPORAL_CLEARANCE_PX = 3.0
DIFFERENCE_EDGES_M = np.concatenate([[-np.inf], np.linspace(-0.3, 0.3, 1201), [np.inf]])
LEAST_DIFFERENCES = 1000

Depth = NDArray[np.float32]
Matrix = NDArray[np.float64]
Count = NDArray[np.int64]


class Truth(NamedTuple):
    """What was there in one frame.

    Attributes:
        depth_m: ``[H, W]`` float32 metres, without holes.
        brightness: ``[H, W]`` float32, mean of red, green and blue, 0 to 1.
        pose: ``[4, 4]`` camera-to-world.
        measured: ``[H, W]`` bool, what the real frame measured; None for all.
        known: ``[H, W]`` bool, False where no frame saw what is there; None for all.
    """

    depth_m: Depth
    brightness: Depth
    pose: Matrix
    measured: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None

    @property
    def at_edges(self) -> NDArray[np.bool_] | None:
        """Pixels that the real frame measured and of which others tell what is there; None for all."""
        masks = [mask for mask in (self.measured, self.known) if mask is not None]
        return np.asarray(np.logical_and.reduce(masks), np.bool_) if masks else None


def _count(edges: Matrix) -> Count:
    return np.zeros((len(edges) - 1, 2), np.int64)


def _place(values: Depth, edges: Matrix) -> NDArray[np.intp]:
    """Number of the bin that each value falls in; what lies outside counts in the last or first."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


@dataclass
class Counts:
    """Everything counted over a sequence.

    Attributes:
        intrinsics: ``[3, 3]``, pixels.
        judged: ``[H, W]`` pixels that count; None for all.
        differences: ``[ranges, differences]``: one measurement minus what the frame before predicts there.
        by_range, by_brightness, by_edge: ``[bins, 2]``: pixels measured and missing.
        jointly: the same by all three at once, in coarser bins.
        holes: ``[sizes, 2]``: holes (8-connected) of that size, and their pixels.
        realism: what can be counted on depth images alone.
    """

    intrinsics: Matrix
    judged: NDArray[np.bool_] | None = None
    differences: Count = field(
        default_factory=lambda: np.zeros((len(RANGE_EDGES_M) - 1, len(DIFFERENCE_EDGES_M) - 1), np.int64)
    )
    by_range: Count = field(default_factory=lambda: _count(RANGE_EDGES_M))
    by_brightness: Count = field(default_factory=lambda: _count(BRIGHTNESS_EDGES))
    by_edge: Count = field(default_factory=lambda: _count(EDGE_PX_EDGES))
    jointly: Count = field(default_factory=lambda: np.zeros((JOINT_BINS, 2), np.int64))
    holes: Count = field(default_factory=lambda: _count(HOLE_PX_EDGES.astype(np.float64)))
    realism: RealismCounts = field(default_factory=RealismCounts)
    _before: tuple[Depth, Matrix] | None = field(default=None, repr=False)

    def next_sequence(self) -> None:
        """What follows is another sequence: its first frame has none before it."""
        self._before = None

    def add(self, seen_m: Depth, truth: Truth) -> None:
        """Take in the next frame: what the sensor delivered ``[H, W]`` (NaN missing), and what was there."""
        self.realism.add(seen_m, self.judged, truth.at_edges)
        edge_px = distance_to(edge_mask(truth.depth_m))
        judged = np.ones(seen_m.shape, np.bool_) if self.judged is None else self.judged
        missing = ~np.isfinite(seen_m) & judged
        measured = np.isfinite(seen_m) & judged
        maps = (truth.depth_m, truth.brightness, edge_px)
        bins = [_place(v, e) for v, e in zip(maps, (RANGE_EDGES_M, BRIGHTNESS_EDGES, EDGE_PX_EDGES), strict=True)]
        coarse = [_place(v, e) for v, e in zip(maps, (JOINT_RANGE_M, JOINT_BRIGHTNESS, JOINT_EDGE_PX), strict=True)]
        joint = (coarse[0] * (len(JOINT_BRIGHTNESS) - 1) + coarse[1]) * (len(JOINT_EDGE_PX) - 1) + coarse[2]
        all_counts = (self.by_range, self.by_brightness, self.by_edge, self.jointly)
        for counts, place in zip(all_counts, (*bins, joint), strict=True):
            for column, chosen in enumerate((measured, missing)):
                counts[:, column] += np.bincount(place[chosen], minlength=len(counts))
        _, _, stats, _ = cv2.connectedComponentsWithStats(missing.astype(np.uint8), connectivity=8)
        sizes = stats[1:, cv2.CC_STAT_AREA]
        place = np.searchsorted(HOLE_PX_EDGES, sizes, side="right") - 1
        self.holes[:, 0] += np.bincount(place, minlength=len(self.holes))
        self.holes[:, 1] += np.bincount(place, sizes, len(self.holes)).astype(np.int64)
        if self._before is not None:
            self._add_differences(*self._before, seen_m, truth, edge_px > TEMPORAL_CLEARANCE_PX)
        self._before = (seen_m, truth.pose)

    def _add_differences(
        self, before_m: Depth, pose: Matrix, seen_m: Depth, truth: Truth, clear: NDArray[np.bool_]
    ) -> None:
        row, column, expected = moved_points(before_m, pose, truth.pose, self.intrinsics)
        chosen = np.isfinite(seen_m[row, column]) & clear[row, column]
        row, column = row[chosen], column[chosen]
        difference = seen_m[row, column] - expected[chosen]
        bins = np.searchsorted(RANGE_EDGES_M, truth.depth_m[row, column], side="right") - 1
        place = np.searchsorted(DIFFERENCE_EDGES_M, difference, side="right") - 1
        width = self.differences.shape[1]
        flat = np.bincount(bins * width + place, minlength=self.differences.size)
        self.differences += flat.reshape(self.differences.shape)


def kolmogorov_smirnov(first: Count, second: Count) -> float:
    """Largest distance between two cumulative distributions given as counts ``[n]`` over the same bins."""
    shares = [np.cumsum(counts) / max(int(counts.sum()), 1) for counts in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def total_variation(first: Count, second: Count) -> float:
    """Half the summed difference of two distributions given as counts; 1 if one is empty and the other is not."""
    if not first.sum() or not second.sum():
        return float(bool(first.sum()) != bool(second.sum()))
    return float(0.5 * np.abs(first / first.sum() - second / second.sum()).sum())


def missing_distance(real: Count, other: Count) -> float:
    """Total variation distance between the distributions of (bin, missing or not), over the real sequence's bins.

    That is the mean over the real pixels of how far the missing rates of their bins are apart.

    Args:
        real: ``[bins, 2]`` pixels measured and missing.
        other: the same of the other sequence, which need not hold as many pixels of each bin.
    """
    pixels = real.sum(axis=1)
    both = (pixels > 0) & (other.sum(axis=1) > 0)
    rates = [counts[both, 1] / counts[both].sum(axis=1) for counts in (real, other)]
    return float(np.average(np.abs(rates[0] - rates[1]), weights=pixels[both]))


def temporal_distance(real: Count, other: Count) -> tuple[float, list[float | None]]:
    """Kolmogorov-Smirnov distance of the temporal differences, by range bin, and their mean over the real pixels.

    Bins with fewer than a thousand differences in either are None and do not count.
    """
    distances: list[float | None] = []
    for mine, theirs in zip(real, other, strict=True):
        enough = min(int(mine.sum()), int(theirs.sum())) >= LEAST_DIFFERENCES
        distances.append(kolmogorov_smirnov(mine, theirs) if enough else None)
    found = [(value, int(mine.sum())) for value, mine in zip(distances, real, strict=True) if value is not None]
    if not found:
        return float("nan"), distances
    values, weights = zip(*found, strict=True)
    return float(np.average(values, weights=weights)), distances
