"""The evaluation protocol seen through a sensor profile: the paper's time-of-flight and Kinect-like degradations.

Data flows: image -> low-resolution disparity as the profile's sensor delivers it, with holes -> every method -> RMSE
over all pixels, inside holes and outside -> table: ``python -m studies.degraded --sensor NAME``.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.sensors import SensorProfile, load_profile
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.data.known_sensor import MetricPatch, observe
from pagnet_training.evaluate import Method, method_of_weights
from pagnet_training.json_file import write_json
from pagnet_training.protocol import Case, ProtocolImage, make_case, read_protocol_images, rmse
from studies.regions import footprint
from studies.restorers import CLASSICAL

REGIONS = ("all", "holes", "outside")
LEAST_LEVEL = 1e-3
FOCAL_PX = 500.0  # profiles without units do not ask for it

Depth = NDArray[np.float32]


class DegradedScore(NamedTuple):
    """One cell of the table: RMSE in levels over a region of `REGIONS`, NaN where the region is empty."""

    method: str
    scale: int
    image: str
    region: str
    rmse: float


def degraded_case(image: ProtocolImage, scale: int, profile: SensorProfile) -> Case:
    """An image of the protocol with the low-resolution input that a sensor delivers; NaN in its holes.

    Always the same for one image, scale and profile.

    Raises:
        ConfigError: the profile measures metres; the images are disparities.
    """
    if not profile.unit_free:
        raise ConfigError(
            f"sensor profile {profile.name!r} measures metres, but the images are disparities in levels; expected a "
            "profile whose effects have no unit, such as kinect_paper or tof_paper; for others see "
            "studies.restoration"
        )
    case = make_case(image, scale, rounded=False)
    rng = np.random.default_rng([zlib.crc32(f"{profile.name} {image.name}".encode()), scale])
    grey = case.rgb.mean(axis=2, dtype=np.float32) / np.float32(255)
    levels = np.maximum(case.truth, np.float32(LEAST_LEVEL))  # a level of 0 is a depth here, not a hole
    low, measured = observe(MetricPatch(levels, grey, grey, None, FOCAL_PX), profile, scale, rng)
    return case._replace(low=np.where(measured, low, np.float32(np.nan)))


def score(
    methods: Sequence[Method], images: Sequence[ProtocolImage], scales: Sequence[int], profile: SensorProfile
) -> list[DegradedScore]:
    """Every method that can do it on every image and scale, by region.

    A pixel of the truth lies in a hole where the low-resolution pixel below it does.
    """
    scores = []
    for scale in scales:
        for image in images:
            case = degraded_case(image, scale, profile)
            hole = footprint(~np.isfinite(case.low), (case.truth.shape[0], case.truth.shape[1])).astype(np.bool_)
            masks = dict(zip(REGIONS, (np.ones_like(hole), hole, ~hole), strict=True))
            for method in methods:
                if scale in method.scales:
                    result = method.run(case.low, case.rgb, scale)
                    scores += [
                        DegradedScore(method.name, scale, image.name, region, _rmse(result, case.truth, mask))
                        for region, mask in masks.items()
                    ]
    return scores


def _rmse(result: Depth, truth: Depth, mask: NDArray[np.generic]) -> float:
    return rmse(result[mask], truth[mask]) if mask.any() else float("nan")


def table(scores: Sequence[DegradedScore], scale: int, title: str) -> Table:
    """Methods down, images across, each cell ``all / holes / outside``."""
    found = {(s.method, s.image, s.region): s.rmse for s in scores if s.scale == scale}
    images = sorted({image for _, image, _ in found})
    result = Table(title=f"{title}, {scale}x: RMSE, 8-bit levels, " + " / ".join(REGIONS))
    for column in ("method", *images):
        result.add_column(column)
    for method in dict.fromkeys(method for method, _, _ in found):
        cells = (" / ".join(f"{found[method, image, region]:.2f}" for region in REGIONS) for image in images)
        result.add_row(method, *cells)
    return result


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.degraded", description=description_of(__doc__))
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME_rgb.png and NAME_disparity.png")
    parser.add_argument("--sensor", required=True, help="sensor profile without a unit, such as kinect_paper")
    parser.add_argument("--scales", type=int, nargs="+", default=list(SCALES), choices=SCALES)
    parser.add_argument("--weights", type=weights_file, nargs="*", default=[], help="shipped networks or weights files")
    parser.add_argument("--json", type=Path, help="write every score here")
    options = parser.parse_args(arguments)
    methods = [*CLASSICAL, *(method_of_weights(path) for path in options.weights)]
    images = read_protocol_images(options.data)
    scores = score(methods, images, options.scales, load_profile(options.sensor))
    console = Console(width=max(180, Console().width))
    for scale in options.scales:
        console.print(table(scores, scale, options.sensor))
    if options.json:
        write_json(options.json, [each._asdict() for each in scores])


if __name__ == "__main__":
    sys.exit(main())
