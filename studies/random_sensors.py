"""``python -m studies.random_sensors RECORDING ...``: do the random sensors of training cover real cameras?

Data flows: rendered held-out scenes -> the cameras that nobody described, as training draws one for every patch ->
realism figures of every draw -> where in their distribution each recording's figures lie, and the draw that is most
like it.

A camera whose depth is smaller than its colour is compared with coarse depth, the others with depth at colour's size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pagnet_ros.recordings.frames import open_frames
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.data.coarse_depth import summed_up
from pagnet_training.data.images import RgbdImage
from pagnet_training.data.procedural import render_scene
from pagnet_training.data.surface_patches import Scene, at_random_distance, record
from pagnet_training.json_file import write_json
from pagnet_training.sensors.images import Depth, metres
from pagnet_training.sensors.realism import FIGURES, RealismCounts, delivered_part
from studies.sequences import HELD_OUT

JUDGED = ("edge_mixing", "holes", "large_holes", "missing_at_edges", "noise")
LEAST = {"edge_mixing": 1.0, "holes": 1.0, "large_holes": 1.0, "missing_at_edges": 1.0, "noise": 0.05}
"""Of each figure: what lies below it counts as this, so that nought and next to nought are alike."""
PERCENTILES = (5, 50, 95)
SIZE, SCALE = (480, 640), 4
MOST_FRAMES = 25
SMALLER = 0.75  # of colour's width: depth that was recorded coarser than colour

Figures = NDArray[np.float64]


class Camera(NamedTuple):
    """A recording's figures.

    Attributes:
        name: of the recording.
        coarse: whether its depth is smaller than its colour.
        figures: see `FIGURES`.
    """

    name: str
    coarse: bool
    figures: dict[str, float]


def read_camera(recording: Path) -> Camera:
    """The figures of a recording's first `MOST_FRAMES` frames of one size, without the rim that registration leaves."""
    frames = list(islice(open_frames(recording), MOST_FRAMES))
    depths = [metres(frame.depth) for frame in frames]
    depths = [depth for depth in depths if depth.shape == depths[0].shape]
    part = delivered_part(np.any([np.isfinite(depth) for depth in depths], axis=0))
    counts = RealismCounts()
    for depth in depths:
        counts.add(depth[part])
    return Camera(recording.name, depths[0].shape[1] < SMALLER * frames[0].rgb.shape[1], counts.figures())


def random_figures(images: Sequence[RgbdImage], draws: int) -> tuple[Figures, Figures]:
    """Figures ``[draws, JUDGED]`` of random sensors: of depth at colour's size, and of coarse depth at `SCALE`.

    Args:
        images: rendered scenes, taken in turn.
        draws: how many sensors.
    """
    rows: tuple[list[list[float]], list[list[float]]] = ([], [])
    with Console(stderr=True) as console:
        for number in track(range(draws), description="random sensors", console=console, transient=True):
            rng = np.random.default_rng([0, number])
            image = images[number % len(images)]
            metric = image.metric
            assert metric is not None
            assert metric.albedo is not None
            assert metric.cosine is not None
            depth = at_random_distance(metric.depth_m, rng)
            scene = Scene(image.rgb, depth, metric.albedo, metric.cosine, image.valid, metric.focal_px)
            seen = record(scene, SCALE, rng)
            low = summed_up(seen.depth, seen.present, SCALE, rng)
            for which, plane in zip(rows, (np.where(seen.present, seen.depth, 0), low), strict=True):
                which.append(_figures(np.where(plane > 0, plane, np.nan).astype(np.float32)))
    return np.array(rows[0]), np.array(rows[1])


def _figures(depth: Depth) -> list[float]:
    counts = RealismCounts()
    counts.add(depth)
    figures = counts.figures()
    return [figures[name] for name in JUDGED]


def nearest(camera: dict[str, float], drawn: Figures) -> float:
    """By what factor the draw that is most like a camera differs from it where it differs most; 1 is equal."""
    least = np.array([LEAST[name] for name in JUDGED])
    mine = np.array([camera[name] for name in JUDGED])
    known = np.isfinite(mine)
    log = np.log(np.maximum(drawn, least)) - np.log(np.maximum(mine, least))
    return float(np.exp(np.nanmin(np.where(np.isfinite(log), np.abs(log), np.inf)[:, known].max(axis=1))))


def _row(camera: Camera, drawn: Figures) -> dict[str, Any]:
    below = {
        name: float(np.nanmean(np.where(np.isfinite(column), column < camera.figures[name], np.nan)))
        for name, column in zip(JUDGED, drawn.T, strict=True)
        if np.isfinite(camera.figures[name])
    }
    return {**camera._asdict(), "below": below, "nearest": nearest(camera.figures, drawn)}


def results_table(results: dict[str, Any]) -> Table:
    """The distribution over random sensors, and each camera's figures; in brackets the share of draws below."""
    table = Table(title=f"{results['draws']} random sensors, and real cameras", caption="[ ]: share of draws below, %")
    for column in ("depth", *(FIGURES[name] for name in JUDGED), "most alike draw differs by"):
        table.add_column(column)
    for kind in ("fine", "coarse"):
        for percent, values in zip(PERCENTILES, results[kind], strict=True):
            table.add_row(f"{kind}, {percent} % of draws below", *(f"{value:.2f}" for value in values), "")
        for row in results["cameras"]:
            if row["coarse"] == (kind == "coarse"):
                cells = [
                    f"{row['figures'][name]:.2f} \\[{100 * row['below'][name]:.0f}]" if name in row["below"] else "-"
                    for name in JUDGED
                ]
                table.add_row(row["name"], *cells, f"{row['nearest']:.2f}")
    return table


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.random_sensors", description=description_of(__doc__))
    parser.add_argument("recordings", nargs="+", type=Path, help="bags or folders of frames")
    parser.add_argument("--draws", type=int, default=400, help="how many random sensors")
    parser.add_argument("--scenes", type=int, default=40, help="on how many rendered scenes, in turn")
    parser.add_argument("--json", type=Path, help="write every figure here")
    options = parser.parse_args(arguments)
    cameras = [read_camera(recording) for recording in options.recordings]
    images = [render_scene(HELD_OUT + 500 + number, SIZE) for number in range(options.scenes)]
    fine, coarse = random_figures(images, options.draws)
    results = {
        "draws": options.draws,
        "fine": np.nanpercentile(fine, PERCENTILES, axis=0).tolist(),
        "coarse": np.nanpercentile(coarse, PERCENTILES, axis=0).tolist(),
        "cameras": [_row(camera, coarse if camera.coarse else fine) for camera in cameras],
    }
    Console(width=max(200, Console().width)).print(results_table(results))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
