"""One depth image with its colour: units, holes filled from their surroundings, edges, and the slope of surfaces.

Pure functions on arrays of one frame. Depth is float32 metres with NaN where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.errors import InputError
from pagnet_ros.recordings.coarse import coarse_depth, coarse_intrinsics
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import depth_edges
from pagnet_ros.system.units import in_metres

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = NDArray[np.floating]
REACH_SHARE = 0.25
SAME_SURFACE = 0.06
COLUMN_SLOPE = 0.02
ASSUMED_FOCAL = 0.9
NO_VALUE = 65535
EDGE_STEP = 0.04
Gap = Callable[[Values, Values, Values, Values], Values]
"""Depth at one end, at the other, share of the way between them, and pixels from end to end -> depth in the gap."""
SHADOW_SHARE = 0.06
"""Widest shadow of a projector, as a share of the image's width."""


@dataclass(frozen=True)
class View:
    """A frame ready for measuring; all arrays at the size of the depth image.

    Attributes:
        z: ``[h, w]`` float32 metres, NaN where missing.
        grey: ``[h, w]`` float32, mean of red, green and blue over 255.
        matrix: ``[3, 3]`` intrinsics of the depth image.
        calibrated: Whether they came with the recording.
        pose: ``[4, 4]`` camera-to-world, or None.
        stamp_ns: When it was taken.
        reference: ``[h, w]`` better depth in metres, or None.
        rgb: ``[h, w, 3]`` uint8, for pictures.
    """

    z: Depth
    grey: Depth
    matrix: NDArray[np.float64]
    calibrated: bool
    pose: NDArray[np.float64] | None
    stamp_ns: int
    reference: Depth | None
    rgb: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.z.shape[0], self.z.shape[1]


def metres(depth: NDArray[np.generic]) -> Depth:
    """Depth as float32 metres with NaN where there is none.

    uint16 counts as millimetres; 0, the largest uint16 (which some drivers use for "no value") and anything not finite
    are missing.
    """
    z = in_metres(depth)
    if depth.dtype == np.uint16:
        z[depth == NO_VALUE] = np.nan
    return z


def make_view(frame: RecordedFrame) -> View:
    """A frame of a recording with everything brought to the size of its depth image.

    Raises:
        InputError: Depth or colour is empty or of the wrong type.
    """
    if frame.depth.ndim != 2 or frame.depth.dtype not in (np.uint16, np.float32) or frame.rgb.ndim != 3:
        raise InputError(
            f"frame {frame.name}: depth is {frame.depth.dtype} {list(frame.depth.shape)}, colour "
            f"{list(frame.rgb.shape)}; expected depth [h, w] in uint16 or float32 and colour [H, W, 3]"
        )
    height, width = frame.depth.shape
    rgb = frame.rgb
    full = rgb.shape
    if full[:2] != (height, width):
        rgb = np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if frame.intrinsics is None:
        focal = ASSUMED_FOCAL * width
        matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    else:
        matrix = coarse_intrinsics(frame.intrinsics, full[1] / width, full[0] / height)
    return View(
        z=metres(frame.depth),
        grey=np.asarray(rgb.mean(2, dtype=np.float32) / np.float32(255.0)),
        matrix=matrix,
        calibrated=frame.intrinsics is not None,
        pose=frame.pose,
        stamp_ns=frame.stamp_ns,
        reference=None if frame.reference is None else _at_size(metres(frame.reference), height, width),
        rgb=rgb,
    )


def _at_size(reference: Depth, height: int, width: int) -> Depth:
    """A reference with the pixels of a depth image: blocks summed up where a whole number fits, else their centres."""
    scale = reference.shape[0] // height
    if reference.shape == (scale * height, scale * width) and 1 <= scale <= 32:
        return np.asarray(coarse_depth(reference, scale), np.float32)
    return np.asarray(cv2.resize(reference, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.float32)


def gaps_closed(depth_m: Depth, widest: int, between: Gap) -> Depth:
    """Gaps along the rows, of at most `widest` pixels, closed by what a function makes of their two ends.

    Args:
        depth_m: ``[H, W]``, NaN in gaps.
        widest: pixels.
        between: says what lies in a gap.
    """
    known = np.isfinite(depth_m)
    place = np.broadcast_to(np.arange(depth_m.shape[1]), depth_m.shape)
    before = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, place, depth_m.shape[1])[:, ::-1], axis=1)[:, ::-1]
    gap = ~known & (before >= 0) & (after < depth_m.shape[1]) & (after - before <= widest + 1)
    rows = np.nonzero(gap)[0]
    first, last, length = before[gap], after[gap], (after - before)[gap]
    share = (place[gap] - first) / length
    closed = np.array(depth_m, np.float32)
    closed[gap] = between(depth_m[rows, first], depth_m[rows, last], share, length.astype(np.float64))
    return np.asarray(closed, np.float32)


def farther(first: Values, last: Values, share: Values, length: Values) -> Values:
    """The farther end, as behind an edge."""
    return np.maximum(first, last)


def along_plane(first: Values, last: Values, share: Values, length: Values) -> Values:
    """Inverse depth is linear on a plane."""
    return np.asarray(1 / ((1 - share) / first + share / last))


def fill_holes(z: Depth) -> tuple[Depth, Mask]:
    """Holes filled as surfaces and shadows usually lie: gaps along rows no wider than a shadow, then along columns.

    A gap whose ends may lie on one plane becomes that plane: large holes are mostly floors and tables that are seen at
    a low angle. A gap whose ends cannot lies at a depth edge and takes the farther surface: shadows of the projector
    fall on the background.

    Args:
        z: ``[h, w]`` metres, NaN in holes.

    Returns:
        The filled depth, NaN in wider gaps, and a mask of the pixels filled at a depth edge.
    """
    filled = gaps_closed(z, round(SHADOW_SHARE * z.shape[1]), _within_row)
    filled = gaps_closed(filled.T, round(REACH_SHARE * z.shape[0]), _within_column).T
    split = np.signbit(filled)
    return np.ascontiguousarray(np.abs(filled)), split


def _within_row(first: Values, last: Values, share: Values, length: Values) -> Values:
    return _plane_or_behind(first, last, share, np.zeros_like(length))


def _within_column(first: Values, last: Values, share: Values, length: Values) -> Values:
    return _plane_or_behind(first, last, share, length * COLUMN_SLOPE)


def _plane_or_behind(first: Values, last: Values, share: Values, slope: Values) -> Values:
    """Depth in a gap; negative where its ends lie on two surfaces."""
    first, last = np.abs(first), np.abs(last)
    split = np.maximum(first, last) > np.minimum(first, last) * (1 + SAME_SURFACE + slope)
    return np.where(split, -farther(first, last, share, slope), along_plane(first, last, share, slope))


def edge_mask(depth_m: Depth, step: float = EDGE_STEP) -> Mask:
    """Both sides of every step between neighbours that exceeds `step` of the nearer depth.

    Args:
        depth_m: ``[H, W]`` depth, NaN where unknown (which makes no edge).
        step: relative step, > 0; the default is that of the simulator's profiles.
    """
    depth = torch.from_numpy(np.ascontiguousarray(depth_m))[None]
    return np.asarray(depth_edges(depth, step)[0].numpy(), np.bool_)


def away_from_edges(values: Depth, edges: Mask, reach: int) -> Depth:
    """What was measured over windows, such as the slope of surfaces, without windows that hold two surfaces.

    Args:
        values: ``[H, W]``.
        edges: ``[H, W]`` pixels at depth edges.
        reach: pixels to either side of an edge that take the value of the nearest one beyond.
    """
    near = cv2.dilate(edges.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    if not near.any() or near.all():
        return values
    _, labels = cv2.distanceTransformWithLabels(near, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    of_label = np.zeros(int(labels.max()) + 1, np.float32)
    of_label[labels[near == 0]] = values[near == 0]
    return np.asarray(of_label[labels], np.float32)


class Edges(NamedTuple):
    """Depth edges of one image.

    Attributes:
        distance: ``[h, w]`` float32, Chebyshev pixels to the nearest edge pixel, 0 on it.
        far_side: ``[h, w]``, whether a pixel lies behind the nearest edge rather than before it.
        direction: ``[h, w]`` int8, where the near object lies as seen from that edge: 0 left, 1 right, 2 above, 3
            below.
    """

    distance: Depth
    far_side: Mask
    direction: NDArray[np.int8]


def find_edges(z: Depth, jump: float) -> Edges:
    """Steps of more than `jump` (relative) between neighbours of a filled depth image."""
    marks = edge_mask(z, jump)
    if not marks.any():
        zeros = np.zeros(z.shape, np.int8)
        return Edges(np.full(z.shape, 1e3, np.float32), np.zeros(z.shape, np.bool_), zeros)
    distance, labels = cv2.distanceTransformWithLabels(
        (~marks).astype(np.uint8), cv2.DIST_C, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    high = np.where(np.isfinite(z), z, 0).astype(np.float32)
    low = np.where(np.isfinite(z), z, 1e3).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    middle = 0.5 * (cv2.dilate(high, kernel) + cv2.erode(low, kernel))
    right, left = np.roll(z, -1, 1), np.roll(z, 1, 1)
    down, up = np.roll(z, -1, 0), np.roll(z, 1, 0)
    with np.errstate(invalid="ignore"):
        across, along = np.nan_to_num(right - left), np.nan_to_num(down - up)
    direction = np.where(np.abs(across) >= np.abs(along), np.where(across > 0, 0, 1), np.where(along > 0, 2, 3)).astype(
        np.int8
    )
    of_label = np.zeros(int(labels.max()) + 1, np.float32)
    of_label[labels[marks]] = middle[marks]
    direction_of = np.zeros(of_label.shape, np.int8)
    direction_of[labels[marks]] = direction[marks]
    with np.errstate(invalid="ignore"):
        far_side = z > of_label[labels]
    return Edges(np.asarray(distance, np.float32), far_side, direction_of[labels])


class Slopes(NamedTuple):
    """Planes fitted around every pixel, in inverse depth, which is linear on a plane.

    Attributes:
        w: ``[h, w]`` float64, fitted inverse depth (1/m).
        gx, gy: Its slopes per pixel.
        theta: Angle between ray and normal, radians.
        whole: Whether the window held enough measurements.
        radius: Of the window, pixels.
    """

    w: NDArray[np.float64]
    gx: NDArray[np.float64]
    gy: NDArray[np.float64]
    theta: NDArray[np.float32]
    whole: Mask
    radius: int


def slopes(z: Depth, matrix: NDArray[np.float64], radius: int) -> Slopes:
    """Least-squares planes over windows of ``2 radius + 1`` pixels.

    Args:
        z: ``[h, w]`` metres, NaN left out of the windows.
        matrix: Intrinsics.
        radius: Pixels, >= 1.
    """
    height, width = z.shape
    side = 2 * radius + 1
    mask = np.isfinite(z)
    m = mask.astype(np.float64)
    w = np.where(mask, 1.0 / np.where(mask, z, 1), 0.0)
    x = np.arange(width, dtype=np.float64)[None, :] - (width - 1) / 2
    y = np.arange(height, dtype=np.float64)[:, None] - (height - 1) / 2

    def total(image: NDArray[np.float64]) -> NDArray[np.float64]:
        summed = cv2.boxFilter(image, cv2.CV_64F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed, np.float64)

    n, sx, sy, sw = total(m), total(m * x), total(m * y), total(w)
    safe = np.maximum(n, 1)
    mx, my, mw = sx / safe, sy / safe, sw / safe
    cxx = total(m * x * x) / safe - mx * mx
    cyy = total(m * y * y) / safe - my * my
    cxy = total(m * x * y) / safe - mx * my
    cxw = total(w * x) / safe - mx * mw
    cyw = total(w * y) / safe - my * mw
    determinant = cxx * cyy - cxy * cxy
    whole = (n >= 0.5 * side * side) & (determinant > 1e-3)
    determinant = np.where(whole, determinant, 1.0)
    gx = np.where(whole, (cyy * cxw - cxy * cyw) / determinant, 0.0)
    gy = np.where(whole, (cxx * cyw - cxy * cxw) / determinant, 0.0)
    fitted = mw + gx * (x - mx) + gy * (y - my)
    u = (np.arange(width)[None, :] - matrix[0, 2]) / matrix[0, 0]
    v = (np.arange(height)[:, None] - matrix[1, 2]) / matrix[1, 1]
    nx, ny = gx * matrix[0, 0], gy * matrix[1, 1]
    nz = fitted - nx * u - ny * v
    length = np.sqrt(nx**2 + ny**2 + nz**2) * np.sqrt(1 + u**2 + v**2)
    cosine = np.clip(np.abs(fitted) / np.maximum(length, 1e-12), 0, 1)
    return Slopes(fitted, gx, gy, np.arccos(cosine).astype(np.float32), whole, radius)
