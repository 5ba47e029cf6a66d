"""Whether sigma says how large errors are: normalised error, and expected beside observed error by predicted sigma."""

from __future__ import annotations

from typing import Any

import numpy as np

from pagnet_ros.replay.metrics.frame import Result
from pagnet_ros.replay.metrics.registry import Group, Metric, Sums, Values, add_metrics, ratio, root

FIRST_SIGMA_M = 0.0025
ROWS = 9
"""Rows of the table: sigma below 2.5 mm, then each row up to twice the sigma of the one before; the last is open."""


@add_metrics(
    Metric(
        "sigma_error_ratio",
        "error / σ",
        "Root of the mean of ((d - z) / σ)^2 over scored pixels with a σ: 1 where σ says how large errors "
        "are, above 1 where it promises too much. The noise of the reference counts as error.",
        needs="sigma",
        better="target",
        target=1.0,
    ),
    Metric(
        "within_1_sigma",
        "within 1 σ",
        "Share of these pixels with |d - z| up to σ; 0.683 for a normal distribution.",
        needs="sigma",
        better="target",
        target=0.683,
    ),
    Metric(
        "within_2_sigma",
        "within 2 σ",
        "Share of these pixels with |d - z| up to 2 σ; 0.954 for a normal distribution.",
        needs="sigma",
        better="target",
        target=0.954,
    ),
    Metric(
        "sigma_ence",
        "σ calibration error",
        "Expected normalised calibration error: |observed - expected| / expected of each row of the "
        "calibration table, averaged with its number of pixels as weight. Expected is the root mean square of "
        "σ in the row, observed the RMSE.",
        source="Levi et al. 2022 (rows there of equal size)",
        needs="sigma",
    ),
)
class Calibration(Group):
    """Sums by predicted sigma, ``[rows, 3]`` flattened, and three over all rows."""

    def sums(self, result: Result) -> Sums:
        """Counts, squares of sigma and of error; squares of their quotient, and how many are within 1 and 2 sigma."""
        table, total = np.zeros((ROWS, 3)), np.zeros(3)
        if result.sigma is not None:
            sigma = result.sigma.ravel().take(result.frame.known.places)
            error = result.error_at_known
            judged = np.isfinite(sigma) & (sigma > 0) & np.isfinite(error)
            if not judged.all():
                sigma, error = sigma[judged], error[judged]
            row = np.clip(np.frexp(sigma / np.float32(FIRST_SIGMA_M))[1], 0, ROWS - 1)
            normal = np.square(error / sigma)
            for column, weights in enumerate((None, np.square(sigma), np.square(error))):
                table[:, column] = np.bincount(row, weights, minlength=ROWS)
            total[:] = normal.sum(dtype=np.float64), np.count_nonzero(normal <= 1), np.count_nonzero(normal <= 4)
        return np.concatenate([table.reshape(-1), total])

    def values(self, sums: Sums) -> Values:
        """Metrics over all rows."""
        table, (normal, within_1, within_2) = sums[:-3].reshape(ROWS, 3), sums[-3:].tolist()
        counts, expected, observed = table[table[:, 0] > 0].T
        expected, observed = np.sqrt(expected / counts), np.sqrt(observed / counts)
        off = float((counts * np.abs(observed - expected) / expected).sum())
        count = float(counts.sum())
        return {
            "sigma_error_ratio": root(normal, count),
            "within_1_sigma": ratio(within_1, count),
            "within_2_sigma": ratio(within_2, count),
            "sigma_ence": ratio(off, count),
        }

    def tables(self, sums: Sums) -> dict[str, Any]:
        """`calibration`: expected and observed error by predicted sigma; rows that hold no pixel are left out."""
        limits = [0.0, *(FIRST_SIGMA_M * 2**row for row in range(ROWS - 1)), None]
        rows = [
            {
                "from_m": limits[row],
                "to_m": limits[row + 1],
                "pixels": int(count),
                "expected_m": root(sigma_square, count),
                "observed_m": root(square, count),
            }
            for row, (count, sigma_square, square) in enumerate(sums[:-3].reshape(ROWS, 3).tolist())
            if count
        ]
        return {"calibration": rows}
