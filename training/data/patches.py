"""Images -> training patches. Patch number i is a pure function of (seed, i): training resumes bit for bit.

The low-resolution input follows the evaluation protocol: antialiased bicubic down-sampling (MATLAB's ``imresize``)
of the image, here of the patch with enough margin that both are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from pagnet_ros.core.depth import fill_holes
from pagnet_ros.model.resize import BicubicDownsample
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_training.data import augment
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.images import RgbdImage
from pagnet_training.data.known_sensor import (
    LEVELS_OF_A_FRAME,
    MetricPatch,
    Sensors,
    assumed_range,
    focal_length,
    metres_of,
    observe,
)
from pagnet_training.data.sensor_like import sensor_like
from pagnet_training.data.window import Window, draw_window

__all__ = ["PatchBatch", "PatchStream", "Patches", "Source"]

LEAST_SPAN = 8.0
LEAST_MEASURED = 0.05
_ZOOM = 0.4


class PatchBatch(TypedDict):
    """One sample, or a batch of them with a leading axis B.

    Attributes:
        low: ``[1, p/s, p/s]`` float32, normalised to about 0..1, holes filled.
        measured: ``[1, p/s, p/s]`` float32, 1 where `low` was measured, 0 where it was filled.
        rgb: ``[3, p, p]`` float32, -0.5 to 0.5.
        truth: ``[1, p, p]`` float32, normalised like `low`.
        known: ``[1, p, p]`` float32, 1 where `truth` may enter the loss.
        span: ``[1, 1, 1]`` float32, levels per normalised unit: multiply an error by it to get levels.
    """

    low: Tensor
    measured: Tensor
    rgb: Tensor
    truth: Tensor
    known: Tensor
    span: Tensor


class Source(NamedTuple):
    """Images of one origin and how much of the training they make up (relative weight, above 0)."""

    images: Sequence[RgbdImage]
    weight: float


class Patches(Dataset[PatchBatch]):
    """An endless, random-access collection of patches.

    Args:
        sources: where images come from; within one, an image is drawn in proportion to its area to the power 0.75.
        scale: up-sampling factor.
        patch: side of the high-resolution patch in pixels, a multiple of `scale`.
        seed: every patch is a pure function of this and its index.
        augmentation: what may happen to a patch.
        sensors: what the share `augmentation.sensor` of the patches is seen through; unknown sensors if absent.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        scale: int,
        patch: int,
        seed: int,
        augmentation: Augmentation,
        sensors: Sensors | None = None,
    ) -> None:
        self.sensors = sensors or Sensors(())
        self.images = [image for source in sources for image in source.images]
        self.scale, self.patch, self.seed, self.augmentation = scale, patch, seed, augmentation
        shares = []
        for source in sources:
            area = np.array([image.depth.size for image in source.images], np.float64) ** 0.75
            shares.append(source.weight * area / area.sum())
        self._cumulative = np.cumsum(np.concatenate(shares) / sum(source.weight for source in sources))
        self._spans = [max(image.span, LEAST_SPAN) for image in self.images]
        self._down = BicubicDownsample(scale)
        self._metric_ranges = [image.metric.range_m if image.metric else 0.0 for image in self.images]
        self._level_ranges = [_level_range(image) if self.sensors.metric else (0.0, 1.0) for image in self.images]

    def __getitem__(self, index: int) -> PatchBatch:
        """Patch number `index`, 0 or above."""
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, index]))
        chosen = min(int(np.searchsorted(self._cumulative, rng.uniform(), side="right")), len(self.images) - 1)
        image = self.images[chosen]
        odds = self.augmentation
        rare = (odds.sensor, odds.misaligned, odds.blurred, odds.grey, odds.snapped, odds.stepped)
        later = (rng.uniform() if odd else 1.0 for odd in rare)
        chance = Augmentation(*rng.uniform(size=8).tolist(), *later)
        snapped = chance.snapped < odds.snapped
        widest = 1.5 * self.scale if snapped else 3.0
        misaligned = chance.misaligned < odds.misaligned
        error = augment.registration_error(2 * self.scale, rng, widest) if misaligned else (0, 0)
        window = draw_window(image.depth.shape, self.patch, 2 * self.scale, chance.turn < odds.turn, rng)
        rgb = np.asarray(window.inside(window.cut(image.rgb), error), np.float32) / np.float32(255)
        known = np.asarray(window.cut(image.valid), np.bool_)
        if chance.blurred < odds.blurred:
            rgb = augment.smear(rgb, rng)
        if chance.colour < odds.colour:
            rgb = augment.shift_colours(rgb, rng)
        if chance.grey < odds.grey:
            rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2)
        if chance.noise < odds.noise:
            rgb = rgb + rng.uniform(0, 0.03) * rng.standard_normal(rgb.shape, np.float32)
        dice = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 1, index]))
        profile = self.sensors.draw(dice) if chance.sensor < odds.sensor else None
        frame_span = self._spans[chosen]
        if profile is not None and not profile.unit_free:
            scene, levels_per_m = self._metric_patch(chosen, window, dice)
            depth, frame_span = scene.depth * levels_per_m, LEVELS_OF_A_FRAME
            low, measured = self._observe_profile(scene, profile, levels_per_m, dice)
            known = known & _reported(scene.depth, profile)
        else:
            depth = np.ascontiguousarray(window.cut(image.depth), np.float32)
            if chance.invert < odds.invert:
                depth = augment.invert(depth)
            if chance.tilt < odds.tilt:
                depth = augment.tilt(depth, rng)
            if chance.stepped < odds.stepped:
                depth = np.rint(depth)
            if profile is not None:
                low, measured = self._observe_profile(_unit_free_patch(depth, image, window), profile, 1.0, dice)
            elif chance.sensor < odds.sensor:
                low, measured = self._observe_sensor(depth, rng)
            else:
                low, measured = self._observe(depth, rng, chance.rounded < odds.rounded, chance.holes < odds.holes)
        offset, span = self._normalisation(low, frame_span, rng, chance.widen < odds.widen)
        lies = error if snapped else (0, 0)
        truth = torch.from_numpy(window.inside(depth, lies).copy())[None]
        known = window.inside(known, lies)
        return {
            "low": (low - offset) / span,
            "measured": measured,
            "rgb": torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)) - 0.5,
            "truth": (truth - offset) / span,
            "known": torch.from_numpy(known.astype(np.float32))[None],
            "span": torch.full((1, 1, 1), span),
        }

    def _metric_patch(self, chosen: int, window: Window, dice: np.random.Generator) -> tuple[MetricPatch, float]:
        """The patch in metres with its margin, and levels per metre: the whole frame spans `LEVELS_OF_A_FRAME`."""
        image = self.images[chosen]
        brightness = _brightness(image, window)
        albedo, cosine, zoom = brightness, None, float(np.exp(dice.uniform(-_ZOOM, _ZOOM)))
        if image.metric is None:
            near, far = assumed_range(dice)
            depth = metres_of(np.asarray(window.cut(image.depth), np.float32), self._level_ranges[chosen], (near, far))
            focal, span = 0.0, far - near
        else:
            depth = np.asarray(window.cut(image.metric.depth_m), np.float32) * np.float32(zoom)
            focal, span = image.metric.focal_px, self._metric_ranges[chosen] * zoom
            if image.metric.albedo is not None:
                albedo = np.asarray(window.cut(image.metric.albedo), np.float32) / np.float32(255)
            if image.metric.cosine is not None:
                cosine = np.asarray(window.cut(image.metric.cosine), np.float32) / np.float32(255)
        focal = focal_length(focal, image.depth.shape[1], dice)
        return MetricPatch(depth, brightness, albedo, cosine, focal), LEVELS_OF_A_FRAME / span

    def _observe(
        self, depth: NDArray[np.float32], rng: np.random.Generator, rounded: bool, holes: bool
    ) -> tuple[Tensor, Tensor]:
        """What the low-resolution sensor delivers: depth in levels and the mask, ``[1, p/s, p/s]``."""
        low = self._down(torch.from_numpy(depth)[None, None])[..., 2:-2, 2:-2]
        if rounded:
            low = torch.floor(low + 0.5)
        measured = torch.ones_like(low)
        if holes:
            kept = torch.from_numpy(augment.hide_measurements((low.shape[-2], low.shape[-1]), rng))
            measured = kept.to(low.dtype)[None, None]
            low = fill_holes(low, kept[None, None])
        return low[0], measured[0]

    def _observe_sensor(self, depth: NDArray[np.float32], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What some unknown sensor delivers: depth in levels and the mask, ``[1, p/s, p/s]``."""
        values, kept = sensor_like(depth, self.scale, rng)
        low = torch.from_numpy(np.ascontiguousarray(values[2:-2, 2:-2]))[None, None]
        valid = torch.from_numpy(np.ascontiguousarray(kept[2:-2, 2:-2]))[None, None]
        if not valid.any():
            valid = torch.ones_like(valid)
        return fill_holes(low, valid)[0], valid.to(low.dtype)[0]

    def _observe_profile(
        self, scene: MetricPatch, profile: SensorProfile, levels_per_unit: float, dice: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """What a described sensor delivers: depth in levels and the mask, ``[1, p/s, p/s]``."""
        values, kept = observe(scene, profile, self.scale, dice)
        kept = kept[2:-2, 2:-2]
        if kept.mean() < LEAST_MEASURED:  # all out of range or dark: there is nothing to learn from
            low = self._down(torch.from_numpy(scene.depth)[None, None])[0, ..., 2:-2, 2:-2]
            return low * levels_per_unit, torch.ones_like(low)
        low = torch.from_numpy(np.ascontiguousarray(values[2:-2, 2:-2]))[None, None] * levels_per_unit
        valid = torch.from_numpy(np.ascontiguousarray(kept))[None, None]
        return fill_holes(low, valid)[0], valid.to(low.dtype)[0]

    def _normalisation(
        self, low: Tensor, frame_span: float, rng: np.random.Generator, widened: bool
    ) -> tuple[float, float]:
        """Offset and span. A whole frame is normalised by its own range, of which a patch sees only a part."""
        least, most = float(low.min()), float(low.max())
        own = max(most - least, LEAST_SPAN)
        stretch = float(np.exp(rng.uniform(-0.2, 0.2)))
        position, fraction = float(rng.uniform()), float(rng.uniform())
        span = max(frame_span * stretch, own)
        if widened:
            span = own * (span / own) ** fraction
        return least - position * (span - (most - least)), span


class PatchStream(Sampler[int]):
    """The order of patches: item j of step t is patch ``t * batch + j``, dealt to the ranks in turn.

    Args:
        first_step: where to start, so that a resumed run goes on with the patches that would have come.
        last_step: one past the last step.
        batch: patches per step over all ranks together.
        rank: this process.
        ranks: number of processes; divides `batch`.
    """

    def __init__(self, first_step: int, last_step: int, batch: int, rank: int = 0, ranks: int = 1) -> None:
        self.range = range(first_step * batch + rank, last_step * batch, ranks)

    def __iter__(self) -> Iterator[int]:
        """Patch numbers in order."""
        return iter(self.range)

    def __len__(self) -> int:
        """Patches of this rank."""
        return len(self.range)


def _level_range(image: RgbdImage) -> tuple[float, float]:
    low, high = np.percentile(image.depth, [0.1, 99.9])
    return float(low), float(high)


def _brightness(image: RgbdImage, window: Window) -> NDArray[np.float32]:
    """Brightness 0..1 with the margin, ``[p+4s, p+4s]``; what a fit of a sensor takes for brightness, too."""
    return np.asarray(np.asarray(window.cut(image.rgb), np.float32).mean(axis=2) / 255.0, np.float32)


def _unit_free_patch(depth: NDArray[np.float32], image: RgbdImage, window: Window) -> MetricPatch:
    brightness = _brightness(image, window)
    return MetricPatch(depth, brightness, brightness, None, 1.0)


def _reported(depth_m: NDArray[np.float32], profile: SensorProfile) -> NDArray[np.bool_]:
    """Truth within the sensor's range; what lies beyond cannot be restored and is not to be learnt."""
    return np.asarray((depth_m >= profile.min_range_m) & (depth_m <= profile.max_range_m), np.bool_)
