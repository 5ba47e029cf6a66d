"""``python -m studies.registration_study``: is an offset between depth and colour found, and only then?

Data flows: held-out scenes x sensors x known offsets -> one estimate per frame -> shares and errors. Beside them images
that have nothing to do with each other, in which any offset found is a false alarm, and, where their folders are named,
images that are known to be registered and recordings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pagnet_ros.core.alignment.agreement import agreement
from pagnet_ros.core.alignment.check import AlignmentCheck
from pagnet_ros.core.alignment.estimate import Estimate, estimate
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.sensors import PinholeCamera, sensor_profile
from pagnet_ros.simulation import LookAround, RenderedFrame, Renderer, Scene
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_json
from pagnet_training.protocol import make_case, read_protocol_images
from studies.sequences import HELD_OUT, TrueFrame

SIZE = (480, 640)
MARGIN = 16
HFOV_DEG = 60.0
FIRST_SEED = HELD_OUT + 10_000
SENSORS = (("kinect", 1), ("kinect", 2), ("tof", 4), ("tof", 8), ("clean", 16))
MOST_OFFSET_PX = 8
SCALES = (2, 4, 8, 16)

Depth = NDArray[np.float32]
Rgb = NDArray[np.uint8]


class Trial(NamedTuple):
    """One estimate.

    Attributes:
        group: row of the table.
        truth_px: the true offset of depth, colour pixels, or None where there is none: the images are strangers.
        found: what was estimated.
    """

    group: str
    truth_px: tuple[int, int] | None
    found: Estimate | None

    @property
    def error_px(self) -> float:
        """Distance of an estimate from the truth, colour pixels; NaN where either is missing."""
        if self.truth_px is None or self.found is None:
            return float("nan")
        return float(np.hypot(*np.subtract(self.found.offset_px, self.truth_px)))


def scene_trials(scenes: int) -> Iterator[Trial]:
    """Trials on rendered scenes: no offset, a known one of 1 to 8 pixels, a stranger's colour, a mirrored one."""
    stranger = _rgb(_frame(scenes))
    for number in range(scenes):
        frame = _frame(number)
        rgb, truth = _rgb(frame), _offset(number)
        for name, factor in SENSORS:
            row = f"{name}, {factor}x"
            depth = _sensed(frame, name, factor, (0, 0), number)
            yield Trial(f"{row}: registered", (0, 0), _estimate(depth, rgb))
            yield Trial(f"{row}: off", truth, _estimate(_sensed(frame, name, factor, truth, number), rgb))
            yield Trial("colour of another scene", None, _estimate(depth, stranger))
            yield Trial("colour mirrored", None, _estimate(depth, np.ascontiguousarray(rgb[:, ::-1])))
        stranger = rgb


def protocol_trials(folder: Path) -> Iterator[Trial]:
    """Trials on the images of the evaluation protocol, which are registered."""
    for image in read_protocol_images(folder):
        for scale in SCALES:
            case = make_case(image, scale, rounded=True)
            low = np.where(case.low > 0, case.low, np.float32(np.nan))
            yield Trial(f"Middlebury, {scale}x", (0, 0), _estimate(low, case.rgb))


def recording_trials(folder: Path, factors: Sequence[int]) -> Iterator[Trial]:
    """Trials on each frame of a folder, whose true offset nobody knows; the last rows are all frames in turn."""
    frames = open_frames(folder)
    streams = {factor: AlignmentCheck() for factor in factors}
    for frame in frames:
        for factor, stream in streams.items():
            depth = np.asarray(coarse_depth(frame.depth, factor))
            stream.look(depth, frame.rgb)
            yield Trial(f"{frames.path.name}, {factor}x", None, AlignmentCheck().look(depth, frame.rgb))
    for factor, stream in streams.items():
        yield Trial(f"{frames.path.name}, {factor}x, all frames", None, stream.estimate)


def summary(trials: Iterable[Trial]) -> dict[str, dict[str, Any]]:
    """Figures by group: frames; how many were told, and judged to be off; errors of those told, colour pixels."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.group, []).append(trial)
    rows = {}
    for group, members in groups.items():
        told = [t for t in members if t.found is not None and not t.found.doubts]
        errors = [t.error_px for t in told if t.truth_px is not None]
        rows[group] = {
            "frames": len(members),
            "told": len(told),
            "off": sum(t.found is not None and t.found.is_off for t in members),
            "median_px": float(np.median(errors)) if errors else None,
            "p90_px": float(np.percentile(errors, 90)) if errors else None,
            "worst_px": max(errors, default=None),
            "last": str(members[-1].found),
        }
    return rows


def _frame(number: int) -> RenderedFrame:
    seed = FIRST_SEED + number
    scene = Scene.random(seed)
    camera = PinholeCamera.from_fov(SIZE[1] + 2 * MARGIN, SIZE[0] + 2 * MARGIN, HFOV_DEG)
    return Renderer(scene)(camera, LookAround.around(scene, seed=seed).pose_at(0.0), noise_seed=number)


def _offset(number: int) -> tuple[int, int]:
    """An offset of 1 to 8 pixels in any direction."""
    angle = np.random.default_rng(number).uniform(0, 2 * np.pi)
    size = number % MOST_OFFSET_PX + 1
    return round(size * np.cos(angle)), round(size * np.sin(angle))


def _crop(image: NDArray[Any], by: tuple[int, int] = (0, 0)) -> NDArray[Any]:
    x, y = MARGIN + by[0], MARGIN + by[1]
    return np.ascontiguousarray(image[y : y + SIZE[0], x : x + SIZE[1]])


def _rgb(frame: RenderedFrame) -> Rgb:
    return np.asarray(_crop(frame.rgb), np.uint8)


def _sensed(frame: RenderedFrame, name: str, factor: int, offset: tuple[int, int], seed: int) -> Depth:
    """Depth of a sensor that looks past the colour camera: what belongs at p is seen at p - offset."""
    rgb, depth, albedo, cos = (
        _crop(image, offset) for image in (frame.rgb, frame.depth_m, frame.albedo, frame.cos_incidence)
    )
    camera = PinholeCamera.from_fov(SIZE[1], SIZE[0], HFOV_DEG)
    return TrueFrame(0, rgb, depth, albedo, cos, np.eye(4), camera).seen(sensor_profile(name), seed, factor)


def _estimate(depth: Depth, rgb: Rgb) -> Estimate | None:
    return estimate(agreement(depth, rgb))


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.registration_study", description=description_of(__doc__))
    parser.add_argument("--scenes", type=int, default=64, metavar="N", help="rendered scenes (default 64)")
    parser.add_argument("--middlebury", type=Path, metavar="FOLDER", help="images of the evaluation protocol")
    parser.add_argument("--recording", type=Path, nargs="*", default=[], metavar="FOLDER", help="folders of frames")
    parser.add_argument(
        "--coarse", type=int, nargs="*", default=[1], metavar="N", help="recorded depth made coarser by"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 leaves the library's choice")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    console = Console(highlight=False)
    trials = list(track(scene_trials(options.scenes), "scenes", 4 * len(SENSORS) * options.scenes, transient=True))
    if options.middlebury is not None:
        trials += protocol_trials(options.middlebury)
    for folder in options.recording:
        trials += recording_trials(folder, options.coarse)
    rows = summary(trials)
    console.print(_table(rows))
    for group, row in rows.items():
        if row["frames"] == 1:
            console.print(f"{group}: {row['last']}", soft_wrap=True)
    if options.json is not None:
        write_json(options.json, rows)


def _table(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table("images", "frames", "told", "judged off", "error [px]", "90 %", "worst", box=None)
    for group, row in rows.items():
        errors = ("" if row[name] is None else f"{row[name]:.2f}" for name in ("median_px", "p90_px", "worst_px"))
        table.add_row(group, *(str(row[name]) for name in ("frames", "told", "off")), *errors)
    return table


if __name__ == "__main__":
    sys.exit(main())
