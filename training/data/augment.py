"""What may happen to a patch without changing what is right about it. Pure functions of an array and a generator.

Colour changes leave the depth alone; depth changes (`invert`, `tilt`) are undone by no one because they are applied
before the low-resolution input is made, so input and truth stay consistent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Augmentation:
    """How often each change happens, as probabilities from 0 to 1, and how far the contrast range is widened.

    Attributes:
        turn: one of the 8 flips and rotations (the paper's).
        colour: brightness, contrast, gamma; of these patches some turn grey or swap channels.
        noise: sensor noise in the colour image, standard deviation up to 0.03 of full range.
        invert: depth changes polarity, so that disparity and depth are treated alike.
        tilt: a plane is added to the depth, so that steps also occur on slanted surfaces.
        holes: blobs of the low-resolution input are hidden; they are filled, and the mask channel says so.
        rounded: the low-resolution input is rounded to whole levels, as 8-bit data would be.
        widen: the normalisation's range is a log-uniform value between the patch's and the frame's, instead of the
            frame's.
        sensor: the low-resolution input is what one of the recipe's sensor profiles delivers instead of the protocol's.
        grey: the guidance loses its colour; at 1 the network learns from brightness alone, and export makes it so.
        stepped: the truth is rounded to whole levels after all other changes, as published disparity is: slanted
            surfaces become stairs.
        enlarge: the image is enlarged before the patch is cut, log-uniformly by 1 to 3: published training images are
            small, cameras and the images of the published tables are not.
    """

    turn: float = 1.0
    colour: float = 0.8
    noise: float = 0.3
    invert: float = 0.3
    tilt: float = 0.25
    holes: float = 0.2
    rounded: float = 0.1
    widen: float = 0.5
    sensor: float = 0.0
    grey: float = 0.0
    stepped: float = 0.0
    enlarge: float = 0.0

    @classmethod
    def paper(cls) -> Augmentation:
        """Flips and rotations only."""
        return cls(colour=0, noise=0, invert=0, tilt=0, holes=0, rounded=0, widen=0)


def turn(array: NDArray[Scalar], code: int) -> NDArray[Scalar]:
    """One of the 8 flips and rotations, `code` 0 to 7, of ``[H, W, ...]``."""
    turned = np.rot90(array, code % 4)
    return turned[:, ::-1] if code >= 4 else turned


def turn_back(array: NDArray[Scalar], code: int) -> NDArray[Scalar]:
    """The reverse of `turn`."""
    return np.rot90(array[:, ::-1] if code >= 4 else array, -(code % 4))


def shift_colours(rgb: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Gamma, contrast and brightness; 1 in 8 turns grey, 1 in 5 swaps channels. ``[H, W, 3]`` in 0..1."""
    gamma = np.exp(rng.uniform(-0.4, 0.4))
    gain, bias = rng.uniform(0.6, 1.3), rng.uniform(-0.15, 0.15)
    chance = rng.uniform(size=2)
    order = rng.permutation(3)
    shifted = (np.power(rgb, gamma, dtype=np.float32) - 0.5) * np.float32(gain) + np.float32(0.5 + bias)
    if chance[0] < 0.125:
        shifted = np.repeat(shifted.mean(axis=2, keepdims=True), 3, axis=2)
    elif chance[1] < 0.2:
        shifted = shifted[..., order]
    return np.asarray(np.clip(shifted, 0.0, 1.0), np.float32)


def invert(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Near becomes far: the depth mirrored about the middle of the 8-bit range."""
    return np.asarray(256.0 - depth, np.float32)


def tilt(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Add a plane of up to a quarter of a level per pixel in each axis."""
    slope = rng.uniform(-0.25, 0.25, size=2).astype(np.float32)
    rows, columns = np.arange(depth.shape[0], dtype=np.float32), np.arange(depth.shape[1], dtype=np.float32)
    plane = slope[0] * (rows - rows.mean())[:, None] + slope[1] * (columns - columns.mean())[None, :]
    return np.asarray(depth + plane, np.float32)


def hide_measurements(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where a sensor still measured: smooth blobs covering 2 to 20 % are False, ``[h, w]`` bool."""
    cell = int(rng.integers(2, 6))
    coarse = rng.normal(size=(max(2, shape[0] // cell), max(2, shape[1] // cell))).astype(np.float32)
    field = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    kept: NDArray[np.bool_] = field > np.quantile(field, rng.uniform(0.02, 0.2))
    return kept
