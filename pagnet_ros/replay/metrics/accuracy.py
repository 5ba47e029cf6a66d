"""Error against the reference: over everything, by range, at edges, in holes, on texture."""

from __future__ import annotations

from typing import Any

import numpy as np

from pagnet_ros.replay.metrics.flying import between_surfaces
from pagnet_ros.replay.metrics.frame import Result
from pagnet_ros.replay.metrics.registry import EIGEN, Group, Metric, Sums, Values, add_metrics, ratio, root
from pagnet_ros.replay.metrics.settings import MetricSettings

DELTAS = {"1_05": 1.05, "1_10": 1.10, "1_25": 1.25, "1_25_2": 1.25**2, "1_25_3": 1.25**3}
DELTA_LABELS = ("1.05", "1.10", "1.25", "1.25²", "1.25³")
KNOWN, SCORED, ERROR, ABSOLUTE, SQUARE, RELATIVE = range(6)


@add_metrics(
    Metric(
        "rmse_common_m",
        "RMSE, common",
        "RMSE over the known pixels for which every method of the run gives a depth, so that none gains by "
        "leaving out what is difficult; where `common` says measured, only those of them whose four surrounding "
        "input pixels are measured, so that nothing has to be filled.",
        unit="m",
        lead=True,
        shared=True,
    ),
    Metric("mae_common_m", "MAE, common", "MAE over the same pixels.", unit="m", lead=True, shared=True),
    Metric(
        "rmse_flat_common_m",
        "RMSE, flat areas",
        "RMSE over those of the same pixels where the input is flat: the nearest input pixel and its eight "
        "neighbours differ by at most `edge_step` of its depth.",
        unit="m",
        lead=True,
        shared=True,
    ),
    Metric(
        "rmse_rest_common_m",
        "RMSE, edge areas",
        "RMSE over the others of the same pixels, those near a depth step of the input.",
        unit="m",
        lead=True,
        shared=True,
    ),
    Metric(
        "flying_common",
        "points between surfaces",
        "Flying pixels (`flying_px`, `flying_margin_m`, `flying_margin_relative`; see flying pixels) among the same "
        "pixels; mean number per frame.",
        unit="per frame",
        lead=True,
        shared=True,
    ),
)
class Common(Group):
    """Errors over the pixels that every method of the run gives."""

    def sums(self, result: Result) -> Sums:
        """Pixels, absolute and squared errors; those of flat areas; frames, and flying pixels."""
        frame = result.frame
        if result.common is None or not frame.is_judged:
            return np.zeros(7)
        common = result.common & frame.inside if self.settings.common == "measured" else result.common
        chosen = common.ravel().take(frame.known.places) & np.isfinite(result.at_known)
        error = result.error_at_known[chosen]
        square = np.square(error)
        flat = frame.flat.ravel().take(frame.known.places[chosen])
        flying = between_surfaces(np.where(common, result.depth, np.float32(np.nan)), frame.surroundings, self.settings)
        sums = [error.size, np.abs(error).sum(dtype=np.float64), square.sum(dtype=np.float64)]
        return np.array([*sums, np.count_nonzero(flat), square[flat].sum(dtype=np.float64), 1, flying.size])

    def values(self, sums: Sums) -> Values:
        """Errors there, and flying pixels per frame."""
        count, absolute, square, flat, flat_square, frames, flying = sums.tolist()
        return {
            "rmse_common_m": root(square, count),
            "mae_common_m": ratio(absolute, count),
            "rmse_flat_common_m": root(flat_square, flat),
            "rmse_rest_common_m": root(square - flat_square, count - flat),
            "flying_common": ratio(flying, frames),
        }


@add_metrics(
    Metric("rmse_m", "RMSE", "Root of the mean of (d - z)^2 over scored pixels.", unit="m", source=EIGEN, lead=True),
    Metric("mae_m", "MAE", "Mean of |d - z| over scored pixels.", unit="m", source="Uhrig et al. 2017 (KITTI depth)"),
    Metric("coverage", "coverage", "Scored pixels over known pixels.", better="higher", lead=True),
    Metric("abs_rel", "AbsRel", "Mean of |d - z| / z over scored pixels.", source=EIGEN),
    Metric(
        "rmse_edges_m",
        "RMSE, edges",
        "RMSE over scored pixels within `edge_px` (Chebyshev) of a depth step of the reference. A step lies "
        "between two neighbouring known pixels of a row or column, at most `edge_gap_px` unknown pixels "
        "apart, whose depths differ by more than `edge_step` of the nearer and 1 % more for each unknown "
        "pixel between them.",
        unit="m",
    ),
    Metric("coverage_edges", "coverage, edges", "Scored over known pixels there.", better="higher"),
    Metric(
        "rmse_holes_m",
        "RMSE, holes",
        "RMSE over scored pixels whose nearest pixel of the input was not measured.",
        unit="m",
        lead=True,
    ),
    Metric("coverage_holes", "coverage, holes", "Scored over known pixels there.", better="higher", lead=True),
    Metric(
        "rmse_texture_m",
        "RMSE, texture",
        "RMSE over scored textured pixels: grey (3x3 Sobel, per pixel) rises by more than `texture_levels` "
        "within one pixel of them, and no depth step of the reference lies within `texture_clear_px`.",
        unit="m",
    ),
)
class Accuracy(Group):
    """Sums per region of the reference: ``[bands, edge, hole, texture, 6]``, flattened."""

    def __init__(self, settings: MetricSettings) -> None:
        super().__init__(settings)
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

    def values(self, sums: Sums) -> Values:
        """All metrics that are errors over a region."""
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

    def tables(self, sums: Sums) -> dict[str, Any]:
        """`by_range`, a row per range band, and `pixels`, how many pixels each metric stands on."""
        return {"by_range": self._by_range(sums), "pixels": self._pixels(sums)}

    def _by_range(self, sums: Sums) -> list[dict[str, Any]]:
        """One row per range band, and one for what lies beyond the last where anything does."""
        bands = sums.reshape(self._shape).sum((1, 2, 3))
        limits = [*self._edges, None]
        rows = [_row(limits[i], limits[i + 1], bands[i + 1]) for i in range(len(self._edges))]
        if bands[0][KNOWN]:
            rows.insert(0, _row(0.0, self._edges[0], bands[0]))
        return rows if bands[-1][KNOWN] else rows[:-1]

    def _pixels(self, sums: Sums) -> dict[str, int]:
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


@add_metrics(
    *(
        Metric(
            f"delta_{name}",
            f"δ<{label}",
            f"Share of scored pixels with max(d / z, z / d) below {label.translate({178: '^2', 179: '^3'})}.",
            source=EIGEN if label.startswith("1.25") else "as Eigen et al. 2014, tighter",
            better="higher",
        )
        for name, label in zip(DELTAS, DELTA_LABELS, strict=True)
    ),
    Metric(
        "accurate_share",
        "within 5 %",
        "Share of known pixels whose depth is given and has max(d / z, z / d) below 1.05: a pixel left out "
        "counts as much against a method as a wrong one.",
        better="higher",
    ),
)
class Deltas(Group):
    """Shares of pixels whose depth is right within a factor."""

    def sums(self, result: Result) -> Sums:
        """Pixels known, scored, and below each threshold."""
        known = result.frame.known
        factor = result.at_known / known.depth
        factor = np.maximum(factor, np.float32(1) / factor)
        below = [np.count_nonzero(factor < np.float32(threshold)) for threshold in DELTAS.values()]
        return np.array([factor.size, np.count_nonzero(np.isfinite(factor)), *below], np.float64)

    def values(self, sums: Sums) -> Values:
        """The thresholds over scored pixels, and the tightest over known ones."""
        known, scored, *below = sums.tolist()
        values = {f"delta_{name}": ratio(count, scored) for name, count in zip(DELTAS, below, strict=True)}
        return values | {"accurate_share": ratio(below[0], known)}
