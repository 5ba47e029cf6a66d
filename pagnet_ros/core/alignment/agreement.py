"""How well depth edges and colour edges agree at every offset: one small surface per tile of the image.

Tiles are the units that chance is judged by (`estimate.py`): what one tile says may be texture, what most
of them say is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.edges import EdgePoints, colour_edges, depth_edges, working_scale

Image = NDArray[np.float32]

REACH: Final = 12
"""Largest offset looked at, working pixels: 3.75 % of the colour image's longer side."""
TILE_PX: Final = 20
LEAST_WEIGHT: Final = 2.0
"""Tiles with less depth edge than this, working pixels of line, are left out."""


@dataclass(frozen=True)
class Agreement:
    """Agreement by offset.

    Attributes:
        tiles: ``[t, 2 R + 1, 2 R + 1]`` float32: sum over a tile's depth edges of the colour edge that lies where they
            would be if moved by ``(column - R, row - R)`` working pixels; tiles without depth edges are 0.
        weight: ``[t]`` float32, length of depth edge in each tile, working pixels.
        scale: working pixels per colour pixel.
        pixel: size of a depth pixel, working pixels.
    """

    tiles: Image
    weight: Image
    scale: float
    pixel: float

    def add(self, other: Agreement, factor: float) -> None:
        """Count `factor` times as much as before, and a further frame; of images of the same sizes.

        In place: what lives for long amid the images of each frame should not move, or the heap grows around it.
        """
        for mine, theirs in ((self.tiles, other.tiles), (self.weight, other.weight)):
            np.multiply(mine, np.float32(factor), out=mine)
            np.add(mine, theirs, out=mine)


def agreement(depth: Image, rgb: NDArray[np.uint8]) -> Agreement:
    """Agreement of one frame.

    Args:
        depth: ``[h, w]`` float32, any positive linear unit, NaN where not measured.
        rgb: ``[H, W, 3]`` uint8, the same field of view.
    """
    changes = colour_edges(rgb, REACH)
    height, width = changes[0].shape
    rows, columns = math.ceil(height / TILE_PX), math.ceil(width / TILE_PX)
    side = 2 * REACH + 1
    tiles = np.zeros((rows * columns, side, side), np.float32)
    weight = np.zeros(rows * columns, np.float32)
    for points, change in zip(depth_edges(depth, (height, width)), changes, strict=True):
        lines = _drawn(points, (height, width))
        padded = cv2.copyMakeBorder(change, REACH, REACH, REACH, REACH, cv2.BORDER_CONSTANT, value=0)
        sums = np.add.reduceat(
            np.add.reduceat(lines, np.arange(0, height, TILE_PX), axis=0), np.arange(0, width, TILE_PX), axis=1
        )
        for row, column in zip(*np.nonzero(sums >= LEAST_WEIGHT), strict=True):
            y, x = row * TILE_PX, column * TILE_PX
            line = lines[y : y + TILE_PX, x : x + TILE_PX]
            around = padded[y : y + line.shape[0] + 2 * REACH, x : x + line.shape[1] + 2 * REACH]
            tiles[row * columns + column] += cv2.matchTemplate(around, line, cv2.TM_CCORR)
            weight[row * columns + column] += sums[row, column]
    pixel = max(height / depth.shape[0], width / depth.shape[1])
    return Agreement(tiles, weight, working_scale((rgb.shape[0], rgb.shape[1])), pixel)


def _drawn(points: EdgePoints, size: tuple[int, int]) -> Image:
    """Points as an image ``[h', w']``, each shared out among the four pixels around it."""
    height, width = size
    x, y = np.floor(points.x), np.floor(points.y)
    right, below = points.x - x, points.y - y
    column, row = x.astype(np.intp), y.astype(np.intp)
    corners = [(row + j, column + i) for j in (0, 1) for i in (0, 1)]
    shares = [(below if j else 1 - below) * (right if i else 1 - right) for j in (0, 1) for i in (0, 1)]
    place = np.concatenate([r.clip(0, height - 1) * width + c.clip(0, width - 1) for r, c in corners])
    values = np.concatenate([points.weight * share for share in shares])
    return np.bincount(place, values, minlength=height * width).reshape(height, width).astype(np.float32)
