"""``python -m studies.realism RECORDING``: does a fitted profile make frames like the real ones?

A profile is fitted to the first half of a posed recording; the second half judges it. Data flows: all frames -> the
depth that was probably there in each judging frame -> sensors simulated on it -> counts -> distances to real counts.
The paper's own two degradations stand beside the fitted profile, and the recording's first half beside all of them: it
shows what is left when the sensor is the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import PinholeCamera, SensorMemory, SensorProfile, load_profile, sense
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_json
from pagnet_training.sensors import realism
from pagnet_training.sensors.fit import fit_recording
from pagnet_training.sensors.images import away_from_edges, edge_mask, metres
from pagnet_training.sensors.recorded import Selection, recorded_frames
from studies.comparison import (
    RANGE_EDGES_M,
    Counts,
    Truth,
    missing_distance,
    temporal_distance,
    total_variation,
)
from studies.fusion import cos_incidence, filled, fused_depth

BASELINES = ("tof_paper", "kinect_paper")
FIGURES = {
    "temporal": "temporal differences by range, KS",
    "missing_range": "missing by range, TV",
    "missing_brightness": "missing by brightness, TV",
    "missing_edge": "missing by edge distance, TV",
    "missing_joint": "by all three at once, TV",
    "hole_count": "hole sizes by number, TV",
    "hole_pixels": "hole sizes by pixels, TV",
}
REACH_FRAMES = 10
MAX_FRAMES = 400
FARTHEST_M = 20.0
SMOOTH_PX = 2.0

Depth = NDArray[np.float32]


def read_posed(recording: Path, selection: Selection) -> list[RecordedFrame]:
    """The frames of a recording that judge and are judged; all are held in memory.

    Raises:
        RecordingError: too few or too many frames, no pose or no intrinsics, or depth of another size than colour.
    """
    frames = []
    for frame in recorded_frames(recording, selection):
        frames.append(frame)
        if len(frames) > MAX_FRAMES:
            raise RecordingError(f"{recording}: more than {MAX_FRAMES} frames; take a part of it with --every")
    if len(frames) < 12:
        raise RecordingError(
            f"{recording}: {len(frames)} frames; expected at least 12 to fit on half and judge by half"
        )
    for frame in frames:
        if frame.pose is None or frame.intrinsics is None:
            raise RecordingError(
                f"{recording}, frame {frame.name}: no {'pose' if frame.pose is None else 'camera intrinsics'}; the "
                "depth that was there is put together from several views: give a recording with poses and intrinsics"
            )
        if frame.depth.shape != frame.rgb.shape[:2]:
            raise RecordingError(
                f"{recording}, frame {frame.name}: depth {frame.depth.shape}, colour {frame.rgb.shape[:2]}; expected "
                "depth registered to colour and of its size"
            )
    return frames


def probable_truths(frames: Sequence[RecordedFrame], wanted: Iterable[int]) -> Iterator[Truth]:
    """The depth that was probably there in some frames, without holes, from their neighbours (see `fusion`)."""
    depths = [_depth(frame) for frame in frames]
    poses = [frame.pose for frame in frames if frame.pose is not None]
    intrinsics = frames[0].intrinsics
    assert intrinsics is not None  # read_posed has looked
    for index in wanted:
        fused = fused_depth(depths, poses, intrinsics, index, REACH_FRAMES)
        grey = frames[index].rgb.mean(axis=2, dtype=np.float32) / np.float32(255)
        measured, known = np.isfinite(depths[index]), np.isfinite(fused)
        yield Truth(filled(fused), np.asarray(grey, np.float32), poses[index], measured, known)


def _depth(frame: RecordedFrame) -> Depth:
    depth = metres(frame.depth)
    depth[depth > FARTHEST_M] = np.nan
    return depth


def surface_cosine(depth_m: Depth, intrinsics: NDArray[np.float64]) -> Depth:
    """Cosine of the angle of incidence on smoothed depth; beside edges that of the nearest surface away from them."""
    smooth = np.asarray(cv2.GaussianBlur(depth_m, (0, 0), SMOOTH_PX), np.float32)
    return away_from_edges(cos_incidence(smooth, intrinsics), edge_mask(depth_m), round(2 * SMOOTH_PX))


def simulated_counts(profile: SensorProfile, truths: Sequence[Truth], empty: Counts, seeds: Sequence[int]) -> Counts:
    """What the profile's sensor would have made of a sequence, counted over several draws of its noise and holes.

    Args:
        profile: the sensor.
        truths: the sequence.
        empty: says how to count (intrinsics, pixels).
        seeds: one draw of the whole sequence each.
    """
    height, width = truths[0].depth_m.shape
    fx, fy, cx, cy = (float(empty.intrinsics[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    camera = PinholeCamera(fx, fy, cx, cy, width, height)
    counts = Counts(empty.intrinsics, empty.judged)
    cosines = [surface_cosine(truth.depth_m, empty.intrinsics) for truth in truths]
    for seed in seeds:
        counts.next_sequence()
        memory = SensorMemory()
        for index, (truth, cosine) in enumerate(zip(truths, cosines, strict=True)):
            seen = sense(
                truth.depth_m,
                camera,
                profile,
                seed * 100_003 + index,
                albedo=truth.brightness,
                cos_incidence=cosine,
                brightness=truth.brightness,
                memory=memory,
            )
            counts.add(seen, truth)
    return counts


def compare(real: Counts, other: Counts) -> dict[str, Any]:
    """Distances between two sequences' counts: `FIGURES`, and the temporal one by range."""
    temporal, by_range = temporal_distance(real.differences, other.differences)
    bounds = [float(edge) for edge in RANGE_EDGES_M]
    return {
        "temporal": temporal,
        "missing_range": missing_distance(real.by_range, other.by_range),
        "missing_brightness": missing_distance(real.by_brightness, other.by_brightness),
        "missing_edge": missing_distance(real.by_edge, other.by_edge),
        "missing_joint": missing_distance(real.jointly, other.jointly),
        "hole_count": total_variation(real.holes[:, 0], other.holes[:, 0]),
        "hole_pixels": total_variation(real.holes[:, 1], other.holes[:, 1]),
        "realism": other.realism.figures(),
        "missing_rate": float(other.by_range[:, 1].sum() / other.by_range.sum()),
        "temporal_by_range": [
            {"low_m": low, "high_m": high if np.isfinite(high) else None, "ks": value}
            for low, high, value in zip(bounds[:-1], bounds[1:], by_range, strict=True)
            if value is not None
        ],
    }


def judge(
    frames: Sequence[RecordedFrame], profiles: Sequence[SensorProfile], seeds: Sequence[int] = (0,)
) -> dict[str, Any]:
    """Every profile's distances to the second half of a posed recording.

    Pixels that are missing in every frame while the camera moves belong to the image (the rim that is left when depth
    is registered to colour), not to the sensor, and do not count.

    Returns:
        ``{"real": {"missing_rate": ...}, "rows": {name: figures}}``; plain JSON values. The row ``first half`` is the
        recording's own first half.
    """
    half = len(frames) // 2
    intrinsics = frames[0].intrinsics
    assert intrinsics is not None
    judged = np.any([np.isfinite(_depth(frame)) for frame in frames], axis=0)
    first, real = Counts(intrinsics, judged), Counts(intrinsics, judged)
    truths = []
    with Console(stderr=True) as console:
        every = track(
            probable_truths(frames, range(len(frames))),
            total=len(frames),
            description="what was there",
            console=console,
            transient=True,
        )
        for index, truth in enumerate(every):
            (first if index < half else real).add(_depth(frames[index]), truth)
            if index >= half:
                truths.append(truth)
    rows = {profile.name: compare(real, simulated_counts(profile, truths, real, seeds)) for profile in profiles}
    rows["first half"] = compare(real, first)
    missing = float(real.by_range[:, 1].sum() / real.by_range.sum())
    there = realism.RealismCounts()
    for each in truths:
        there.add(each.depth_m, judged, each.at_edges)
    return {
        "real": {"frames": len(truths), "missing_rate": missing, "realism": real.realism.figures()},
        "rows": rows,
        "what was there": there.figures(),
    }


def results_table(results: dict[str, Any]) -> Table:
    """Distances by row; in brackets a profile's over the smaller one of the baselines."""
    real = results["real"]
    table = Table(
        title=f"Distance to the last {real['frames']} frames ({100 * real['missing_rate']:.1f} % missing)",
        caption="[ ]: over the smaller one of the paper's two degradations",
    )
    for column in ("frames of", *FIGURES.values(), "missing"):
        table.add_column(column)
    rows = results["rows"]
    for name, figures in rows.items():
        cells = []
        for figure in FIGURES:
            best = min(rows[baseline][figure] for baseline in BASELINES)
            ratio = "" if name in BASELINES or not best else f" \\[{figures[figure] / best:.2f}]"
            cells.append(f"{figures[figure]:.3f}{ratio}")
        table.add_row(name, *cells, f"{100 * figures['missing_rate']:.1f} %")
    return table


def realism_table(results: dict[str, Any]) -> Table:
    """Realism figures of the real frames and of the others, with their ratio; of what simulated frames start from."""
    real = results["real"]["realism"]
    table = Table(title="Realism figures, [ ]: over the real frames'")
    for column in ("frames of", *realism.FIGURES.values()):
        table.add_column(column)
    rows = {name: row["realism"] for name, row in results["rows"].items()}
    for name, figures in {"real": real, **rows, "what was there": results["what was there"]}.items():
        ratio = "" if name == "real" else " \\[{:.2f}]"
        cells = (f"{value:.2f}" + ratio.format(value / max(real[key], 1e-9)) for key, value in figures.items())
        table.add_row(name, *cells)
    return table


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.realism", description=description_of(__doc__))
    parser.add_argument("recording", type=Path, help="bag or folder of frames, with poses and intrinsics")
    parser.add_argument("--profiles", nargs="*", default=[], help="more profiles, shipped names or YAML files")
    parser.add_argument("--no-fit", action="store_true", help="judge the named profiles only")
    parser.add_argument("--every", type=int, default=1, help="take one frame of so many")
    parser.add_argument("--draws", type=int, default=12, help="how often each sensor is simulated on the sequence")
    parser.add_argument("--json", type=Path, help="write every figure here")
    options = parser.parse_args(arguments)
    frames = read_posed(options.recording, Selection(every=options.every))
    profiles = [load_profile(name) for name in (*BASELINES, *options.profiles)]
    if not options.no_fit:
        profiles.append(fit_recording(frames[: len(frames) // 2], name="fitted").profile)
    results = judge(frames, profiles, range(options.draws))
    Console(width=max(200, Console().width)).print(results_table(results), realism_table(results))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
