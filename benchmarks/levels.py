"""What each quality level costs and gives: time, and error against the truth of simulated scenes.

``python -m benchmarks.levels``. Frames go to all levels in turn, so that noise of the machine meets all alike.
Errors are of the pixels that all levels give, because one would gain by leaving out what is difficult.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.model.zoo import DEFAULT_WEIGHTS
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.sensors import PROFILES, PinholeCamera, sense, to_millimetres
from pagnet_ros.simulation import Renderer, Scene
from pagnet_training.command import Arguments, command_line

STYLE = "room"

Depth = NDArray[np.float32]
"""``[H, W]`` metres, NaN where unknown."""


class _Frame(NamedTuple):
    """A sensed frame and its truth, metres."""

    depth_mm: NDArray[np.uint16]
    rgb: NDArray[np.uint8]
    truth_m: Depth


class _Result(NamedTuple):
    """One level's answer to one frame."""

    spent_ms: float
    rmse_mm: float
    valid: float


@command_line
def main(arguments: Arguments = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, help="zoo name")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="kinect", help="the simulated sensor")
    parser.add_argument("--scenes", type=int, default=8, help="frames, each of a scene of its own (default 8)")
    parser.add_argument("--repeats", type=int, default=3, help="times each frame is timed (default 3)")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--scale", type=int, default=4, help="colour size over depth size")
    options = parser.parse_args(arguments)
    upsampler = DepthUpsampler.from_zoo(options.weights, options=UpsamplerOptions(metric=True))
    frames = [_frame(seed, options) for seed in range(options.scenes)]
    results: dict[str, list[_Result]] = {level: [] for level in upsampler.levels}
    for i, frame in enumerate([frames[0], *frames]):
        spent_ms, depths = {}, {}
        for level in upsampler.levels:
            upsampler.level = level
            spent_ms[level], depths[level] = _run(upsampler, frame, options.repeats)
        if i:  # the first one warms up
            for level, (rmse_mm, valid) in _errors(depths, frame.truth_m).items():
                results[level].append(_Result(spent_ms[level], rmse_mm, valid))
    _print(results, options)


def _frame(seed: int, options: argparse.Namespace) -> _Frame:
    size = options.width // options.scale * options.scale, options.height // options.scale * options.scale
    camera = PinholeCamera.from_fov(*size)
    frame = Renderer(Scene.random(seed, STYLE))(camera)
    coarse = sense(
        frame.depth_m,
        camera,
        PROFILES[options.profile],
        seed,
        factor=options.scale,
        albedo=frame.albedo,
        cos_incidence=frame.cos_incidence,
    )
    return _Frame(to_millimetres(coarse), frame.rgb, frame.depth_m)


def _run(upsampler: DepthUpsampler, frame: _Frame, repeats: int) -> tuple[float, Depth]:
    """Median of the time, and the depth."""
    spent_ms = []
    for _ in range(repeats):
        begin = time.perf_counter()
        out = upsampler(frame.depth_mm, frame.rgb)
        spent_ms.append((time.perf_counter() - begin) * 1e3)
    return float(np.median(spent_ms)), out.depth


def _errors(depths: dict[str, Depth], truth_m: Depth) -> dict[str, tuple[float, float]]:
    """Of each level, RMSE in millimetres where all give depth, and the share of the truth where it does itself."""
    known = np.isfinite(truth_m)
    given = {level: np.isfinite(depth) & known for level, depth in depths.items()}
    common = np.logical_and.reduce(list(given.values()))
    errors = {}
    for level, depth in depths.items():
        error_mm = 1e3 * (depth[common] - truth_m[common]).astype(np.float64)
        rmse_mm = float(np.sqrt(np.mean(error_mm**2))) if common.any() else float("nan")
        errors[level] = rmse_mm, float(given[level].sum() / max(1, known.sum()))
    return errors


def _print(results: dict[str, list[_Result]], options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{options.weights}, {options.width}x{options.height} out, {options.profile}, {options.scenes} scenes"
    table = Table("level", "p50 ms", "RMSE mm, common, median", "valid, %", title=title)
    for level, taken in results.items():
        spent_ms, rmse_mm, valid = (float(np.median(column)) for column in zip(*taken, strict=True))
        table.add_row(level, f"{spent_ms:.1f}", f"{rmse_mm:.1f}", f"{100 * valid:.1f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
