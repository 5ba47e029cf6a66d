"""What noise and holes show, counted frame by frame.

Data flows: `Moment` -> counters -> histograms and products in `Tallies`, which `noise` and `missing` fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import RESIDUAL_BINS, residual_bin, trimmed_variance
from pagnet_training.sensors.images import Depth, Mask
from pagnet_training.sensors.motion import residual_to
from pagnet_training.sensors.scenes import LAGS, Moment, Motion, Scene
from pagnet_training.sensors.tallies import (
    ANGLE_EDGES,
    BRIGHTNESS_EDGES,
    CELLS,
    EDGE_REACH_PX,
    NB,
    NZ,
    PERSISTENCE_LAGS,
    RANGE_EDGES,
    RANGE_MIDDLES,
    TILES,
    Tallies,
    bin_of,
    tile_sums,
)


class SceneCells:
    """The bins of every pixel of a scene.

    Attributes:
        z, brightness, angle: ``[h, w]`` bins.
        index: Flat index into `CELLS`.
        slope_squared: Depth change per pixel sideways, squared, square metres.
    """

    def __init__(self, scene: Scene) -> None:
        self.z = bin_of(RANGE_EDGES, scene.z)
        self.brightness = bin_of(BRIGHTNESS_EDGES, scene.grey)
        self.angle = bin_of(ANGLE_EDGES, scene.plane.theta)
        self.index = (self.z * NB + self.brightness) * CELLS[2] + self.angle
        plane = scene.plane
        self.slope_squared = (plane.gx**2 + plane.gy**2) / np.maximum(plane.w, 1e-2) ** 4
        self._scene = scene

    def flat_mask(self, margin_px: int) -> Mask:
        """Pixels farther than a margin from every depth edge, on a surface whose depth is known."""
        scene = self._scene
        return (scene.edges.distance > margin_px) & np.isfinite(scene.z) & ~scene.split & scene.plane.whole


CORRELATION_PX = 8
SPACINGS = (1, 2, 3)
NOISE_MARGIN_PX = 3
CLIP = 4.0


class NoiseCounter:
    """Counts noise.

    Args:
        motion: How the recording moves.
        tallies: What is added to.
        tile: Tile of every pixel, see `tallies.tile_of`.

    Attributes:
        scale: Standard deviation by bin of depth so far, metres; NaN where not known yet.
    """

    def __init__(self, motion: Motion, tallies: Tallies, tile: NDArray[np.int64]) -> None:
        self.motion = motion
        self.tallies = tallies
        self.scale = np.full(NZ, np.nan)
        self._tile = tile
        self._shape = (tile.shape[0], tile.shape[1])
        self._residual_before: list[Depth] = []
        self._mean: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def add(self, moment: Moment, cell: SceneCells) -> None:
        """Count one moment."""
        if self.motion.mode in ("still", "slow"):
            self._still_noise(moment, cell)
        elif self.motion.mode == "poses":
            self._posed_noise(moment, cell)
        elif self.motion.mode == "space":
            self._space_noise(moment, cell)
        self._update_scale()

    def _still_noise(self, moment: Moment, cell: SceneCells) -> None:
        """Differences of the same pixel between frames."""
        flat = cell.flat_mask(NOISE_MARGIN_PX)
        z = moment.view.z
        for lag in LAGS if self.motion.mode == "still" else (1,):
            if lag > len(moment.before):
                break
            difference = z - moment.before[-lag].z
            usable = flat & np.isfinite(difference) & (np.abs(z - moment.scene.z) < 0.15 * moment.scene.z)
            rows, columns = np.nonzero(usable)
            error = difference[rows, columns].astype(np.float64)
            if lag == 1:
                self._count_noise("noise", cell, rows, columns, error)
                field_ = np.where(usable, difference, np.nan)
                self._correlate(field_, cell)
            self._histogram(f"lag{lag}", (NZ,), cell.z, rows, columns, error)
        if self.motion.mode == "still":
            if self._mean is None:
                self._mean = (np.zeros(z.shape), np.zeros(z.shape))
            good = np.isfinite(z) & (np.abs(z - moment.scene.z) < 0.15 * moment.scene.z)
            self._mean[0][good] += z[good]
            self._mean[1][good] += 1

    def _posed_noise(self, moment: Moment, cell: SceneCells) -> None:
        """Differences of the same surface point between frames, by the poses."""
        self._fixed_pattern(moment, cell)
        if moment.earlier is None or moment.relative is None or moment.scene_before is None:
            return
        usable_before = moment.scene_before.edges.distance > NOISE_MARGIN_PX
        found = residual_to(
            moment.earlier, moment.view, moment.relative, usable_before, cell.flat_mask(NOISE_MARGIN_PX),
            moment.scene.plane,
        )  # fmt: skip
        near = np.abs(found.error_m) < 0.15 * moment.scene.z[found.row, found.column]
        rows, columns, error = found.row[near], found.column[near], found.error_m[near]
        self._count_noise("noise", cell, rows, columns, error)
        field_ = np.full(moment.view.shape, np.nan, np.float32)
        field_[rows, columns] = error
        self._correlate(field_, cell)

    def _fixed_pattern(self, moment: Moment, cell: SceneCells) -> None:
        """Residuals from local planes at the same pixel of different frames: what of the noise stays with the pixel."""
        plane = moment.scene.plane
        flat = cell.flat_mask(2 * NOISE_MARGIN_PX) & plane.whole
        with np.errstate(invalid="ignore"):
            residual = (plane.w - 1.0 / moment.view.z) * moment.scene.z**2 / self.scale[cell.z]
        residual = np.where(flat & (np.abs(residual) < CLIP), residual, np.nan).astype(np.float32)
        for number, lag in enumerate(PERSISTENCE_LAGS):
            if lag <= len(self._residual_before) and lag * self.motion.shift_px >= 1.0:
                self._products("fixed", number, len(PERSISTENCE_LAGS), residual, self._residual_before[-lag])
        self._residual_before = [*self._residual_before, residual][-PERSISTENCE_LAGS[-1] :]

    def _space_noise(self, moment: Moment, cell: SceneCells) -> None:
        """Second differences of inverse depth, which vanish on planes."""
        z = moment.view.z
        with np.errstate(invalid="ignore", divide="ignore"):
            w = 1.0 / z
        for number, spacing in enumerate(SPACINGS):
            flat = cell.flat_mask(NOISE_MARGIN_PX + spacing)
            for axis in (0, 1):
                bend = np.full(z.shape, np.nan, np.float32)
                middle = [slice(None), slice(None)]
                before, after = list(middle), list(middle)
                middle[axis], before[axis], after[axis] = (
                    slice(spacing, -spacing), slice(None, -2 * spacing), slice(2 * spacing, None),
                )  # fmt: skip
                bend[tuple(middle)] = w[tuple(before)] - 2 * w[tuple(middle)] + w[tuple(after)]
                error = bend * moment.scene.z**2
                usable = flat & np.isfinite(error) & (np.abs(error) < 0.3 * moment.scene.z)
                rows, columns = np.nonzero(usable)
                found = error[rows, columns].astype(np.float64)
                self._histogram(f"space{number}", (NZ,), cell.z, rows, columns, found)
                if spacing == SPACINGS[-1]:
                    self._count_noise("noise", cell, rows, columns, found / np.sqrt(3.0))

    def _count_noise(
        self,
        name: str,
        cell: SceneCells,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        error: NDArray[np.float64],
    ) -> None:
        """A histogram of residuals per cell."""
        self._histogram(name, CELLS, cell.index, rows, columns, error)
        tile = self._tile[rows, columns]
        self.tallies.add("slope", CELLS, tile, cell.index[rows, columns], cell.slope_squared[rows, columns])

    def _histogram(
        self,
        name: str,
        bins: tuple[int, ...],
        index: NDArray[np.int64],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        error: NDArray[np.float64],
    ) -> None:
        """A histogram of residuals, and of their squares, for each of the bins that `index` deals the pixels to."""
        tile, shape = self._tile[rows, columns], (*bins, RESIDUAL_BINS)
        place = index[rows, columns] * RESIDUAL_BINS + residual_bin(error)
        self.tallies.add(name, shape, tile, place)
        self.tallies.add(f"{name}_squares", shape, tile, place, error**2)

    def _correlate(self, error: Depth, cell: SceneCells) -> None:
        """Products of a difference image with itself, displaced by some pixels."""
        with np.errstate(invalid="ignore"):
            scaled = error / (np.sqrt(2.0) * self.scale[cell.z])
            scaled = np.where(np.abs(scaled) < CLIP, scaled, np.nan).astype(np.float32)
        height, width = scaled.shape
        for distance in range(CORRELATION_PX + 1):
            beside = (scaled[:, distance:], scaled[:, : width - distance])
            below = (scaled[distance:], scaled[: height - distance])
            for first, second in (beside, below) if distance else (beside,):
                self._products("correlation", distance, CORRELATION_PX + 1, first, second)

    def _products(self, name: str, number: int, size: int, first: Depth, second: Depth) -> None:
        """Sums of products and of both squares, by tile."""
        product = first * second
        both = np.isfinite(product)
        sums = np.zeros((TILES, size, 3))
        for part, values in enumerate((both, product, 0.5 * (first * first + second * second))):
            sums[:, number, part] = tile_sums(np.where(both, values, 0), self._shape)
        self.tallies.add_sums(name, sums)

    def _update_scale(self) -> None:
        """The standard deviation by depth so far; refreshed whenever the number of frames has doubled."""
        done = self.tallies.frames
        if done & (done - 1) and np.isfinite(self.scale).any():
            return
        shape = (*CELLS, RESIDUAL_BINS)
        counts = self.tallies.total("noise", shape).sum((1, 2))
        squares = self.tallies.total("noise_squares", shape).sum((1, 2))
        sigma = np.sqrt(trimmed_variance(counts, squares) / 2)
        good = (counts.sum(1) > 200) & np.isfinite(sigma)
        if good.any():
            logs = np.log(RANGE_MIDDLES)
            self.scale = np.exp(np.interp(logs, logs[good], np.log(np.maximum(sigma[good], 1e-5))))

    def finish(self) -> None:
        """Count what only the whole recording shows."""
        if self._mean is None:
            return
        total, count = self._mean
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count >= 0.7 * count.max(), total / count, np.nan)
            w = 1.0 / mean
            bend = np.full(w.shape, np.nan)
            bend[:, 2:-2] = w[:, :-4] - 2 * w[:, 2:-2] + w[:, 4:]
            error = bend * mean**2
        usable = np.isfinite(error) & (np.abs(error) < 0.05 * np.nan_to_num(mean))
        rows, columns = np.nonzero(usable)
        index = bin_of(RANGE_EDGES, mean)[rows, columns] * RESIDUAL_BINS + residual_bin(error[rows, columns])
        tile = self._tile[rows, columns]
        self.tallies.add("pattern", (NZ, RESIDUAL_BINS), tile, index)
        self.tallies.add("pattern_squares", (NZ, RESIDUAL_BINS), tile, index, error[rows, columns] ** 2)


HOLE_LAGS_PX = (1, 2, 3, 4, 6, 8, 12, 18, 27, 40)
INTERIOR_MARGIN_PX = 8
SHADOW_REACH_PX = 20
PAIRED = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
"""Numbers of pairs of neither, the second, the first, both missing -> of all pairs, the first, the second, both."""


class HoleCounter:
    """Counts missing pixels.

    Args:
        tallies: What is added to.
        tile: Tile of every pixel, see `tallies.tile_of`.
    """

    def __init__(self, tallies: Tallies, tile: NDArray[np.int64]) -> None:
        self.tallies = tallies
        self._tile = tile
        self._missing_before: list[tuple[Mask, Mask]] = []

    def add(self, moment: Moment, cell: SceneCells, far_end_m: float) -> None:
        """Count one moment; what lies beyond `far_end_m` may be out of range and is no hole."""
        scene = moment.scene
        gone = ~np.isfinite(moment.view.z)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(scene.z) & (scene.z < far_end_m)
        if moment.delivering is not None:
            known &= moment.delivering
        edges = scene.edges
        shadow = edges.far_side & (edges.direction < 2) & (edges.distance <= SHADOW_REACH_PX)
        interior = known & ~scene.split & (edges.distance > INTERIOR_MARGIN_PX) & ~shadow
        rows, columns = np.nonzero(interior)
        missing = gone[rows, columns].astype(np.float64)
        index = cell.index[rows, columns]
        tile = self._tile[rows, columns]
        self.tallies.add("interior", CELLS, tile, index)
        self.tallies.add("interior_missing", CELLS, tile, index, missing)
        for name, bins, values in (
            ("brightness", cell.brightness, scene.grey),
            ("angle", cell.angle, scene.plane.theta),
        ):
            at, value = bins[rows, columns] * 2, values[rows, columns].astype(np.float64)
            size = CELLS[1] if name == "brightness" else CELLS[2]
            self.tallies.add(name, (size, 2), tile, at)
            self.tallies.add(name, (size, 2), tile, at + 1, value)
        near = known & (edges.distance <= EDGE_REACH_PX)
        rows, columns = np.nonzero(near)
        place = (edges.far_side[rows, columns] * 4 + edges.direction[rows, columns]) * (EDGE_REACH_PX + 1)
        index = place.astype(np.int64) + edges.distance[rows, columns].astype(np.int64)
        tile = self._tile[rows, columns]
        shape = (2, 4, EDGE_REACH_PX + 1)
        self.tallies.add("edge", shape, tile, index)
        self.tallies.add("edge_missing", shape, tile, index, gone[rows, columns].astype(np.float64))
        self._hole_pairs(gone, interior, cell)

    def _hole_pairs(self, gone: Mask, interior: Mask, cell: SceneCells) -> None:
        """How often two places are missing together: neighbours in one frame, and one pixel in two frames."""
        kind = cell.z * NB + cell.brightness
        shape = (len(HOLE_LAGS_PX), NZ * NB, 4)
        for number, distance in enumerate(HOLE_LAGS_PX):
            for axis in (0, 1):
                first = (slice(distance, None), slice(None)) if axis == 0 else (slice(None), slice(distance, None))
                second = (slice(None, -distance), slice(None)) if axis == 0 else (slice(None), slice(None, -distance))
                usable = interior[first] & interior[second]
                self._pairs("blobs", shape, number, gone[first], gone[second], usable, kind[first])
        shape = (len(PERSISTENCE_LAGS), NZ * NB, 4)
        for number, lag in enumerate(PERSISTENCE_LAGS):
            if lag <= len(self._missing_before):
                gone_before, interior_before = self._missing_before[-lag]
                self._pairs("persistence", shape, number, gone, gone_before, interior & interior_before, kind)
        self._missing_before = [*self._missing_before, (gone, interior)][-PERSISTENCE_LAGS[-1] :]

    def _pairs(
        self,
        name: str,
        shape: tuple[int, ...],
        number: int,
        first: Mask,
        second: Mask,
        usable: Mask,
        kind: NDArray[np.int64],
    ) -> None:
        """Number of pairs, those with the first missing, with the second, and with both."""
        tile = self._tile[: usable.shape[0], : usable.shape[1]][usable]
        which = 2 * first[usable] + second[usable]  # of neither, the second, the first, both
        place = ((tile * shape[0] + number) * shape[1] + kind[usable]) * 4 + which
        counted = np.bincount(place, minlength=TILES * int(np.prod(shape))).reshape(TILES, *shape)
        self.tallies.add_sums(name, counted @ PAIRED)
