"""``python -m studies.reliability FOLDER... --out PICTURE``: do sigma and confidence say how large errors are.

Two kinds of truth: scenes that no network was trained on, seen through cameras that nobody described, and real
recordings, whose depth is made coarser and is itself the truth (its own noise counts as error). Data flows: coarse
depth -> the pipeline -> shares of the errors within one and two sigma as a table, and by predicted sigma as a picture.

``--fit`` finds the two constants of `pagnet_ros.model.surfaces` (`SPREAD_VARIANCE`, `WIDTH_VARIANCE`) on the simulated
frames alone: those with which as near as can be 68.3 % and 95.4 % of the errors lie within one and two sigma.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from pagnet_ros.core.depth import pick_pixels
from pagnet_ros.errors import ConfigError
from pagnet_ros.model import surfaces
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.weights import load_weights
from pagnet_ros.model.zoo import DEFAULT_WEIGHTS, zoo_members, zoo_path
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.system.units import in_metres
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.data.coarse_depth import main_surface
from pagnet_training.data.images import RgbdImage
from pagnet_training.data.patches import Source
from pagnet_training.data.procedural import STYLES, render_scene
from pagnet_training.data.surface_patches import SurfacePatches
from pagnet_training.json_file import write_picture

FIRST_SEED, PATCH_SEED, PATCH, SCENES = 10_001_000, 991, 192, 12
NEAREST_M, FARTHEST_M = 0.1, 10.0
SAMPLE = 20_000  # pixels of each frame
EVERY = 11  # one of so many pixels counts in a fit
SIMULATED = "simulated"
SHARES = (0.683, 0.954)
WITHIN_SHARE = 0.02  # what confidence speaks of

Depth = NDArray[np.float32]


class Frame(NamedTuple):
    """Coarse depth ``[h, w]`` metres, 0 where missing; colour ``[H, W, 3]`` uint8; truth ``[H, W]``, NaN unknown."""

    low: Depth
    rgb: NDArray[np.uint8]
    truth: Depth


class Errors(NamedTuple):
    """Pixels of a kind, each ``[n]`` float32: error and sigma as shares of the depth, confidence 0 to 1."""

    error: Depth
    sigma: Depth
    confidence: Depth


def simulated(scale: int, patches: int) -> Iterator[Frame]:
    """Patches of held-out rendered scenes, each through another camera."""
    data = SurfacePatches([Source(_scenes(min(SCENES, patches)), 1.0)], scale, PATCH, PATCH_SEED)
    for number in range(patches):
        batch = data[number]
        rgb = np.rint(255 * (batch["rgb"].numpy().transpose(1, 2, 0) + 0.5)).astype(np.uint8)
        truth = torch.where(batch["known"], batch["truth"], torch.nan)
        yield Frame(batch["low"][0].numpy(), np.ascontiguousarray(rgb), truth[0].numpy())


@functools.lru_cache(maxsize=1)
def _scenes(count: int) -> list[RgbdImage]:
    styles = itertools.cycle(dict.fromkeys((*STYLES, "posters")))
    return [render_scene(FIRST_SEED + number, (480, 640), next(styles)) for number in range(count)]


def recorded(folder: Path, scale: int, count: int) -> Iterator[Frame]:
    """Frames of a folder, spread over it, whose depth lies on colour at its size.

    Raises:
        RecordingError: the folder cannot be read.
    """
    frames = open_frames(folder)
    for frame in itertools.islice(frames, 0, None, max(1, len(frames) // count)):
        if frame.depth.shape != frame.rgb.shape[:2]:
            return
        height, width = (side - side % (4 * scale) for side in frame.depth.shape)
        depth = np.nan_to_num(in_metres(frame.depth)[:height, :width], posinf=0)
        known = (depth >= NEAREST_M) & (depth <= FARTHEST_M)
        low = np.rint(1000 * main_surface(depth, known, scale)) / 1000
        rgb = np.ascontiguousarray(frame.rgb[:height, :width])
        yield Frame(low.astype(np.float32), rgb, np.where(known, depth, np.nan).astype(np.float32))


def errors(frames: Iterator[Frame], upsampler: DepthUpsampler) -> Errors | None:
    """What the pipeline gets wrong, and what it says of it; of a sample of each frame's pixels. None without any."""
    rng, found = np.random.default_rng(0), []
    for low, rgb, truth in frames:
        out = upsampler(low, rgb)
        if out.sigma is None or out.confidence is None:
            raise ConfigError(f"{upsampler.name} gives no sigma; expected networks that choose surfaces")
        places = np.flatnonzero(np.isfinite(out.depth) & np.isfinite(truth))
        places = rng.permutation(places)[:SAMPLE]
        depth = out.depth.ravel()[places]
        error = np.abs(depth - truth.ravel()[places]) / depth
        found.append((error, out.sigma.ravel()[places] / depth, out.confidence.ravel()[places] / np.float32(100)))
    return Errors(*(np.concatenate(parts) for parts in zip(*found, strict=True))) if found else None


def within(some: Errors) -> tuple[float, float]:
    """Shares of the errors within one and two sigma."""
    return float((some.error <= some.sigma).mean()), float((some.error <= 2 * some.sigma).mean())


def fit(scales: Sequence[int], patches: int, weights: str) -> tuple[float, float]:
    """The two constants, on simulated frames.

    Returns:
        `SPREAD_VARIANCE` and `WIDTH_VARIANCE`.
    """
    parts = []
    for scale in scales:
        net = load_weights(zoo_path(zoo_members(weights)[scale]))[0]
        assert isinstance(net, SurfaceNetwork)
        for frame in track(simulated(scale, patches), description=f"{scale}x", total=patches):
            parts.append(_parts(net, frame))
    error, spread, width = torch.cat(parts, dim=1)
    logs = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([logs], 0.05)
    for _ in range(200):
        sigma = 0.5 * torch.log(logs.exp()[0] * spread + logs.exp()[1] * width)
        loss = torch.zeros(())
        for number, share in enumerate(SHARES, start=1):
            off = torch.log(error + 1e-5) - sigma - float(np.log(number))
            loss = loss + torch.maximum(share * off, (share - 1) * off).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    first, second = logs.detach().exp().tolist()
    return first, second


def _parts(net: SurfaceNetwork, frame: Frame) -> torch.Tensor:
    """``[3, n]``: errors as shares of the depth, and the two parts of sigma squared, likewise."""
    with torch.inference_mode():
        low = torch.from_numpy(frame.low)[None, None]
        rgb = surfaces.as_range_of_one(torch.from_numpy(frame.rgb).permute(2, 0, 1)[None])
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        footprints = surfaces.footprint_colour(rgb, frame.low.shape)
        rays = surfaces.nearest_measured(low, low > 0, footprints, net.reach)
        logits = pick_pixels(net(surfaces.entering_features(rays), rgb), size)
        found = surfaces.candidates(rays, surfaces.Placement.of(frame.low.shape, size), rgb)
        choice, width = surfaces.choose(found, logits), surfaces.distribution(found, logits)[1].square()
        spread = (choice.sigma / choice.depth).square() - surfaces.WIDTH_VARIANCE * width
        error = (choice.depth[0, 0] - torch.from_numpy(frame.truth)).abs() / choice.depth[0, 0]
        rows = torch.stack((error, spread[0, 0].clamp_min(0) / surfaces.SPREAD_VARIANCE, width[0, 0])).flatten(1)
    return rows[:, rows.isfinite().all(dim=0)][:, ::EVERY].clone()


def table(found: Mapping[str, Mapping[int, Errors]], scales: Sequence[int]) -> str:
    """Shares within one and two sigma by origin and scale, as Markdown; and of all recordings together."""
    lines = ["| | " + " | ".join(f"{s}x: 1 σ | 2 σ" for s in scales) + " |", "|---" * (1 + 2 * len(scales)) + "|"]
    rows = dict(found)
    cameras = [by_scale for name, by_scale in found.items() if name != SIMULATED]
    if cameras:
        rows["all recordings"] = {s: _joined([each[s] for each in cameras]) for s in scales}
    for name, by_scale in rows.items():
        lines.append(f"| {name} | " + " | ".join("{:.2f} | {:.2f}".format(*within(by_scale[s])) for s in scales) + " |")
    return "\n".join(lines)


def _joined(several: Sequence[Errors]) -> Errors:
    return Errors(*(np.concatenate(parts) for parts in zip(*several, strict=True)))


def _draw(path: Path, found: Mapping[str, Mapping[int, Errors]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    kinds = {name: [e for k, by in found.items() if (k == SIMULATED) == (name == SIMULATED) for e in by.values()]
             for name in (SIMULATED, "recordings")}  # fmt: skip
    for name, several in kinds.items():
        if not several:
            continue
        some = _joined(several)
        order = np.array_split(np.argsort(some.sigma), 25)
        sigma = [100 * float(np.median(some.sigma[row])) for row in order]
        for share, line in zip(SHARES, "-:", strict=True):
            observed = [100 * float(np.quantile(some.error[row], share)) for row in order]
            left.plot(sigma, observed, line, marker=".", label=f"{name}, {100 * share:.1f} % of the errors")
        edges = np.linspace(0, 1, 11)
        which = np.digitize(some.confidence, edges[1:-1])
        rows = [which == i for i in range(10) if (which == i).sum() > 200]
        said = [float(some.confidence[row].mean()) for row in rows]
        right.plot(said, [float((some.error[row] <= WITHIN_SHARE).mean()) for row in rows], "o-", label=name)
    for factor in (1, 2):
        left.axline((1, factor), (10, 10 * factor), color="grey", linewidth=0.8)
    left.set(xscale="log", yscale="log", xlabel="sigma, % of depth", ylabel="errors up to, % of depth", title="sigma")
    right.axline((0, 0), (1, 1), color="grey", linewidth=0.8)
    right.set(xlabel="confidence", ylabel="share of errors within 2 %", title="confidence")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    write_picture(path, figure, dpi=80)


def _folders(given: Sequence[Path]) -> list[Path]:
    return [
        path
        for folder in given
        for path in ([folder] if detect_layout(folder) else sorted(p for p in folder.iterdir() if p.is_dir()))
        if detect_layout(path) is not None
    ]


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.reliability", description=description_of(__doc__))
    parser.add_argument("folders", nargs="*", type=Path, help="folders of frames, or of such folders")
    parser.add_argument("--scales", nargs="+", type=int, default=[2, 4, 8], help="(default 2 4 8)")
    parser.add_argument("--patches", type=int, default=120, help="simulated ones for each scale (default 120)")
    parser.add_argument("--frames", type=int, default=4, help="of each folder (default 4)")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, help=f"family of networks (default {DEFAULT_WEIGHTS})")
    parser.add_argument("--fit", action="store_true", help="only find the constants")
    parser.add_argument("--out", type=Path, help="the picture")
    options = parser.parse_args(arguments)
    if options.fit:
        spread, width = fit(options.scales, options.patches, options.weights)
        sys.stdout.write(f"SPREAD_VARIANCE {spread:.2f}, WIDTH_VARIANCE {width:.2f}\n")
        return
    upsampler = DepthUpsampler.from_zoo(options.weights, options=UpsamplerOptions(metric=True))
    sources = {SIMULATED: None, **{path.name: path for path in _folders(options.folders)}}
    found: dict[str, dict[int, Errors]] = {}
    for (name, path), scale in track(list(itertools.product(sources.items(), options.scales))):
        frames = simulated(scale, options.patches) if path is None else recorded(path, scale, options.frames)
        if (some := errors(frames, upsampler)) is not None:
            found.setdefault(name, {})[scale] = some
    sys.stdout.write(table(found, options.scales) + "\n")
    if options.out is not None:
        _draw(options.out, found)


if __name__ == "__main__":
    sys.exit(main())
