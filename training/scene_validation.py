"""A network under training, on scenes in metres that it is never trained on, beside interpolation.

Data flows: rendered scene, or a recording's frame -> depth as a camera records it -> coarse depth -> the averaged
weights, and bilinear interpolation -> errors in millimetres and their ratios -> one JSON line per validation.

At scale 1, where gaps are to be filled, the errors are those of the hidden pixels, and smooth filling stands for
interpolation.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.depth import Normalisation, fill_holes
from pagnet_ros.core.filters import bilinear
from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork, choose_surfaces
from pagnet_ros.model.surfaces import as_range_of_one
from pagnet_ros.replay.metrics.flying import between_surfaces, surroundings
from pagnet_ros.replay.metrics.settings import MetricSettings
from pagnet_training.best import Best
from pagnet_training.callbacks import Periodic
from pagnet_training.data.coarse_depth import main_surface
from pagnet_training.data.known_sensor import MetricPatch, Sensors, observe
from pagnet_training.data.recorded_depth import (
    Depth,
    Mask,
    depth_edges,
    hidden_parts,
    in_whole_millimetres,
    moved,
    ragged,
)
from pagnet_training.data.sources import load_sources
from pagnet_training.json_file import append_json
from pagnet_training.module import Training
from pagnet_training.recipe import DataRecipe, Recipe, SourceRecipe
from pagnet_training.throughput import Pauses

FIRST_SEED = 10_000_000
FARTHEST_M = 10.0
RECORDED_FRAMES = 8
FLAT_SPAN = 0.05  # 3x3 coarse neighbours that span at most this share of their depth are flat


class HeldOut(NamedTuple):
    """A scene that is not trained on.

    Attributes:
        low: ``[h, w]`` float32 metres, 0 where missing.
        rgb: ``[s*h, s*w, 3]`` uint8.
        truth: ``[s*h, s*w]`` float32 metres, NaN where unknown.
        counted: ``[s*h, s*w]`` bool, the pixels whose errors count.
        flat: ``[s*h, s*w]`` bool, without an edge in the coarse neighbourhood.
        plain: ``[s*h, s*w]`` float32 metres, what interpolation makes of `low`; NaN where nothing.
    """

    low: Depth
    rgb: NDArray[np.uint8]
    truth: Depth
    counted: Mask
    flat: Mask
    plain: Depth


class Figures(NamedTuple):
    """Errors in millimetres, and the number of points between two surfaces of the truth, plus one."""

    rmse: float
    mae: float
    flat: float
    between: float

    @property
    def judged(self) -> float:
        """What decides which network is better: the geometric mean of RMSE and MAE."""
        return math.sqrt(self.rmse * self.mae)


RESERVED = frozenset({"validation", "step", "seconds", "millimetres", *Figures._fields})
"""Keys of a journal's lines, and the held-out scenes' name: no recording is called so there."""


def held_out_scenes(recipe: Recipe) -> list[HeldOut]:
    """Render the recipe's `held_out` scenes and see each through one of its sensors.

    Without a profile, depth is summed up; in every other scene its edges are ragged and lie beside those of colour.

    Raises:
        ConfigError: the sensors see nothing in any of them.
    """
    from pagnet_training.data.procedural import render_scene

    scale, sensors = recipe.model.scale, Sensors(recipe.sensor.profiles, recipe.sensor.spread)
    sizes = (source.size for source in recipe.data.sources if source.kind == "procedural")
    height, width = (side - side % scale for side in next(sizes, SourceRecipe().size))
    scenes = []
    for number in range(FIRST_SEED, FIRST_SEED + recipe.data.held_out):
        image = render_scene(number, (height, width))
        metric = image.metric
        assert metric is not None
        rng = np.random.default_rng(number)
        depth, profile = metric.depth_m, sensors.draw(rng)
        if profile is not None and not profile.unit_free:
            brightness = image.rgb.mean(axis=2, dtype=np.float32) / np.float32(255)
            assert metric.albedo is not None
            assert metric.cosine is not None
            albedo, cosine = (plane.astype(np.float32) / np.float32(255) for plane in (metric.albedo, metric.cosine))
            patch = MetricPatch(depth, brightness, albedo, cosine, metric.focal_px)
            low, measured = observe(patch, profile, scale, rng)
            low = np.where(measured, low, np.float32(0))
            counted = (depth >= profile.min_range_m) & (depth <= profile.max_range_m)
        else:
            if number % 2:
                depth = depth[:, np.minimum(np.arange(width) + 1, width - 1)]
                depth = moved(depth, ragged(depth, rng))
            depth = in_whole_millimetres(depth)
            counted = depth <= FARTHEST_M
            low = depth if scale == 1 else main_surface(depth, counted, scale)
        scenes.append(_held_out(low, depth, counted, image.rgb, rng))
    if scenes and not any(scene.counted.any() for scene in scenes):
        raise ConfigError(
            f"recipe {recipe.name}: no pixel of its {len(scenes)} held-out scenes can be judged: the sensors "
            f"{', '.join(recipe.sensor.profiles)} measure none; expected ranges that reach rendered rooms, "
            "some metres; look at min_range_m and max_range_m of the profiles, which are in metres"
        )
    return scenes


def recorded_scenes(recording: SourceRecipe, scale: int) -> list[HeldOut]:
    """Frames spread over a recording, whose depth is the truth and is made coarse.

    Args:
        recording: of kind recording, at an absolute path.
        scale: of up-sampling.

    Raises:
        RecordingError: unreadable, no frame in it has depth in metres, or none within `FARTHEST_M`.
    """
    read = load_sources(DataRecipe(sources=(recording,)))
    images = [image for source in read for image in source.images if image.metric is not None]
    if not images:
        raise RecordingError(f"{recording.path}: no frame with depth in metres; expected a depth camera's recording")
    scenes = []
    for number in np.unique(np.linspace(0, len(images) - 1, RECORDED_FRAMES).round().astype(int)).tolist():
        image = images[number]
        metric = image.metric
        assert metric is not None
        height, width = (side - side % scale for side in image.depth.shape)
        depth, rgb = metric.depth_m[:height, :width], image.rgb[:height, :width]
        counted = image.valid[:height, :width] & (depth <= FARTHEST_M)
        low = np.where(counted, depth, np.float32(0)) if scale == 1 else main_surface(depth, counted, scale)
        scenes.append(_held_out(low, depth, counted, rgb, np.random.default_rng(number)))
    if not any(scene.counted.any() for scene in scenes):
        known = np.concatenate([image.metric.depth_m[image.valid] for image in images if image.metric is not None])
        raise RecordingError(
            f"{recording.path}: no pixel can be judged, with depth of {known.min():.4g} to {known.max():.4g} m in it; "
            f"expected some between a millimetre and {FARTHEST_M:g} m; name another unit with --depth-unit, as 0.0001"
        )
    return scenes


def _held_out(low: Depth, depth: Depth, counted: Mask, rgb: NDArray[np.uint8], rng: np.random.Generator) -> HeldOut:
    """A scene of coarse depth and the truth; at scale 1 parts of the depth are hidden, and these alone count."""
    truth = np.where(counted, depth, np.nan).astype(np.float32)
    if low.shape == depth.shape:
        hidden = hidden_parts(depth_edges(depth), 11, rng)
        low = np.where(counted & ~hidden, low, 0).astype(np.float32)
        value = torch.from_numpy(low)[None, None]
        plain = fill_holes(value, value > 0)[0, 0].numpy()
        return HeldOut(low, rgb, truth, counted & hidden, ~depth_edges(depth), plain)
    low = np.where(low > 0, in_whole_millimetres(low), np.float32(0))
    window = np.ones((3, 3), np.uint8)
    span = cv2.dilate(low, window) - cv2.erode(np.where(low > 0, low, np.float32(1e6)), window)
    flat = cv2.resize((span <= FLAT_SPAN * low).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    plain = bilinear(np.where(low > 0, low, np.float32(np.nan)), rgb)
    return HeldOut(low, rgb, truth, counted & np.isfinite(plain), flat, plain)


def upsample(net: PagNet | SurfaceNetwork, low: Depth, rgb: NDArray[np.uint8]) -> Depth:
    """What a network makes of coarse depth, ``[s*h, s*w]`` float32 metres.

    One that chooses surfaces gives the depth of the most probable one; NaN without a measurement within reach.
    """
    device = next(net.parameters()).device
    depth = torch.from_numpy(low)[None, None].to(device)
    measured = depth > 0
    colour = as_range_of_one(torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].to(device))
    with torch.inference_mode():
        if isinstance(net, PagNet):
            filled = fill_holes(depth, measured)
            normalisation = Normalisation.of(filled)
            found = normalisation.undo(net(normalisation.apply(filled), colour, measured).float())
        else:
            found = choose_surfaces(net, depth, measured, colour, colour, (0.0, math.inf)).depth
    return np.asarray(found[0, 0].cpu().numpy(), np.float32)


def measure(depth: Depth, scene: HeldOut, counted: Mask) -> Figures:
    """Errors of `depth` on the pixels `counted`."""
    error = 1000 * np.abs(depth - scene.truth)
    settings = MetricSettings()
    between = len(between_surfaces(np.where(counted, depth, np.nan), surroundings(scene.truth, settings), settings))
    return Figures(_rms(error[counted]), float(error[counted].mean()), _rms(error[counted & scene.flat]), between + 1.0)


def _rms(errors: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(errors, dtype=np.float64).mean())) if errors.size else float("nan")


def beside_interpolation(net: PagNet | SurfaceNetwork, scenes: Sequence[HeldOut]) -> NDArray[np.float64]:
    """``[scenes, 2, 4]``: the `Figures` of the network and of interpolation, on the pixels that both know."""
    rows = []
    for scene in scenes:
        depth = upsample(net, scene.low, scene.rgb)
        counted = scene.counted & np.isfinite(depth)
        if counted.any():
            rows.append((measure(depth, scene, counted), measure(scene.plain, scene, counted)))
    return np.array(rows, np.float64).reshape(-1, 2, len(Figures._fields))


def ratios(figures: NDArray[np.float64]) -> Figures:
    """Each figure of the network over that of interpolation, as the geometric mean over the scenes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Figures(*np.exp(np.nanmean(np.log(figures[:, 0] / figures[:, 1]), axis=0)).tolist())


class SceneValidation(Periodic):
    """Measures what would be exported on held-out scenes and on given recordings; one JSON line per validation.

    A line holds each figure over that of interpolation, below 1 where the network is better, as the geometric mean over
    the scenes; and under ``millimetres`` the figures themselves, of both, as their means. A recording's are below its
    name, and at the top where there are no held-out scenes.

    Args:
        recipe: says what is rendered, and when to measure.
        recordings: scenes by the recording's name.
        journal: the file that grows by a line per validation.
        pauses: grow by the time it takes.
        best: is offered `Figures.judged` over interpolation, as the geometric mean over the groups, if given.
    """

    def __init__(
        self,
        recipe: Recipe,
        recordings: Mapping[str, Sequence[HeldOut]],
        journal: Path,
        pauses: Pauses,
        best: Best | None = None,
    ) -> None:
        super().__init__(recipe.validate_every, pauses)
        self.recipe, self.groups, self.journal, self.best = recipe, dict(recordings), journal, best

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Render the held-out scenes."""
        if self.recipe.data.held_out and trainer.is_global_zero:
            self.groups = {"validation": held_out_scenes(self.recipe), **self.groups}

    def act(self, module: Training) -> dict[str, Figures]:
        """Each group's figures over those of interpolation."""
        found: dict[str, Figures] = {}
        if not self.groups:
            return found
        net = module.exported()
        entry: dict[str, Any] = {"step": module.step_number, "seconds": round(module.state().seconds, 1)}
        for name, scenes in self.groups.items():
            figures = beside_interpolation(net, scenes)
            found[name] = ratios(figures)
            module.log_dict({f"{name}/{key}": value for key, value in found[name]._asdict().items()})
            values = _entry(found[name], figures)
            entry |= values if len(found) == 1 else {name: values}
        append_json(self.journal, entry)
        if self.best:
            self.best.offer(module, math.exp(statistics.fmean(math.log(each.judged) for each in found.values())))
        return found


def _entry(found: Figures, figures: NDArray[np.float64]) -> dict[str, Any]:
    means = np.nanmean(figures, axis=0).round(3).tolist()
    millimetres = {
        name: dict(zip(Figures._fields, row, strict=True))
        for name, row in zip(("network", "interpolated"), means, strict=True)
    }
    return {key: round(value, 4) for key, value in found._asdict().items()} | {"millimetres": millimetres}
