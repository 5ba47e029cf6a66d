"""``python -m studies.restoration``: what networks make of a sensor's depth, and filters.

Data flows: rendered sequences seen through a profile (or a folder of real frames with a reference) -> every method ->
errors by region -> table and JSON. Every method has to answer for every pixel; holes are not excused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.sensors import SensorMemory, SensorProfile, load_profile
from pagnet_ros.system.units import in_metres
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.evaluate import Method
from pagnet_training.json_file import write_json
from pagnet_training.sensors.images import edge_mask
from studies.regions import distance_to, footprint
from studies.restorers import CLASSICAL, network
from studies.sequences import HELD_OUT, SequencePlan, true_frames

REGIONS = ("all", "measured", "holes", "edges")
EDGE_REACH_PX = 3.0
MILLIMETRES = 1000.0

Depth = NDArray[np.float32]


class ObservedFrame(NamedTuple):
    """What the sensor saw, and what was there.

    Attributes:
        low_m: ``[h, w]`` float32 metres, NaN where nothing was measured.
        rgb: ``[H, W, 3]`` uint8.
        truth_m: ``[H, W]`` float32 metres, NaN where unknown or out of the sensor's range.
        sequence: which sequence it belongs to.
    """

    low_m: Depth
    rgb: NDArray[np.uint8]
    truth_m: Depth
    sequence: str


@dataclass
class RegionErrors:
    """Errors of one method in one region, added up over frames."""

    squares: float = 0.0
    absolutes: float = 0.0
    pixels: int = 0

    def add(self, error_m: Depth) -> None:
        """Take in the errors of some pixels, metres."""
        wide = error_m.astype(np.float64)
        self.squares += float((wide**2).sum())
        self.absolutes += float(np.abs(wide).sum())
        self.pixels += error_m.size

    def summary(self) -> dict[str, float | int | None]:
        """Root mean square and mean absolute error in millimetres; None without pixels."""
        if not self.pixels:
            return {"rmse_mm": None, "mae_mm": None, "pixels": 0}
        rmse = MILLIMETRES * (self.squares / self.pixels) ** 0.5
        return {"rmse_mm": rmse, "mae_mm": MILLIMETRES * self.absolutes / self.pixels, "pixels": self.pixels}


def simulated(plans: Sequence[SequencePlan], profile: SensorProfile, scale: int) -> Iterator[ObservedFrame]:
    """Rendered sequences as a sensor of 1/`scale` of their size sees them.

    Truth out of the profile's range is unknown: no sensor of that kind can be asked for it.
    """
    for plan in plans:
        memory = SensorMemory()
        for index, frame in enumerate(true_frames(plan)):
            low = frame.seen(profile, plan.seed * 1000 + index, scale, memory)
            seen = (frame.depth_m >= profile.min_range_m) & (frame.depth_m <= profile.max_range_m)
            truth = np.where(seen, frame.depth_m, np.float32(np.nan))
            yield ObservedFrame(low, frame.rgb, truth, f"{plan.style} {plan.seed}")


def recorded(folder: Path) -> Iterator[ObservedFrame]:
    """The frames of a folder that come with a reference (``NAME_depth_lr_mm.png`` beside ``NAME_depth_hr_mm.png``).

    Raises:
        RecordingError: the folder cannot be read, or no frame in it has a reference of the colour image's size.
    """
    found = 0
    for frame in open_frames(folder):
        if frame.reference is None:
            continue
        if frame.reference.shape != frame.rgb.shape[:2]:
            raise RecordingError(
                f"{folder}, frame {frame.name}: the reference is {frame.reference.shape} and colour "
                f"{frame.rgb.shape[:2]}; expected the same size; resize or crop one of them"
            )
        found += 1
        yield ObservedFrame(in_metres(frame.depth), frame.rgb, in_metres(frame.reference), frame.name)
    if not found:
        raise RecordingError(
            f"{folder}: no frame has a reference; expected NAME_rgb.jpg, NAME_depth_lr_mm.png and NAME_depth_hr_mm.png"
        )


def regions(frame: ObservedFrame) -> dict[str, NDArray[np.bool_]]:
    """Masks ``[H, W]`` of every region, of pixels with known truth.

    ``measured`` and ``holes`` divide the image by what the sensor pixel under it delivered; ``edges`` are the pixels
    within 3 px of a depth edge of the truth, whatever was measured there.
    """
    size = frame.truth_m.shape
    known = np.isfinite(frame.truth_m)
    measured = footprint(np.isfinite(frame.low_m), (size[0], size[1])).astype(np.bool_)
    at_edge = distance_to(edge_mask(frame.truth_m)) <= EDGE_REACH_PX
    return {"all": known, "measured": known & measured, "holes": known & ~measured, "edges": known & at_edge}


def restore(methods: Sequence[Method], frames: Iterable[ObservedFrame]) -> dict[str, Any]:
    """Run every method on every frame.

    Returns:
        ``{"frames": n, "missing_rate": share of low-resolution pixels without a measurement,
        "methods": {name: {"kind": ..., "regions": {region: {"rmse_mm", "mae_mm", "pixels"}},
        "sequences": {sequence: {region: ...}}}}}``; plain JSON values.

    Raises:
        ConfigError: a method leaves pixels without an answer in a frame that has measurements.
    """
    total: dict[tuple[str, str, str], RegionErrors] = {}
    count, missing, low_pixels = 0, 0, 0
    for frame in frames:
        if not np.isfinite(frame.low_m).any():
            continue
        count += 1
        missing += int(np.isnan(frame.low_m).sum())
        low_pixels += frame.low_m.size
        masks = regions(frame)
        for method in methods:
            result = method.run(frame.low_m, frame.rgb, frame.rgb.shape[0] // frame.low_m.shape[0])
            if not np.isfinite(result[masks["all"]]).all():
                raise ConfigError(
                    f"{method.name} left {int((~np.isfinite(result)).sum())} pixels of {frame.sequence} unanswered; "
                    "expected a value everywhere; let it fill all holes"
                )
            for region, mask in masks.items():
                error = result[mask] - frame.truth_m[mask]
                for sequence in ("", frame.sequence):
                    total.setdefault((method.name, sequence, region), RegionErrors()).add(error)
    if not count:
        raise ConfigError("no frame with a measurement to restore; check the profile's range against the scenes")
    sequences = list(dict.fromkeys(sequence for _, sequence, _ in total if sequence))

    def summary(method: str, sequence: str) -> dict[str, Any]:
        return {region: total[method, sequence, region].summary() for region in REGIONS}

    return {
        "frames": count,
        "missing_rate": missing / low_pixels,
        "methods": {
            method.name: {
                "kind": "network" if len(method.scales) == 1 else "classical",
                "regions": summary(method.name, ""),
                "sequences": {sequence: summary(method.name, sequence) for sequence in sequences},
            }
            for method in methods
        },
    }


def results_table(title: str, results: dict[str, Any]) -> Table:
    """RMSE / MAE in millimetres; in brackets a network's RMSE over the best classical one's in that region."""
    table = Table(title=f"{title}: RMSE / MAE in mm", caption="[ ]: RMSE over that of the best classical method")
    table.add_column("method")
    for region in REGIONS:
        table.add_column(region, justify="right")
    best = {region: _best_classical(results, region) for region in REGIONS}
    for name, entry in results["methods"].items():
        table.add_row(name, *(_cell(entry, region, best[region]) for region in REGIONS))
    return table


def _best_classical(results: dict[str, Any], region: str) -> float | None:
    entries = [entry["regions"][region] for entry in results["methods"].values() if entry["kind"] == "classical"]
    found = [entry["rmse_mm"] for entry in entries if entry["rmse_mm"] is not None]
    return min(found) if found else None


def _cell(entry: dict[str, Any], region: str, best: float | None) -> str:
    figures = entry["regions"][region]
    if figures["rmse_mm"] is None:
        return "-"
    text = f"{figures['rmse_mm']:.1f} / {figures['mae_mm']:.1f}"
    return text if entry["kind"] == "classical" or not best else f"{text} \\[{figures['rmse_mm'] / best:.2f}]"


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    results = _run(options, Console(width=max(140, Console().width)))
    if options.json:
        write_json(options.json, results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.restoration", description=description_of(__doc__))
    parser.add_argument("--profile", help="sensor profile, a shipped name or a YAML file: held-out simulated sequences")
    parser.add_argument("--phone", type=Path, help="folder of real frames with a reference")
    parser.add_argument("--weights", nargs="*", default=[], help="shipped names or weights files, any scales")
    parser.add_argument("--scale", type=int, help="for the simulated sequences; default: each one the weights have")
    parser.add_argument("--sequences", type=int, default=8, help="how many held-out sequences")
    parser.add_argument("--frames", type=int, default=3, help="frames of each, a third of a second apart")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--seed", type=int, default=HELD_OUT, help="seed of the first sequence")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "bf16", "fp16"))
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--threads", type=int, help="CPU threads")
    return parser


def _run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    if not (options.profile or options.phone):
        raise ConfigError("nothing to restore; name a sensor with --profile, or a folder of real frames with --phone")
    networks = [network(weights, options.precision) for weights in options.weights]
    results: dict[str, Any] = {}
    if options.profile:
        profile = load_profile(options.profile)
        styles = ("room", "tabletop", "clutter", "room")
        plans = [
            SequencePlan(options.seed + i, styles[i % 4], tuple(options.size), options.frames, hz=3.0)
            for i in range(options.sequences)
        ]
        scales = [options.scale] if options.scale else sorted({net.scales[0] for net in networks}) or [4]
        for scale in scales:
            methods = [*CLASSICAL, *(net for net in networks if scale in net.scales)]
            frames = track(
                simulated(plans, profile, scale),
                total=len(plans) * options.frames,
                description=f"{profile.name} {scale}x",
                console=console,
                transient=True,
            )
            key = f"{profile.name} {scale}x"
            results[key] = restore(methods, frames)
            missing = f"{100 * results[key]['missing_rate']:.1f} % missing"
            console.print(results_table(f"{key}, {results[key]['frames']} frames, {missing}", results[key]))
    if options.phone:
        results[options.phone.name] = restore([*CLASSICAL, *networks], recorded(options.phone))
        console.print(results_table(str(options.phone.name), results[options.phone.name]))
    return results


if __name__ == "__main__":
    sys.exit(main())
