"""How the depth that a camera records differs from the colour image beside it: pure functions, one per effect.

Each takes depth in metres ``[H, W]`` float32 and a generator that decides everything, and returns depth of the same
shape; for what is missing, a mask ``[H, W]`` bool that is True where nothing is recorded; for what moves depth beside
colour, `Places`, where each pixel's depth comes from, so that what is known of it moves along (`moved`). How often
an effect occurs is decided where they are put together, in `pagnet_training.data.surface_patches`.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rng = np.random.Generator
Places = NDArray[np.int64]
"""``[H, W]``: for every pixel of the result a pixel of the image, counted row by row."""
T = TypeVar("T", bound=np.generic)

NEAREST_M = 0.05
EDGE_SHARE = 0.04  # depths in a 3x3 window that span more than this share of it lie on two surfaces
GAP_PX = 14  # beside a near surface that moved
MOST_SILENT = 0.4  # of the image; a scene of which more is missing is not worth a patch
_FLOOD = cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
MOST_WRONG = 60  # wrong measurements in one image
FAR_SIDE_SHARE = 1.03  # farther than the nearest around it by this factor: the side on which the shadow falls


def log_uniform(low: float, high: float, rng: Rng) -> float:
    """A number whose logarithm is equally likely everywhere between those of `low` and `high`."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_field(shape: tuple[int, ...], cell_px: float, rng: Rng) -> Depth:
    """``[H, W]``: normal random numbers on a coarse grid of that cell size, interpolated by cubic splines."""
    height, width = shape[:2]
    grid = (max(2, int(height / cell_px) + 2), max(2, int(width / cell_px) + 2))
    coarse = rng.standard_normal(grid).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def moved(plane: NDArray[T], places: Places) -> NDArray[T]:
    """``[H, W]``: every pixel taken from its place."""
    return plane.ravel()[places]


def off_colour(depth: Depth, rng: Rng) -> Places:
    """Registration error: the whole depth image lies up to 5 pixels beside colour, less so vertically."""
    most = rng.uniform(0.5, 5.0)
    return _places(depth.shape, np.float32(rng.uniform(-most, most)), np.float32(0.6 * rng.uniform(-most, most)))


def parallax(depth: Depth, rng: Rng) -> Places:
    """Registration error that grows with nearness, as a wrong baseline between the cameras gives it, up to 6 pixels.

    Near surfaces move over what lies behind them; what comes to light beside them is the far surface.
    """
    most = rng.uniform(0.5, 6.0)
    right, down = rng.uniform(-1, 1, 2) * (most, 0.6 * most) * rng.uniform()
    more_right, more_down = rng.uniform(-1, 1, 2) * (most, 0.25 * most)
    near = np.percentile(depth, 3)
    nearness = near / np.maximum(depth, near / 2)
    rows, columns = np.indices(depth.shape, np.float32)
    to_row = np.rint(rows + down + more_down * nearness).astype(np.int64)
    to_column = np.rint(columns + right + more_right * nearness).astype(np.int64)
    height, width = depth.shape
    inside = (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
    farthest_first = np.flatnonzero(inside)[np.argsort(-depth[inside], kind="stable")]
    rank: Depth = np.zeros_like(depth)  # the farther, the higher, so that a gap is filled from its far side; 0 is a gap
    ranks = np.arange(len(farthest_first), 0, -1, dtype=np.float32)
    rank[to_row.ravel()[farthest_first], to_column.ravel()[farthest_first]] = ranks  # the nearest is written last
    for _ in range(GAP_PX):
        if rank.all():
            break
        rank = np.where(rank > 0, rank, cv2.dilate(rank, np.ones((3, 3), np.uint8)))
    own = np.arange(depth.size, dtype=np.int64).reshape(depth.shape)
    return np.where(rank > 0, farthest_first[-rank.astype(np.int64)], own)


def bent(depth: Depth, rng: Rng) -> Places:
    """Registration error that changes slowly over the image, as with a wrong distortion: up to some 4 pixels."""
    amount, cell = np.float32(rng.uniform(0.5, 3.5)), log_uniform(30, 120, rng)
    right, down = (smooth_field(depth.shape, cell, rng) for _ in range(2))
    return _places(depth.shape, amount * right, np.float32(0.6) * amount * down)


def ragged(depth: Depth, rng: Rng) -> Places:
    """Ragged edges: outlines wander by one to three pixels to either side, over lengths of 3 to 24 pixels."""
    amount, cell = np.float32(rng.uniform(0.4, 2.4)), log_uniform(3, 24, rng)
    right, down = (amount * smooth_field(depth.shape, cell, rng) for _ in range(2))
    return _places(depth.shape, right, down)


def _places(shape: tuple[int, ...], right: Depth | np.float32, down: Depth | np.float32) -> Places:
    rows, columns = np.indices(shape, np.float32)
    own = np.arange(rows.size, dtype=np.float32).reshape(shape)  # exact up to 2^24
    places = cv2.remap(own, columns + right, rows + down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(places, np.int64)


def fattened(depth: Depth, rng: Rng) -> Depth:
    """Foreground fattening by a matching window of 2 to 9 pixels; now and then the background grows instead."""
    side = int(rng.choice([2, 3, 5, 7, 9], p=[0.15, 0.4, 0.3, 0.1, 0.05]))
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    near = rng.uniform() < 0.75
    return np.asarray((cv2.erode if near else cv2.dilate)(depth, window), np.float32)


def median_filtered(depth: Depth, rng: Rng) -> Depth:
    """A median over 3x3 or, mostly, 5x5 pixels, as cameras apply one against outliers; it rounds corners off."""
    return np.asarray(cv2.medianBlur(depth, int(rng.choice([3, 5, 5]))), np.float32)


def stereo_matched(depth: Depth, rng: Rng) -> Depth:
    """Depth from matching windows and filters in the camera: ramps instead of steps, blobs of several per cent.

    The error grows with depth; the smoothing is the same in all directions, and now and then mostly along rows.
    """
    strength, cell = log_uniform(0.002, 0.03, rng), log_uniform(4, 24, rng)
    result = depth * (1 + strength * smooth_field(depth.shape, cell, rng) * np.clip(depth / 1.5, 0.3, 2))
    if rng.uniform() < 0.8:
        result = cv2.GaussianBlur(result, (0, 0), log_uniform(0.7, 3.5, rng))
    if rng.uniform() < 0.3:
        result = cv2.GaussianBlur(result, (0, 0), sigmaX=rng.uniform(2, 8), sigmaY=0.6)
    return np.asarray(result, np.float32)


def noisy(depth: Depth, rng: Rng) -> Depth:
    """Noise that grows with the square of depth (or is constant), correlated over some pixels, and partly white."""
    quadratic, floor = log_uniform(2e-4, 4e-3, rng), log_uniform(2e-4, 4e-3, rng)
    sigma = floor + quadratic * depth * depth if rng.uniform() < 0.75 else np.full_like(depth, 2 * floor)
    noise = smooth_field(depth.shape, log_uniform(1.5, 12, rng), rng) * rng.uniform(0.3, 1)
    if rng.uniform() < 0.6:
        noise = noise + rng.standard_normal(depth.shape, np.float32) * rng.uniform(0.1, 1)
    return np.asarray(depth + noise * sigma, np.float32)


def quantised_in_disparity(depth: Depth, rng: Rng) -> Depth:
    """Whole steps of disparity (1/depth), so that steps of depth grow with its square: 0.2 to 5 mm at 1 m."""
    step = log_uniform(2e-4, 5e-3, rng)
    disparity = np.rint(1 / (step * np.maximum(depth, NEAREST_M)))
    return np.asarray(1 / (step * np.maximum(disparity, 1)), np.float32)


def with_flying_pixels(depth: Depth, rng: Rng) -> Depth:
    """Mixed measurements at edges: a share of the pixels reports an average over what lies around it."""
    mixed = cv2.GaussianBlur(depth, (0, 0), rng.uniform(0.6, 1.5))
    return np.where(rng.uniform(size=depth.shape) < rng.uniform(0.2, 1), mixed, depth).astype(np.float32)


def with_wrong_measurements(depth: Depth, rng: Rng) -> Depth:
    """Small rectangles of a depth that is wrong by a factor of 0.14 to 2.5, as matching by chance gives them."""
    result: Depth = depth.copy()
    height, width = depth.shape
    tall, wide = ((3, 7), (3, 9)) if rng.uniform() < 0.5 else ((1, 5), (1, 7))
    for _ in range(min(MOST_WRONG, int(rng.poisson(10 ** rng.uniform(-4.3, -2.6) * depth.size)))):
        row, column = int(rng.integers(height)), int(rng.integers(width))
        place = np.s_[row : row + int(rng.integers(*tall)), column : column + int(rng.integers(*wide))]
        result[place] = np.clip(depth[row, column] * np.exp(rng.uniform(-2.0, 0.9)), 0.1, 25)
    return result


def in_whole_millimetres(depth: Depth) -> Depth:
    """As 16-bit depth images hold it."""
    return np.asarray(np.rint(np.maximum(depth, NEAREST_M) * 1000) / 1000, np.float32)


def depth_edges(depth: Depth) -> Mask:
    """Where a 3x3 window sees two surfaces."""
    window = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(depth, window) - cv2.erode(depth, window) > EDGE_SHARE * depth, np.bool_)


def projector_shadow(depth: Depth, edge: Mask, rng: Rng) -> Mask:
    """What the projector or the second camera does not see: a ragged band of 1 to 8 pixels beside depth edges.

    On the left, on the right, or (for half of the cases, and narrower) all around; mostly on the far side alone.
    """
    side, width = int(rng.choice([0, 1, 2, 3])), int(rng.integers(1, 9))
    window = np.ones((2 * (width // 3) + 1,) * 2, np.uint8)
    if side < 2:
        window = np.zeros((1, 2 * width + 1), np.uint8)
        window[0, (slice(None, width + 1), slice(width, None))[side]] = 1
    band = cv2.dilate(edge.astype(np.uint8), window) > 0
    if rng.uniform() < 0.6:
        band &= depth > FAR_SIDE_SHARE * cv2.erode(depth, np.ones((2 * width + 3,) * 2, np.uint8))
    outline = smooth_field(depth.shape, log_uniform(2, 15, rng), rng)
    return np.asarray(band & (outline < rng.uniform(-0.5, 2)), np.bool_)


def blobs(shape: tuple[int, ...], rng: Rng) -> Mask:
    """Missing regions of any place and of 4 to 40 pixels, 1 to 20 % of the image."""
    field = smooth_field(shape, log_uniform(4, 40, rng), rng)
    return np.asarray(field > np.quantile(field, 1 - rng.uniform(0.01, 0.2)), np.bool_)


def dark_surfaces(reflectivity: Depth, rng: Rng) -> Mask:
    """The darkest 2 to 25 % of the image, dark or seen at a low angle, do not answer; a few parts of them do.

    Args:
        reflectivity: ``[H, W]`` float32, albedo times the cosine of the angle of incidence, any unit.
        rng: decides everything.
    """
    dark = reflectivity < np.quantile(reflectivity, rng.uniform(0.02, 0.25))
    return np.asarray(dark & (smooth_field(reflectivity.shape, 6, rng) < 1.5), np.bool_)


def silent_surfaces(brightness: NDArray[np.uint8], edge: Mask, rng: Rng) -> Mask:
    """One to four whole surfaces do not answer, as glossy, transparent or black ones: up to depth and colour edges.

    Args:
        brightness: ``[H, W]`` of the colour image.
        edge: ``[H, W]``, where depth has an edge.
        rng: decides everything.
    """
    height, width = edge.shape
    calm = np.ascontiguousarray(cv2.medianBlur(brightness, 5))
    grown = np.zeros((height + 2, width + 2), np.uint8)
    grown[1:-1, 1:-1] = edge
    for _ in range(int(rng.integers(1, 5))):
        seed, tolerance = (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(6, 30))
        if not grown[seed[1] + 1, seed[0] + 1]:
            cv2.floodFill(calm, grown, seed, 0, tolerance, tolerance, 4 | 2 << 8 | _FLOOD)
    silent = cv2.morphologyEx((grown[1:-1, 1:-1] == 2).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    return np.asarray(silent if silent.mean() < MOST_SILENT else np.zeros_like(silent), np.bool_)


def speckle(shape: tuple[int, ...], most: float, rng: Rng) -> Mask:
    """Single pixels without an answer, up to that share of them."""
    return np.asarray(rng.uniform(size=shape) <= rng.uniform(0, most), np.bool_)


def hidden_parts(edge: Mask, most: int, rng: Rng) -> Mask:
    """Discs and strips that are hidden from the network and are to be filled, up to `most`, half of them at edges."""
    hidden = np.zeros(edge.shape, np.uint8)
    at_edges = np.argwhere(edge)
    for _ in range(int(rng.integers(1, most + 1))):
        row, column = (int(rng.integers(side)) for side in edge.shape)
        if len(at_edges) and rng.uniform() < 0.45:
            row, column = at_edges[rng.integers(len(at_edges))].tolist()
        if rng.uniform() < 0.8:
            cv2.circle(hidden, (column, row), int(rng.integers(3, 16)), 1, -1)
        else:
            angle, length = rng.uniform(0, np.pi), rng.uniform(15, 60)
            across, down = int(length * np.cos(angle)), int(length * np.sin(angle))
            ends = (column - across, row - down), (column + across, row + down)
            cv2.line(hidden, *ends, 1, int(rng.integers(2, 12)))
    return hidden > 0
