"""Seeded choices shared by all layouts: colours, materials, lights, colour cameras; and how every layout ends."""

from __future__ import annotations

import bisect
import colorsys
import math
from dataclasses import dataclass

import numpy as np

from pagnet_ros.sensors.camera import FloatArray, look_at
from pagnet_ros.simulation.shading import Color, ColorOptics, Lighting
from pagnet_ros.simulation.surfaces import Material, SurfaceBuilder, Surfaces
from pagnet_ros.simulation.textures import CUTOUT_NUMBERS, RELIEF_NUMBERS, TEXTURE_NUMBERS

Rng = np.random.Generator

_OBJECT_TEXTURES = (
    "plain",
    "cloud",
    "wood",
    "stripes",
    "tiles",
    "cells",
    "dots",
    "weave",
    "speckle",
    "text",
    "poster",
)
_OBJECT_SHARES = np.cumsum((0.30, 0.15, 0.10, 0.08, 0.04, 0.05, 0.05, 0.07, 0.05, 0.05)).tolist()


def _number(rng: Rng, table: dict[str, range], names: tuple[str, ...]) -> int:
    numbers = table[names[int(rng.integers(len(names)))]]
    return numbers[int(rng.integers(len(numbers)))]


def texture(rng: Rng, *names: str) -> int:
    """Number of a random texture of one of the named kinds."""
    return _number(rng, TEXTURE_NUMBERS, names)


def cutout(rng: Rng, *names: str) -> int:
    """Number of a random cut-out of one of the named kinds."""
    return _number(rng, CUTOUT_NUMBERS, names)


def relief(rng: Rng, *names: str) -> int:
    """Number of a random relief of one of the named kinds."""
    return _number(rng, RELIEF_NUMBERS, names)


def color(rng: Rng, saturation: float = 0.6, low: float = 0.08, high: float = 0.9) -> Color:
    """A random albedo; ``saturation`` bounds the colourfulness, ``low`` and ``high`` the brightness."""
    value = low + (high - low) * math.sqrt(rng.random())
    r, g, b = colorsys.hsv_to_rgb(rng.random(), saturation * rng.random(), value)
    return (r, g, b)


def vary(rng: Rng, base: Color, amount: float) -> Color:
    """A colour up to ``amount`` away from ``base`` in each channel."""
    r, g, b = (min(max(c + amount * (2 * rng.random() - 1), 0.02), 0.97) for c in base)
    return (r, g, b)


_WOODS: tuple[Color, ...] = ((0.62, 0.42, 0.24), (0.40, 0.24, 0.13), (0.75, 0.58, 0.38), (0.22, 0.14, 0.09))


def wood(rng: Rng) -> Material:
    """Varnished or raw wood."""
    base = vary(rng, _WOODS[int(rng.integers(len(_WOODS)))], 0.05)
    dark: Color = (base[0] * 0.62, base[1] * 0.58, base[2] * 0.55)
    return _print(rng, texture(rng, "wood"), base, dark, rng.uniform(0.8, 2.5), 0.25 * float(rng.random() < 0.5))


def metal(rng: Rng) -> Material:
    """Plain, bright or dark, with a highlight."""
    grey = rng.uniform(0.12, 0.7)
    base = vary(rng, (grey, grey, grey), 0.03)
    return Material(0, base, base, specular=0.6)


def wall(rng: Rng) -> Material:
    """Paint, wallpaper, brick or panelling."""
    base = color(rng, 0.35, 0.45, 0.9)
    kind = rng.random()
    if kind < 0.45:
        return _print(rng, texture(rng, "cloud"), base, vary(rng, base, 0.04), rng.uniform(0.3, 0.8))
    if kind < 0.6:
        return _print(rng, texture(rng, "tiles"), base, color(rng, 0.4), rng.uniform(0.6, 1.5), turn=False)
    if kind < 0.85:
        name = ("stripes", "dots", "weave", "checker")[int(rng.integers(4))]
        return _print(rng, texture(rng, name), base, vary(rng, base, 0.25), rng.uniform(0.5, 2.0), turn=False)
    return wood(rng)


def floor(rng: Rng) -> Material:
    """Boards, tiles, carpet or chequers."""
    kind = rng.random()
    if kind < 0.45:
        return wood(rng)
    base = color(rng, 0.3, 0.2, 0.8)
    name = "tiles" if kind < 0.65 else ("speckle", "weave", "cloud", "checker")[int(rng.integers(4))]
    return _print(rng, texture(rng, name), base, vary(rng, base, 0.3), rng.uniform(0.5, 2.0), turn=False)


def thing(rng: Rng, size_m: float = 0.3) -> Material:
    """Any object's surface; the pattern repeats about once to five times over ``size_m``."""
    name = _OBJECT_TEXTURES[bisect.bisect(_OBJECT_SHARES, rng.random())]
    a, b = color(rng, 0.9), color(rng, 0.9)
    if rng.random() < 0.35:
        b = vary(rng, a, 0.15)
    if name == "wood":
        return wood(rng)
    gloss = (0.0, 0.0, 0.3, 0.7)[int(rng.integers(4))]
    return _print(rng, texture(rng, name), a, b, rng.uniform(0.6, 4.0) / max(size_m, 0.02), gloss)


def sheet(rng: Rng, half_size: tuple[float, float]) -> Material:
    """A poster or page that fits a card exactly once."""
    name = "poster" if rng.random() < 0.7 else "text"
    dark, light = color(rng, 0.8, 0.02, 0.4), color(rng, 0.3, 0.7, 0.95)
    repeats = 0.5 / max(half_size)
    pair = (dark, light) if name == "poster" else (light, dark)
    return Material(texture(rng, name), *pair, repeats_per_m=repeats, offset=(0.5, 0.5))


def foliage(rng: Rng) -> Material:
    """Green to brown leaves."""
    base = vary(rng, (0.16, 0.36, 0.10), 0.1)
    return _print(rng, texture(rng, "cloud"), base, vary(rng, base, 0.12), 6.0)


def _print(
    rng: Rng, number: int, a: Color, b: Color, repeats: float, specular: float = 0.0, turn: bool = True
) -> Material:
    angle = rng.uniform(0, 2 * math.pi) if turn and rng.random() < 0.5 else 0.0
    offset = (rng.random(), rng.random())
    return Material(number, a, b, float(repeats), float(angle), offset, specular)


def lighting(rng: Rng, lamp_position: np.ndarray, target: np.ndarray) -> Lighting:
    """Lights from dim to bright, warm to cold, soft to hard, around a lamp at a given place."""
    warm = rng.uniform(-0.15, 0.2)
    ambient = rng.uniform(0.15, 0.6)
    azimuth, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.95)
    flat = math.sqrt(1 - height * height)
    sun = rng.uniform(0.0, 0.6)
    lamp = rng.uniform(0.6, 3.0)
    lx, ly, lz = (float(value) for value in lamp_position)
    tx, ty, tz = (float(value) for value in target)
    return Lighting(
        ambient=(ambient, ambient, ambient * (1 + rng.uniform(-0.1, 0.15))),
        sun=(sun, sun, sun * 0.95),
        sun_direction=(flat * math.cos(azimuth), flat * math.sin(azimuth), height),
        lamp=(lamp * (1 + warm), lamp, lamp * (1 - warm)),
        lamp_position=(lx, ly, lz),
        lamp_target=(tx, ty, tz),
        shadows=bool(rng.random() < 0.75),
    )


def optics(rng: Rng) -> ColorOptics:
    """Colour cameras from clean to noisy and soft."""
    noisy = rng.random() ** 2
    return ColorOptics(
        mean_level=rng.uniform(0.16, 0.42),
        white_balance=(rng.uniform(0.9, 1.1), 1.0, rng.uniform(0.88, 1.12)),
        blur_px=rng.uniform(0.35, 0.9),
        shot_noise=0.005 + 0.06 * noisy,
        read_noise=0.001 + 0.012 * noisy,
        vignette=rng.uniform(0.0, 0.35),
        contrast=rng.uniform(0.0, 1.0),
    )


@dataclass(frozen=True)
class Layout:
    """What a style decides.

    Attributes:
        surfaces: The geometry and its materials.
        lighting: The lights.
        optics: The colour camera apart from its geometry.
        viewpoint: Default pose, world-from-camera [4, 4]; projected patterns are thrown from here.
        look_target: World point [3] that the default viewpoint looks at.
    """

    surfaces: Surfaces
    lighting: Lighting
    optics: ColorOptics
    viewpoint: FloatArray
    look_target: FloatArray


def finish(b: SurfaceBuilder, rng: Rng, eye: np.ndarray, target: np.ndarray, lamp: np.ndarray) -> Layout:
    """The built scene, seen from ``eye`` towards ``target`` and lit around ``lamp``, world points [3]."""
    pose = look_at(eye, target, rng.normal(0, 0.03))
    pose.setflags(write=False)
    target = np.array(target, dtype=np.float64)
    target.setflags(write=False)
    return Layout(b.build(), lighting(rng, lamp, target), optics(rng), pose, target)
