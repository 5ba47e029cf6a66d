"""Depth reprojected into the colour camera, beside the exact depth of simulated pairs of cameras.

Rooms are seen by a depth camera, without noise, and by a colour camera elsewhere; both views are cast ray by ray
through the lens models, so the truth is exact. A reprojected pixel is right where the truth, at its centre or no
farther than half a pixel from it, is the same to 1 mm. Times are the processor's, all cores together.
``python -m benchmarks.reprojection``.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.lens import distort, pixel_rays
from pagnet_ros.core.reprojection import Reprojection
from pagnet_ros.messages.calibration import EQUIDISTANT, POLYNOMIAL, Calibration
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.simulation import Scene
from pagnet_ros.simulation.raster import Visible, cast_rays
from pagnet_ros.simulation.textures import pattern_bank
from pagnet_training.command import Arguments, command_line

Image = NDArray[np.float32]
_RIGHT_M = 0.001
_SAME_SURFACE = 0.002
_WITHIN_PX = (-0.5, -0.25, 0.0, 0.25, 0.5)


class CameraPair(NamedTuple):
    """Two calibrations, and the depth camera's pose in the colour camera's frame: metres, degrees about x, y, z."""

    depth: Calibration
    color: Calibration
    at_m: tuple[float, float, float]
    turned_deg: tuple[float, float, float]

    @property
    def transform(self) -> NDArray[np.float64]:
        """``[4, 4]``, points of the depth camera to the colour camera's frame."""
        matrix = np.eye(4)
        for axis, degrees in enumerate(self.turned_deg):
            c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            turn = np.eye(3)
            i, j = [(1, 2), (2, 0), (0, 1)][axis]
            turn[i, i], turn[j, j], turn[i, j], turn[j, i] = c, c, -s, s
            matrix[:3, :3] = turn @ matrix[:3, :3]
        matrix[:3, 3] = self.at_m
        return matrix


PAIRS = {
    "plumb_bob, 640x480 to 1280x720": CameraPair(
        Calibration((480, 640), (575.0, 575.0), (318.0, 241.0), POLYNOMIAL, (-0.08, 0.12, 0.001, -0.001, -0.05)),
        Calibration((720, 1280), (920.0, 922.0), (645.0, 356.0), POLYNOMIAL, (0.12, -0.25, 0.0005, 0.0008, 0.1)),
        (0.025, 0.0, 0.002),
        (0.3, -0.8, 0.2),
    ),
    "rational_polynomial, 640x576 to 1280x720": CameraPair(
        Calibration((576, 640), (504.0, 504.0), (320.0, 330.0), POLYNOMIAL, (4.5, 3.0, 0.0, 0.0, 0.15, 4.85, 4.4, 0.8)),
        Calibration(
            (720, 1280), (606.0, 606.0), (638.0, 366.0), POLYNOMIAL, (0.6, -2.7, 0.001, 0.0, 1.6, 0.5, -2.5, 1.5)
        ),
        (0.032, 0.002, -0.004),
        (-6.0, 0.4, 0.1),
    ),
    "equidistant, 224x171 to 640x480": CameraPair(
        Calibration((171, 224), (110.0, 110.0), (111.0, 86.0), EQUIDISTANT, (0.02, -0.01, 0.004, -0.001)),
        Calibration((480, 640), (290.0, 290.0), (322.0, 238.0), EQUIDISTANT, (-0.03, 0.01, -0.006, 0.001)),
        (-0.06, 0.01, 0.0),
        (0.5, 2.0, 90.0),
    ),
    "pinhole, 10 cm apart, 640x480 to 640x480": CameraPair(
        Calibration((480, 640), (520.0, 520.0), (319.5, 239.5)),
        Calibration((480, 640), (525.0, 525.0), (319.5, 239.5)),
        (0.1, 0.0, 0.0),
        (0.0, 0.0, 0.0),
    ),
}


class Accuracy(NamedTuple):
    """Counts of pixels, of one view or several added up, and errors in metres at the centres of pixels off edges.

    Attributes:
        drawn: with a value.
        right: of those, right to 1 mm within half a pixel.
        hidden: of the colour camera's, with a surface that the depth camera does not see.
        invented: of those, drawn and not right.
        seen: seen by both cameras.
        torn: of those, with no other surface beside the pixel, and without a value.
        errors_m: ``[n]`` of pixels seen by both, with no other surface beside the pixel.
    """

    drawn: int
    right: int
    hidden: int
    invented: int
    seen: int
    torn: int
    errors_m: Image

    def plus(self, other: Accuracy) -> Accuracy:
        """Both together."""
        return Accuracy(
            self.drawn + other.drawn,
            self.right + other.right,
            self.hidden + other.hidden,
            self.invented + other.invented,
            self.seen + other.seen,
            self.torn + other.torn,
            np.append(self.errors_m, other.errors_m),
        )


def compare(pair: CameraPair, scene: Scene) -> tuple[Accuracy, Reprojection, Image]:
    """One view of a scene: how well it is reprojected, by what, and the depth that was."""
    bank = pattern_bank(scene.bank_seed, "cpu")

    def cast(pose: NDArray[np.float64], x: NDArray[np.floating], y: NDArray[np.floating]) -> Visible:
        rays = (torch.from_numpy(np.ascontiguousarray(each, np.float32)) for each in (x, y))
        return cast_rays(scene.surfaces, bank, pose, *rays)

    transform, color_pose = pair.transform, scene.viewpoint
    depth_pose = color_pose @ transform
    depth = cast(depth_pose, *pixel_rays(pair.depth)).depth.numpy()
    reprojection = Reprojection(pair.depth, pair.color, transform)
    got = reprojection(depth)
    x, y = _rays(pair.color, reprojection.size, 0.0, 0.0)
    visible = cast(color_pose, x, y)
    truth = visible.depth.numpy()
    points = np.stack((x, y, np.ones_like(x))) * truth
    seen = _is_seen(pair, points, lambda x, y: cast(depth_pose, x, y).depth.numpy())
    drawn = np.isfinite(got)
    right = drawn & (np.abs(got - truth) <= _RIGHT_M)
    asked = drawn & ~right
    for dx, dy in ((dx, dy) for dx in _WITHIN_PX for dy in _WITHIN_PX):
        rays = _rays(pair.color, reprojection.size, dx, dy)[:, asked]
        right[asked] |= np.abs(got[asked] - cast(color_pose, *rays[:, None]).depth.numpy()[0]) <= _RIGHT_M
    inner = seen & _is_alone(visible.surface.numpy())
    hidden = np.isfinite(truth) & ~seen
    found = Accuracy(
        int(drawn.sum()),
        int(right.sum()),
        int(hidden.sum()),
        int((hidden & drawn & ~right).sum()),
        int(seen.sum()),
        int((inner & ~drawn).sum()),
        np.abs(got - truth)[inner & drawn],
    )
    return found, reprojection, depth


def _rays(camera: Calibration, size: tuple[int, int], dx: float, dy: float) -> NDArray[np.float64]:
    """``[2, h, w]``: where pixels of an image of another size look, each ``dx, dy`` of its pixels from its centre."""
    sy, sx = (new / old for new, old in zip(size, camera.size, strict=True))
    (fx, fy), (cx, cy) = camera.focal, camera.centre
    centre = ((cx + 0.5) * sx - 0.5 - dx, (cy + 0.5) * sy - 0.5 - dy)
    return pixel_rays(replace(camera, size=size, focal=(fx * sx, fy * sy), centre=centre))


def _is_seen(pair: CameraPair, points: NDArray[np.float64], cast: Callable[..., Image]) -> NDArray[np.bool_]:
    """``[h, w]``: whether the depth camera sees points ``[3, h, w]`` of the colour camera's frame."""
    back = np.linalg.inv(pair.transform)
    x, y, z = np.einsum("ij,jhw->ihw", back[:3, :3], points) + back[:3, 3, None, None]
    slopes = x / z, y / z
    bent = distort(pair.depth, *(torch.from_numpy(slope) for slope in slopes))
    (height, width), place = (
        pair.depth.size,
        [b.numpy() * f + c for b, f, c in zip(bent, pair.depth.focal, pair.depth.centre, strict=True)],
    )
    inside = (place[0] >= 0) & (place[0] <= width - 1) & (place[1] >= 0) & (place[1] <= height - 1) & (z > 0)
    met = cast(*slopes)
    return np.asarray(inside & (np.abs(met - z) <= _SAME_SURFACE * z))


def _is_alone(surface: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether all pixels beside a pixel see the same surface as it does."""
    wide = np.pad(surface, 1, mode="edge")
    beside = [wide[i : i + surface.shape[0], j : j + surface.shape[1]] for i in range(3) for j in range(3)]
    return np.asarray(np.max(beside, axis=0) == np.min(beside, axis=0))


def _times_ms(reprojection: Reprojection, depth: Image, color: Calibration, frames: int) -> tuple[float, float]:
    """Mean milliseconds of processor time of reprojecting, and of the default network on what comes out, in turn."""
    network, rgb = DepthUpsampler.from_zoo(), np.random.default_rng(0).integers(0, 255, (*color.size, 3), np.uint8)
    low = reprojection(depth)
    network(low, rgb)
    times = []
    for _ in range(frames):
        start = time.process_time()
        reprojection(depth)
        middle = time.process_time()
        network(low, rgb)
        times.append((middle - start, time.process_time() - middle))
    first, second = np.mean(times, axis=0) * 1e3
    return float(first), float(second)


def _rows(scenes: int, frames: int) -> Iterator[str]:
    yield "| cameras | drawn at | right | median, 99 %, max mm off edges | torn | hidden, invented | ms | network ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, pair in PAIRS.items():
        parts = [compare(pair, Scene.random(seed, "room")) for seed in range(scenes)]
        found, (_, reprojection, depth) = parts[0][0], parts[0]
        for part, _, _ in parts[1:]:
            found = found.plus(part)
        errors = np.percentile(found.errors_m, (50, 99, 100)) * 1e3
        spent = _times_ms(reprojection, depth, pair.color, frames)
        yield (
            f"| {name} | {reprojection.size[1]}x{reprojection.size[0]} | {found.right / found.drawn:.2%} "
            f"| {errors[0]:.3f}, {errors[1]:.3f}, {errors[2]:.2f} | {found.torn / found.seen:.3%} "
            f"| {found.hidden}, {found.invented} | {spent[0]:.1f} | {spent[1]:.0f} |"
        )


@command_line
def main(arguments: Arguments = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reprojection", description=str(__doc__).splitlines()[0])
    parser.add_argument("--scenes", type=int, default=4, help="rooms per pair of cameras (default 4)")
    parser.add_argument("--frames", type=int, default=20, help="frames that are timed (default 20)")
    options = parser.parse_args(arguments)
    for row in _rows(options.scenes, options.frames):
        sys.stdout.write(row + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
