"""What features in half precision change, on recorded frames: fp16 against fp32, both as ONNX files in ONNX Runtime.

``python -m benchmarks.onnx_precision FOLDER``. Each network has the recording's depth made coarser by its scale, and is
exported for that size in both precisions. Needs the ``onnx`` extra.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from benchmarks.engine.cases import make_engine, network_named
from benchmarks.engine.measure import call
from pagnet_ros.model.zoo import zoo
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import FrameFolder, open_frames
from pagnet_training.command import Arguments, command_line

COLUMNS = ("network", "RMS mm", "99.9 % within mm", "largest mm", "on another surface, %", "in one of the two alone, %")
ANOTHER_SURFACE = 0.01  # of its depth: farther apart than what `pagnet_ros.model.surfaces` takes for one surface


@command_line
def main(arguments: Arguments = None) -> None:
    """Print a Markdown table, a row per network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnx_precision", description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="frames whose depth has the size of their colour")
    parser.add_argument("--weights", nargs="*", default=[*zoo()], help="zoo names or weights files (default: the zoo)")
    parser.add_argument("--frames", type=int, default=5, help="spread over the recording (default 5)")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
    frames = open_frames(options.folder)
    for name in options.weights:
        sys.stdout.write(_row(name, frames, options.frames) + "\n")
        sys.stdout.flush()


def _row(name: str, frames: FrameFolder, count: int) -> str:
    scale, found, alone = network_named(name)[0].scale, [], []
    first = frames.read(0).rgb.shape
    exact, half = (make_engine(name, "onnx", each, "cpu", (first[0], first[1])) for each in ("fp32", "fp16"))
    for index in np.linspace(0, len(frames) - 1, count, dtype=int):
        frame = frames.read(int(index))
        images = coarse_depth(frame.depth, scale), frame.rgb
        expected, ours = call(exact, images).depth, call(half, images).depth
        both = np.isfinite(expected) & np.isfinite(ours)
        alone.append(np.mean(np.isfinite(expected) != np.isfinite(ours)))
        found.append(np.stack((np.abs(ours - expected)[both], expected[both])))
    difference, depth = np.concatenate(found, axis=1)
    mm, apart = 1e3 * difference, np.mean(difference > ANOTHER_SURFACE * depth)
    figures = f"{np.sqrt(np.mean(mm**2)):.2f} | {np.percentile(mm, 99.9):.2f} | {mm.max():.1f}"
    return f"| {name} | {figures} | {100 * apart:.3f} | {100 * np.mean(alone):.3f} |"


if __name__ == "__main__":
    sys.exit(main())
