"""Points that float between two surfaces, with a reference and without."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics.regions import Image, Mask
from pagnet_ros.replay.metrics.settings import MetricSettings

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Surroundings(NamedTuple):
    """Where a point could float between two surfaces of a reference: the pixels that see two within reach.

    Attributes:
        places: ``[n]`` their flat positions.
        near: ``[n]`` nearest reference in the window around each, metres.
        far: ``[n]`` farthest there.
        centres: ``[n]`` flat positions in `padded`.
        padded: the reference with a border of NaN, a window's radius wide.
        radius: of the window, pixels.
    """

    places: NDArray[np.intp]
    near: Image
    far: Image
    centres: NDArray[np.intp]
    padded: Image
    radius: int


def surroundings(reference: Image, settings: MetricSettings) -> Surroundings:
    """Find where points can fly: `reference` ``[H, W]`` metres, NaN where unknown."""
    radius = settings.flying_px
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    unknown = np.isnan(reference)
    near = np.asarray(cv2.erode(np.where(unknown, np.float32(np.inf), reference), window), np.float32)
    far = np.asarray(cv2.dilate(np.where(unknown, np.float32(-np.inf), reference), window), np.float32)
    places = np.flatnonzero(far > near + np.float32(2 * settings.flying_margin_m))
    padded = np.full([side + 2 * radius for side in reference.shape], np.nan, np.float32)
    padded[radius:-radius, radius:-radius] = reference
    rows, columns = np.divmod(places, reference.shape[1])
    centres = (rows + radius) * padded.shape[1] + columns + radius
    return Surroundings(places, near.ravel()[places], far.ravel()[places], centres, padded, radius)


def between_surfaces(depth: Image, around: Surroundings, settings: MetricSettings) -> NDArray[np.intp]:
    """Pixels between two surfaces of the reference that belong to none.

    Args:
        depth: ``[H, W]`` metres, NaN where none is given.
        around: of the reference.
        settings: margins.

    Returns:
        Their flat positions.
    """
    value = depth.ravel().take(around.places)
    margin = np.maximum(np.float32(settings.flying_margin_m), np.float32(settings.flying_margin_relative) * value)
    flying = np.flatnonzero((value - around.near > margin) & (around.far - value > margin))
    values = around.padded.ravel()
    for offsets in _rings(around.radius, around.padded.shape[1]):
        distance = np.abs(values.take(around.centres[flying] + offsets[:, None]) - value[flying])
        flying = flying[~(distance <= margin[flying]).any(axis=0)]
    return around.places[flying]


def _rings(radius: int, width: int) -> list[NDArray[np.intp]]:
    """Flat offsets of a square window, in rings from the inside out: most pixels find their surface at once."""
    reach = np.arange(-radius, radius + 1)
    flat = (reach[:, None] * width + reach).ravel()
    ring = np.maximum(np.abs(reach)[:, None], np.abs(reach)).ravel()
    return [flat[ring == distance] for distance in range(radius + 1)]


def ramps(depth: Image, focal: tuple[float, float], settings: MetricSettings) -> Mask:
    """Pixels that belong to no surface as far as the depth image itself tells.

    Args:
        depth: ``[H, W]`` metres, NaN where none is given.
        focal: focal lengths in x and y, pixels.
        settings: how steep, how long and how deep a ramp is.

    Returns:
        ``[H, W]`` bool: inside of a ramp of a row or column, or without a neighbour on the same surface.
    """
    steep = math.tan(math.radians(settings.ramp_incidence_deg))
    limits = tuple(np.float32(steep / length) for length in focal)
    flying = _row_ramps(depth, limits[0], settings)
    flying |= _row_ramps(depth.T, limits[1], settings).T
    return np.asarray(flying | _lonely(depth, limits))


def _row_ramps(depth: Image, limit: np.float32, settings: MetricSettings) -> Mask:
    """The inside of each ramp along rows: steep steps one after the other, all up or all down."""
    step = depth[:, 1:] - depth[:, :-1]
    steep = np.abs(step) > limit * np.minimum(depth[:, 1:], depth[:, :-1])
    where = np.flatnonzero(steep)
    flying = np.zeros(depth.shape, np.bool_)
    if not where.size:
        return flying
    width = depth.shape[1]
    row, column = np.divmod(where, width - 1)
    rises = step.ravel()[where] > 0
    begins = np.r_[True, (np.diff(where) != 1) | (row[1:] != row[:-1]) | (rises[1:] != rises[:-1])]
    first = np.flatnonzero(begins)
    length = np.diff(np.r_[first, where.size])
    start = row[first] * width + column[first]
    values = depth.ravel()
    a, b = values[start], values[start + length]
    chosen = (length <= settings.ramp_px) & (np.abs(a - b) > settings.edge_step * np.minimum(a, b))
    flying.reshape(-1)[_inside(start[chosen], length[chosen])] = True
    return flying


def _inside(start: NDArray[np.intp], length: NDArray[np.intp]) -> NDArray[np.intp]:
    """All of start + 1 .. start + length - 1."""
    count = length - 1
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(start, count) + 1 + offset)


def _lonely(depth: Image, limits: tuple[np.float32, ...]) -> Mask:
    """Given pixels none of whose eight neighbours can be on the same surface."""
    height, width = depth.shape
    company = np.zeros(depth.shape, np.bool_)
    for dy, dx in _NEIGHBOURS:
        here = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        a, b = depth[here], depth[there]
        near = np.abs(a - b) <= np.float32(math.hypot(dx * limits[0], dy * limits[1])) * np.minimum(a, b)
        company[here] |= near
        company[there] |= near
    return ~company & np.isfinite(depth)
