"""From moments to tallies: everything that a recording is asked is counted here, frame by frame.

Data flows: `Moment` -> `Collector.add` -> the counters of noise, holes and edges -> `Tallies`, from which the fits in
`noise`, `missing` and `edge_effects` are made. Nothing is kept of a frame but counts, sums, and the distinct depth
values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.counting import HoleCounter, NoiseCounter, SceneCells
from pagnet_training.sensors.edge_effects import count_bias, count_flicker, count_flying, count_shadow
from pagnet_training.sensors.scenes import Moment, Motion
from pagnet_training.sensors.tallies import ANGLE_EDGES, BRIGHTNESS_EDGES, CELLS, Tallies, centres, tile_of

VALUES_KEPT = 60_000
FAR_END = 0.97


@dataclass
class Quality:
    """What a recording holds, for the report and the warnings.

    Attributes:
        frames: Read.
        calibrated: Whether intrinsics came with it.
        shape: Height and width of the depth.
        matrix: Intrinsics of the depth image.
        missing: Share of pixels without depth, summed over frames.
        unknown: Share of pixels whose depth no frame shows.
        stamps_ns: The first ones, for the rate.
    """

    frames: int = 0
    calibrated: bool = False
    shape: tuple[int, int] = (0, 0)
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    missing: float = 0.0
    unknown: float = 0.0
    stamps_ns: list[int] = field(default_factory=list)


class _Counters(NamedTuple):
    """What counts frames of one size."""

    tile: NDArray[np.int64]
    noise: NoiseCounter
    holes: HoleCounter


class Collector:
    """Counts moments, all of one size.

    Args:
        motion: How the recording moves.
    """

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.tallies = Tallies()
        self.quality = Quality()
        self.values: set[float] = set()
        self.values_full = False
        self.range_counts = np.zeros(4000)
        self._counters: _Counters | None = None

    def add(self, moment: Moment) -> None:
        """Count one moment."""
        self.tallies.next_frame()
        self._describe(moment)
        if self._counters is None:
            tile = tile_of(moment.view.shape)
            noise = NoiseCounter(self.motion, self.tallies, tile)
            self._counters = _Counters(tile, noise, HoleCounter(self.tallies, tile))
        tile, noise, holes = self._counters
        cell = SceneCells(moment.scene)
        noise.add(moment, cell)
        holes.add(moment, cell, self._far_end_m())
        z = moment.view.z
        count_flying(self.tallies, z, tile, noise.scale)
        count_flying(self.tallies, z.T, tile.T, noise.scale)
        if self.motion.mode == "still" and moment.before:
            count_flicker(self.tallies, moment.scene, z, moment.before[-1].z, tile)
        count_shadow(self.tallies, moment.view, tile)
        count_bias(self.tallies, moment, tile)

    def finish(self) -> None:
        """Count what only the whole recording shows."""
        if self._counters is not None:
            self._counters.noise.finish()

    def _describe(self, moment: Moment) -> None:
        view, quality = moment.view, self.quality
        known = np.isfinite(view.z)
        if quality.frames == 0:
            quality.shape, quality.matrix, quality.calibrated = view.shape, view.matrix, view.calibrated
        quality.frames += 1
        quality.missing += float(1 - known.mean())
        quality.unknown += float((~np.isfinite(moment.scene.z)).mean())
        if len(quality.stamps_ns) < 1000:
            quality.stamps_ns.append(view.stamp_ns)
        z = view.z[known]
        self.range_counts += np.bincount(np.clip((z * 100).astype(int), 0, 3999), minlength=4000)
        if not self.values_full:
            self.values.update(np.unique(z).tolist())
            self.values_full = len(self.values) > VALUES_KEPT

    def _far_end_m(self) -> float:
        """Depth beyond which little was ever measured."""
        share = np.cumsum(self.range_counts) / max(self.range_counts.sum(), 1)
        return float(np.searchsorted(share, 0.9995) + 1) / 100 * FAR_END

    def middles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean brightness and mean angle of what fell into each of their bins."""
        brightness = centres(BRIGHTNESS_EDGES, self.tallies.total("brightness", (CELLS[1], 2)))
        return brightness, centres(ANGLE_EDGES, self.tallies.total("angle", (CELLS[2], 2)))

    def limits(self) -> tuple[float, float]:
        """Nearest and farthest depth that were measured, metres, without the last ten-thousandth on each side."""
        share = np.cumsum(self.range_counts) / max(float(self.range_counts.sum()), 1.0)
        low = int(np.searchsorted(share, 1e-4))
        high = int(np.searchsorted(share, 1 - 1e-4))
        return max(low / 100, 0.01), (high + 1) / 100

    def ends_abruptly(self) -> tuple[bool, bool]:
        """Whether depths end, near and far, as if cut off: many right up to the end, none beyond, and holes besides."""
        nearest, farthest = self.limits()
        counts, total = self.range_counts, float(self.range_counts.sum())
        unknown = self.quality.unknown / max(self.quality.frames, 1)

        def dense(low: float, high: float) -> float:
            a, b = int(low * 100), max(int(high * 100), int(low * 100) + 1)
            return float(counts[a:b].sum()) / (b - a) / max(total, 1.0)

        level = 1.0 / max(100 * (farthest - nearest), 1.0)
        near = dense(nearest, 1.03 * nearest) > 0.5 * level
        far = dense(0.97 * farthest, farthest) > 0.3 * level and unknown > 0.02
        return near and unknown > 0.02, far
