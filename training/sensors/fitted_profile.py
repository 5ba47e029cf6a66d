"""The parts of a fit put together as a `SensorProfile`, and what the recording could not tell as sentences.

Pure: fits in, profile and warnings out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.sensors import Evidence, SensorProfile
from pagnet_training.sensors.arithmetic import FittedCurve, Resampled
from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.edge_effects import BiasFit, EdgeFit
from pagnet_training.sensors.missing import MissingFit
from pagnet_training.sensors.noise import NoiseFit
from pagnet_training.sensors.scenes import EDGE_JUMP
from pagnet_training.sensors.steps import Steps
from pagnet_training.sensors.tallies import ANGLE_EDGES, BRIGHTNESS_EDGES, CELLS

Array = NDArray[np.float64]
SOURCES: Mapping[str, str] = {
    "still": "fit: temporal differences of a still camera",
    "poses": "fit: differences of surface points carried by the poses",
    "slow": "fit: temporal differences at small motion",
    "space": "fit: residuals from planes in single frames",
}
NATIVE_BASELINE_M = 0.075
FLYING_SHOWS = 0.15
LATERAL_SHOWS = 0.2


@dataclass(frozen=True)
class Fits:
    """What was fitted to a recording, and the counts behind it; bias is None without a reference."""

    collector: Collector
    noise: NoiseFit
    missing: MissingFit
    edges: EdgeFit
    steps: Steps
    bias: BiasFit | None


def build_profile(fits: Fits, name: str, provenance: str) -> SensorProfile:
    """The profile that a recording gives."""
    parts, noise, missing = _Parts(), fits.noise, fits.missing
    _describe(parts, fits.collector)
    _noise(parts, noise, SOURCES[fits.collector.motion.mode])
    _steps(parts, fits.steps, fits.edges, fits.collector)
    _holes(parts, missing)
    _edges(parts, fits.edges)
    if fits.bias is not None:
        _bias(parts, fits.bias)
    low = max(noise.z[0], missing.by_range.x[0])
    high = min(noise.z[-1], missing.by_range.x[-1])
    covered = {"range_m": (round(float(low), 3), round(float(high), 3))}
    for label, curve in (("brightness", missing.surface.brightness), ("angle_rad", missing.surface.angle)):
        if curve is not None:
            covered[label] = (round(float(curve.x[0]), 3), round(float(curve.x[-1]), 3))
    return SensorProfile(
        name=name, provenance=provenance, edge_jump=EDGE_JUMP, evidence=parts.evidence, covered=covered, **parts.values
    )


class _Parts:
    """Fields of a profile as they are filled in."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.evidence: dict[str, Evidence] = {}

    def number(self, field: str, found: Resampled, samples: float, source: str, most: float = math.inf) -> None:
        """A fitted number, if the recording tells it."""
        if not found.known:
            return
        self.values[field] = _round(min(max(found.value, 0.0), most))
        low, high = (_round(min(max(v, 0.0), most)) for v in (found.low, found.high))
        self.evidence[field] = Evidence(low=low, high=high, samples=int(samples), source=source)

    def curve(self, field: str, curve: FittedCurve, source: str, least: float, most: float) -> None:
        """A fitted curve."""
        y, low, high = (np.clip(v, least, most) for v in (curve.y, curve.low, curve.high))
        self.values[field] = tuple((_round(a), _round(b)) for a, b in zip(curve.x, y, strict=True))
        self.evidence[field] = Evidence(
            low=tuple(_round(v) for v in low),
            high=tuple(_round(v) for v in high),
            samples=int(curve.samples.sum()),
            source=source,
        )


def _round(value: float) -> float:
    """Five significant digits: more would pretend, and make the file hard to read."""
    return float(f"{float(value):.5g}")


def _describe(parts: _Parts, collector: Collector) -> None:
    quality = collector.quality
    parts.values["height"], parts.values["width"] = quality.shape
    if quality.calibrated:
        matrix = quality.matrix
        parts.values |= {
            "fx": _round(matrix[0, 0]), "fy": _round(matrix[1, 1]),
            "cx": _round(matrix[0, 2]), "cy": _round(matrix[1, 2]),
        }  # fmt: skip
        parts.evidence |= {field: Evidence(source="the recording's calibration") for field in ("fx", "fy", "cx", "cy")}
    stamps = np.diff(quality.stamps_ns)
    stamps = stamps[stamps > 0]
    if stamps.size:
        parts.values["rate_hz"] = _round(1e9 / float(np.median(stamps)))
    total = int(collector.range_counts.sum())
    for field, at_limit, value in zip(
        ("min_range_m", "max_range_m"), collector.ends_abruptly(), collector.limits(), strict=True
    ):
        if at_limit:
            parts.values[field] = _round(value)
            parts.evidence[field] = Evidence(_round(0.97 * value), _round(1.03 * value), total, "fit: where depths end")


def _noise(parts: _Parts, noise: NoiseFit, source: str) -> None:
    parts.curve("noise_range_curve", noise.base, source, 1e-6, 10.0)
    samples = int(noise.samples.sum())
    for field, value, low, high in (
        ("noise_floor_m", noise.form[0], noise.form_low[0], noise.form_high[0]),
        ("noise_quadratic_per_m", noise.form[1], noise.form_low[1], noise.form_high[1]),
    ):
        parts.values[field] = _round(value)
        parts.evidence[field] = Evidence(_round(low), _round(high), samples, f"{source}; for beyond the curve")
    parts.values["noise_z0_m"] = _round(noise.form[2])
    if noise.form[2]:
        parts.evidence["noise_z0_m"] = Evidence(samples=samples, source=f"{source}; for beyond the curve")
    if noise.brightness is not None:
        parts.curve("noise_brightness_curve", noise.brightness, source, 1e-3, 100.0)
    if noise.angle is not None:
        parts.curve("noise_angle_curve", noise.angle, source, 1e-3, 100.0)
    parts.number("noise_correlation_px", noise.correlation_px, samples, source)
    parts.number("noise_persistence", noise.persistence, samples, source, 0.98)
    parts.number("noise_fixed", noise.fixed, samples, source, 1.0)
    if noise.lateral_px > 0:
        parts.values |= {"lateral_px": _round(noise.lateral_px), "reduction": "nearest"}
        parts.evidence["lateral_px"] = Evidence(samples=samples, source="fit: scatter on slanted surfaces")
    parts.number("noise_tail", noise.tail, samples, source, 0.4)


def _steps(parts: _Parts, steps: Steps, edges: EdgeFit, collector: Collector) -> None:
    if steps.depth_m > 0:
        parts.values["depth_step_m"] = steps.depth_m
        parts.evidence["depth_step_m"] = Evidence(
            _round(0.99 * steps.depth_m), _round(1.01 * steps.depth_m), steps.values, "fit: distinct depth values"
        )
    shadow = edges.shadow_side != "none"
    baseline = edges.baseline_m.value if shadow else NATIVE_BASELINE_M
    if shadow:
        parts.values["shadow_side"] = edges.shadow_side
        parts.evidence["shadow_side"] = Evidence(samples=edges.edges, source="fit: gaps on either side of edges")
        parts.number("baseline_m", edges.baseline_m, edges.edges, "fit: widths of shadows")
        parts.number("shadow_share", edges.shadow_share, edges.edges, "fit: gaps on either side of edges", 1.0)
    if steps.inverse > 0:
        focal = float(collector.quality.matrix[0, 0])
        scale = focal * baseline
        parts.values |= {"reduction": "nearest", "native_focal_px": _round(focal), "baseline_m": _round(baseline)}
        parts.values["disparity_step_px"] = _round(steps.inverse * scale)
        parts.evidence["native_focal_px"] = Evidence(source="the recording's calibration")
        note = "fit: distinct inverse depths; baseline and focal length only scale it"
        parts.evidence["disparity_step_px"] = Evidence(samples=steps.values, source=note)


def _holes(parts: _Parts, missing: MissingFit) -> None:
    parts.curve("missing_range_curve", missing.by_range, "fit: holes away from edges", 0.0, 1.0)
    surface, source = missing.surface, "fit: holes away from edges"
    if surface.brightness is not None:
        parts.curve("missing_brightness_curve", surface.brightness, source, -1.0, 1.0)
    if surface.angle is not None:
        parts.curve("missing_angle_curve", surface.angle, source, -1.0, 1.0)
    if surface.dark_angle is not None:
        parts.curve("missing_dark_angle_curve", surface.dark_angle, source, 0.0, 1.0)
        parts.values["dark_brightness"] = surface.dark_below
    samples = int(missing.by_range.samples.sum())
    parts.number("hole_size_px", missing.hole_size_px, samples, "fit: holes of neighbouring pixels")
    parts.number("hole_persistence", missing.persistence, samples, "fit: holes of neighbouring frames", 0.995)


def _edges(parts: _Parts, edges: EdgeFit) -> None:
    curve, flies = edges.missing, edges.flying.known and edges.flying.value > FLYING_SHOWS
    if flies:
        parts.number("flying", edges.flying, edges.edges, "fit: depths between both sides of edges", 1.0)
        parts.values["footprint_px"] = 0.5
        # A footprint of half a pixel more makes the simulator's edges one pixel wider on each side.
        curve = (
            curve
            if curve is None
            else curve._replace(**{k: v[1:] for k, v in curve._asdict().items() if k != "x"}, x=curve.x[:-1])
        )
    if curve is not None and curve.x.size > 1:
        parts.curve("missing_edge_curve", curve, "fit: holes by distance to edges", 0.0, 1.0)
    if edges.lateral_px.known and edges.lateral_px.value > LATERAL_SHOWS and "lateral_px" not in parts.values:
        parts.number("lateral_px", edges.lateral_px, edges.edges, "fit: flicker of edges")


def _bias(parts: _Parts, bias: BiasFit) -> None:
    source = "fit: against the reference"
    parts.curve("bias_curve", bias.curve, source, -10.0, 10.0)
    if bias.wiggle_m.known:
        parts.number("wiggle_m", bias.wiggle_m, int(bias.curve.samples.sum()), source)
        parts.values["wiggle_period_m"] = _round(bias.period_m)
        parts.values["wiggle_phase_rad"] = _round(bias.phase_rad)


FEW_FRAMES = 30
MUCH_UNKNOWN = 0.02


def what_is_unobservable(fits: Fits) -> tuple[str, ...]:
    """Sentences about what was not seen, and what the profile does there instead."""
    return (
        *_coverage(fits.collector, fits.noise),
        *_time(fits.collector, fits.noise, fits.missing),
        *_edges_unseen(fits.edges),
        *_rest(fits.collector, fits.steps, fits.bias),
    )


def _coverage(collector: Collector, noise: NoiseFit) -> list[str]:
    said = []
    nearest, farthest = collector.limits()
    low, high = float(noise.z[0]), float(noise.z[-1])
    said.append(f"no noise was measured below {low:.2f} m or beyond {high:.2f} m: the curves are extrapolated there")
    cut_near, cut_far = collector.ends_abruptly()
    if not (cut_near and cut_far):
        which = " and ".join(
            text
            for text, cut in ((f"nearer than {nearest:.2f} m", cut_near), (f"farther than {farthest:.2f} m", cut_far))
            if not cut
        )
        said.append(f"no measurement lies {which}, but nothing shows that the sensor ends there: no limit is set")
    seen = collector.tallies.total("interior", CELLS)
    for label, unit, axis, edges in (
        ("brightness", "", 1, BRIGHTNESS_EDGES),
        ("angle of incidence", " degrees", 2, np.degrees(ANGLE_EDGES)),
    ):
        names = [f"{a:.3g} to {b:.3g}{unit}" for a, b in pairwise(edges)]
        counts = seen.sum(tuple(a for a in range(3) if a != axis))
        empty = [name for name, count in zip(names, counts, strict=True) if count < 0.003 * counts.sum()]
        if empty:
            said.append(f"hardly any surface with {label} of {', '.join(empty)} was seen")
    unknown = collector.quality.unknown / max(collector.quality.frames, 1)
    if unknown > MUCH_UNKNOWN:
        said.append(
            f"{unknown:.1%} of the pixels lie in holes so large that no frame shows what is there (out of range, or a "
            "surface that never answers): they count neither as measured nor as missing"
        )
    return said


def _time(collector: Collector, noise: NoiseFit, missing: MissingFit) -> list[str]:
    said = []
    mode, frames = collector.motion.mode, collector.quality.frames
    if frames < FEW_FRAMES:
        said.append(f"only {frames} frames: intervals are wide; some hundred frames make them narrow")
    if mode == "still":
        said.append(
            "the camera stood still: a pattern of the sensor that never changes cannot be told from the roughness of "
            "the surfaces; noise_fixed comes from the smoothest third of the image"
        )
    if mode in ("slow", "space"):
        said.append("without poses, what of the noise stays with the pixel over time cannot be told")
    if mode == "poses" and not noise.persistence.known:
        said.append("the camera moved too little or too unevenly to tell what of the noise stays with the pixel")
    if not missing.hole_size_px.known:
        said.append("too few holes away from edges to tell their size or how long they last")
    return said


def _edges_unseen(edges: EdgeFit) -> list[str]:
    said = []
    if edges.missing is None:
        said.append(f"no raised missing rate at depth edges shows ({edges.edges} edge pixels seen)")
    if edges.shadow_side == "none":
        shares = ", ".join(f"{s:.0%}" for s in edges.one_sided)
        said.append(f"no one-sided shadow shows (holes left and right of near objects at {shares} of the edges)")
    if not edges.flying.known:
        said.append("too few depth edges to tell flying pixels")
    if not edges.lateral_px.known:
        said.append("sideways jitter shows at edges of a still scene only: not fitted")
    return said


def _rest(collector: Collector, steps: Steps, bias: BiasFit | None) -> list[str]:
    said = [steps.note] if steps.note else []
    if steps.inverse > 0:
        said.append("only the product of disparity step, focal length and baseline is fitted, not each of them")
    if not collector.quality.calibrated:
        said.append(
            "the recording has no intrinsics: a field of view of 58 degrees was assumed for angles and shadows, and "
            "the profile names none"
        )
    if bias is None:
        said.append("no reference: bias over range (and its periodic part) cannot be told")
    return said
