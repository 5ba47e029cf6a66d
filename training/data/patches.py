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
from pagnet_training.data.known_sensor import MetricPatch, Sensors, observe
from pagnet_training.data.window import Window, draw_window

LEAST_SPAN = 8.0
LEAST_MEASURED = 0.05
MOST_ENLARGED = 3.0


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
        sensors: what the share `augmentation.sensor` of the patches is seen through, all of them without a unit.
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

    def __getitem__(self, index: int) -> PatchBatch:
        """Patch number `index`, 0 or above."""
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, index]))
        chosen = min(int(np.searchsorted(self._cumulative, rng.uniform(), side="right")), len(self.images) - 1)
        image = self.images[chosen]
        odds = self.augmentation
        rare = (odds.sensor, odds.grey, odds.stepped, odds.enlarge)
        later = (rng.uniform() if odd else 1.0 for odd in rare)
        chance = Augmentation(*rng.uniform(size=8).tolist(), *later)
        enlarged = MOST_ENLARGED ** (chance.enlarge / odds.enlarge) if chance.enlarge < odds.enlarge else 1.0
        turned = chance.turn < odds.turn
        window = draw_window(image.depth.shape, self.patch, 2 * self.scale, turned, rng, enlarged)
        rgb = np.asarray(window.inside(window.cut_colour(image.rgb)), np.float32) / np.float32(255)
        if chance.colour < odds.colour:
            rgb = augment.shift_colours(rgb, rng)
        if chance.grey < odds.grey:
            rgb = np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2)
        if chance.noise < odds.noise:
            rgb = rgb + rng.uniform(0, 0.03) * rng.standard_normal(rgb.shape, np.float32)
        dice = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 1, index]))
        profile = self.sensors.draw(dice) if chance.sensor < odds.sensor else None
        depth = window.cut_depth(image.depth)
        if chance.invert < odds.invert:
            depth = augment.invert(depth)
        if chance.tilt < odds.tilt:
            depth = augment.tilt(depth, rng)
        if chance.stepped < odds.stepped:
            depth = np.rint(depth)
        if profile is not None:
            low, measured = self._observe_profile(_as_seen(depth, image, window), profile, dice)
        else:
            low, measured = self._observe(depth, rng, chance.rounded < odds.rounded, chance.holes < odds.holes)
        offset, span = self._normalisation(low, self._spans[chosen], rng, chance.widen < odds.widen)
        truth = torch.from_numpy(window.inside(depth).copy())[None]
        known = window.inside(np.asarray(window.cut(image.valid), np.float32))
        return {
            "low": (low - offset) / span,
            "measured": measured,
            "rgb": torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)) - 0.5,
            "truth": (truth - offset) / span,
            "known": torch.from_numpy(known.copy())[None],
            "span": torch.full((1, 1, 1), span),
        }

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

    def _observe_profile(
        self, scene: MetricPatch, profile: SensorProfile, dice: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """What a described sensor delivers: depth in levels and the mask, ``[1, p/s, p/s]``."""
        values, kept = observe(scene, profile, self.scale, dice)
        kept = kept[2:-2, 2:-2]
        if kept.mean() < LEAST_MEASURED:  # there is nothing to learn from
            low = self._down(torch.from_numpy(scene.depth)[None, None])[0, ..., 2:-2, 2:-2]
            return low, torch.ones_like(low)
        low = torch.from_numpy(np.ascontiguousarray(values[2:-2, 2:-2]))[None, None]
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


def _as_seen(depth: NDArray[np.float32], image: RgbdImage, window: Window) -> MetricPatch:
    """The patch with its margin; brightness is what a fit of a sensor takes for it, too."""
    brightness = np.asarray(np.asarray(window.cut_colour(image.rgb), np.float32).mean(axis=2) / 255.0, np.float32)
    return MetricPatch(depth, brightness, brightness, None, 1.0)
