"""``python -m pagnet_training.sensors.fit RECORDING --out profile.yaml``: from a recording to a sensor profile.

Data flows: bag or folder -> frames -> moments (what was there, what was seen) -> tallies -> fits -> profile, report.
Needs no ground truth; streams, so that hours of bag take no more memory than seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from pagnet_ros.errors import ConfigError, PagnetError, RecordingError
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import SensorProfile, save_profile
from pagnet_training.command import description_of
from pagnet_training.phases import Phase, phases_on
from pagnet_training.sensors.collect import Collector, Quality
from pagnet_training.sensors.edge_effects import fit_bias, fit_edges
from pagnet_training.sensors.fitted_profile import Fits, build_profile, what_is_unobservable
from pagnet_training.sensors.images import View, make_view, metres
from pagnet_training.sensors.missing import MissingFit, fit_missing
from pagnet_training.sensors.noise import NoiseFit, fit_noise
from pagnet_training.sensors.recorded import Selection, count_frames, has_poses, recorded_frames
from pagnet_training.sensors.registration import RegistrationCheck
from pagnet_training.sensors.scenes import PILOT, Moment, Motion, find_motion, moments
from pagnet_training.sensors.steps import find_steps

ENOUGH = 300
"""Frames that a fit takes where nobody says otherwise: intervals shrink with the root of their number, time with it."""


Array = NDArray[np.float64]


class FitError(PagnetError):
    """A recording from which no profile can be made; the message says what is missing."""


@dataclass(frozen=True)
class Curves:
    """Noise and holes by range, averaged over the brightness and angles of the recording, away from depth edges.

    Attributes:
        noise: Measured and fitted noise.
        holes: Measured and fitted missing rate.
    """

    noise: NoiseFit
    holes: MissingFit

    @property
    def covered_m(self) -> tuple[float, float]:
        """Range that the recording covers well enough."""
        low = max(self.noise.z[0], self.holes.rate.x[0])
        return float(low), float(min(self.noise.z[-1], self.holes.rate.x[-1]))

    def sigma(self, z: Array) -> Array:
        """Standard deviation of the noise in metres at depths; NaN outside `covered_m`."""
        return self._at(z, self.noise.z, self.noise.sigma)

    def sigma_interval(self, z: Array) -> tuple[Array, Array]:
        """95 % interval of `sigma`."""
        return self._at(z, self.noise.z, self.noise.low), self._at(z, self.noise.z, self.noise.high)

    def missing(self, z: Array) -> Array:
        """Probability that a pixel is missing; NaN outside `covered_m`."""
        return self._at(z, self.holes.rate.x, self.holes.rate.y)

    def missing_interval(self, z: Array) -> tuple[Array, Array]:
        """95 % interval of `missing`."""
        rate = self.holes.rate
        return self._at(z, rate.x, np.clip(rate.low, 0, 1)), self._at(z, rate.x, np.clip(rate.high, 0, 1))

    def _at(self, z: Array, x: Array, y: Array) -> Array:
        low, high = self.covered_m
        z = np.asarray(z, np.float64)
        return np.where((z >= low) & (z <= high), np.interp(z, x, y), np.nan)


@dataclass(frozen=True)
class FitResult(Fits):
    """What a recording gives.

    Attributes:
        profile: The sensor.
        warnings: What the recording cannot tell, in sentences.
        samples: Moments number 1, 2, 4, 8 and so on, for pictures and figures.
    """

    profile: SensorProfile
    warnings: tuple[str, ...]
    samples: tuple[Moment, ...]

    @property
    def curves(self) -> Curves:
        """Noise and missing rate by range, with intervals."""
        return Curves(self.noise, self.missing)

    @property
    def motion(self) -> Motion:
        """How the recording was read."""
        return self.collector.motion

    @property
    def quality(self) -> Quality:
        """What the recording holds."""
        return self.collector.quality


def fit_recording(
    frames: Iterable[RecordedFrame],
    *,
    name: str = "fitted",
    provenance: str = "",
    space_only: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FitResult:
    """Fit a sensor profile to a recording.

    Args:
        frames: Depth with colour, in order; taken one by one.
        name: Of the profile.
        provenance: How it was made, for the file.
        space_only: Take every frame on its own (a moving camera without poses).
        progress: Called after each frame with the number of frames done.

    Raises:
        RecordingError: The recording cannot be used; what is missing is said.
        FitError: The fit did not converge.
    """
    notes: list[str] = []
    registration = RegistrationCheck()
    views = (make_view(frame) for frame in registration.watched(frames))
    collector, samples = _collected(views, notes, space_only, progress, 0)
    if (moving := next(views, None)) is not None and moving.pose is not None:
        collector, samples = _the_longer(collector, samples, chain([moving], views), notes, progress)
    collector.finish()
    steps = find_steps(collector.values, collector.values_full)
    noise, missing = fit_noise(collector, steps), fit_missing(collector)
    if noise is None or missing is None:
        raise FitError(_too_little(collector, noise, missing))
    problems = _doubtful(noise)
    if problems:
        raise FitError(f"the fit did not converge: {'; '.join(problems)}; no profile was written")
    tallies = collector.tallies
    fits = Fits(collector, noise, missing, fit_edges(tallies, missing), steps, fit_bias(tallies))
    profile = registration.noted(build_profile(fits, name, provenance))
    warnings = (*notes, *registration.warnings, *what_is_unobservable(fits))
    return FitResult(**vars(fits), profile=profile, warnings=warnings, samples=tuple(samples))


def _collected(
    views: Iterator[View], notes: list[str], space_only: bool, progress: Callable[[int], None] | None, done: int
) -> tuple[Collector, list[Moment]]:
    """Count a recording, or as much of it as is read in one way, and keep some moments of it."""
    motion, stream = moments(views, notes, space_only=space_only)
    collector = Collector(motion)
    samples: list[Moment] = []
    for number, moment in enumerate(stream, start=1):
        collector.add(moment)
        if number & (number - 1) == 0:
            samples.append(replace(moment, before=(), scene_before=None, earlier=None))
        if progress is not None:
            progress(done + number)
    return collector, samples


def _the_longer(
    still: Collector, samples: list[Moment], views: Iterator[View], notes: list[str],
    progress: Callable[[int], None] | None,
) -> tuple[Collector, list[Moment]]:  # fmt: skip
    """The part of a posed recording in which the camera stood still, or what came after it, whichever is longer."""
    told: list[str] = []
    try:
        moving, later = _collected(views, told, False, progress, still.quality.frames)
    except RecordingError:  # too short, or nothing to see
        notes[-1] += "; only what came before was used"
        return still, samples
    frames = still.quality.frames, moving.quality.frames
    if frames[0] > frames[1]:
        notes[-1] += f"; the {frames[0]} frames before were used, not the {frames[1]} after"
        return still, samples
    notes[-1] += f"; the {frames[1]} frames after were used, by their poses, not the {frames[0]} before"
    notes += told
    return moving, later


def _too_little(collector: Collector, noise: NoiseFit | None, missing: MissingFit | None) -> str:
    what = " and ".join(label for label, part in (("noise", noise), ("missing pixels", missing)) if part is None)
    return (
        f"the fit did not converge: after {collector.quality.frames} frames there were too few pixels away from "
        f"depth edges at three or more depths to learn the {what} from; expected surfaces at several distances that "
        "fill some of the image; no profile was written; record more, or walls and furniture from several distances"
    )


def _doubtful(noise: NoiseFit) -> list[str]:
    """What speaks against the result, if anything."""
    problems = []
    width = np.log(noise.high / noise.low)
    if not np.isfinite(noise.sigma).all() or not np.isfinite(width).all():
        problems.append("sigma is not finite at every depth")
    elif float(np.median(width)) > np.log(4.0):
        problems.append(
            f"the 95 % interval of sigma spans a factor of {float(np.exp(np.median(width))):.0f}; expected less than "
            "4; record more frames"
        )
    if float(np.median(noise.sigma / noise.z)) > 0.2:
        problems.append(
            f"sigma is {float(np.median(noise.sigma / noise.z)):.0%} of the depth; expected less than 20 %; are the "
            "poses those of the depth camera, and do depth and pose stamps agree?"
        )
    return problems


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_training.sensors.fit", description=description_of(__doc__))
    parser.add_argument("recording", type=Path, help="bag folder, .mcap, .db3 or .bag file, or a folder of frames")
    parser.add_argument("--out", type=Path, required=True, help="profile to write (.yaml)")
    parser.add_argument("--report", type=Path, help="report to write (.html)")
    parser.add_argument("--name", default="", help="of the profile; by default the name of the file")
    parser.add_argument("--description", default="", help="what the sensor is, for the profile")
    parser.add_argument("--weights", default="", help="weights, or their family, that the node takes for this sensor")
    parser.add_argument("--depth", default="", metavar="TOPIC")
    parser.add_argument("--color", default="", metavar="TOPIC")
    parser.add_argument(
        "--reference", default="", metavar="TOPIC", help="a better depth of the same view, for the bias"
    )
    parser.add_argument("--poses", default="", metavar="TOPIC", help="poses of the camera's optical frame")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="leave out seconds at the beginning")
    parser.add_argument("--duration", type=float, default=None, metavar="S", help="stop after so many seconds")
    parser.add_argument("--depth-unit", type=float, metavar="M", help="metres per count of 16-bit depth")
    parser.add_argument(
        "--every", type=int, metavar="N", help=f"take every N-th frame (default: so that about {ENOUGH} are taken)"
    )
    parser.add_argument(
        "--scale", type=int, default=1, metavar="S",
        help="fit the sensor whose pixels are S times as large, as replay --scale S makes it of the recording",
    )  # fmt: skip
    parser.add_argument("--space-only", action="store_true", help="take every frame on its own: no poses are needed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 leaves the libraries' choice")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    console = Console(stderr=True)
    phase = phases_on(console)
    written = "no profile was written"
    try:
        result = _fit(options, phase)
        save_profile(result.profile, options.out)
        written = f"{options.out} was written" + (", its report was not" if options.report else "")
        _tell(options, result, phase)
    except PagnetError as error:
        which = "" if options.recording.name in str(error) else f"{options.recording}: "
        console.print(f"error: {which}{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print(f"stopped; {written}", markup=False, highlight=False, soft_wrap=True)
        return 130
    return 0


def _fit(options: argparse.Namespace, phase: Callable[[str, int | None], Phase]) -> FitResult:
    if not options.out.parent.is_dir():  # told now, not after the fit
        raise ConfigError(f"--out {options.out}: there is no folder {options.out.parent}; make it, or name another")
    selection = Selection(
        options.depth, options.color, options.reference, options.poses, options.start, options.duration,
        1 if options.every is None else options.every, options.depth_unit,
    )  # fmt: skip
    if options.every is None:
        options.every = _spacing(options.recording, selection, options.space_only)
        selection = replace(selection, every=options.every)
    name = options.name or options.out.stem
    share = f", one of every {selection.every}" if selection.every > 1 else ""
    with phase(f"reading frames{share}", count_frames(options.recording, selection)) as advance:
        result = fit_recording(
            _coarser(recorded_frames(options.recording, selection), options.scale),
            name=name,
            provenance=_provenance(options),
            space_only=options.space_only,
            progress=advance,
        )
    profile = replace(result.profile, description=options.description, weights=options.weights)
    if options.scale > 1:
        profile = replace(profile, reduction="nearest")  # a coarse pixel never mixes surfaces
    return replace(result, profile=profile)


def _tell(options: argparse.Namespace, result: FitResult, phase: Callable[[str, int | None], Phase]) -> None:
    """Print what was found, and draw the report."""
    out = Console()
    out.print(f"{options.out}: {summary(result)}", markup=False, highlight=False, soft_wrap=True)
    for warning in result.warnings:
        out.print(f"- {warning}", markup=False, highlight=False, soft_wrap=True)
    if options.report is not None:
        from pagnet_training.sensors.report import write_report

        with phase("drawing the report", None):
            write_report(options.report, result, options.recording.name)
        out.print(f"{options.report}: report", markup=False, highlight=False, soft_wrap=True)


def _spacing(recording: Path, selection: Selection, space_only: bool) -> int:
    """Which share of a recording's frames is enough: one in so many, 1 or more.

    A camera that moves without poses is followed from frame to frame, so none of its frames is left out.
    """
    every = max(1, round(count_frames(recording, selection) / ENOUGH))
    if every == 1 or space_only or has_poses(recording, selection):
        return every
    first = [make_view(frame) for frame in islice(recorded_frames(recording, selection), PILOT)]
    return every if find_motion(first).mode == "still" else 1


def _coarser(frames: Iterable[RecordedFrame], scale: int) -> Iterable[RecordedFrame]:
    """The frames with their depth as a sensor with larger pixels would see it."""
    if scale == 1:
        return frames
    return (replace(frame, depth=coarse_depth(metres(frame.depth), scale)) for frame in frames)


def _provenance(options: argparse.Namespace) -> str:
    parts = [f"pagnet_training.sensors.fit {options.recording.name}"]
    for flag, default in (("start", 0.0), ("duration", None), ("every", 1), ("scale", 1), ("space_only", False)):
        value = getattr(options, flag)
        if value != default:
            parts.append(f"--{flag.replace('_', '-')}" + ("" if value is True else f" {value:g}"))
    return " ".join(parts)


def summary(result: FitResult) -> str:
    """One sentence for people."""
    low, high = result.curves.covered_m
    z = np.array([low, 0.5 * (low + high), high])
    sigma = ", ".join(f"{1000 * s:.1f} mm at {d:.1f} m" for s, d in zip(result.curves.sigma(z), z, strict=True))
    share = result.quality.missing / max(result.quality.frames, 1)
    return (
        f"{result.quality.frames} frames read as {result.motion.mode}; sigma {sigma}; {share:.1%} of the pixels "
        f"missing; covers {low:.2f} to {high:.2f} m"
    )


if __name__ == "__main__":
    sys.exit(main())
