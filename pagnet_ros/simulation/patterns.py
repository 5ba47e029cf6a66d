"""Two-dimensional pattern generators: what a surface is printed with, cut out like, or bent into.

Pure functions from a NumPy generator to arrays in [0, 1]; ``textures.py`` packs them for look-up.
All patterns except posters and cut-outs tile without a seam.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Rng = np.random.Generator


def _f32(values: npt.ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float32)


def spectral_noise(rng: Rng, size: int, beta: float, stretch: float = 1.0) -> Array:
    """Seamless noise [size, size] with spectrum ``1 / f^beta``, mean 0 and standard deviation 1.

    Args:
        rng: Source of randomness.
        size: Pixels per side.
        beta: 0 is white; 2 is cloud-like; 4 is very smooth.
        stretch: More than 1 draws the structures out along the second axis.
    """
    fy = np.fft.fftfreq(size)[:, None]
    fx = np.fft.rfftfreq(size)[None, :] * stretch
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * radius ** (-beta / 2)
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return _f32(noise / noise.std())


def _grid(size: int) -> tuple[Array, Array]:
    axis: Array = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return axis[:, None], axis[None, :]


def _soft(field: npt.NDArray[np.floating], width: float) -> Array:
    return _f32(np.clip(0.5 + field / width, 0, 1))


# --- printed patterns -------------------------------------------------------------------------------------


def plain(rng: Rng, size: int) -> Array:
    """Nothing: 0 everywhere."""
    return np.zeros((size, size), np.float32)


def cloud(rng: Rng, size: int) -> Array:
    """Soft noise, isotropic or drawn out."""
    noise = spectral_noise(rng, size, rng.uniform(1.2, 3.0), rng.choice([1.0, 1.0, 3.0]))
    return _f32(np.clip(0.5 + 0.3 * noise, 0, 1))


def speckle(rng: Rng, size: int) -> Array:
    """Grains and spots."""
    noise = spectral_noise(rng, size, rng.uniform(0.2, 1.0))
    return _soft(noise - rng.uniform(0.3, 1.3), 0.6)


def wood(rng: Rng, size: int) -> Array:
    """Warped year rings with fine grain."""
    y, _ = _grid(size)
    warp = spectral_noise(rng, size, 3.0, stretch=0.2).T * rng.uniform(0.4, 1.2)
    rings = np.sin(2 * np.pi * y * rng.integers(3, 9) + 2.2 * warp.T)
    grain = spectral_noise(rng, size, 0.8, stretch=12.0)
    return _f32(np.clip(0.5 + 0.28 * rings + 0.1 * grain, 0, 1))


def stripes(rng: Rng, size: int) -> Array:
    """Straight or slanted stripes, hard or soft, sometimes in two widths."""
    y, x = _grid(size)
    count, slant = int(rng.integers(3, 14)), int(rng.integers(0, 3))
    phase = (y * count + x * slant * count) % 1.0
    if rng.random() < 0.3:
        return _f32(np.broadcast_to(0.5 + 0.5 * np.sin(2 * np.pi * phase), (size, size)))
    duty = rng.uniform(0.15, 0.6)
    second = 0.5 * (((phase - 0.15) % 1.0) < duty / 4) if rng.random() < 0.5 else 0.0
    return _f32(np.broadcast_to(np.maximum(phase < duty, second), (size, size)))


def checker(rng: Rng, size: int) -> Array:
    """A chessboard."""
    y, x = _grid(size)
    count = 2 * int(rng.integers(1, 8))
    return _f32((np.floor(y * count) + np.floor(x * count)) % 2)


def tiles(rng: Rng, size: int) -> Array:
    """Bricks or tiles: constant brightness per brick, dark joints."""
    y, x = _grid(size)
    rows, cols = 2 * int(rng.integers(2, 7)), int(rng.integers(2, 6))
    row = np.floor(y * rows).astype(int)
    shift = 0.5 * (row % 2) if rng.random() < 0.6 else 0.0
    xs = (x * cols + shift) % cols
    col = np.floor(xs).astype(int)
    joint = rng.uniform(0.02, 0.1)
    inside = ((y * rows) % 1 > joint) & (xs % 1 > joint * cols / rows)
    brightness = rng.uniform(0.45, 1.0, (rows, cols))[row, col] + 0.06 * spectral_noise(rng, size, 1.0)
    return _f32(np.clip(np.where(inside, brightness, 0.05), 0, 1))


def cells(rng: Rng, size: int) -> Array:
    """Voronoi cells, each of one brightness, sometimes with dark borders."""
    count = int(rng.integers(12, 70))
    points = rng.random((count, 2)).astype(np.float32)
    y, x = _grid(size)
    first = np.full((size, size), 9.0, np.float32)
    second = first.copy()
    owner = np.zeros((size, size), np.int64)
    for index, (py, px) in enumerate(points):
        dy = np.abs(y - py)
        dx = np.abs(x - px)
        distance = np.minimum(dy, 1 - dy) ** 2 + np.minimum(dx, 1 - dx) ** 2
        nearer = distance < first
        second = np.where(nearer, first, np.minimum(second, distance))
        first = np.where(nearer, distance, first)
        owner[nearer] = index
    value = rng.random(count).astype(np.float32)[owner]
    if rng.random() < 0.5:
        value *= np.clip((np.sqrt(second) - np.sqrt(first)) * 60, 0, 1)
    return value


def dots(rng: Rng, size: int) -> Array:
    """A lattice of discs."""
    y, x = _grid(size)
    count = int(rng.integers(4, 14))
    row = np.floor(y * count)
    dy = (y * count) % 1 - 0.5
    dx = (x * count + 0.5 * (row % 2 if count % 2 == 0 else 0)) % 1 - 0.5
    return _soft(rng.uniform(0.15, 0.4) - np.hypot(dy, dx), 0.08)


def weave(rng: Rng, size: int) -> Array:
    """Over-and-under threads of a cloth."""
    y, x = _grid(size)
    count = int(rng.integers(16, 48))
    over = (np.floor(y * count) + np.floor(x * count)) % 2
    thread = np.where(over > 0, np.sin(np.pi * ((y * count) % 1)), np.sin(np.pi * ((x * count) % 1)))
    return _f32(np.clip(0.25 + 0.6 * thread + 0.1 * spectral_noise(rng, size, 1.5), 0, 1))


_STROKES = [
    (0, 0, 0, 4), (3, 0, 3, 4), (6, 0, 6, 4), (0, 0, 6, 0), (0, 4, 6, 4), (0, 2, 6, 2),
    (0, 0, 6, 4), (0, 4, 6, 0), (0, 0, 3, 0), (3, 4, 6, 4), (3, 2, 6, 4), (0, 4, 3, 4),
]  # fmt: skip


def _glyph(rng: Rng) -> npt.NDArray[np.bool_]:
    bitmap = np.zeros((9, 6), np.bool_)
    for index in rng.choice(len(_STROKES), int(rng.integers(2, 5)), replace=False):
        y0, x0, y1, x1 = _STROKES[index]
        for s in np.linspace(0, 1, 9):
            bitmap[round(y0 + s * (y1 - y0)), round(x0 + s * (x1 - x0))] = True
    return bitmap


def text(rng: Rng, size: int) -> Array:
    """Lines of letter-like strokes in words, as on a printed page."""
    zoom = int(rng.choice([2, 2, 3, 4]))
    alphabet = np.stack([_glyph(rng) for _ in range(24)] + [np.zeros((9, 6), np.bool_)])
    rows, cols = size // (9 * zoom) + 1, size // (6 * zoom) + 1
    letters = rng.integers(0, 24, (rows, cols))
    letters[rng.random((rows, cols)) < 0.18] = 24
    letters[rng.random(rows) < 0.12] = 24
    page = alphabet[letters].transpose(0, 2, 1, 3).reshape(rows * 9, cols * 6)
    page = page.repeat(zoom, 0).repeat(zoom, 1)[:size, :size]
    return _f32(page)


def poster(rng: Rng, size: int) -> Array:
    """A printed sheet [3, size, size]: gradient, discs, bars, a block of text, a frame."""
    y, x = _grid(size)
    angle = rng.uniform(0, 2 * math.pi)
    ramp = 0.5 + 0.5 * np.sin(angle + 3 * (y * math.cos(angle) + x * math.sin(angle)))
    image = rng.random((3, 1, 1)) * (1 - ramp) + rng.random((3, 1, 1)) * ramp
    image = image + 0.08 * spectral_noise(rng, size, 2.2)
    for _ in range(int(rng.integers(3, 12))):
        colour = rng.random((3, 1, 1))
        cy, cx, r = rng.random(), rng.random(), rng.uniform(0.03, 0.3)
        if rng.random() < 0.5:
            inside = np.hypot(y - cy, x - cx) < r
            if rng.random() < 0.4:
                inside &= np.hypot(y - cy, x - cx) > 0.7 * r
        else:
            inside = (np.abs(y - cy) < r * rng.uniform(0.1, 1)) & (np.abs(x - cx) < r)
        image = np.where(inside, colour, image)
    top, left = int(rng.integers(size // 2)), int(rng.integers(size // 2))
    height, width = int(rng.integers(size // 8, size // 2)), int(rng.integers(size // 4, size // 2))
    letters = text(rng, size)[:height, :width]
    block = image[:, top : top + height, left : left + width]
    image[:, top : top + height, left : left + width] = np.where(letters > 0, rng.random((3, 1, 1)), block)
    if rng.random() < 0.6:
        edge = np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x)) < rng.uniform(0.01, 0.06)
        image = np.where(edge, rng.random((3, 1, 1)) * 0.5, image)
    return _f32(np.clip(image, 0, 1))


# --- cut-outs: the shape is where the field exceeds one half ---------------------------------------------


def _polar(size: int) -> tuple[Array, Array, Array, Array]:
    y, x = _grid(size)
    y, x = 2 * y - 1, 2 * x - 1
    return y, x, np.hypot(y, x), np.arctan2(y, x)


def blob(rng: Rng, size: int) -> Array:
    """A noise-thresholded island, possibly with holes in it."""
    _, _, radius, _ = _polar(size)
    noise = spectral_noise(rng, size, rng.uniform(2.2, 4.0))
    return _soft(rng.uniform(0.15, 0.5) * noise + 0.75 - 1.1 * radius, 0.12)


def polygon(rng: Rng, size: int) -> Array:
    """A star-shaped polygon with 3 to 14 corners at irregular radii."""
    _, _, radius, angle = _polar(size)
    corners = int(rng.integers(3, 15))
    at = np.sort(rng.uniform(-np.pi, np.pi, corners))
    reach = rng.uniform(rng.uniform(0.25, 0.8), 0.95, corners)
    after = np.searchsorted(at, angle.ravel()) % corners
    before = (after - 1) % corners
    a0, a1, r0, r1 = at[before], at[after], reach[before], reach[after]
    span = (a1 - a0) % (2 * np.pi) + 1e-6
    turn = (angle.ravel() - a0) % (2 * np.pi)
    edge = np.where(
        span < 3.0,
        r0 * r1 * np.sin(span) / np.maximum(r0 * np.sin(turn) + r1 * np.sin(span - turn), 1e-3),
        np.minimum(r0, r1),
    )
    return _soft(np.clip(edge, 0, 0.97).reshape(size, size) - radius, 0.04)


def leaf(rng: Rng, size: int) -> Array:
    """A pointed leaf, sometimes toothed."""
    y, x, _, _ = _polar(size)
    bend = rng.uniform(-0.25, 0.25)
    half = rng.uniform(0.25, 0.7) * np.sqrt(np.clip(0.9 - x * x, 0, 1)) * (1 - 0.4 * x)
    teeth = 1 + rng.choice([0.0, 0.12]) * np.sin(x * rng.uniform(15, 40))
    return _soft(half * teeth - np.abs(y - bend * (1 - x * x)), 0.05)


def grille(rng: Rng, size: int) -> Array:
    """Parallel bars, or a lattice, in a frame."""
    y, x, _, _ = _polar(size)
    count, duty = rng.uniform(3, 9), rng.uniform(0.12, 0.4)
    bars = duty / 2 - np.abs((x * count / 2) % 1 - 0.5)
    if rng.random() < 0.5:
        bars = np.maximum(bars, duty / 2 - np.abs((y * count * rng.uniform(0.3, 1) / 2) % 1 - 0.5))
    frame = (np.maximum(np.abs(x), np.abs(y)) - rng.uniform(0.86, 0.95)) * count / 2
    return _soft(np.minimum(np.maximum(bars, frame), (0.985 - np.maximum(np.abs(x), np.abs(y))) * 4), 0.1)


def ring(rng: Rng, size: int) -> Array:
    """A ring or a wavy collar."""
    _, _, radius, angle = _polar(size)
    outer = 0.92 + 0.05 * np.sin(angle * int(rng.integers(0, 12)))
    return _soft(np.minimum(outer - radius, radius - rng.uniform(0.4, 0.85)), 0.04)


def twigs(rng: Rng, size: int) -> Array:
    """A branching bundle of thin segments growing upwards."""
    y, x, _, _ = _polar(size)
    field = np.full((size, size), -1.0, np.float32)
    tips = [(0.95, 0.0, -math.pi / 2 + rng.uniform(-0.3, 0.3), 0.5, rng.uniform(0.02, 0.06))]
    for _ in range(int(rng.integers(10, 26))):
        py, px, heading, length, width = tips.pop(0)
        qy, qx = py + length * math.sin(heading), px + length * math.cos(heading)
        dy, dx = qy - py, qx - px
        s = np.clip(((y - py) * dy + (x - px) * dx) / (dy * dy + dx * dx), 0, 1)
        field = np.maximum(field, width - np.hypot(y - py - s * dy, x - px - s * dx))
        for turn in rng.uniform(-0.9, 0.9, 2):
            tips.append((qy, qx, heading + turn, length * rng.uniform(0.6, 0.9), max(width * 0.75, 0.014)))
    return _soft(field, 0.025)


def letter(rng: Rng, size: int) -> Array:
    """One big glyph with sharp corners and concave bays."""
    bitmap = _glyph(rng)[:7, :5].astype(np.float32)
    y = np.clip(np.linspace(-0.6, 6.6, size), -1, 7).round().astype(int).clip(0, 6)
    x = np.clip(np.linspace(-0.6, 4.6, size), -1, 5).round().astype(int).clip(0, 4)
    image = bitmap[np.ix_(y, x)]
    image[[0, -1]] = 0
    image[:, [0, -1]] = 0
    return image


# --- reliefs: height in [-1, 1] ---------------------------------------------------------------------------


def bumps(rng: Rng, size: int) -> Array:
    """Smooth random hills."""
    noise = spectral_noise(rng, size, rng.uniform(3.0, 5.0))
    return _f32(noise / np.abs(noise).max())


def folds(rng: Rng, size: int) -> Array:
    """Hanging cloth: waves along x that drift a little along y."""
    _, x = _grid(size)
    drift = spectral_noise(rng, size, 4.5)
    return _f32(np.sin(2 * np.pi * rng.integers(2, 7) * x + 0.7 * drift))


def dome(rng: Rng, size: int) -> Array:
    """A cushion or a bowl."""
    y, x, _, _ = _polar(size)
    bowl = 1 - y * y * rng.uniform(0.2, 1) - x * x * rng.uniform(0.2, 1)
    return _f32(bowl * rng.choice([-1.0, 1.0]))


Generator = Callable[[Rng, int], Array]
TEXTURES: dict[str, tuple[Generator, int]] = {
    "plain": (plain, 1),
    "cloud": (cloud, 9),
    "speckle": (speckle, 4),
    "wood": (wood, 7),
    "stripes": (stripes, 7),
    "checker": (checker, 4),
    "tiles": (tiles, 5),
    "cells": (cells, 5),
    "dots": (dots, 3),
    "weave": (weave, 4),
    "text": (text, 6),
    "poster": (poster, 9),
}
CUTOUTS: dict[str, tuple[Generator, int]] = {
    "blob": (blob, 12),
    "polygon": (polygon, 12),
    "leaf": (leaf, 5),
    "grille": (grille, 6),
    "ring": (ring, 3),
    "twigs": (twigs, 5),
    "letter": (letter, 5),
}
RELIEFS: dict[str, tuple[Generator, int]] = {"bumps": (bumps, 6), "folds": (folds, 4), "dome": (dome, 3)}
