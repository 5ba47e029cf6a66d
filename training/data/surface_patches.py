"""Images -> patches for networks that choose a surface: in metres, seen by a camera that nobody described.

Patch number i is a pure function of (seed, i), as of `pagnet_training.data.patches`. Data flows:

    image -> `Scene` in metres -> what the camera records (`record`) -> coarse depth (`summed_up`) -> `SurfaceBatch`

Where a recipe names sensor profiles, a patch is seen through one of them instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.profile import SensorProfile
from pagnet_training.data import recorded_depth as effects
from pagnet_training.data.coarse_depth import FOREIGN_PATCH, OUTLIERS, summed_up, with_foreign_patch, with_outliers
from pagnet_training.data.images import RgbdImage
from pagnet_training.data.known_sensor import MetricPatch, Sensors, focal_length, observe
from pagnet_training.data.patches import Source
from pagnet_training.data.recorded_depth import Depth, Mask, Rng, log_uniform

T = TypeVar("T", bound=np.generic)

MARGIN = 8
"""Pixels on each side of a patch that a camera's windows see and the network does not."""
RANGE_M = (0.12, 25.0)
ATTEMPTS = 8
LEAST_LEVEL = 1.0  # of disparity
ONE_SURFACE_SPAN = 1.03  # depths in a 3x3 window that differ by less than this factor are of one surface
FACING = 200  # cosine of the angle of incidence times 255, where it is not known

OFF_COLOUR, PARALLAX, BENT = 0.59, 0.39, 0.25
RAGGED, FATTENED, MEDIAN, STEREO, NOISY, QUANTISED, FLYING, WRONG = 1.0, 0.49, 0.49, 0.35, 0.88, 0.5, 0.12, 0.25
SHADOW, BLOBS, DARK, SILENT, SPECKLE, SPECKLE_MOST, HIDDEN = 0.55, 0.35, 0.2, 0.25, 0.25, 0.06, 0.15
RECORDED_TRUTH, FILLED_TRUTH = 0.6, 0.5
"""Shares of patches: whose truth is the recording itself, and of these, whose gaps are filled from the scene."""


class SurfaceBatch(TypedDict):
    """One sample, or a batch of them with a leading axis B.

    Attributes:
        low: ``[1, p/s, p/s]`` float32 metres, 0 where not measured.
        measured: ``[1, p/s, p/s]`` bool.
        rgb: ``[3, p, p]`` float32, -0.5 to 0.5.
        truth: ``[1, p, p]`` float32 metres, above 0.
        known: ``[1, p, p]`` bool, True where `truth` may enter the loss.
    """

    low: Tensor
    measured: Tensor
    rgb: Tensor
    truth: Tensor
    known: Tensor


class Scene(NamedTuple):
    """A part of an image as a camera meets it, with `MARGIN` on each side; all of one size.

    Attributes:
        rgb: ``[H, W, 3]`` uint8.
        depth: ``[H, W]`` float32 metres, above 0 everywhere.
        albedo: ``[H, W]`` uint8, reflectivity times 255.
        cosine: ``[H, W]`` uint8, cosine of the angle of incidence times 255.
        known: ``[H, W]`` bool, False where `depth` was filled.
        focal_px: focal length.
    """

    rgb: NDArray[np.uint8]
    depth: Depth
    albedo: NDArray[np.uint8]
    cosine: NDArray[np.uint8]
    known: Mask
    focal_px: float


class Recording(NamedTuple):
    """What a camera makes of a scene, each ``[H, W]``.

    Attributes:
        depth: float32 metres, as recorded.
        surfaces: float32 metres, without noise and quantisation: the surfaces as this camera sees them.
        known: bool, False where `surfaces` comes from depth that was filled: the scene's, moved as depth is.
        present: bool, False where nothing is recorded.
        seen: bool, False as well where the recording is hidden from the network.
    """

    depth: Depth
    surfaces: Depth
    known: Mask
    present: Mask
    seen: Mask


def draw_scene(image: RgbdImage, side: int, rng: Rng) -> Scene:
    """A square part of an image, zoomed, turned, and brought to a random distance.

    An image without metric depth counts as disparity: farther surfaces come nearer by a random offset, so that one
    image stands for many scenes. Parts that hold depth edges are preferred.

    Args:
        image: where it comes from.
        side: of the square with its margins, pixels.
        rng: decides everything.
    """
    zoom = float(rng.uniform(1, 1.8)) if rng.uniform() >= 0.5 else 1.0
    zoom = float(rng.uniform(0.6, 1)) if rng.uniform() < 0.15 else zoom
    cut = min(int(np.ceil(side / zoom)), *image.depth.shape)
    depth_of = _metres(image, rng)
    for _ in range(3):
        top, left = (int(rng.integers(length - cut + 1)) for length in image.depth.shape)
        place = np.s_[top : top + cut, left : left + cut]
        depth = depth_of(place)
        if depth.max() > 1.08 * depth.min() or rng.uniform() < 0.25:
            break
    rgb, known, metric = image.rgb[place], image.valid[place].astype(np.uint8), image.metric
    albedo: NDArray[Any] = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    cosine: NDArray[Any] = np.full(depth.shape, FACING, np.uint8)
    if metric is not None and metric.albedo is not None:
        albedo = metric.albedo[place]
    if metric is not None and metric.cosine is not None:
        cosine = metric.cosine[place]
    smoothly = cv2.INTER_LINEAR if side >= cut else cv2.INTER_AREA
    sized: list[NDArray[Any]] = [rgb, depth, albedo, cosine, known]
    if side != cut:
        hows = smoothly, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_NEAREST_EXACT
        sized = [_sized(plane, side, how) for plane, how in zip(sized, hows, strict=True)]
        nearest, calm = (_sized(p, side, cv2.INTER_NEAREST_EXACT) for p in (depth, _one_surface(depth, known)))
        sized[1] = np.where(calm > 0, sized[1], nearest)
    if rng.uniform() < 0.5:
        sized = [plane[:, ::-1] for plane in sized]
    if rng.uniform() < 0.3:
        sized = [plane.swapaxes(0, 1) for plane in sized]
    rgb, depth, albedo, cosine, known = (np.ascontiguousarray(plane) for plane in sized)
    focal = focal_length(metric.focal_px if metric else 0.0, image.depth.shape[1], rng) * side / cut
    return Scene(rgb, at_random_distance(depth, rng), albedo, cosine, known > 0, focal)


def _sized(plane: NDArray[Any], side: int, how: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(plane, (side, side), interpolation=how))


def _one_surface(depth: Depth, known: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where all of a 3x3 window is known and on one surface, so that depth may be interpolated in it, else 0."""
    window = np.ones((3, 3), np.uint8)
    calm = cv2.dilate(depth, window) < ONE_SURFACE_SPAN * cv2.erode(depth, window)
    return np.asarray(cv2.erode(known, window) * calm, np.uint8)


def _metres(image: RgbdImage, rng: Rng) -> Callable[[tuple[slice, slice]], Depth]:
    """What cuts metric depth out of an image; the image's own, or its levels taken as disparity with an offset."""
    metric = image.metric
    if metric is not None:
        return lambda place: metric.depth_m[place]
    offset = rng.uniform(0, 0.5) * float(image.depth.max())
    middle = float(np.median(image.depth[::4, ::4])) + offset
    unit = middle * rng.uniform(0.7, 3)  # the middle of the image lies at 0.7 to 3 m
    return lambda place: (unit / (np.maximum(image.depth[place], LEAST_LEVEL) + offset)).astype(np.float32)


def at_random_distance(depth: Depth, rng: Rng) -> Depth:
    """At a random distance at which all of it lies in `RANGE_M`; clipped where there is none."""
    for _ in range(ATTEMPTS):
        moved = depth * np.float32(log_uniform(0.4, 2.5, rng))
        if RANGE_M[0] < moved.min() and moved.max() < RANGE_M[1]:
            break
    return np.asarray(np.clip(moved, *RANGE_M), np.float32)


def record(scene: Scene, scale: int, rng: Rng) -> Recording:
    """See a scene with some camera: which effects it has is drawn anew for every patch."""

    def happens(share: float) -> bool:
        return bool(rng.uniform() < share)

    depth, known, shape = scene.depth, scene.known, scene.depth.shape
    reflectivity = scene.albedo.astype(np.float32) * (scene.cosine.astype(np.float32) / np.float32(255))
    grey = np.asarray(cv2.cvtColor(scene.rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    for move in _moves(rng):  # and all that decides about what is missing with it
        places = move(depth, rng)
        depth, known = effects.moved(depth, places), effects.moved(known, places)
        reflectivity, grey = effects.moved(reflectivity, places), effects.moved(grey, places)
    for share, effect in (
        (FATTENED, effects.fattened),
        (MEDIAN, effects.median_filtered),
        (STEREO, effects.stereo_matched),
    ):
        depth = effect(depth, rng) if happens(share) else depth
    surfaces = depth
    for share, effect in (
        (NOISY, effects.noisy),
        (QUANTISED, effects.quantised_in_disparity),
        (FLYING, effects.with_flying_pixels),
        (WRONG, effects.with_wrong_measurements),
    ):
        depth = effect(depth, rng) if happens(share) else depth
    present, edge = known.copy(), effects.depth_edges(surfaces)
    if happens(SHADOW):
        present &= ~effects.projector_shadow(surfaces, edge, rng)
    if happens(BLOBS):
        present &= ~effects.blobs(shape, rng)
    if happens(DARK):
        present &= ~effects.dark_surfaces(reflectivity, rng)
    if happens(SILENT):
        present &= ~effects.silent_surfaces(grey, edge, rng)
    if happens(SPECKLE):
        present &= ~effects.speckle(shape, SPECKLE_MOST, rng)
    seen = present & ~_hidden(edge, scale, rng)
    return Recording(effects.in_whole_millimetres(depth), surfaces, known, present, seen)


def _moves(rng: Rng) -> Iterator[Callable[[Depth, Rng], effects.Places]]:
    """The registration errors that a camera has, one after the other."""
    off = rng.uniform()
    if off < OFF_COLOUR + PARALLAX:
        yield effects.off_colour if off < OFF_COLOUR else effects.parallax
    if rng.uniform() < BENT:
        yield effects.bent
    if rng.uniform() < RAGGED:
        yield effects.ragged


def _hidden(edge: Mask, scale: int, rng: Rng) -> Mask:
    """At scale 1 there is nothing to do but to fill gaps, so that there parts of every patch are hidden."""
    if scale > 1 and rng.uniform() >= HIDDEN:
        return np.zeros(edge.shape, np.bool_)
    return effects.hidden_parts(edge, 11 if scale == 1 else 3, rng)


def change_colours(rgb: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Another camera's colours: blur, gamma and exposure, white balance, grey, noise, and JPEG."""
    colour: NDArray[Any] = rgb.astype(np.float32)
    if rng.uniform() < 0.4:
        colour = cv2.GaussianBlur(colour, (0, 0), rng.uniform(0.3, 1.3))
    if rng.uniform() < 0.6:
        gamma = np.exp(rng.uniform(-0.4, 0.4))
        colour = 255 * np.power(np.clip(colour / 255, 0, 1), gamma) * rng.uniform(0.6, 1.3)
    if rng.uniform() < 0.4:
        colour = colour * rng.uniform(0.75, 1.25, 3)
    if rng.uniform() < 0.1:
        colour = np.repeat(colour.mean(-1, keepdims=True), 3, -1)
    if rng.uniform() < 0.5:
        colour = colour + rng.standard_normal(colour.shape, np.float32) * rng.uniform(1, 9)
    result = np.asarray(np.clip(colour, 0, 255), np.uint8)
    if rng.uniform() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))]
        result = np.asarray(cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return result


class SurfacePatches(Dataset[SurfaceBatch]):
    """An endless, random-access collection of patches.

    Args:
        sources: where images come from; within one, every image is as likely.
        scale: up-sampling factor, 1 included.
        patch: side of the high-resolution patch in pixels, a multiple of `scale`.
        seed: every patch is a pure function of this and its index.
        sensors: what patches are seen through; cameras that nobody described if absent.

    Raises:
        ConfigError: a sensor profile without a unit.
    """

    def __init__(
        self, sources: Sequence[Source], scale: int, patch: int, seed: int, sensors: Sensors | None = None
    ) -> None:
        self.sources, self.scale, self.patch, self.seed = sources, scale, patch, seed
        self.sensors = sensors or Sensors(())
        unit_free = [each.name for each in self.sensors.profiles if each is not None and each.unit_free]
        if unit_free:
            raise ConfigError(
                f"sensor profiles {', '.join(unit_free)} are free of units; a network that chooses surfaces is trained "
                "in metres; leave them out"
            )
        self._shares = np.cumsum([source.weight for source in sources]) / sum(source.weight for source in sources)

    def __getitem__(self, index: int) -> SurfaceBatch:
        """Patch number `index`, 0 or above."""
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 2, index]))
        chosen = min(int(np.searchsorted(self._shares, rng.uniform(), side="right")), len(self.sources) - 1)
        images = self.sources[chosen].images
        scene = draw_scene(images[int(rng.integers(len(images)))], self.patch + 2 * MARGIN, rng)
        profile = self.sensors.draw(rng)
        low, truth, known = self._seen(scene, rng) if profile is None else self._through(scene, profile, rng)
        rgb = change_colours(_inside(scene.rgb), rng).astype(np.float32) / 255 - 0.5
        return {
            "low": torch.from_numpy(low)[None],
            "measured": torch.from_numpy(low > 0)[None],
            "rgb": torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))),
            "truth": torch.from_numpy(truth.copy())[None],
            "known": torch.from_numpy(known.copy())[None],
        }

    def _seen(self, scene: Scene, rng: Rng) -> tuple[Depth, Depth, Mask]:
        """Coarse depth of a camera that nobody described; the truth, and where it is known and may enter the loss."""
        recording = record(scene, self.scale, rng)
        depth, surfaces = _inside(recording.depth), _inside(recording.surfaces)
        present, seen = _inside(recording.present), _inside(recording.seen)
        low = summed_up(depth, seen, self.scale, rng)
        if rng.uniform() < OUTLIERS:
            low = with_outliers(low, rng)
        if rng.uniform() < FOREIGN_PATCH:
            low = with_foreign_patch(low, rng)
        known = _inside(recording.known)
        if rng.uniform() >= RECORDED_TRUTH:
            return low, surfaces, known
        told = seen if self.scale == 1 else np.zeros_like(seen)  # the input as its own truth would have no noise
        if rng.uniform() < FILLED_TRUTH:
            return low, np.where(present, depth, surfaces), known & ~told
        return low, depth, present & ~told

    def _through(self, scene: Scene, profile: SensorProfile, rng: Rng) -> tuple[Depth, Depth, Mask]:
        """Coarse depth through a described sensor; the truth, and where it is known and within the sensor's range."""
        brightness = scene.rgb.mean(axis=2, dtype=np.float32) / np.float32(255)
        albedo, cosine = (plane.astype(np.float32) / np.float32(255) for plane in (scene.albedo, scene.cosine))
        depth, brightness, albedo, cosine = (_inside(plane) for plane in (scene.depth, brightness, albedo, cosine))
        patch = MetricPatch(depth, brightness, albedo, cosine, scene.focal_px)
        low, measured = observe(patch, profile, self.scale, rng)
        truth, known = _inside(scene.depth), _inside(scene.known)
        if self.scale == 1:
            measured = measured & ~_inside(_hidden(effects.depth_edges(scene.depth), self.scale, rng))
        low = np.where(measured, low, 0).astype(np.float32)
        return low, truth, known & (truth >= profile.min_range_m) & (truth <= profile.max_range_m)


def _inside(plane: NDArray[T]) -> NDArray[T]:
    return plane[MARGIN:-MARGIN, MARGIN:-MARGIN]
