"""Styles that stand on a floor: a furnished room, and a table full of things."""

from __future__ import annotations

import math

import numpy as np

from pagnet_ros.simulation import palette, props
from pagnet_ros.simulation.palette import Layout, Rng, finish
from pagnet_ros.simulation.props import Place
from pagnet_ros.simulation.surfaces import Material, SurfaceBuilder, rotation_euler, rotation_facing


def room(rng: Rng) -> Layout:
    """A furnished room with the camera at a robot's height near one wall."""
    b = SurfaceBuilder()
    wide, deep, high = rng.uniform(2.6, 5.0), rng.uniform(2.8, 6.0), rng.uniform(2.3, 2.9)
    b.plane((0, 0, 1), (0, 0, 0), palette.floor(rng))
    b.plane((0, 0, -1), (0, 0, high), Material(0, (0.85, 0.85, 0.83), (0.85, 0.85, 0.83)))
    if rng.random() < 0.3:
        b.plane((0, -0.8, -0.6), (0, deep, high * 0.6), palette.wall(rng))
    paint = palette.wall(rng)
    for normal, point in (
        ((0, -1, 0), (0, deep, 0)),
        ((1, 0, 0), (-wide / 2, 0, 0)),
        ((-1, 0, 0), (wide / 2, 0, 0)),
    ):
        slant = np.array(normal) + np.append(rng.uniform(-0.12, 0.12, 2), 0)
        b.plane(slant, point, paint if rng.random() < 0.6 else palette.wall(rng))
    b.plane((0, 1, 0), (0, -2.0, 0), palette.wall(rng))
    _dress_walls(b, rng, wide, deep)
    if rng.random() < 0.6:
        spot = np.array([rng.uniform(-0.5, 0.5), rng.uniform(1.2, deep - 0.8), 0])
        props.rug(b, rng, Place(spot, rng.uniform(-0.4, 0.4)), (rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.9)))
    taken: list[tuple[float, float, float]] = [(0.0, 0.0, 0.55)]
    _along_back_wall(b, rng, wide, deep, taken)
    for _ in range(int(rng.integers(4, 9))):
        _furnish(b, rng, wide, deep, taken)
    eye = np.array([rng.uniform(-0.25, 0.25) * wide, rng.uniform(-0.4, 0.2), rng.uniform(0.5, 1.5)])
    target = np.array([rng.uniform(-0.4, 0.4), 0.6 * deep, rng.uniform(0.4, 0.9)])
    return finish(b, rng, eye, target, np.array([rng.uniform(-1, 1), rng.uniform(0.3, 1.5), high - 0.25]))


def _dress_walls(b: SurfaceBuilder, rng: Rng, wide: float, deep: float) -> None:
    """Pictures, a barred window and a curtain."""
    for _ in range(int(rng.integers(0, 4))):
        half = (rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.4))
        centre = (rng.uniform(-wide / 2, wide / 2) * 0.7, deep - 0.012, rng.uniform(1.1, 1.7))
        b.box(rotation_euler(), centre, (half[0] + 0.03, 0.01, half[1] + 0.03), palette.wood(rng))
        face = (centre[0], deep - 0.022, centre[2])
        b.card(rotation_facing((0, -1, 0)), face, half, palette.sheet(rng, half), decal=True)
    side = float(rng.choice([-1, 1]))
    x = side * (wide / 2 - 0.08)
    y = rng.uniform(1.5, deep - 0.8)
    if rng.random() < 0.5:
        bars = palette.metal(rng)
        b.card(
            rotation_facing((-side, 0, 0)),
            (x, y, 1.4),
            (0.6, 0.5),
            bars,
            outline=palette.cutout(rng, "grille"),
        )
    if rng.random() < 0.6:
        cloth = palette.thing(rng, 0.6)
        b.card(
            rotation_facing((-side, 0, 0)), (x - side * 0.06, y + rng.uniform(-0.6, 0.6), 1.15),
            (rng.uniform(0.25, 0.5), 1.1), cloth, relief=palette.relief(rng, "folds"), relief_m=0.035,
        )  # fmt: skip


def _along_back_wall(
    b: SurfaceBuilder, rng: Rng, wide: float, deep: float, taken: list[tuple[float, float, float]]
) -> None:
    half, x = rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3) * wide
    place = Place(np.array([x, deep - 0.45, 0]), rng.uniform(-0.1, 0.1))
    if rng.random() < 0.6:
        props.shelf(b, rng, place, half, rng.uniform(0.8, 1.9))
    else:
        props.sofa(b, rng, place, half + 0.3)
    taken.append((x, deep - 0.45, half + 0.3))


def _furnish(b: SurfaceBuilder, rng: Rng, wide: float, deep: float, taken: list[tuple[float, float, float]]) -> None:
    """One piece of furniture where there is still space; nothing where there is none."""
    radius = rng.uniform(0.25, 0.7)
    for _ in range(12):
        x, y = rng.uniform(-wide / 2 + radius, wide / 2 - radius), rng.uniform(0.7, deep - radius)
        if all(math.hypot(x - ox, y - oy) > radius + other for ox, oy, other in taken):
            break
    else:
        return
    taken.append((x, y, radius))
    place = Place(np.array([x, y, 0.0]), rng.uniform(-math.pi, math.pi))
    kind = rng.random()
    if radius > 0.45 or kind < 0.2:
        half, height = (radius * 0.85, radius * rng.uniform(0.5, 0.8)), rng.uniform(0.42, 0.78)
        props.table(b, rng, place, half, height)
        _scatter(b, rng, place, half, height, int(rng.integers(2, 7)), (0.08, 0.35))
    elif kind < 0.55:
        props.chair(b, rng, place)
    elif kind < 0.68:
        props.lamp(b, rng, place, rng.uniform(1.1, 1.7))
    elif kind < 0.85:
        props.plant(b, rng, place, rng.uniform(0.5, 1.4))
    else:
        thing = props.SMALL_THINGS[int(rng.integers(len(props.SMALL_THINGS)))]
        thing(b, rng, place, rng.uniform(0.25, 0.7))


def _scatter(
    b: SurfaceBuilder,
    rng: Rng,
    place: Place,
    half: tuple[float, float],
    z: float,
    count: int,
    sizes: tuple[float, float],
) -> None:
    """Small things on a rectangle of a surface."""
    for _ in range(count):
        spot = place.at(rng.uniform(-0.85, 0.85) * half[0], rng.uniform(-0.85, 0.85) * half[1], z)
        height = sizes[0] * (sizes[1] / sizes[0]) ** rng.random()
        if rng.random() < 0.08:
            props.monitor(b, rng, Place(spot, rng.uniform(-0.8, 0.8)), 0.5)
            continue
        thing = props.SMALL_THINGS[int(rng.integers(len(props.SMALL_THINGS)))]
        thing(b, rng, Place(spot, rng.uniform(-math.pi, math.pi)), height)


def tabletop(rng: Rng) -> Layout:
    """Many things of many sizes on a table before a wall or a cloth, seen from the front."""
    b = SurfaceBuilder()
    back = rng.uniform(1.3, 2.6)
    b.plane((0, 0, 1), (0, 0, 0), palette.floor(rng) if rng.random() < 0.5 else palette.thing(rng, 0.6))
    b.plane((rng.uniform(-0.5, 0.5), -1, rng.uniform(0, 0.3)), (0, back, 0), palette.wall(rng))
    b.plane((0, 0.2, -1), (0, 0, 3.5), palette.wall(rng))
    for side in (-1, 1):
        b.plane((-side, rng.uniform(-0.6, 0.1), 0), (side * rng.uniform(1.0, 2.5), 1.0, 0), palette.wall(rng))
    b.plane((0, 1, 0), (0, -2.0, 0), palette.wall(rng))
    if rng.random() < 0.5:
        b.card(
            rotation_facing((rng.uniform(-0.3, 0.3), -1, 0.1)), (rng.uniform(-0.5, 0.5), back - 0.3, 0.5), (0.9, 0.7),
            palette.thing(rng, 0.5), relief=palette.relief(rng, "folds", "bumps"), relief_m=rng.uniform(0.03, 0.09),
        )  # fmt: skip
    for _ in range(int(rng.integers(0, 3))):
        half = (rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.45))
        centre = (rng.uniform(-0.8, 0.8), back - rng.uniform(0.25, 0.5), half[1])
        normal = (rng.uniform(-0.5, 0.5), -1, rng.uniform(0.0, 0.4))
        b.card(rotation_facing(normal), centre, half, palette.sheet(rng, half))
    if rng.random() < 0.5:
        shelf = Place(np.array([rng.uniform(-0.4, 0.4), back - 0.3, 0.0]), rng.uniform(-0.3, 0.3))
        props.books(b, rng, shelf, -0.6, 0.6, 0.0, rng.uniform(0.25, 0.5), 0.12)
    count = int(rng.integers(14, 36))
    for _ in range(count):
        y = rng.uniform(0.55, back - 0.15)
        spot = np.array([rng.uniform(-0.75, 0.75) * (0.3 + y * 0.7), y, 0.0])
        height = 0.05 * (0.55 / 0.05) ** rng.random() * (0.4 + 0.4 * y)
        thing = props.SMALL_THINGS[int(rng.integers(len(props.SMALL_THINGS)))]
        thing(b, rng, Place(spot, rng.uniform(-math.pi, math.pi)), height)
    eye = np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.4, 0.0), rng.uniform(0.25, 0.8)])
    target = np.array([rng.uniform(-0.1, 0.1), back * 0.7, rng.uniform(0.1, 0.35)])
    lamp = np.array([rng.uniform(-1, 1), rng.uniform(-0.3, 0.5), rng.uniform(1.2, 2.2)])
    return finish(b, rng, eye, target, lamp)
