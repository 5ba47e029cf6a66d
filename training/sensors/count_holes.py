"""Where pixels are missing, counted frame by frame: by surface, by distance to edges, together with others.

Data flows: `Moment` -> `HoleCounter.add` -> `Tallies`, which `missing` and `edge_effects` fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.cells import CELLS, EDGE_REACH_PX, NB, NZ, PERSISTENCE_LAGS
from pagnet_training.sensors.images import Mask
from pagnet_training.sensors.scene_cells import SceneCells
from pagnet_training.sensors.scenes import Moment
from pagnet_training.sensors.tallies import Tallies

__all__ = ["HOLE_LAGS_PX", "HoleCounter"]

HOLE_LAGS_PX = (1, 2, 3, 4, 6, 8, 12, 18, 27, 40)
INTERIOR_MARGIN_PX = 8
SHADOW_REACH_PX = 20


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
        a, b, of = first[usable], second[usable], kind[usable]
        tile = self._tile[: usable.shape[0], : usable.shape[1]][usable]
        base = (number * shape[1] + of) * 4
        for part, value in enumerate((None, a, b, a & b)):
            self.tallies.add(name, shape, tile, base + part, None if value is None else value.astype(np.float64))
