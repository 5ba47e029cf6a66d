"""The bank of patterns that surfaces refer to by number, packed for fast look-up on any device.

``patterns.py`` draws, this file packs (one texture atlas with coarser copies against aliasing, one stack of
cut-outs, one of reliefs) and looks up. A bank is immutable and fully given by its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import grid_sample

from pagnet_ros.simulation.patterns import CUTOUTS, RELIEFS, TEXTURES, Array, Generator, Rng

TEXTURE_SIZE = 256
CUTOUT_SIZE = 160
RELIEF_SIZE = 64
LEVELS = 5
_COLUMNS = 8
_SIDE = _COLUMNS * (TEXTURE_SIZE + 2)


def sampling_grid(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Coordinates [h, w] in [-1, 1] as the [1, h, w, 2] that ``grid_sample`` takes; far faster than ``stack``."""
    grid = torch.empty((1, *x.shape, 2), device=x.device)
    grid[0, ..., 0] = x
    grid[0, ..., 1] = y
    return grid


def _choices(table: dict[str, tuple[Generator, int]]) -> dict[str, range]:
    ranges, start = {}, 0
    for name, (_, count) in table.items():
        ranges[name] = range(start, start + count)
        start += count
    return ranges


TEXTURE_NUMBERS = _choices(TEXTURES)
CUTOUT_NUMBERS = _choices(CUTOUTS)
RELIEF_NUMBERS = _choices(RELIEFS)


@dataclass(frozen=True)
class PatternBank:
    """Patterns on one device.

    Attributes:
        atlas: Printed patterns [1, 3, Ha, Wa] in [0, 1]; every tile has a one-texel seamless border, and four
            copies of half the size each lie to the right of the full-size ones.
        cutouts: [M, 1, 160, 160]; a card is solid where the value exceeds 0.5.
        reliefs: [R, 3, 64, 64]: height in [-1, 1] and its two derivatives, for coordinates in [-1, 1].
    """

    atlas: torch.Tensor
    cutouts: torch.Tensor
    reliefs: torch.Tensor

    def colours(self, texture: torch.Tensor, u: torch.Tensor, v: torch.Tensor, texels: torch.Tensor) -> torch.Tensor:
        """Look patterns up.

        Args:
            texture: Texture numbers [H, W], float.
            u: First coordinate [H, W]; one unit is one tile.
            v: Second coordinate [H, W].
            texels: Full-size texels that one pixel covers [H, W]; picks the coarser copies.

        Returns:
            [3, H, W] in [0, 1].
        """
        level = torch.log2(texels.clamp(1.0, 2.0 ** (LEVELS - 1))).round_()
        side = TEXTURE_SIZE * torch.exp2(-level)
        coarse = (level > 0.5).float()
        row = (texture * (1 / _COLUMNS)).floor_()
        column = texture - row * _COLUMNS
        x = coarse * _SIDE + column * (side + 2) + 1 + (u - u.floor()) * side
        # Copies of one level below the other: their heights 8 * (side + 2) form a geometric series.
        top = _COLUMNS * (TEXTURE_SIZE - 2 * side + 2 * (level - 1)) * coarse
        y = top + row * (side + 2) + 1 + (v - v.floor()) * side
        height, width = self.atlas.shape[-2:]
        grid = sampling_grid(x.mul_(2 / width).sub_(1), y.mul_(2 / height).sub_(1))
        return grid_sample(self.atlas, grid, mode="bilinear", align_corners=False)[0]

    def solid(self, cutout: int, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Where the cut-out is solid, bool [h, w], for coordinates in [-1, 1] (outside: not solid)."""
        return (
            grid_sample(self.cutouts[cutout][None], sampling_grid(u, v), mode="bilinear", align_corners=False)[0, 0]
            > 0.5
        )

    def height(self, relief: int, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Relief height [h, w] in [-1, 1] for coordinates in [-1, 1]."""
        return grid_sample(
            self.reliefs[relief, :1][None], sampling_grid(u, v), padding_mode="border", align_corners=False
        )[0, 0]

    def slopes(self, relief: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Derivatives [2, N] of the height at single points; ``relief`` [N] holds whole numbers."""
        x = ((u + 1) * (RELIEF_SIZE / 2) - 0.5).clamp_(0, RELIEF_SIZE - 1.001)
        y = ((v + 1) * (RELIEF_SIZE / 2) - 0.5).clamp_(0, RELIEF_SIZE - 1.001)
        left, top = x.floor(), y.floor()
        x, y = x - left, y - top
        corner = (relief * 3 * RELIEF_SIZE + top).long() * RELIEF_SIZE + left.long()
        values = self.reliefs.view(-1)

        def mixed(index: torch.Tensor) -> torch.Tensor:
            upper = torch.lerp(values[index], values[index + 1], x)
            lower = torch.lerp(values[index + RELIEF_SIZE], values[index + RELIEF_SIZE + 1], x)
            return torch.lerp(upper, lower, y)

        area = RELIEF_SIZE * RELIEF_SIZE
        return torch.stack((mixed(corner + area), mixed(corner + 2 * area)))


def _draw(table: dict[str, tuple[Generator, int]], rng: Rng, size: int) -> list[Array]:
    return [generate(rng, size) for generate, count in table.values() for _ in range(count)]


def _pack_atlas(textures: list[Array]) -> Array:
    atlas = np.zeros((3, _SIDE, _SIDE + _COLUMNS * (TEXTURE_SIZE // 2 + 2)), np.float32)
    for number, texture in enumerate(textures):
        image = np.broadcast_to(texture, (3, TEXTURE_SIZE, TEXTURE_SIZE))
        left, top = 0, 0
        for level in range(LEVELS):
            side = TEXTURE_SIZE >> level
            y = top + (number // _COLUMNS) * (side + 2)
            x = left + (number % _COLUMNS) * (side + 2)
            atlas[:, y : y + side + 2, x : x + side + 2] = np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="wrap")
            image = image.reshape(3, side // 2, 2, side // 2, 2).mean((2, 4))
            top = 0 if level == 0 else top + _COLUMNS * (side + 2)
            left = _SIDE
    return atlas


def _pack_reliefs(heights: list[Array]) -> Array:
    step = 2.0 / RELIEF_SIZE
    return np.stack([np.stack([h, np.gradient(h, step, axis=1), np.gradient(h, step, axis=0)]) for h in heights])


@lru_cache(maxsize=4)
def pattern_bank(seed: int = 0, device: str = "cpu") -> PatternBank:
    """The bank of a seed on a device (about 70 MB; kept, since building takes about half a second)."""
    rng = np.random.default_rng(seed)
    atlas = _pack_atlas(_draw(TEXTURES, rng, TEXTURE_SIZE))
    cutouts = np.stack(_draw(CUTOUTS, rng, CUTOUT_SIZE))[:, None]
    reliefs = _pack_reliefs(_draw(RELIEFS, rng, RELIEF_SIZE)).astype(np.float32)
    return PatternBank(
        torch.from_numpy(atlas)[None].to(device),
        torch.from_numpy(cutouts).to(device),
        torch.from_numpy(reliefs).to(device),
    )
