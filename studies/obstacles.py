"""``python -m studies.obstacles``: what each preset and each interpolation would mark in a costmap.

Data flows: rendered rooms (a doorway with a room behind, posters, thin legs, a pane that gives no depth) -> depth as a
sensor records it, four times coarser -> every method -> cells of 5 cm that the truth has not, and that the method has
not -> a table.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track

from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.methods import Method, NetworkMethod, make_baselines
from pagnet_ros.replay.metrics import FrameContexts, FrameTruth, MetricSettings
from pagnet_ros.replay.metrics.frame import Result
from pagnet_ros.replay.metrics.groups import Flying, Measurement, Obstacles
from pagnet_ros.sensors import PinholeCamera, load_profile
from pagnet_ros.simulation import Renderer, Scene, palette, props
from pagnet_ros.simulation.palette import finish
from pagnet_ros.simulation.props import Place
from pagnet_ros.simulation.surfaces import SurfaceBuilder, rotation_euler, rotation_facing
from pagnet_ros.system.resources import config_path
from pagnet_training.command import Arguments, command_line, description_of
from studies.sequences import TrueFrame

FIRST_SEED = 700_000
SIZE, SCALE = (480, 640), 4
PRESETS = ("safe", "default", "dense", "mapping")
BASELINES = ("bilinear", "nearest", "bicubic")
FIGURES = ("false_obstacles", "missed_obstacles", "flying_pixels", "given_share")


def make_room(seed: int) -> Scene:
    """A room whose far wall has a doorway with another room behind it, posters, tables and chairs."""
    rng = np.random.default_rng([seed, 4711])
    b = SurfaceBuilder()
    wall, deep, behind, door = rng.uniform(2.0, 2.8), 0.06, rng.uniform(1.0, 3.0), rng.uniform(-0.6, 0.6)
    b.plane((0, 0, 1), (0, 0, 0), palette.floor(rng))
    b.plane((0, 0, -1), (0, 0, 2.6), palette.wall(rng))
    for x in (-1.9, 1.9):
        b.plane((-x, 0, 0), (x, 0, 0), palette.wall(rng))
    b.plane((0, -1, 0), (0, wall + behind, 0), palette.wall(rng))
    b.plane((0, 1, 0), (0, -2, 0), palette.wall(rng))
    paint = palette.wall(rng)
    left, right, upright = door - 0.4, door + 0.4, rotation_euler()
    for first, last in ((-1.9, left), (right, 1.9)):
        half = (last - first) / 2
        b.box(upright, (first + half, wall, 1.3), (half, deep, 1.3), paint)
        size = (0.6 * half, 0.4)
        poster = palette.sheet(rng, size)
        b.card(rotation_facing((0, -1, 0)), (first + half, wall - deep - 0.002, 1.3), size, poster, decal=True)
    b.box(upright, (door, wall, 2.3), (0.4, deep, 0.3), paint)
    for side in (-1, 1):
        place = Place(np.array([side * rng.uniform(0.7, 1.2), rng.uniform(1.1, 1.6), 0.0]), rng.uniform(-3, 3))
        props.table(b, rng, place, (0.35, 0.3), rng.uniform(0.45, 0.75))
        spot = np.array([side * rng.uniform(0.2, 0.5), wall + rng.uniform(0.2, 0.7) * behind, 0.0])
        props.chair(b, rng, Place(spot, rng.uniform(-3, 3)))
    eye = np.array([rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.1), rng.uniform(0.5, 1.1)])
    layout = finish(b, rng, eye, np.array([door, wall, 0.8]), np.array([0.3, 0.5, 2.3]))
    return Scene(layout.surfaces, layout.lighting, layout.optics, layout.viewpoint, layout.look_target, "doorway", seed)


def _frame(seed: int, sensor: str) -> tuple[ReplayFrame, FrameTruth]:
    """One room as a sensor records it, a pane of glass in it, and what is there."""
    scene = make_room(seed)
    camera = PinholeCamera.from_fov(SIZE[1], SIZE[0], 65.0)
    seen = Renderer(scene)(camera, scene.viewpoint, noise_seed=seed)
    low = TrueFrame.of(seen, scene.viewpoint).seen(load_profile(sensor), seed, SCALE)
    rng = np.random.default_rng([seed, 13])
    row, column = int(rng.integers(20, 70)), int(rng.integers(10, 130))
    low[row : row + int(rng.integers(8, 25)), column : column + int(rng.integers(6, 18))] = np.nan
    truth = FrameTruth(seen.depth_m, low, seen.rgb, camera.matrix, scene.viewpoint)
    return ReplayFrame(seed, seed, seed, low, seen.rgb), truth


def _methods() -> dict[str, Method]:
    """Each preset, and interpolation under the rule for holes of the default."""
    methods: dict[str, Method] = {}
    for name in PRESETS:
        changes = {}
        if name != "default":
            text = config_path(f"presets/{name}.yaml").read_text(encoding="utf-8")
            changes = yaml.safe_load(text)["/**"]["ros__parameters"]
        options = UpsamplerOptions(metric=True, registration="none", **changes)
        methods[name] = NetworkMethod(name, DepthUpsampler.from_weights(options=options), {})
    methods |= {method.name: method for method in make_baselines(BASELINES, UpsamplerOptions(metric=True))}
    return methods


def table(rooms: int, sensor: str) -> str:
    """The figures of every method, means per room, as Markdown."""
    settings = MetricSettings(up="pose")
    contexts, methods = FrameContexts(settings), _methods()
    groups = (Obstacles(settings), Flying(settings), Measurement(settings))
    sums = {name: [np.zeros(())] * len(groups) for name in methods}
    for number in track(range(rooms), description="rooms"):
        frame, truth = _frame(FIRST_SEED + number, sensor)
        context = contexts.next(truth)
        for name, method in methods.items():
            depth: NDArray[np.float32] = method(frame, truth.measured_m).depth_m
            result = Result(context, np.where(np.isfinite(depth), depth, np.float32(np.nan)), None, None)
            sums[name] = [before + group.sums(result) for before, group in zip(sums[name], groups, strict=True)]
    lines = ["| | false cells | missed cells | points between surfaces | given |", "|---|---|---|---|---|"]
    for name, added in sums.items():
        values = {key: v for group, own in zip(groups, added, strict=True) for key, v in group.values(own).items()}
        false, missed, flying, given = (values[figure] for figure in FIGURES)
        lines.append(f"| {name} | {false:.1f} | {missed:.1f} | {flying:.0f} | {100 * given:.1f} % |")
    return "\n".join(lines)


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.obstacles", description=description_of(__doc__))
    parser.add_argument("--rooms", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--sensor", default="kinect_v1", help="profile of the sensor (default kinect_v1)")
    options = parser.parse_args(arguments)
    sys.stdout.write(table(options.rooms, options.sensor) + "\n")


if __name__ == "__main__":
    sys.exit(main())
