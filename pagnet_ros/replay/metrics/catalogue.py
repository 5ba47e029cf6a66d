"""What each figure is: name, unit, definition, source, and which way is better. The docs' table is made from here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["METRICS", "Metric", "markdown_table"]

Better = Literal["lower", "higher", "target"]
Needs = Literal["any", "reference", "sigma"]

EIGEN = "Eigen et al. 2014"
OWN = "this project"


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        name: its key.
        label: head of its column.
        unit: ``m``, ``px``, a count per frame, or empty for a share or ratio.
        definition: what exactly is measured; names in back quotes are fields of `MetricSettings`.
        source: where the definition comes from.
        needs: ``any`` recording, one with a ``reference``, or one with a reference and a predicted ``sigma``.
        better: ``lower``, ``higher`` (a share, best at 1) or nearest to `target`.
        target: the best value where `better` is ``target``.
    """

    name: str
    label: str
    unit: str
    definition: str
    source: str = OWN
    needs: Needs = "reference"
    better: Better = "lower"
    target: float | None = None

    def loss(self, value: float) -> float:
        """How far a value is from the best, 0 at best, whichever way is better."""
        if self.better == "lower":
            return value
        return abs((1.0 if self.target is None else self.target) - value)

    def regression(self, old: float, new: float) -> float:
        """By which share the loss grew: 0.02 is 2 % worse, below 0 is better; infinite from a perfect old value."""
        before, now = self.loss(old), self.loss(new)
        if before == 0:
            return math.inf if now > 0 else 0.0
        return now / before - 1


def _delta(name: str, label: str, threshold: str, source: str = EIGEN) -> Metric:
    text = f"Share of scored pixels with max(d / z, z / d) below {threshold}."
    return Metric(name, label, "", text, source, better="higher")


_ACCURACY = (
    Metric("rmse_m", "RMSE", "m", "Root of the mean of (d - z)^2 over scored pixels.", EIGEN),
    Metric("mae_m", "MAE", "m", "Mean of |d - z| over scored pixels.", "Uhrig et al. 2017 (KITTI depth)"),
    Metric("abs_rel", "AbsRel", "", "Mean of |d - z| / z over scored pixels.", EIGEN),
    _delta("delta_1_05", "δ<1.05", "1.05", "as Eigen et al. 2014, tighter"),
    _delta("delta_1_10", "δ<1.10", "1.10", "as Eigen et al. 2014, tighter"),
    _delta("delta_1_25", "δ<1.25", "1.25"),
    _delta("delta_1_25_2", "δ<1.25²", "1.25^2"),
    _delta("delta_1_25_3", "δ<1.25³", "1.25^3"),
    Metric("coverage", "coverage", "", "Scored pixels over known pixels.", better="higher"),
    Metric(
        "accurate_share",
        "within 5 %",
        "",
        "Share of known pixels whose depth is given and has max(d / z, z / d) below 1.05: a pixel left out counts "
        "as much against a method as a wrong one.",
        better="higher",
    ),
    Metric(
        "rmse_common_m",
        "RMSE, common",
        "m",
        "RMSE over the known pixels for which every method of the run gives a depth, so that none gains by leaving "
        "out what is difficult.",
    ),
    Metric("mae_common_m", "MAE, common", "m", "MAE over the same pixels."),
)

_REGIONS = (
    Metric(
        "rmse_edges_m",
        "RMSE, edges",
        "m",
        "RMSE over scored pixels within `edge_px` (Chebyshev) of a depth step of the reference. A step lies between "
        "two neighbouring known pixels of a row or column, at most `edge_gap_px` unknown pixels apart, whose depths "
        "differ by more than `edge_step` of the nearer and 1 % more for each unknown pixel between them.",
    ),
    Metric("coverage_edges", "coverage, edges", "", "Scored over known pixels there.", better="higher"),
    Metric(
        "rmse_holes_m",
        "RMSE, holes",
        "m",
        "RMSE over scored pixels whose nearest pixel of the input was not measured.",
    ),
    Metric("coverage_holes", "coverage, holes", "", "Scored over known pixels there.", better="higher"),
    Metric(
        "rmse_texture_m",
        "RMSE, texture",
        "m",
        "RMSE over scored textured pixels: grey (3x3 Sobel, per pixel) rises by more than `texture_levels` within one "
        "pixel of them, and no depth step of the reference lies within `texture_clear_px`.",
    ),
    Metric(
        "texture_copying_m",
        "texture copying",
        "m",
        "How much of the error there follows colour: root mean square over those pixels of the covariance of d - z "
        "with grey in a window of 9x9 pixels, divided by the standard deviation of grey. Depth that copies a pattern "
        "of 1 cm has 1 cm; noise without any relation to colour has about a ninth of its size.",
    ),
    Metric(
        "flying_pixels",
        "flying pixels",
        "per frame",
        "Pixels that lie between two surfaces of the reference and belong to none: within `flying_px` (square window) "
        "the reference is known both nearer and farther, and nowhere within m = max(`flying_margin_m`, "
        "`flying_margin_relative` * d) of d; mean number per frame.",
        "this project, after the idea of mixed pixels (Tang et al. 2007)",
    ),
)

_OBSTACLES = (
    Metric(
        "false_obstacles",
        "false obstacles",
        "per frame",
        "Cells of `voxel_m` that hold at least `voxel_points` points of the result, between `min_height_m` and "
        "`max_height_m` above the floor and within `obstacle_range_m` of the camera, while no cell of the reference "
        "in their 3x3x3 neighbourhood does; only pixels that the reference knows; mean number per frame.",
        "the marking of Nav2's voxel layer",
    ),
    Metric(
        "missed_obstacles",
        "missed obstacles",
        "per frame",
        "The same with result and reference exchanged.",
        "the marking of Nav2's voxel layer",
    ),
    Metric("false_obstacle_share", "false obstacles, share", "", "False obstacles over cells of the result."),
    Metric("missed_obstacle_share", "missed obstacles, share", "", "Missed obstacles over cells of the reference."),
)

_SIGMA = (
    Metric(
        "sigma_error_ratio",
        "error / σ",
        "",
        "Root of the mean of ((d - z) / σ)^2 over scored pixels with a σ: 1 where σ says how large errors are, above "
        "1 where it promises too much. The noise of the reference counts as error.",
        needs="sigma",
        better="target",
        target=1.0,
    ),
    Metric(
        "within_1_sigma",
        "within 1 σ",
        "",
        "Share of these pixels with |d - z| up to σ; 0.683 for a normal distribution.",
        needs="sigma",
        better="target",
        target=0.683,
    ),
    Metric(
        "within_2_sigma",
        "within 2 σ",
        "",
        "Share of these pixels with |d - z| up to 2 σ; 0.954 for a normal distribution.",
        needs="sigma",
        better="target",
        target=0.954,
    ),
    Metric(
        "sigma_ence",
        "σ calibration error",
        "",
        "Expected normalised calibration error: |observed - expected| / expected of each row of the calibration "
        "table, averaged with its number of pixels as weight. Expected is the root mean square of σ in the row, "
        "observed the RMSE.",
        "Levi et al. 2022 (rows there of equal size)",
        needs="sigma",
    ),
)

_WITHOUT_REFERENCE = (
    Metric("given_share", "given", "", "Share of the image for which a depth is given.", needs="any", better="higher"),
    Metric(
        "consistency_m",
        "consistency",
        "m",
        "Root mean square difference between the measurement and the result seen by the sensor: each measured "
        "pixel's footprint in the result gives the mean of its depths within 1 % (at least 5 mm) of their median; a "
        "footprint with fewer than a quarter of its pixels given gives nothing.",
        needs="any",
    ),
    Metric(
        "answered_share",
        "answered",
        "",
        "Share of measured pixels whose footprint gives something.",
        needs="any",
        better="higher",
    ),
    Metric(
        "flicker_m",
        "flicker",
        "m",
        "Temporal standard deviation on static pixels: root of half the mean squared change of the result between "
        "consecutive frames, less the change of the measurement averaged over an eighth of the image. Static: grey "
        "(3x3 mean) within one pixel changes by at most `static_levels`, and the nearest measured pixel and its "
        "neighbours by at most `static_relative`. Pixels whose measured neighbourhood holds a depth step "
        "(`edge_step`) are left out.",
        "successive differences (von Neumann 1941)",
        needs="any",
    ),
    Metric(
        "flicker_edges_m",
        "flicker, edges",
        "m",
        "The same over the pixels left out there, between frames where the camera stands still: at least "
        "`still_share` of the textured pixels are static in grey.",
        "successive differences (von Neumann 1941)",
        needs="any",
    ),
    Metric(
        "edge_distance_px",
        "edge distance",
        "px",
        "Mean distance of the result's depth edges to the nearest colour edge, each cut off at `align_cap_px`. Depth "
        "edges: ridges (Canny) of the Sobel gradient of log depth, where it rises by more than a quarter of "
        "`edge_step` per pixel. Colour edges: Canny on grey, thresholds 50 and 100 (steps of about 25 levels).",
        "this project, after the depth boundary error of Koch et al. 2018",
        needs="any",
    ),
    Metric(
        "flying_rate",
        "flying rate",
        "",
        "Share of given pixels that belong to no surface, judged without a reference: inside a ramp of at most "
        "`ramp_px` pixels of one row or column that rises or falls all along, is seen at more than "
        "`ramp_incidence_deg` from its normal, and spans more than `edge_step`; or with no given pixel of the eight "
        "neighbours nearer than such a slope.",
        needs="any",
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (*_ACCURACY, *_REGIONS, *_OBSTACLES, *_SIGMA, *_WITHOUT_REFERENCE)}
)


def markdown_table() -> str:
    """All metrics as the table of docs/metrics.md."""
    rows = ["| figure | unit | better | needs | definition | source |", "|---|---|---|---|---|---|"]
    for metric in METRICS.values():
        better = f"near {metric.target:g}" if metric.better == "target" else metric.better
        definition = metric.definition.replace("|", "\\|")
        rows.append(
            f"| `{metric.name}` ({metric.label}) | {metric.unit or '1'} | {better} | {metric.needs} | "
            f"{definition} | {metric.source} |"
        )
    return "\n".join(rows) + "\n"
