"""A network that chooses surfaces, on rendered scenes that it is never trained on, beside interpolation.

Data flows: held-out scene -> depth as a camera records it -> coarse depth -> the averaged weights, and bilinear
interpolation -> errors in millimetres and their ratios -> one JSON line per validation.

At scale 1, where gaps are to be filled, the errors are those of the hidden pixels, and smooth filling stands for
interpolation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from pagnet_ros.core.depth import fill_holes
from pagnet_ros.core.filters import bilinear
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import (
    Placement,
    as_range_of_one,
    candidates,
    choose,
    entering_features,
    footprint_colour,
    nearest_measured,
)
from pagnet_ros.replay.metrics.flying import between_surfaces, surroundings
from pagnet_ros.replay.metrics.settings import MetricSettings
from pagnet_training.data.coarse_depth import main_surface
from pagnet_training.data.recorded_depth import Depth, Mask, depth_edges, hidden_parts, in_whole_millimetres, ragged
from pagnet_training.module import Training
from pagnet_training.recipe import DataRecipe, SourceRecipe
from pagnet_training.throughput import Pauses

__all__ = [
    "Figures",
    "HeldOut",
    "SurfaceValidation",
    "beside_interpolation",
    "held_out_scenes",
    "measure",
    "ratios",
    "upsample",
]

FIRST_SEED = 10_000_000
FARTHEST_M = 10.0
FLAT_SPAN = 0.05  # 3x3 coarse neighbours that span at most this share of their depth are flat


class HeldOut(NamedTuple):
    """A held-out scene.

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


def held_out_scenes(recipe: DataRecipe, scale: int) -> list[HeldOut]:
    """Render `recipe.held_out` scenes; in every other one depth edges are ragged and beside those of colour."""
    from pagnet_training.data.procedural import render_scene

    sizes = (source.size for source in recipe.sources if source.kind == "procedural")
    height, width = (side - side % scale for side in next(sizes, SourceRecipe().size))
    scenes = []
    for number in range(FIRST_SEED, FIRST_SEED + recipe.held_out):
        image = render_scene(number, (height, width))
        assert image.metric is not None
        rng = np.random.default_rng(number)
        depth = image.metric.depth_m
        if number % 2:
            depth = ragged(depth[:, np.minimum(np.arange(width) + 1, width - 1)], rng)
        depth = in_whole_millimetres(depth)
        scenes.append(_held_out(depth, image.rgb, scale, rng))
    return scenes


def _held_out(depth: Depth, rgb: NDArray[np.uint8], scale: int, rng: np.random.Generator) -> HeldOut:
    counted = depth <= FARTHEST_M
    truth = np.where(counted, depth, np.nan).astype(np.float32)
    if scale == 1:
        hidden = hidden_parts(depth_edges(depth), 11, rng)
        low = np.where(counted & ~hidden, depth, 0).astype(np.float32)
        value = torch.from_numpy(low)[None, None]
        plain = fill_holes(value, value > 0)[0, 0].numpy()
        return HeldOut(low, rgb, truth, counted & hidden, ~depth_edges(depth), plain)
    coarse = main_surface(depth, counted, scale)
    low = np.where(coarse > 0, in_whole_millimetres(coarse), np.float32(0))
    window = np.ones((3, 3), np.uint8)
    span = cv2.dilate(low, window) - cv2.erode(np.where(low > 0, low, np.float32(1e6)), window)
    flat = cv2.resize((span <= FLAT_SPAN * low).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    plain = bilinear(np.where(low > 0, low, np.float32(np.nan)), rgb)
    return HeldOut(low, rgb, truth, counted & np.isfinite(plain), flat, plain)


def upsample(net: SurfaceNetwork, low: Depth, rgb: NDArray[np.uint8]) -> Depth:
    """Depth of the most probable surface, ``[s*h, s*w]`` float32 metres; NaN without a measurement within reach."""
    device = next(net.parameters()).device
    depth = torch.from_numpy(low)[None, None].to(device)
    colour = as_range_of_one(torch.from_numpy(rgb).permute(2, 0, 1)[None].to(device))
    with torch.inference_mode():
        rays = nearest_measured(depth, depth > 0, footprint_colour(colour, low.shape), net.reach)
        logits = net(entering_features(rays), colour)
        chosen = choose(candidates(rays, Placement.of(low.shape, rgb.shape[:2], device), colour), logits)
    return np.asarray(chosen.depth[0, 0].cpu().numpy(), np.float32)


def measure(depth: Depth, scene: HeldOut, counted: Mask) -> Figures:
    """Errors of `depth` on the pixels `counted`."""
    error = 1000 * np.abs(depth - scene.truth)
    settings = MetricSettings()
    between = len(between_surfaces(np.where(counted, depth, np.nan), surroundings(scene.truth, settings), settings))
    return Figures(_rms(error[counted]), float(error[counted].mean()), _rms(error[counted & scene.flat]), between + 1.0)


def _rms(errors: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(errors, dtype=np.float64).mean())) if errors.size else float("nan")


def beside_interpolation(net: SurfaceNetwork, scenes: Sequence[HeldOut]) -> NDArray[np.float64]:
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


class SurfaceValidation(Callback):
    """Measures the averaged weights on the held-out scenes; one JSON line per validation.

    A line holds each figure over that of interpolation, below 1 where the network is better, as the geometric mean over
    the scenes; and under ``millimetres`` the figures themselves, of both, as their means.
    """

    def __init__(self, scenes: Sequence[HeldOut], every: int, journal: Path, pauses: Pauses) -> None:
        self.scenes, self.every, self.journal, self.pauses = scenes, every, journal, pauses

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure if the step number says so."""
        assert isinstance(pl_module, Training)
        if self.scenes and pl_module.step_number % self.every == 0 and trainer.is_global_zero:
            with self.pauses.pause(pl_module.device):
                self.measure(pl_module)

    def measure(self, module: Training) -> dict[str, float]:
        """Each figure over that of interpolation."""
        net = module.averaged.eval()
        assert isinstance(net, SurfaceNetwork)
        figures = beside_interpolation(net, self.scenes)
        scores = {name: round(value, 4) for name, value in ratios(figures)._asdict().items()}
        module.log_dict({f"validation/{name}": value for name, value in scores.items()})
        means = np.nanmean(figures, axis=0).round(3).tolist()
        entry: dict[str, Any] = {"step": module.step_number, "seconds": round(module.state().seconds, 1), **scores}
        names = ("network", "interpolated")
        entry["millimetres"] = {
            name: dict(zip(Figures._fields, row, strict=True)) for name, row in zip(names, means, strict=True)
        }
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        return scores
