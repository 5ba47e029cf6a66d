"""``python -m studies.texture``: texture copying, measured on slanted planes that wear strong patterns.

No colour edge is a depth edge there. A method that ignores such patterns has the same error with the true colour image
as with a grey one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pagnet_ros.core.depth import imresize
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.zoo import weights_file
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.evaluate import BASELINES, Method, method_of_weights
from pagnet_training.protocol import Case, Upsampler, rmse

SIZE = (256, 320)
Colour = NDArray[np.uint8]


class TextureScore(NamedTuple):
    """RMSE in levels over all planes, with the true colour image and with a grey one."""

    coloured: float
    grey: float

    @property
    def ratio(self) -> float:
        """Coloured over grey: 1 means that no texture is copied."""
        return self.coloured / max(self.grey, 1e-9)


def texture_copying(run: Upsampler, scale: int, seeds: Sequence[int] = range(12)) -> TextureScore:
    """Measure a method on planes number `seeds`."""
    squares: dict[str, list[float]] = {"coloured": [], "grey": []}
    for seed in seeds:
        case = texture_case(seed, scale)
        blank = np.full_like(case.rgb, 128)
        squares["coloured"].append(rmse(run(case.low, case.rgb, scale), case.truth) ** 2)
        squares["grey"].append(rmse(run(case.low, blank, scale), case.truth) ** 2)
    return TextureScore(*(float(np.sqrt(np.mean(squares[kind]))) for kind in ("coloured", "grey")))


def texture_case(seed: int, scale: int) -> Case:
    """A slanted plane that spans 60 to 120 levels, under a pattern that the seed chooses."""
    rng = np.random.default_rng([seed, 77])
    height, width = SIZE
    angle, span = rng.uniform(0, 2 * np.pi), rng.uniform(60, 120)
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.cos(angle) * columns / width + np.sin(angle) * rows / height
    truth = (60 + span * (ramp - ramp.min()) / (ramp.max() - ramp.min())).astype(np.float32)
    low = imresize(torch.from_numpy(truth).double(), (height // scale, width // scale)).float().numpy()
    return Case(low, PATTERNS[seed % len(PATTERNS)](rng), truth)


def _checkerboard(rng: np.random.Generator) -> Colour:
    cell = int(rng.integers(6, 28))
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    odd = ((rows // cell + columns // cell) % 2)[..., None]
    return np.asarray(np.where(odd, rng.integers(0, 90, 3), rng.integers(160, 255, 3)), np.uint8)


def _text(rng: np.random.Generator) -> Colour:
    image = np.full((*SIZE, 3), rng.integers(200, 255, 3), np.uint8)
    for row in range(14, SIZE[0], 22):
        letters = "".join(chr(int(code)) for code in rng.integers(65, 91, 18))
        cv2.putText(image, letters, (4, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, rng.integers(0, 80, 3).tolist(), 2)
    return image


def _wood(rng: np.random.Generator) -> Colour:
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    bend = cv2.resize(rng.normal(size=(5, 5)).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    rings = np.sin((columns / 9 + 6 * bend + rows / 160) * 2) * 0.5 + 0.5
    shades = rings[..., None] * np.array([90.0, 60.0, 30.0]) + np.array([90.0, 50.0, 20.0])
    return np.asarray(shades, np.uint8)


def _poster(rng: np.random.Generator) -> Colour:
    image = np.full((*SIZE, 3), rng.integers(0, 255, 3), np.uint8)
    for _ in range(40):
        centre = (int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0])))
        cv2.circle(image, centre, int(rng.integers(5, 50)), rng.integers(0, 255, 3).tolist(), -1)
    return image


PATTERNS: tuple[Callable[[np.random.Generator], Colour], ...] = (_checkerboard, _text, _wood, _poster)


def table(methods: Sequence[Method], scales: Sequence[int]) -> Table:
    """Texture copying of every method."""
    result = Table(title="RMSE in levels on textured planes without a depth edge")
    for column in ("method", "scale", "true colour", "grey image", "ratio"):
        result.add_column(column)
    for method in methods:
        for scale in (scale for scale in scales if scale in method.scales):
            score = texture_copying(method.run, scale)
            figures = (f"{score.coloured:.3f}", f"{score.grey:.3f}", f"{score.ratio:.2f}")
            result.add_row(method.name, f"{scale}x", *figures)
    return result


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.texture", description=description_of(__doc__))
    parser.add_argument("--scales", type=int, nargs="+", default=list(SCALES), choices=SCALES)
    parser.add_argument("--weights", type=weights_file, nargs="*", default=[], help="shipped networks or weights files")
    parser.add_argument("--baselines", nargs="*", default=["bicubic"], choices=sorted(BASELINES))
    options = parser.parse_args(arguments)
    methods = [Method(name, BASELINES[name], SCALES) for name in options.baselines]
    methods += [method_of_weights(path) for path in options.weights]
    Console().print(table(methods, options.scales))


if __name__ == "__main__":
    sys.exit(main())
