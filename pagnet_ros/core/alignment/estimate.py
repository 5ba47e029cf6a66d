"""From agreement by offset to an offset that is sure, or to the reasons why it is not.

Pure. Evidence comes in tiles (`agreement.py`), and everything is judged by how tiles differ, so
one poster on a wall or one lucky object decides nothing. Constants are measured: see docs/registration.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.agreement import Agreement

Surface = NDArray[np.floating]

LEAST_TILES: Final = 6
LEAST_CONTRAST: Final = 0.25
LEAST_PROMINENCE: Final = 4.0
LEAST_LEAD: Final = 2.0
LEAST_GAIN: Final = 2.0
DEADBAND_PX: Final = 2.0
DEADBAND_PIXELS: Final = 0.5
"""Offsets below the larger of these, colour pixels and depth pixels, are left: registered images show such, too."""
NEAR_PX: Final = 4.0
"""Working pixels around the best offset that belong to the same peak."""
SMOOTH_PX: Final = 1.0
SMOOTH_PER_PIXEL: Final = 0.2
"""Smoothing of the surface, working pixels: at least the first, and this share of a depth pixel."""


@dataclass(frozen=True)
class Estimate:
    """Where depth should lie, as far as the images tell.

    Attributes:
        offset_px: ``(x, y)`` that depth must be moved by to lie on the colour image, colour pixels.
        error_px: standard error of both, from leaving out each tile in turn (jackknife).
        contrast: how much stronger colour changes at the depth edges, so moved, than around them; 0 is chance.
        prominence: height of the best offset above the mean of the others, in their standard deviations.
        lead: advantage over the best offset elsewhere, in standard errors over tiles.
        gain: advantage over no offset at all, likewise.
        tiles: number of tiles with depth edges.
        is_inside: whether the best offset lies inside the range that was looked at.
        pixel_px: size of a depth pixel, colour pixels.
    """

    offset_px: tuple[float, float]
    error_px: tuple[float, float]
    contrast: float
    prominence: float
    lead: float
    gain: float
    tiles: int
    is_inside: bool
    pixel_px: float

    @property
    def size_px(self) -> float:
        """Length of the offset, colour pixels."""
        return math.hypot(*self.offset_px)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the offset is not sure; empty where it is."""
        checks = (
            (self.tiles >= LEAST_TILES, f"depth edges in {self.tiles} places only, expected {LEAST_TILES}"),
            (
                self.contrast >= LEAST_CONTRAST,
                f"colour changes {self.contrast:.0%} more at depth edges than around, expected {LEAST_CONTRAST:.0%}",
            ),
            (
                self.prominence >= LEAST_PROMINENCE,
                f"no offset stands out ({self.prominence:.1f} deviations, expected {LEAST_PROMINENCE:g})",
            ),
            (self.lead >= LEAST_LEAD, f"two offsets are as good (lead {self.lead:.1f}, expected {LEAST_LEAD:g})"),
            (self.is_inside, "the best offset lies at the end of the range"),
        )
        return tuple(text for fine, text in checks if not fine)

    @property
    def deadband_px(self) -> float:
        """Length up to which an offset counts as none, colour pixels.

        Half a depth pixel, at least two colour pixels, and twice the standard error.
        """
        return max(DEADBAND_PX, DEADBAND_PIXELS * self.pixel_px) + 2 * math.hypot(*self.error_px)

    @property
    def is_off(self) -> bool:
        """Whether depth and colour are off, beyond doubt."""
        return not self.doubts and self.size_px > self.deadband_px and self.gain >= LEAST_GAIN

    def __str__(self) -> str:
        """The finding in words."""
        x, y = self.offset_px
        if self.doubts:
            return f"cannot tell: {self.doubts[0]}"
        spread = math.hypot(*self.error_px)
        return f"({x:+.1f}, {y:+.1f}) px, standard error {spread:.1f}" + ("" if self.is_off else ": none")


def estimate(found: Agreement) -> Estimate | None:
    """The best offset and what speaks for it; None where there is no depth edge at all."""
    used = found.weight > 0
    if not used.any():
        return None
    tiles = _smooth(found.tiles[used].astype(np.float64), max(SMOOTH_PX, SMOOTH_PER_PIXEL * found.pixel))
    surface = tiles.sum(axis=0)
    reach = surface.shape[0] // 2
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    rows, columns = np.indices(surface.shape)
    elsewhere = np.hypot(rows - row, columns - column) > NEAR_PX
    others = surface[elsewhere]
    rival = int(np.where(elsewhere, surface, -np.inf).argmax())
    best = tiles[:, row, column]
    left_out = _peaks(surface - tiles)
    count = len(tiles)
    error = np.sqrt((count - 1) / count * np.square(left_out - left_out.mean(axis=0)).sum(axis=0)) / found.scale
    offset = _peaks(surface[None])[0] / found.scale
    return Estimate(
        offset_px=(float(offset[0]), float(offset[1])),
        error_px=(float(error[0]), float(error[1])),
        contrast=float(best.sum() / found.weight.sum()),
        prominence=float((surface[row, column] - others.mean()) / max(others.std(), 1e-9)),
        lead=_standard_errors(best - tiles.reshape(count, -1)[:, rival]),
        gain=_standard_errors(best - tiles[:, reach, reach]),
        tiles=count,
        is_inside=max(abs(int(row) - reach), abs(int(column) - reach)) < reach - 1,
        pixel_px=found.pixel / found.scale,
    )


def _standard_errors(differences: Surface) -> float:
    """A sum over tiles in units of its own standard error, if the true sum were 0."""
    return float(differences.sum() / max(math.sqrt(float(np.square(differences).sum())), 1e-9))


def _smooth(tiles: Surface, sigma: float) -> Surface:
    """Each surface smoothed by a Gaussian, cut off at the border."""
    steps = np.arange(tiles.shape[-1])
    kernel = np.exp(-0.5 * np.square((steps[:, None] - steps[None, :]) / sigma))
    kernel /= kernel.sum(axis=1, keepdims=True)
    smooth: Surface = kernel @ tiles @ kernel.T
    return smooth


def _peaks(surfaces: Surface) -> Surface:
    """``[n, 2]``: x, y of each surface's maximum, sub-pixel by a parabola along either axis, 0 in the middle."""
    count, side, _ = surfaces.shape
    best = surfaces.reshape(count, -1).argmax(axis=1)
    row, column = np.divmod(best, side)
    padded = np.pad(surfaces, ((0, 0), (1, 1), (1, 1)), mode="edge")
    each = np.arange(count)
    middle = padded[each, row + 1, column + 1]
    x = column + _vertex(padded[each, row + 1, column], middle, padded[each, row + 1, column + 2])
    y = row + _vertex(padded[each, row, column + 1], middle, padded[each, row + 2, column + 1])
    return np.asarray(np.stack([x, y], axis=1) - side // 2, np.float64)


def _vertex(before: Surface, middle: Surface, after: Surface) -> Surface:
    """Place of the parabola's top, -0.5 to 0.5 from the middle."""
    curvature = before - 2 * middle + after
    vertex = 0.5 * (before - after) / np.where(curvature < 0, curvature, -np.inf)
    return np.asarray(vertex.clip(-0.5, 0.5), np.float64)
