"""Error against the reference: over everything, by range, at edges, in holes, on texture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.result import Figures, Result, Sums, ratio, root
from pagnet_ros.replay.metrics.settings import MetricSettings

__all__ = ["Accuracy", "Common", "Deltas"]

DELTAS = {
    "delta_1_05": 1.05,
    "delta_1_10": 1.10,
    "delta_1_25": 1.25,
    "delta_1_25_2": 1.25**2,
    "delta_1_25_3": 1.25**3,
}
KNOWN, SCORED, ERROR, ABSOLUTE, SQUARE, RELATIVE = range(6)


class Accuracy:
    """Sums per region of the reference: ``[bands, edge, hole, texture, 6]``, flattened."""

    def __init__(self, settings: MetricSettings) -> None:
        """Create for the range bands of the settings."""
        self._edges = settings.range_edges_m
        self._shape = (len(self._edges) + 1, 2, 2, 2, 6)

    def sums(self, result: Result) -> Sums:
        """Counts and error sums of one frame."""
        known = result.frame.known
        table = np.zeros((result.frame.region_count, 6))
        if known.places.size:
            given = np.isfinite(result.at_known)
            error = np.where(given, result.error_at_known, np.float32(0))
            absolute = np.abs(error)
            columns = (given, error, absolute, error * error, absolute / known.depth)
            table[known.codes, KNOWN] = known.sizes
            for column, values in enumerate(columns, start=SCORED):
                table[known.codes, column] = np.add.reduceat(values, known.starts, dtype=np.float64)
        return table.reshape(-1)

    def figures(self, sums: Sums) -> Figures:
        """All figures that are errors over a region."""
        table = sums.reshape(self._shape)
        everything = table.sum((0, 1, 2, 3))
        edges, holes, texture = (part.sum((0, 1, 2)) for part in (table[:, 1], table[:, :, 1], table[:, :, :, 1]))
        return {
            "rmse_m": root(everything[SQUARE], everything[SCORED]),
            "mae_m": ratio(everything[ABSOLUTE], everything[SCORED]),
            "abs_rel": ratio(everything[RELATIVE], everything[SCORED]),
            "coverage": ratio(everything[SCORED], everything[KNOWN]),
            "rmse_edges_m": root(edges[SQUARE], edges[SCORED]),
            "coverage_edges": ratio(edges[SCORED], edges[KNOWN]),
            "rmse_holes_m": root(holes[SQUARE], holes[SCORED]),
            "coverage_holes": ratio(holes[SCORED], holes[KNOWN]),
            "rmse_texture_m": root(texture[SQUARE], texture[SCORED]),
        }

    def by_range(self, sums: Sums) -> list[dict[str, Any]]:
        """One row per range band, and one for what lies beyond the last where anything does."""
        bands = sums.reshape(self._shape).sum((1, 2, 3))
        limits = [*self._edges, None]
        rows = [_row(limits[i], limits[i + 1], bands[i + 1]) for i in range(len(self._edges))]
        if bands[0][KNOWN]:
            rows.insert(0, _row(0.0, self._edges[0], bands[0]))
        return rows if bands[-1][KNOWN] else rows[:-1]

    def pixels(self, sums: Sums) -> dict[str, int]:
        """How many pixels each figure stands on."""
        table = sums.reshape(self._shape)
        regions = {
            "known": table[..., KNOWN],
            "scored": table[..., SCORED],
            "edges": table[:, 1][..., SCORED],
            "holes": table[:, :, 1][..., SCORED],
            "texture": table[:, :, :, 1][..., SCORED],
        }
        return {name: int(counts.sum()) for name, counts in regions.items()}


def _row(low: float | None, high: float | None, sums: Sums) -> dict[str, Any]:
    return {
        "from_m": low,
        "to_m": high,
        "pixels": int(sums[SCORED]),
        "coverage": ratio(sums[SCORED], sums[KNOWN]),
        "rmse_m": root(sums[SQUARE], sums[SCORED]),
        "mae_m": ratio(sums[ABSOLUTE], sums[SCORED]),
        "abs_rel": ratio(sums[RELATIVE], sums[SCORED]),
        "bias_m": ratio(sums[ERROR], sums[SCORED]),
    }


class Deltas:
    """Shares of pixels whose depth is right within a factor."""

    def sums(self, result: Result) -> Sums:
        """Pixels known, scored, and below each threshold."""
        known = result.frame.known
        factor = result.at_known / known.depth
        factor = np.maximum(factor, np.float32(1) / factor)
        below = [np.count_nonzero(factor < np.float32(threshold)) for threshold in DELTAS.values()]
        return np.array([factor.size, np.count_nonzero(np.isfinite(factor)), *below], np.float64)

    def figures(self, sums: Sums) -> Figures:
        """The thresholds over scored pixels, and the tightest over known ones."""
        known, scored, *below = sums.tolist()
        figures = {name: ratio(count, scored) for name, count in zip(DELTAS, below, strict=True)}
        return figures | {"accurate_share": ratio(below[0], known)}


class Common:
    """Error over the pixels that every method of the run gives."""

    def sums(self, result: Result) -> Sums:
        """Pixels, absolute and squared errors; zeros where the run does not say which pixels are common."""
        if result.common is None:
            return np.zeros(3)
        error = result.error_at_known[_common_at_known(result)]
        return np.array([error.size, np.abs(error).sum(dtype=np.float64), np.square(error).sum(dtype=np.float64)])

    def figures(self, sums: Sums) -> Figures:
        """RMSE and MAE there."""
        count, absolute, square = sums.tolist()
        return {"rmse_common_m": root(square, count), "mae_common_m": ratio(absolute, count)}


def _common_at_known(result: Result) -> NDArray[np.bool_]:
    assert result.common is not None
    common = result.common.ravel().take(result.frame.known.places)
    return np.asarray(common & np.isfinite(result.at_known), np.bool_)
