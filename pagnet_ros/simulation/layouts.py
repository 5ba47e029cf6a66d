"""Where things stand: one function per style, from a generator to a complete layout."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pagnet_ros.simulation import palette, props
from pagnet_ros.simulation.camera import FloatArray, look_at
from pagnet_ros.simulation.palette import Rng
from pagnet_ros.simulation.props import Place
from pagnet_ros.simulation.shading import ColorOptics, Lighting
from pagnet_ros.simulation.surfaces import SQUARE, Material, SurfaceBuilder, Surfaces, rotation_euler, rotation_facing


@dataclass(frozen=True)
class Layout:
    """What a style decides; ``Scene.random`` adds the names."""

    surfaces: Surfaces
    lighting: Lighting
    optics: ColorOptics
    viewpoint: FloatArray
    look_target: FloatArray


def _finish(b: SurfaceBuilder, rng: Rng, eye: np.ndarray, target: np.ndarray, lamp: np.ndarray) -> Layout:
    pose = look_at(eye, target, rng.normal(0, 0.03))
    pose.setflags(write=False)
    target = np.array(target, dtype=np.float64)
    target.setflags(write=False)
    return Layout(b.build(), palette.lighting(rng, lamp, target), palette.optics(rng), pose, target)


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
    return _finish(b, rng, eye, target, np.array([rng.uniform(-1, 1), rng.uniform(0.3, 1.5), high - 0.25]))


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
    return _finish(b, rng, eye, target, lamp)


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
    return _finish(b, rng, np.zeros(3), np.array([0.0, (near + far) / 2, 0.0]), lamp)


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
        skin = palette.sheet(rng, half) if rng.random() < 0.4 else palette.thing(rng, half[0])
        b.card(facing, at, half, skin, outline=SQUARE if rng.random() < 0.7 else palette.cutout(rng, "polygon"))
        for _ in range(int(rng.integers(0, 8))):
            small = (half[0] * rng.uniform(0.1, 0.45), half[1] * rng.uniform(0.1, 0.45))
            spot = at + facing @ np.array([rng.uniform(-0.7, 0.7) * half[0], rng.uniform(-0.7, 0.7) * half[1], 0])
            b.card(facing, spot, small, palette.sheet(rng, small), decal=True)
    lamp = np.array([rng.uniform(-0.5, 0.5), -0.3, rng.uniform(0, 0.6)])
    return _finish(b, rng, np.zeros(3), np.array([0.0, far, 0.0]), lamp)


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
    layout = _finish(b, rng, np.zeros(3), np.array([0.0, far, 0.0]), lamp)
    return layout


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


LAYOUTS: dict[str, Callable[[Rng], Layout]] = {
    "room": room,
    "tabletop": tabletop,
    "clutter": clutter,
    "traps": traps,
    "posters": posters,
}
