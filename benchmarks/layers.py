"""What sigma, confidence and provenance cost while somebody subscribes to them, and while nobody does.

``python -m benchmarks.layers``. One simulated frame; the cases take turns, so that noise of the machine meets all
alike. Beside the time that passes, the processor's: what others on the machine do hardly enters it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.sensors import PinholeCamera, load_profile, sense, to_millimetres
from pagnet_ros.simulation import Renderer, Scene
from pagnet_training.command import Arguments, command_line

SIZE, SCALE = (480, 640), 4
LAYERS = ("sigma", "confidence", "provenance")


@command_line
def main(arguments: Arguments = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="frames of each case (default 40)")
    options = parser.parse_args(arguments)
    scene, camera = Scene.random(0, "room"), PinholeCamera.from_fov(SIZE[1], SIZE[0], 60.0)
    seen = Renderer(scene)(camera, noise_seed=0)
    depth = to_millimetres(sense(seen.depth_m, camera, load_profile("kinect_v1"), 0, factor=SCALE))
    quiet = UpsamplerOptions(metric=True, uncertainty=False)
    upsampler = DepthUpsampler.from_weights(options=quiet)

    def upsample(chosen: UpsamplerOptions) -> Any:
        upsampler.options = chosen
        return upsampler(depth, seen.rgb)

    cases: dict[str, Callable[[], Any]] = {
        "nobody subscribes": lambda: upsample(quiet),
        "publish_contested: nan": lambda: upsample(replace(quiet, publish_contested="nan")),
        "sigma, confidence, provenance": lambda: _with_messages(upsample(replace(quiet, uncertainty=True))),
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(options.rounds + 1):
        for name, run in cases.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if turn:  # the first one warms up
                spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    lines = [f"{upsampler.name}, {upsampler.device}, {upsampler.backend}, {upsampler.precision}, {SIZE[1]}x{SIZE[0]}"]
    lines += ["", "| | median [ms] | least [ms] | processor, median [ms] |", "|---|---|---|---|"]
    for name, times in spent.items():
        walls, cpus = np.array(times).T * 1e3
        lines.append(f"| {name} | {statistics.median(walls):.1f} | {walls.min():.1f} | {statistics.median(cpus):.1f} |")
    sys.stdout.write("\n".join(lines) + "\n")


def _with_messages(result: Any) -> None:
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from pagnet_ros.messages.image import fill_image
    from pagnet_ros.ros.node.outputs import LAYERS as MADE

    for leaf in LAYERS:
        if (image := MADE[leaf].make(result)) is not None:
            fill_image(Image(header=Header()), image, MADE[leaf].encoding)


if __name__ == "__main__":
    sys.exit(main())
