"""``python -m studies.missing_model RECORDING``: does a small learned model know better than a profile what is missing?

Given the depth that was there and colour, each model says for every pixel how likely it is missing. All learn from the
first half of a posed recording and are judged by the second: bits per pixel that the real mask costs (less is better),
and the holes that come of it, where the field that a profile thresholds makes blobs of the probabilities.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pagnet_ros.sensors import SensorProfile, missing_probability, structured_light_shadow
from pagnet_ros.sensors.edges import depth_edges
from pagnet_ros.sensors.holes import hole_field, missing_at_edges
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_json
from pagnet_training.sensors.fit import fit_recording
from pagnet_training.sensors.images import metres
from pagnet_training.sensors.realism import RealismCounts
from pagnet_training.sensors.recorded import Selection
from studies.comparison import Truth
from studies.realism import probable_truths, read_posed, surface_cosine

FIGURES = ("holes", "large_holes", "missing_at_edges", "missing")
SIDE, BATCH, RATE = 96, 6, 3e-3
REACHES_PX = (4, 12)
MOST_STEP = 0.7  # of the logarithm of depth
LEAST_CHANCE = 1e-3

Plane = NDArray[np.float32]
Model = Callable[["LearntFrame"], Plane]


class LearntFrame(NamedTuple):
    """One frame: what was there, and what is missing.

    Attributes:
        truth: depth without holes, brightness.
        cosine: ``[H, W]`` of the angle of incidence.
        inputs: ``[C, H, W]`` float32, see `features`.
        missing: ``[H, W]`` bool.
        judged: ``[H, W]`` pixels that count.
    """

    truth: Truth
    cosine: Plane
    inputs: Plane
    missing: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def features(depth_m: Plane, brightness: Plane, cosine: Plane) -> Plane:
    """``[C, H, W]``: depth, brightness, angle, texture, and steps of depth on each of the four sides of a pixel."""
    smooth = cv2.GaussianBlur(brightness, (0, 0), 2)
    depth = np.log(depth_m)
    planes = [depth, brightness, cosine, cv2.GaussianBlur(brightness, (0, 0), 6)]
    planes.append(cv2.GaussianBlur(np.abs(brightness - smooth), (0, 0), 3))
    for reach in REACHES_PX:
        before = np.repeat([1, 0], (reach + 1, reach)).astype(np.uint8)
        for side in (before, before[::-1]):
            for window in (side[None], side[:, None]):
                nearest, farthest = cv2.erode(depth, window), cv2.dilate(depth, window)
                planes += [np.minimum(depth - nearest, MOST_STEP), np.minimum(farthest - depth, MOST_STEP)]
    return np.stack(planes).astype(np.float32)


def network(channels: int) -> nn.Module:
    """``[B, C, H, W]`` -> ``[B, 1, H, W]`` logits, by some 3,000 weights that see 13 x 13 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 12, 1), nn.ReLU()]
    for dilation in (2, 4):
        layers += [nn.Conv2d(12, 12, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(12, 1, 1))


def train(frames: Sequence[LearntFrame], steps: int) -> Model:
    """Learn what is missing from frames of one size; less than a minute on one core."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    inside = np.concatenate([frame.inputs[:, frame.judged] for frame in frames[::4]], axis=1)
    mean, spread = inside.mean(1)[:, None, None], inside.std(1)[:, None, None] + np.float32(1e-3)
    net = network(len(mean))
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, steps)
    sides = [min(SIDE, length) for length in frames[0].missing.shape]
    for _ in range(steps):
        parts: list[list[Tensor]] = []
        for _ in range(BATCH):
            frame = frames[int(rng.integers(len(frames)))]
            corner = [int(rng.integers(n - k + 1)) for n, k in zip(frame.missing.shape, sides, strict=True)]
            rows, columns = (slice(at, at + side) for at, side in zip(corner, sides, strict=True))
            inputs = (frame.inputs[:, rows, columns] - mean) / spread
            masks = (mask[rows, columns].astype(np.float32) for mask in (frame.missing, frame.judged))
            parts.append([torch.from_numpy(plane) for plane in (inputs, *masks)])
        inputs, missing, judged = (torch.stack(each) for each in zip(*parts, strict=True))
        loss = binary_cross_entropy_with_logits(net(inputs)[:, 0], missing, judged)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()

    @torch.no_grad()
    def probability(frame: LearntFrame) -> Plane:
        logits = net(torch.from_numpy((frame.inputs - mean) / spread)[None])[0, 0]
        return np.asarray(torch.sigmoid(logits).numpy(), np.float32)

    return probability


def profile_probability(profile: SensorProfile) -> Model:
    """What a profile says of every pixel, with the share of the projector's shadow that is missing."""

    def probability(frame: LearntFrame) -> Plane:
        z, grey, cosine = (
            torch.from_numpy(p)[None] for p in (frame.truth.depth_m, frame.truth.brightness, frame.cosine)
        )
        chance = missing_probability(profile, z, grey, cosine, grey)
        at_edges = missing_at_edges(profile, depth_edges(z, profile.edge_jump))
        chance = chance if at_edges is None else torch.maximum(chance, at_edges)
        if profile.shadow_side != "none":
            dark = structured_light_shadow(z, profile.fx, profile.baseline_m, profile.shadow_side)
            chance = 1 - (1 - chance) * (1 - dark * profile.shadow_share)
        return np.asarray(chance[0].numpy(), np.float32)

    return probability


def judge(frames: Sequence[LearntFrame], model: Model, profile: SensorProfile, draws: int) -> dict[str, float]:
    """What the real masks cost, and `FIGURES` of masks drawn by the profile's field of holes.

    Returns:
        ``bits`` per pixel, ``bits_seen`` per pixel of which other frames saw the depth (the others were filled, and a
        model may recognise that), and `FIGURES`.
    """
    counts, bits, pixels = RealismCounts(), np.zeros(2), np.zeros(2)
    for number, frame in enumerate(frames):
        chance = model(frame)
        kept = np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)
        cost = -np.log2(np.where(frame.missing, kept, 1 - kept))
        seen = frame.judged if frame.truth.known is None else frame.judged & frame.truth.known
        bits += [cost[which].sum(dtype=np.float64) for which in (frame.judged, seen)]
        pixels += [which.sum() for which in (frame.judged, seen)]
        for draw in range(draws):
            dice = torch.Generator().manual_seed(1000 * draw + number)
            field = hole_field(profile, torch.Size((1, *chance.shape)), dice, dice.device, None)
            gone = torch.special.ndtr(field)[0].numpy() < chance
            counts.add(np.where(gone, np.nan, frame.truth.depth_m).astype(np.float32), frame.judged)
    figures = counts.figures()
    costs = dict(zip(("bits", "bits_seen"), (bits / pixels).tolist(), strict=True))
    return costs | {name: figures[name] for name in FIGURES}


def compare(recording: Path, every: int, steps: int, draws: int) -> dict[str, dict[str, float]]:
    """Every model's figures on the second half of a posed recording, the real ones first."""
    recorded = read_posed(recording, Selection(every=every))
    intrinsics = recorded[0].intrinsics
    assert intrinsics is not None  # read_posed has looked
    depths = [metres(frame.depth) for frame in recorded]
    judged = np.any([np.isfinite(depth) for depth in depths], axis=0)
    frames = []
    for depth, truth in zip(depths, probable_truths(recorded, range(len(recorded))), strict=True):
        cosine = surface_cosine(truth.depth_m, intrinsics)
        inputs = features(truth.depth_m, truth.brightness, cosine)
        frames.append(LearntFrame(truth, cosine, inputs, ~np.isfinite(depth), judged))
    half = len(frames) // 2
    profile = fit_recording(recorded[:half], name="fitted").profile
    real = RealismCounts()
    for depth in depths[half:]:
        real.add(depth, judged)
    share = np.float32(np.mean([frame.missing[judged].mean() for frame in frames[:half]]))
    models: dict[str, Model] = {
        "the same everywhere": lambda frame: np.full(frame.missing.shape, share),
        "profile": profile_probability(profile),
    }
    results = {"real": {name: real.figures()[name] for name in FIGURES}}
    results |= {name: judge(frames[half:], model, profile, draws) for name, model in models.items()}
    results["learned"] = judge(frames[half:], train(frames[:half], steps), profile, draws)
    return results


def results_table(results: dict[str, dict[str, float]]) -> Table:
    """One row per model."""
    table = Table(title="What is missing, on the second half of the recording")
    columns = ("bits per pixel", "where others saw", "holes in 100,000 pixels", "in large ones, %", "at edges, %")
    for column in ("model", *columns, "missing, %"):
        table.add_column(column)
    for name, row in results.items():
        bits = [f"{row[key]:.3f}" if key in row else "" for key in ("bits", "bits_seen")]
        table.add_row(name, *bits, *(f"{row[figure]:.1f}" for figure in FIGURES))
    return table


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.missing_model", description=description_of(__doc__))
    parser.add_argument("recording", type=Path, help="bag or folder of frames, with poses and intrinsics")
    parser.add_argument("--every", type=int, default=1, help="take one frame of so many")
    parser.add_argument("--steps", type=int, default=800, help="of training")
    parser.add_argument("--draws", type=int, default=1, help="how often holes are drawn on every frame")
    parser.add_argument("--json", type=Path, help="write every figure here")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = compare(options.recording, options.every, options.steps, options.draws)
    Console(width=max(120, Console().width)).print(results_table(results))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
