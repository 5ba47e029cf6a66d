"""What a recording could not tell, as sentences for the report and the command line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pagnet_training.sensors.cells import ANGLE_EDGES, BRIGHTNESS_EDGES, CELLS
from pagnet_training.sensors.collect import Collector
from pagnet_training.sensors.edge_effects import EdgeFit
from pagnet_training.sensors.missing import MissingFit
from pagnet_training.sensors.noise import NoiseFit
from pagnet_training.sensors.references import BiasFit
from pagnet_training.sensors.steps import Steps

__all__ = ["what_is_untold"]

FEW_FRAMES = 30
MUCH_UNKNOWN = 0.02


def what_is_untold(
    collector: Collector,
    noise: NoiseFit,
    missing: MissingFit,
    edges: EdgeFit,
    steps: Steps,
    bias: BiasFit | None,
) -> tuple[str, ...]:
    """Sentences about what was not seen, and what the profile does there instead."""
    return (
        *_coverage(collector, noise),
        *_time(collector, noise, missing),
        *_edges(edges),
        *_rest(collector, steps, bias),
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


def _edges(edges: EdgeFit) -> list[str]:
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
