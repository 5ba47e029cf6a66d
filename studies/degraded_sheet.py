"""``python -m studies.degraded_sheet``: the paper's Fig. 5 for an image of the protocol and weights.

One row per sensor profile and weights file: the input with its holes, bicubic, the network, the truth, and the absolute
errors of both. Data flows: `degraded_case` -> methods -> a PNG picture.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import filters
from pagnet_ros.errors import ConfigError
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.sensors import load_profile
from pagnet_ros.system.files import replaced
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.evaluate import method_of_weights
from pagnet_training.json_file import explained
from pagnet_training.protocol import Case, ProtocolImage, read_protocol_images, rmse
from studies.degraded import degraded_case
from studies.regions import nearest_filled

WIDTH_PX = 1200
COLUMNS = 6
FULL_ERROR = 12.0
COLOURS = 256

Depth = NDArray[np.float32]


class Result(NamedTuple):
    """One row of the sheet: what it shows, the case, and what bicubic and the network make of it."""

    title: str
    case: Case
    bicubic: Depth
    network: Depth


def row_of(image: ProtocolImage, sensor: str, weights: Path) -> Result:
    """Degrade an image by a profile and restore it by the weights, at their scale."""
    method = method_of_weights(weights)
    (scale,) = method.scales
    case = degraded_case(image, scale, load_profile(sensor))
    simple = filters.bicubic(nearest_filled(case.low), case.rgb)
    return Result(f"{sensor}\n{method.name}", case, simple, method.run(case.low, case.rgb, scale))


def draw(path: Path, rows: Sequence[Result]) -> None:
    """Write the sheet as a PNG with a palette; holes are white."""
    import matplotlib
    from matplotlib.figure import Figure
    from PIL import Image

    colours = matplotlib.colormaps["viridis"].with_extremes(bad="white")
    shape = rows[0].case.truth.shape
    inches = WIDTH_PX / 100
    figure = Figure(figsize=(inches, len(rows) * (inches / COLUMNS * shape[0] / shape[1] + 0.45)), layout="constrained")
    axes: Any = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for places, row in zip(axes, rows, strict=True):
        truth = row.case.truth
        low, high = float(np.percentile(truth, 0.5)), float(np.percentile(truth, 99.5))
        for place, (title, values, is_error) in zip(places, _panels(row), strict=True):
            limits = {"vmin": 0.0, "vmax": FULL_ERROR} if is_error else {"vmin": low, "vmax": high}
            place.imshow(values, cmap="magma" if is_error else colours, interpolation="nearest", **limits)
            place.set_title(title, fontsize=8)
            place.set_axis_off()
    full = io.BytesIO()
    figure.savefig(full, dpi=100)
    sheet = Image.open(full).convert("RGB").quantize(COLOURS)  # half the bytes
    picture = io.BytesIO()
    sheet.save(picture, "PNG", optimize=True)
    with explained(path, "the sheet"), replaced(path) as temporary:
        temporary.write_bytes(picture.getvalue())


def _panels(row: Result) -> Iterator[tuple[str, Depth, bool]]:
    truth = row.case.truth
    yield row.title, row.case.low, False
    yield f"bicubic, nearest filling\nRMSE {rmse(row.bicubic, truth):.2f} levels", row.bicubic, False
    yield f"network\nRMSE {rmse(row.network, truth):.2f} levels", row.network, False
    yield "truth", truth, False
    yield f"error of bicubic\n0 to {FULL_ERROR:g} levels", np.abs(row.bicubic - truth), True
    yield f"error of the network\n0 to {FULL_ERROR:g} levels", np.abs(row.network - truth), True


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.degraded_sheet", description=description_of(__doc__))
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME_rgb.png and NAME_disparity.png")
    parser.add_argument("--image", default="", help="name of the image; the first one by default")
    parser.add_argument(
        "--rows", nargs="+", required=True, metavar="PROFILE=WEIGHTS", help="such as kinect_paper=mid-x4-kinect-paper"
    )
    parser.add_argument("--out", type=Path, required=True, help="picture to write (.png)")
    options = parser.parse_args(arguments)
    images = {image.name: image for image in read_protocol_images(options.data)}
    name = options.image or next(iter(images))
    if name not in images:
        raise ConfigError(f"{options.data}: no image {name!r}; expected one of {', '.join(images)}")
    draw(options.out, [row_of(images[name], *_named(row)) for row in options.rows])


def _named(row: str) -> tuple[str, Path]:
    sensor, _, weights = row.partition("=")
    if not sensor or not weights:
        raise ConfigError(f"--rows {row!r}: expected PROFILE=WEIGHTS, such as kinect_paper=mid-x4-kinect-paper")
    return sensor, weights_file(weights)


if __name__ == "__main__":
    sys.exit(main())
