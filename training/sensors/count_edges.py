"""What edges, shadows and a reference show, counted frame by frame.

Data flows: one frame -> `Tallies`, which `edge_effects` and `references` fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.cells import range_bin
from pagnet_training.sensors.count_noise import NOISE_MARGIN_PX
from pagnet_training.sensors.images import Depth, View
from pagnet_training.sensors.scenes import Moment, Scene
from pagnet_training.sensors.tallies import Tallies

__all__ = [
    "BIAS_BINS",
    "BIAS_BIN_M",
    "SHADOW_BINS",
    "SHADOW_BIN_M",
    "count_bias",
    "count_flicker",
    "count_flying",
    "count_shadow",
]

BIAS_BIN_M, BIAS_BINS = 0.025, 400
SHADOW_BIN_M, SHADOW_BINS = 0.01, 40
EDGE_WINDOW_PX = 4

Tiles = NDArray[np.int64]


def count_flying(tallies: Tallies, z: Depth, tile: Tiles, scale: NDArray[np.float64]) -> None:
    """Pairs of pixels between two level stretches of a row: each belongs to its own side, or flies between them."""
    a, b, first, second, c, d = (z[:, i : z.shape[1] - 5 + i] for i in range(6))
    with np.errstate(invalid="ignore"):
        jump = np.abs(b - c)
        near = np.minimum(b, c)
        level = np.maximum(np.abs(a - b), np.abs(c - d)) < 0.1 * jump
        usable = level & (jump > 0.15 * near) & (jump < 1.2 * near) & np.isfinite(first) & np.isfinite(second)
    rows, columns = np.nonzero(usable)
    left, one, two, right = (image[rows, columns].astype(np.float64) for image in (b, first, second, c))
    sigma = np.nan_to_num(scale[range_bin(np.maximum(left, right))], nan=0.01)
    margin = np.maximum(5 * sigma / np.abs(right - left), 0.06)
    at = [(value - left) / (right - left) for value in (one, two)]
    flies = [(value > margin) & (value < 1 - margin) for value in at]
    aligned = ((np.abs(at[0]) <= margin) | flies[0]) & ((np.abs(at[1] - 1) <= margin) | flies[1]) & (margin < 0.3)
    where = tile[rows, columns + 2][aligned]
    zero = np.zeros(where.size, np.int64)
    tallies.add("flying", (2,), where, zero, np.full(where.size, 2.0))
    tallies.add("flying", (2,), where, zero + 1, (flies[0].astype(float) + flies[1])[aligned])


def count_flicker(tallies: Tallies, scene: Scene, z: Depth, before: Depth, tile: Tiles) -> None:
    """Per row and upright edge, how often pixels beside it change between the two surfaces from frame to frame."""
    z0 = scene.z
    offset = EDGE_WINDOW_PX
    left, right = np.full(z0.shape, np.nan, np.float32), np.full(z0.shape, np.nan, np.float32)
    left[:, offset:-offset] = z0[:, : -2 * offset]
    right[:, offset:-offset] = z0[:, 2 * offset :]
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(z0, axis=1, append=z0[:, -1:])) > 0.12 * z0
        step &= np.maximum(left, right) > 1.15 * np.minimum(left, right)
    rows, columns = np.nonzero(step)
    inner = (columns >= 2 * offset) & (columns < z0.shape[1] - 2 * offset)
    rows, columns = rows[inner], columns[inner]
    window = columns[:, None] + np.arange(-offset + 1, offset + 1)[None, :]
    alone = step[rows[:, None], window].sum(1) == 1
    rows, columns, window = rows[alone], columns[alone], window[alone]
    now, then, here = (image[rows[:, None], window] for image in (z, before, z0))
    whole = np.isfinite(now).all(1) & np.isfinite(then).all(1) & np.isfinite(here).all(1)
    middle = np.sqrt(left[rows, columns] * right[rows, columns])[:, None]
    changes = ((now < middle) != (then < middle)).sum(1)
    where = tile[rows[whole], columns[whole]]
    zero = np.zeros(where.size, np.int64)
    tallies.add("flicker", (2,), where, zero)
    tallies.add("flicker", (2,), where, zero + 1, 0.5 * changes[whole].astype(np.float64))


def count_shadow(tallies: Tallies, view: View, tile: Tiles) -> None:
    """Width of the hole on the far side of upright edges, as the baseline that would cast such a shadow."""
    focal = float(view.matrix[0, 0])
    known = np.isfinite(view.z)
    for row in range(0, view.shape[0], 2):
        columns = np.flatnonzero(known[row])
        if columns.size < 2:
            continue
        z = view.z[row, columns].astype(np.float64)
        gap = np.diff(columns) - 1
        first, second = z[:-1], z[1:]
        near, far = np.minimum(first, second), np.maximum(first, second)
        reach = focal * (1 / near - 1 / far)
        at_edge = (far > 1.15 * near) & (gap < 80)
        if not at_edge.any():
            continue
        side = (first[at_edge] < second[at_edge]).astype(np.int64)
        baseline = gap[at_edge] / reach[at_edge]
        bins = 1 + np.clip((baseline / SHADOW_BIN_M).astype(np.int64), 0, SHADOW_BINS - 2)
        bins = np.where(gap[at_edge] > 0, bins, 0)
        where = tile[row, columns[:-1][at_edge]]
        tallies.add("shadow", (2, SHADOW_BINS), where, side * SHADOW_BINS + bins)


def count_bias(tallies: Tallies, moment: Moment, tile: Tiles) -> None:
    """Measurements against the reference, away from edges."""
    reference = moment.view.reference
    if reference is None:
        return
    with np.errstate(invalid="ignore"):
        error = moment.view.z - reference
        usable = (moment.scene.edges.distance > NOISE_MARGIN_PX) & (np.abs(error) < 0.1 * reference + 0.03)
    usable &= np.isfinite(error)
    rows, columns = np.nonzero(usable)
    found = error[rows, columns].astype(np.float64)
    index = np.clip((reference[rows, columns] / BIAS_BIN_M).astype(np.int64), 0, BIAS_BINS - 1)
    where = tile[rows, columns]
    for part, value in enumerate((np.ones_like(found), found, found**2)):
        tallies.add("bias", (BIAS_BINS, 3), where, index * 3 + part, value)
