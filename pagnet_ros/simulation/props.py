"""Objects: furniture, plants, toys, tools. Each function adds one object to a builder, standing at a place.

A place is a world point on the ground below the object's middle and a yaw angle; sizes are metres.
"""

from __future__ import annotations

import math

import numpy as np

from pagnet_ros.sensors.camera import FloatArray
from pagnet_ros.simulation import palette
from pagnet_ros.simulation.palette import Rng
from pagnet_ros.simulation.surfaces import ROUND, Material, SurfaceBuilder, rotation_euler, rotation_facing


class Place:
    """A frame on the ground: ``at(x, y, z)`` gives the world point of local coordinates."""

    def __init__(self, ground: np.ndarray, yaw: float) -> None:
        self.ground = np.asarray(ground, dtype=np.float64)
        self.rotation: FloatArray = rotation_euler(yaw)

    def at(self, x: float, y: float, z: float) -> FloatArray:
        """World point [3] of a point of this frame."""
        point: FloatArray = self.ground + self.rotation @ np.array([x, y, z])
        return point


def table(b: SurfaceBuilder, rng: Rng, place: Place, half: tuple[float, float], height: float) -> None:
    """A table with four round legs."""
    top = palette.wood(rng) if rng.random() < 0.6 else palette.thing(rng, 1.0)
    leg = palette.metal(rng) if rng.random() < 0.5 else top
    b.box(place.rotation, place.at(0, 0, height - 0.02), (half[0], half[1], 0.02), top)
    inset = rng.uniform(0.02, 0.12)
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (half[0] - inset), sy * (half[1] - inset)
            b.pole(place.at(x, y, 0), place.at(x, y, height - 0.04), rng.uniform(0.012, 0.035), leg)


def chair(b: SurfaceBuilder, rng: Rng, place: Place) -> None:
    """A chair with a backrest of slats."""
    seat, width = rng.uniform(0.40, 0.50), rng.uniform(0.19, 0.25)
    back, radius = rng.uniform(0.85, 1.05), rng.uniform(0.01, 0.02)
    frame = palette.wood(rng) if rng.random() < 0.6 else palette.metal(rng)
    cloth = palette.thing(rng, 0.4)
    b.box(place.rotation, place.at(0, 0, seat), (width, width, 0.02), cloth)
    for sx in (-1, 1):
        b.pole(
            place.at(sx * width * 0.9, -width * 0.9, 0),
            place.at(sx * width * 0.9, -width * 0.9, seat),
            radius,
            frame,
        )
        b.pole(place.at(sx * width, width, 0), place.at(sx * width * 0.9, width * 1.15, back), radius, frame)
    for i in range(int(rng.integers(2, 6))):
        z = back - 0.03 - i * (back - seat) * 0.2
        b.pole(place.at(-width * 0.9, width * 1.1, z), place.at(width * 0.9, width * 1.1, z), radius * 0.8, frame)


def shelf(b: SurfaceBuilder, rng: Rng, place: Place, half_width: float, height: float) -> None:
    """A bookshelf, open or closed at the back, with rows of books."""
    body, depth = palette.wood(rng), rng.uniform(0.11, 0.18)
    for sx in (-1, 1):
        b.box(place.rotation, place.at(sx * half_width, 0, height / 2), (0.012, depth, height / 2), body)
    if rng.random() < 0.6:
        b.card(
            place.rotation @ rotation_facing((0, -1, 0)),
            place.at(0, depth, height / 2),
            (half_width, height / 2),
            body,
        )
    rows = int(rng.integers(2, 6))
    for row in range(rows + 1):
        z = 0.05 + (height - 0.06) * row / rows
        b.box(place.rotation, place.at(0, 0, z), (half_width, depth, 0.01), body)
        if row < rows:
            books(
                b,
                rng,
                place,
                -half_width + 0.03,
                half_width - 0.03,
                z + 0.01,
                (height - 0.06) / rows - 0.03,
                depth,
            )


def books(b: SurfaceBuilder, rng: Rng, place: Place, x0: float, x1: float, z: float, room: float, depth: float) -> None:
    """A row of upright books of uneven sizes from x0 to x1, with gaps."""
    x = x0
    while True:
        thick = rng.uniform(0.008, 0.035)
        if x + 2 * thick > x1:
            return
        if rng.random() < 0.12:
            x += rng.uniform(0.03, 0.15)
            continue
        tall = room * rng.uniform(0.55, 0.98)
        deep = depth * rng.uniform(0.6, 0.95)
        b.box(
            place.rotation,
            place.at(x + thick, depth - deep, z + tall / 2),
            (thick, deep, tall / 2),
            palette.thing(rng, 0.2),
        )
        x += 2 * thick + 0.001


def lamp(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A floor lamp with a hollow conical shade."""
    foot = palette.metal(rng)
    b.cone(place.rotation, place.at(0, 0, 0.015 * height), (0.09 * height, 0.09 * height, 0.015 * height), foot)
    b.pole(place.at(0, 0, 0), place.at(0, 0, height * 0.85), 0.006 * height + 0.003, foot)
    wide = rng.uniform(0.11, 0.17) * height
    shade = palette.thing(rng, wide)
    b.cone(
        place.rotation,
        place.at(0, 0, height * 0.88),
        (wide, wide, 0.11 * height),
        shade,
        taper=-0.3,
        bottom=False,
        top=False,
    )


def plant(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A potted plant: stems and leaves, broad or long."""
    pot = height * rng.uniform(0.1, 0.16)
    b.cone(
        place.rotation,
        place.at(0, 0, pot),
        (pot, pot, pot),
        palette.thing(rng, pot),
        taper=rng.uniform(0, 0.25),
        top=False,
    )
    green = palette.foliage(rng)
    long_leaves = rng.random() < 0.4
    for _ in range(int(rng.integers(10, 26))):
        azimuth, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.8)
        reach = (height - 2 * pot) * rng.uniform(0.4, 1.0)
        direction = np.array([math.sin(lean) * math.cos(azimuth), math.sin(lean) * math.sin(azimuth), math.cos(lean)])
        base, tip = place.at(0, 0, 1.9 * pot), place.at(0, 0, 1.9 * pot) + direction * reach
        b.pole(base, tip, 0.004 + 0.004 * height, green)
        length = reach * 0.45 if long_leaves else height * rng.uniform(0.06, 0.14)
        normal = np.array([-direction[0], -direction[1], 0.4]) + rng.uniform(-0.6, 0.6, 3)
        b.card(
            rotation_facing(normal, rng.uniform(-1, 1)),
            tip,
            (length, length * (0.3 if long_leaves else 0.8)),
            green,
            outline=palette.cutout(rng, "leaf"),
            relief=palette.relief(rng, "dome"),
            relief_m=0.1 * length,
        )


def vessel(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A cup, vase or bottle: one to three stacked cones, open at the top."""
    skin = palette.thing(rng, height)
    radius = height * rng.uniform(0.15, 0.5)
    z = 0.0
    pieces = int(rng.integers(1, 4))
    for piece in range(pieces):
        half = height / pieces / 2
        taper = rng.uniform(-0.35, 0.35) if piece < 2 else rng.uniform(-0.1, 0.1)
        middle = radius / (1 - taper)
        b.cone(
            place.rotation,
            place.at(0, 0, z + half),
            (middle, middle, half),
            skin,
            taper=taper,
            bottom=piece == 0,
            top=False,
        )
        radius, z = middle * (1 + taper), z + 2 * half
    if pieces == 1 and rng.random() < 0.6:
        b.card(
            place.rotation @ rotation_facing((0, -1, 0)), place.at(radius * 1.25, 0, height / 2),
            (radius * 0.5, height * 0.35), skin, outline=palette.cutout(rng, "ring"),
        )  # fmt: skip


def toy(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A stuffed animal made of ellipsoids."""
    fur = palette.thing(rng, height)
    h = height
    b.ellipsoid(place.rotation, place.at(0, 0, 0.3 * h), (0.22 * h, 0.2 * h, 0.3 * h), fur)
    b.ellipsoid(place.rotation, place.at(0, -0.03 * h, 0.72 * h), (0.19 * h, 0.18 * h, 0.18 * h), fur)
    for s in (-1, 1):
        b.ellipsoid(place.rotation, place.at(s * 0.15 * h, 0, 0.89 * h), (0.07 * h, 0.04 * h, 0.08 * h), fur)
        b.ellipsoid(place.rotation, place.at(s * 0.25 * h, -0.06 * h, 0.4 * h), (0.08 * h, 0.09 * h, 0.17 * h), fur)
        b.ellipsoid(place.rotation, place.at(s * 0.15 * h, -0.2 * h, 0.08 * h), (0.09 * h, 0.2 * h, 0.08 * h), fur)
    b.ellipsoid(place.rotation, place.at(0, -0.2 * h, 0.68 * h), (0.08 * h, 0.07 * h, 0.06 * h), palette.thing(rng, h))


def jar_of_sticks(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A jar with brushes and sticks, some with a ball at the tip."""
    r = height * rng.uniform(0.13, 0.22)
    b.cone(place.rotation, place.at(0, 0, 0.25 * height), (r, r, 0.25 * height), palette.thing(rng, r), top=False)
    for _ in range(int(rng.integers(4, 11))):
        azimuth, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.5)
        out = r * 0.8
        top = place.at(
            math.cos(azimuth) * (out + lean * height * 0.4),
            math.sin(azimuth) * (out + lean * height * 0.4),
            height * rng.uniform(0.7, 1.0),
        )
        b.pole(
            place.at(-0.5 * out * math.cos(azimuth), 0, 0.02),
            top,
            rng.uniform(0.003, 0.012),
            palette.thing(rng, 0.1),
        )
        if rng.random() < 0.4:
            b.ellipsoid(place.rotation, top, np.full(3, rng.uniform(0.01, 0.03)), palette.thing(rng, 0.05))


def standing_cutout(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """An irregular figure, flat or bulging, leaning a little."""
    half = height / 2
    wide = half * rng.uniform(0.5, 1.6)
    tilt = rotation_facing((rng.uniform(-0.3, 0.3), -1, rng.uniform(-0.1, 0.5)), rng.uniform(-0.3, 0.3))
    bent = rng.random() < 0.6
    b.card(
        place.rotation @ tilt,
        place.at(0, 0, half * 0.92),
        (wide, half),
        palette.thing(rng, height),
        outline=palette.cutout(rng, "blob", "blob", "polygon", "letter", "twigs", "ring"),
        relief=palette.relief(rng, "bumps", "dome") if bent else -1,
        relief_m=half * rng.uniform(0.05, 0.4) if bent else 0.0,
    )


def block(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A box of any proportions."""
    half = height / 2
    b.box(
        place.rotation,
        place.at(0, 0, half),
        (half * rng.uniform(0.15, 1.5), half * rng.uniform(0.15, 1.2), half),
        palette.thing(rng, height),
    )


def ball(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A ball, or a squashed one."""
    r = height / 2
    squash = rng.uniform(0.6, 1.3, 2) if rng.random() < 0.4 else np.ones(2)
    b.ellipsoid(place.rotation, place.at(0, 0, r), (r * squash[0], r * squash[1], r), palette.thing(rng, height))


def frame(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A drying rack or picture frame: bars with daylight between them."""
    half = height / 2
    wide = half * rng.uniform(0.5, 1.4)
    bar = palette.metal(rng) if rng.random() < 0.5 else palette.wood(rng)
    radius = rng.uniform(0.008, 0.03) * height
    for s in (-1, 1):
        b.pole(place.at(s * wide, 0, 0), place.at(s * wide, 0.1 * height, height), radius, bar)
    for i in range(int(rng.integers(2, 8))):
        z = height * (1 - i * 0.12)
        b.pole(place.at(-wide, 0.1 * z, z), place.at(wide, 0.1 * z, z), radius * 0.7, bar)


def sofa(b: SurfaceBuilder, rng: Rng, place: Place, half_width: float) -> None:
    """A sofa with cushions."""
    cloth = palette.thing(rng, 0.4)
    b.box(place.rotation, place.at(0, 0, 0.2), (half_width, 0.4, 0.2), cloth)
    b.box(place.rotation @ rotation_euler(0, 0, -0.15), place.at(0, 0.38, 0.5), (half_width, 0.09, 0.36), cloth)
    for s in (-1, 1):
        b.box(place.rotation, place.at(s * half_width, 0, 0.3), (0.08, 0.42, 0.3), cloth)
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(-half_width, half_width) * 0.8
        tilt = place.rotation @ rotation_euler(rng.uniform(-0.5, 0.5), 0, 1.2)
        b.ellipsoid(tilt, place.at(x, 0.18, 0.56), (0.2, 0.18, 0.07), palette.thing(rng, 0.3))


def monitor(b: SurfaceBuilder, rng: Rng, place: Place, height: float) -> None:
    """A screen on a foot; what it shows is flat."""
    black = Material(0, (0.04, 0.04, 0.05), (0.04, 0.04, 0.05), specular=0.5)
    half = (height * 0.55, height * 0.35)
    b.cone(place.rotation, place.at(0, 0, 0.01), (0.1, 0.07, 0.01), black)
    b.pole(place.at(0, 0, 0), place.at(0, 0, height * 0.6), 0.015, black)
    b.box(place.rotation, place.at(0, 0, height * 0.65), (half[0], 0.012, half[1]), black)
    inner = (half[0] * 0.94, half[1] * 0.92)
    b.card(
        place.rotation @ rotation_facing((0, -1, 0)),
        place.at(0, -0.012, height * 0.65),
        inner,
        palette.sheet(rng, inner),
        decal=True,
    )


def rug(b: SurfaceBuilder, rng: Rng, place: Place, half: tuple[float, float]) -> None:
    """A flat rug: only colour, no depth."""
    outline = ROUND if rng.random() < 0.4 else palette.cutout(rng, "blob") if rng.random() < 0.2 else -2
    b.card(place.rotation, place.at(0, 0, 0), half, palette.thing(rng, 0.5), outline=outline, decal=True)


SMALL_THINGS = (
    block,
    block,
    ball,
    vessel,
    vessel,
    toy,
    jar_of_sticks,
    standing_cutout,
    standing_cutout,
    frame,
    plant,
)
