"""What can be counted on depth images alone, real or simulated, to tell whether they look alike.

Nothing is known of the scene, so that the same figures can be taken of any camera's frames. Streams: add frames, read
`RealismCounts.figures`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pagnet_ros.sensors import PinholeCamera, SensorProfile, sense
from pagnet_training.sensors.images import Depth, Mask, away_from_edges, edge_mask, fill_holes
from pagnet_training.sensors.scenes import Moment

FIGURES = {
    "edge_mixing": "pixels at edges that lie between the two surfaces, %",
    "holes": "holes in 100,000 pixels",
    "large_holes": "of the missing area, in holes of over a thousandth of the image, %",
    "missing_at_edges": "missing within 2 pixels of an edge, %",
    "missing": "missing, %",
    "noise": "noise from pixel to pixel on flat areas, thousandths of the depth",
}
"""What is counted: name -> meaning and unit."""
REACH_PX = 3  # from the middle of an edge to where both surfaces are looked up
EDGE_STEP, FLAT_SHARE = 0.15, 0.15  # a gap so wide that noise does not bridge it
BETWEEN = (0.2, 0.8)  # of the way from one surface to the other
AT_EDGE_PX = 2
LARGE_SHARE = 1e-3
FLAT_SPAN = 0.03  # of the depth, within 5x5 pixels
KEPT = 0.95  # the rest of the second differences are edges and outliers
RIM_MEASURED = 0.1


def delivered_part(measured: Mask) -> tuple[slice, slice]:
    """The rectangle that is left without the rows and columns at the border in which hardly anything is measured.

    Such a rim belongs to depth that was registered to colour, not to the sensor.

    Args:
        measured: ``[H, W]`` pixels that any frame measured.
    """
    parts = []
    for axis in (1, 0):
        lines = np.flatnonzero(measured.mean(axis=axis) >= RIM_MEASURED)
        parts.append(slice(int(lines[0]), int(lines[-1]) + 1) if len(lines) else slice(0, 0))
    return parts[0], parts[1]


class RealismCounts:
    """Sums over frames."""

    def __init__(self) -> None:
        self._sums = np.zeros(10)

    def add(self, z: Depth, judged: Mask | None = None, at_edges: Mask | None = None) -> None:
        """Count one frame.

        Args:
            z: ``[H, W]`` metres, NaN where missing.
            judged: ``[H, W]`` pixels that count as measured or missing; None for all.
            at_edges: ``[H, W]`` pixels that count for the mixing at edges; None for all. Of a simulated frame, those
                that the real one measured and of which others tell what is there: the rest of what it was simulated on
                was filled, often by a ramp between two surfaces.
        """
        counted = np.ones(z.shape, np.bool_) if judged is None else judged
        missing = ~np.isfinite(z) & counted
        near = cv2.dilate(edge_mask(fill_holes(z)[0]).astype(np.uint8), np.ones((2 * AT_EDGE_PX + 1,) * 2, np.uint8))
        at_edge = (near > 0) & counted
        sizes = cv2.connectedComponentsWithStats(missing.astype(np.uint8), connectivity=8)[2][1:, cv2.CC_STAT_AREA]
        large = sizes[sizes > LARGE_SHARE * counted.sum()].sum()
        mixing = _mixing(z if at_edges is None else np.where(at_edges, z, np.float32(np.nan)))
        holes = counted.sum(), missing.sum(), len(sizes), large
        self._sums += [*mixing, *holes, at_edge.sum(), (at_edge & missing).sum(), *_noise(z)]

    def figures(self) -> dict[str, float]:
        """`FIGURES`; NaN where nothing was found to count."""
        edge, between, pixels, missing, holes, large, at_edge, missing_at_edge, flat, squares = self._sums.tolist()

        def share(part: float, whole: float) -> float:
            return part / whole if whole else float("nan")

        return {
            "edge_mixing": 100 * share(between, edge),
            "holes": 1e5 * share(holes, pixels),
            "large_holes": 100 * share(large, missing),
            "missing_at_edges": 100 * share(missing_at_edge, at_edge),
            "missing": 100 * share(missing, pixels),
            "noise": 1000 * share(squares, flat) ** 0.5,
        }


def simulated_frame(moment: Moment, profile: SensorProfile, seed: int) -> Depth:
    """``[h, w]`` metres: what a profile's sensor would have delivered of what was there, NaN where missing."""
    scene, (height, width) = moment.scene, moment.view.shape
    fx, fy, cx, cy = (float(moment.view.matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    angle = away_from_edges(scene.plane.theta, scene.edges.distance == 0, scene.plane.radius)
    return sense(
        scene.z,
        PinholeCamera(fx, fy, cx, cy, width, height),
        profile,
        seed,
        cos_incidence=np.asarray(np.cos(angle), np.float32),
        brightness=scene.grey,
    )


def real_and_simulated(moments: Sequence[Moment], profile: SensorProfile) -> tuple[dict[str, float], dict[str, float]]:
    """`FIGURES` of the frames of a recording, and of a profile's sensor on what was there.

    Pixels that never measured, and those of which no frame shows the depth, do not count.
    """
    real, simulated = RealismCounts(), RealismCounts()
    for number, moment in enumerate(moments):
        judged = np.isfinite(moment.scene.z)
        if moment.delivering is not None:
            judged &= moment.delivering
        measured = np.isfinite(moment.view.z)
        real.add(moment.view.z, judged, measured)
        simulated.add(simulated_frame(moment, profile, number), judged, measured)
    return real.figures(), simulated.figures()


def _mixing(z: Depth) -> tuple[int, int]:
    """Measured pixels within `REACH_PX` of the middle of an edge between two flat sides, and those in between."""
    edges, between = 0, 0
    for plane in (z, z.T):
        if plane.shape[1] < 2 * REACH_PX + 3:
            continue
        before, first, middle = plane[:, : -2 * REACH_PX - 2], plane[:, 1 : -2 * REACH_PX - 1], plane[:, 1 + REACH_PX :]
        last, after = plane[:, 1 + 2 * REACH_PX : -1], plane[:, 2 + 2 * REACH_PX :]
        middle = middle[:, : last.shape[1]]
        with np.errstate(invalid="ignore"):
            gap = np.abs(last - first)
            edge = (gap > EDGE_STEP * np.minimum(first, last)) & np.isfinite(middle)
            edge &= np.maximum(np.abs(first - before), np.abs(after - last)) < FLAT_SHARE * gap
            way = (middle - first)[edge] / (last - first)[edge]
        edges += int(edge.sum())
        between += int(((way > BETWEEN[0]) & (way < BETWEEN[1])).sum())
    return edges, between


def _noise(z: Depth) -> tuple[float, float]:
    """Number of second differences on flat areas, and the sum of their squares as variances of relative depth."""
    window = np.ones((5, 5), np.uint8)
    high = cv2.dilate(np.where(np.isfinite(z), z, np.float32(1e6)), window)
    low = cv2.erode(np.where(np.isfinite(z), z, np.float32(-1e6)), window)
    flat = (high - low < FLAT_SPAN * np.nan_to_num(z))[2:-2, 2:-2]
    rest = []
    for plane, chosen in ((z, flat), (z.T, flat.T)):
        second = (plane[2:-2, 1:-3] - 2 * plane[2:-2, 2:-2] + plane[2:-2, 3:-1]) / plane[2:-2, 2:-2]
        rest.append(np.abs(second[chosen]))
    values = np.sort(np.concatenate(rest))
    values = values[: int(KEPT * len(values))].astype(np.float64)
    return float(len(values)), float(np.square(values).sum() / 6)
