"""Styles without a floor, staged before the camera: clutter, leaning posters, texture traps."""

from __future__ import annotations

import math

import numpy as np

from pagnet_ros.sensors.camera import FloatArray
from pagnet_ros.simulation import palette
from pagnet_ros.simulation.palette import Layout, Rng, finish
from pagnet_ros.simulation.surfaces import SQUARE, Material, SurfaceBuilder, rotation_facing


def _backdrop(b: SurfaceBuilder, rng: Rng, far: float) -> None:
    """Closed surroundings of slanted planes about ``far`` metres away, the camera at the origin looking along y."""
    b.plane(np.array([0, -1, 0]) + rng.uniform(-0.5, 0.5, 3), (0, far, 0), palette.wall(rng))
    for normal in ((1, -0.1, 0), (-1, -0.1, 0), (0, -0.1, 1), (0, -0.1, -1)):
        reach = far * rng.uniform(0.3, 0.9)
        n = np.array(normal) + rng.uniform(-0.25, 0.25, 3) * [1, 0.5, 1]
        b.plane(n, -reach * np.array(normal) + [0, 0.5 * far, 0], palette.thing(rng, 1.5))
    b.plane((0, 1, 0), (0, -far, 0), palette.wall(rng))


def _in_view(rng: Rng, depth: float, spread: float = 0.62) -> FloatArray:
    point: FloatArray = np.array([rng.uniform(-spread, spread), 1.0, rng.uniform(-spread, spread) * 0.8]) * depth
    return point


def clutter(rng: Rng) -> Layout:
    """Anything anywhere in view, without gravity: the most varied outlines, slants and occlusions."""
    b = SurfaceBuilder()
    near = rng.uniform(0.3, 1.0)
    far = near * rng.uniform(1.6, 6.0)
    _backdrop(b, rng, far)
    share = rng.dirichlet(np.array([5.0, 2.0, 1.6, 1.6, 1.6, 1.2, 0.7, 0.5]))
    for _ in range(int(rng.integers(18, 75))):
        depth = near * (far / near * 0.95) ** rng.random()
        size = depth * 0.012 * (0.3 / 0.012) ** rng.random()
        _float(b, rng, _in_view(rng, depth), size, int(rng.choice(8, p=share)))
    lamp = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.5, 0.3), rng.uniform(-0.2, 0.8)]) * near
    return finish(b, rng, np.zeros(3), np.array([0.0, (near + far) / 2, 0.0]), lamp)


def _float(b: SurfaceBuilder, rng: Rng, at: FloatArray, size: float, kind: int) -> None:
    """One free-floating surface or body of about ``size`` metres."""
    turn = rotation_facing(np.array([0, -1.0, 0]) + rng.normal(0, 0.6, 3), rng.uniform(-math.pi, math.pi))
    stretch = size * rng.uniform(0.25, 1.0)
    skin = palette.thing(rng, size)
    if kind == 0:
        bent = rng.random() < 0.5
        b.card(
            turn, at, (size, stretch), skin,
            outline=palette.cutout(rng, "blob", "blob", "polygon", "polygon", "letter", "ring", "leaf"),
            relief=palette.relief(rng, "bumps", "folds", "dome") if bent else -1,
            relief_m=size * rng.uniform(0.03, 0.35) if bent else 0.0,
        )  # fmt: skip
    elif kind == 1:
        b.box(turn, at, (size * rng.uniform(0.2, 1), stretch, size * rng.uniform(0.05, 1)), skin)
    elif kind == 2:
        b.ellipsoid(turn, at, (size * 0.8, stretch * 0.8, size * rng.uniform(0.3, 0.8)), skin)
    elif kind == 3:
        b.cone(
            turn,
            at,
            (stretch * 0.6, stretch * 0.6, size),
            skin,
            taper=rng.uniform(-0.9, 0.9),
            top=rng.random() < 0.5,
        )
    elif kind == 4:
        along = rng.normal(0, 1, 3) * [1, 0.4, 1] * size * 2
        b.pole(at - along, at + along, size * rng.uniform(0.01, 0.08), skin)
    elif kind == 5:
        b.card(turn, at, (size * 1.3, size * 1.3), skin, outline=palette.cutout(rng, "grille", "twigs"))
    elif kind == 6:
        b.card(turn, at, (size * 1.5, stretch * 1.5), palette.sheet(rng, (size * 1.5, stretch * 1.5)))
    else:
        green = palette.foliage(rng)
        for _ in range(int(rng.integers(5, 15))):
            offset = rng.normal(0, 0.6, 3) * size
            leaf = rotation_facing(rng.normal(0, 1, 3), rng.uniform(-math.pi, math.pi))
            b.card(leaf, at + offset, (size * 0.4, size * 0.3), green, outline=palette.cutout(rng, "leaf"))


def posters(rng: Rng) -> Layout:
    """A few large printed sheets with straight edges, leaning at different angles: nothing but slanted planes."""
    b = SurfaceBuilder()
    far = rng.uniform(1.2, 3.5)
    _backdrop(b, rng, far)
    for _ in range(int(rng.integers(3, 8))):
        depth = far * rng.uniform(0.4, 0.9)
        half = (depth * rng.uniform(0.2, 0.6), depth * rng.uniform(0.15, 0.5))
        facing = rotation_facing(np.array([0, -1.0, 0]) + rng.normal(0, 0.35, 3), rng.normal(0, 0.35))
        at = _in_view(rng, depth, 0.6)
        outline = SQUARE if rng.random() < 0.7 else palette.cutout(rng, "polygon")
        skin = palette.sheet(rng, half) if rng.random() < 0.4 else palette.thing(rng, half[0])
        b.card(facing, at, half, skin, outline=outline)
        for _ in range(int(rng.integers(0, 8))):
            small = (half[0] * rng.uniform(0.1, 0.45), half[1] * rng.uniform(0.1, 0.45))
            spot = at + facing @ np.array([rng.uniform(-0.7, 0.7) * half[0], rng.uniform(-0.7, 0.7) * half[1], 0])
            b.card(facing, spot, small, palette.sheet(rng, small), decal=True)
    lamp = np.array([rng.uniform(-0.5, 0.5), -0.3, rng.uniform(0, 0.6)])
    return finish(b, rng, np.zeros(3), np.array([0.0, far, 0.0]), lamp)


def traps(rng: Rng) -> Layout:
    """Strong patterns on flat surfaces, and depth edges that no colour betrays."""
    b = SurfaceBuilder()
    far = rng.uniform(1.2, 3.5)
    _backdrop(b, rng, far)
    for _ in range(int(rng.integers(2, 5))):
        half = (far * rng.uniform(0.12, 0.4), far * rng.uniform(0.1, 0.3))
        facing = rotation_facing(np.array([0, -1.0, 0]) + rng.normal(0, 0.25, 3))
        at = _in_view(rng, far * rng.uniform(0.45, 0.9), 0.45)
        b.card(facing, at, half, palette.thing(rng, half[0]))
        for _ in range(int(rng.integers(1, 6))):
            small = (half[0] * rng.uniform(0.1, 0.5), half[1] * rng.uniform(0.1, 0.5))
            spot = at + facing @ np.array([rng.uniform(-0.6, 0.6) * half[0], rng.uniform(-0.6, 0.6) * half[1], 0])
            outline = SQUARE if rng.random() < 0.5 else palette.cutout(rng, "blob", "letter", "ring", "polygon")
            b.card(facing, spot, small, palette.sheet(rng, small), outline=outline, decal=True)
    for _ in range(int(rng.integers(2, 4))):
        _camouflage(b, rng, far)
    lamp = np.array([rng.uniform(-0.5, 0.5), -0.3, rng.uniform(0, 0.6)])
    return finish(b, rng, np.zeros(3), np.array([0.0, far, 0.0]), lamp)


def _camouflage(b: SurfaceBuilder, rng: Rng, far: float) -> None:
    """A stack of parallel cards that wear one plain colour, or one pattern thrown on them from the viewpoint."""
    base = palette.thing(rng, 0.3)
    plain = rng.random() < 0.4
    skin = Material(
        0 if plain else base.texture,
        base.color_a,
        base.color_a if plain else base.color_b,
        repeats_per_m=rng.uniform(1.0, 8.0),
        projected=True,
    )
    normal = np.array([0, -1.0, 0]) + rng.normal(0, 0.15, 3)
    centre = _in_view(rng, 1.0, 0.35)
    for step in range(int(rng.integers(2, 6))):
        depth = far * (0.85 - 0.1 * step)
        size = depth * rng.uniform(0.25, 0.35) * 0.75**step
        b.card(
            rotation_facing(normal, rng.uniform(-0.5, 0.5)), centre * depth, (size, size * rng.uniform(0.5, 1.0)), skin,
            outline=palette.cutout(rng, "blob", "polygon", "grille") if step and rng.random() < 0.7 else SQUARE,
        )  # fmt: skip
