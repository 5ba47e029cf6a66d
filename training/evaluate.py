"""``python -m pagnet_training.evaluate``: the paper's table on a folder of images, for weights and baselines.

Data flows: images -> one `Case` per image, scale and kind of input -> every method -> RMSE -> table, JSON, pictures.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pagnet_ros.core import filters
from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.weights import load_depth_weights
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.runtime.devices import choose_device
from pagnet_ros.runtime.native import NativePagNet, load_library
from pagnet_ros.system.files import replaced
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import explained, write_json
from pagnet_training.protocol import (
    Case,
    ProtocolImage,
    Upsampler,
    bicubic,
    make_case,
    network_upsampler,
    read_protocol_images,
    rmse,
    self_ensemble,
)

Depth = NDArray[np.float32]


def _of(filter_: Callable[[Depth, NDArray[np.uint8]], Depth]) -> Upsampler:
    """A filter that takes the scale from the sizes."""
    return lambda low, rgb, scale: filter_(low, rgb)


BASELINES: dict[str, Upsampler] = {
    "nearest": _of(filters.nearest),
    "bilinear": _of(filters.bilinear),
    "bicubic": bicubic,
    "guided": _of(filters.guided),
    "joint-bilateral": _of(filters.joint_bilateral),
}
"""Classical methods that learn nothing: the filters of `pagnet_ros.core.filters`."""
INPUTS = ("float", "rounded")
MSG_SOURCE = "MSG-Net (Hui et al. 2016), its published weights, low resolution in floating point"
MSG_FLOAT: dict[str, dict[int, float]] = {
    "moebius": {2: 0.315, 4: 0.579, 8: 0.936, 16: 1.681},
    "dolls>9": {2: 0.345, 4: 0.690, 8: 1.051, 16: 1.597},
    "cones": {2: 0.905, 4: 2.595, 8: 4.229, 16: 6.192},
    "venus": {2: 0.142, 4: 0.346, 8: 1.040, 16: 1.745},
}
"""What MSG-Net's published weights measure on the validation images."""
MASKED_NAME = "dolls"
MASKED_ABOVE = 9.0


class Method(NamedTuple):
    """Something that up-samples.

    Attributes:
        name: a row of the table.
        run: the function.
        scales: scales it can do.
    """

    name: str
    run: Upsampler
    scales: tuple[int, ...]


class Score(NamedTuple):
    """One cell of the table.

    Attributes:
        method: a row of the table.
        scale: up-sampling factor.
        input: of `INPUTS`.
        image: its name, or ``dolls>9`` for the mean over pixels with ground truth above 9.
        rmse: in levels.
        whole: the same, the result first rounded to whole levels, as an 8-bit disparity image holds it.
    """

    method: str
    scale: int
    input: str
    image: str
    rmse: float
    whole: float


def evaluate(
    methods: Sequence[Method],
    images: Sequence[ProtocolImage],
    scales: Sequence[int],
    inputs: Sequence[str] = INPUTS,
    pictures: Path | None = None,
    noise: float = 0.0,
) -> list[Score]:
    """Run every method that can do it on every image, scale and kind of input.

    Args:
        methods: what to compare.
        images: of the protocol.
        scales: up-sampling factors.
        inputs: "float" keeps the low-resolution input in floating point, "rounded" rounds it to uint8.
        pictures: folder for error pictures of the float input; None writes none.
        noise: standard deviation in levels of Gaussian noise on the low-resolution input, the same for every method;
            the paper's time-of-flight setting (section 3) is 5.
    """
    scores = []
    for scale, kind, image in itertools.product(scales, inputs, images):
        case = _noisy(make_case(image, scale, rounded=kind == "rounded"), noise, (image.name, scale))
        for method in (each for each in methods if scale in each.scales):
            result = method.run(case.low, case.rgb, scale)
            both = (result, np.rint(result))
            scores.append(Score(method.name, scale, kind, image.name, *(rmse(each, case.truth) for each in both)))
            if image.name == MASKED_NAME:
                masked = (rmse(each, case.truth, MASKED_ABOVE) for each in both)
                scores.append(Score(method.name, scale, kind, f"{image.name}>{MASKED_ABOVE:.0f}", *masked))
            if pictures is not None and kind == "float":
                write_error_picture(pictures / f"{image.name}_x{scale}_{method.name}.png", result, case.truth)
    return scores


def _noisy(case: Case, noise: float, seed: tuple[str, int]) -> Case:
    """The case with noise on its input, always the same for one image and scale."""
    if noise == 0:
        return case
    rng = np.random.default_rng([zlib.crc32(seed[0].encode()), seed[1]])
    return case._replace(low=case.low + np.float32(noise) * rng.standard_normal(case.low.shape, np.float32))


def score_weights(path: Path, images: Sequence[ProtocolImage]) -> dict[str, dict[str, float]]:
    """Scores of one weights file at its own scale: ``{input: {image: RMSE}}``, for its header."""
    method = method_of_weights(path)
    nested: dict[str, dict[str, float]] = {kind: {} for kind in INPUTS}
    for score in evaluate([method], images, method.scales):
        nested[score.input][score.image] = round(score.rmse, 4)
    return nested


def method_of_weights(path: Path, native: str | None = None) -> Method:
    """A weights file as a method; with torch in float32, or as the engine's C++ in ``fp32`` or ``bf16``.

    With torch it runs on a GPU where there is one.
    """
    net, header = load_depth_weights(path)
    forward = NativePagNet(net, load_library(), bf16=native == "bf16") if native is not None else None
    if native is None:
        net.to(choose_device("auto"))
    return Method(header.name, network_upsampler(net, forward=forward), (header.config.scale,))


def write_error_picture(path: Path, result: Depth, truth: Depth) -> None:
    """Absolute error as a colour picture; 8 levels and more are the brightest.

    Raises:
        ConfigError: the picture cannot be written.
    """
    error = np.clip(np.abs(result - truth) * (255 / 8), 0, 255).astype(np.uint8)
    _, png = cv2.imencode(".png", cv2.applyColorMap(error, cv2.COLORMAP_INFERNO))
    with explained(path, "the error picture"), replaced(path) as temporary:
        temporary.write_bytes(png.tobytes())


def tables(scores: Sequence[Score], scales: Sequence[int], inputs: Sequence[str]) -> Iterator[Table]:
    """One table per kind of input: methods down, image and scale across as ``2x/4x/8x/16x``."""
    names = sorted({score.image for score in scores})
    for kind in inputs:
        table = Table(title=f"RMSE, 8-bit levels, low resolution {kind}, scales " + "/".join(f"{s}x" for s in scales))
        for column in ("method", *names):
            table.add_column(column)
        found = {(s.method, s.image, s.scale): s.rmse for s in scores if s.input == kind}
        for method in dict.fromkeys(score.method for score in scores):
            table.add_row(method, *(_cell(found, method, name, scales) for name in names))
        if kind == "float" and any(name in MSG_FLOAT for name in names):
            quoted = {("MSG-Net", name, s): v for name, row in MSG_FLOAT.items() for s, v in row.items()}
            table.add_row("MSG-Net (quoted)", *(_cell(quoted, "MSG-Net", name, scales) for name in names))
            table.caption = f"quoted: {MSG_SOURCE}"
        yield table


def _cell(found: Mapping[tuple[str, str, int], float], method: str, image: str, scales: Sequence[int]) -> str:
    values = [found.get((method, image, scale)) for scale in scales]
    return "/".join("-" if value is None else f"{value:.3f}" for value in values)


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_training.evaluate", description=description_of(__doc__))
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME_rgb.png and NAME_disparity.png")
    parser.add_argument("--scales", type=int, nargs="+", default=list(SCALES), choices=SCALES)
    parser.add_argument("--weights", type=weights_file, nargs="*", default=[], help="shipped networks or weights files")
    parser.add_argument(
        "--native", choices=("fp32", "bf16"), help="run weights as the robot's CPU does (pagnet_ros.runtime.native)"
    )
    parser.add_argument("--self-ensemble", action="store_true", help="add weights' mean over 8 flips and rotations")
    parser.add_argument("--baselines", nargs="*", default=["bicubic"], choices=sorted(BASELINES))
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation on the input, levels")
    parser.add_argument("--inputs", nargs="+", default=list(INPUTS), choices=INPUTS)
    parser.add_argument("--json", type=Path, help="write every score here")
    parser.add_argument("--pictures", type=Path, help="write error pictures into this folder")
    parser.add_argument("--threads", type=int, help="CPU threads")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    methods = [Method(name, BASELINES[name], SCALES) for name in options.baselines]
    methods += [method_of_weights(path, options.native) for path in options.weights]
    if options.self_ensemble:
        methods += [
            Method(f"{m.name}, ensemble", self_ensemble(m.run), m.scales) for m in methods if len(m.scales) == 1
        ]
    if not methods:
        raise ConfigError("no method to evaluate; name some with --weights or --baselines")
    console = Console(width=max(180, Console().width))  # four scales per cell
    images = read_protocol_images(options.data)
    scores = evaluate(methods, images, options.scales, options.inputs, options.pictures, options.noise)
    for table in tables(merged_families(scores), options.scales, options.inputs):
        console.print(table)
    if options.json:
        write_json(options.json, [score._asdict() for score in scores])


def merged_families(scores: Sequence[Score]) -> list[Score]:
    """Weights of one family at several scales (``rt-x4-clean``, ``rt-x8-clean``) share a row (``rt-clean``)."""
    return [score._replace(method=score.method.replace(f"-x{score.scale}-", "-")) for score in scores]


if __name__ == "__main__":
    sys.exit(main())
