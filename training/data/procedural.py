"""Rendered scenes as training images: no download, exact truth, as many as wanted.

Data flows: scene seed -> `pagnet_ros.simulation` -> colour and metric depth -> levels -> `RgbdImage`. Rendering takes
a tenth of a second per scene and process; a folder may keep the scenes between runs.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.simulation.render import Renderer
from pagnet_ros.simulation.scene import Scene
from pagnet_ros.system.files import replaced
from pagnet_training.data.images import RgbdImage, make_image
from pagnet_training.data.known_sensor import MetricDepth
from pagnet_training.data.numpy_files import read_numpy
from pagnet_training.recipe import SourceRecipe

STYLES = ("tabletop", "clutter", "tabletop", "room", "traps", "clutter")
METRIC_SHARE = 0.3
WHOLE_LEVELS_SHARE = 0.5


def render_scenes(
    source: SourceRecipe, processes: int = 1, advance: Callable[[int], None] = lambda done: None
) -> list[RgbdImage]:
    """Render the scenes of a recipe's procedural source, or take them from its cache folder.

    Args:
        source: which scenes, and where they are kept.
        processes: how many scenes are rendered at a time; the scenes are the same for any number.
        advance: called with how many scenes are there.
    """
    numbers = range(source.seed, source.seed + source.scenes)
    kept = {number: image for number in numbers if (image := _from_cache(_path(source, number), number)) is not None}
    missing = [number for number in numbers if number not in kept]
    one = partial(_render_and_keep, source)

    def gather(images: Iterable[RgbdImage]) -> None:
        for number, image in zip(missing, images, strict=True):
            kept[number] = image
            advance(len(kept))

    if processes <= 1 or not missing:
        gather(map(one, missing))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            gather(pool.map(one, missing, chunksize=4))
    return [kept[number] for number in numbers]


def _path(source: SourceRecipe, number: int) -> Path | None:
    name = f"{source.style or 'scene'}{number:06d}_{source.size[0]}x{source.size[1]}.npz"
    return Path(source.cache) / name if source.cache else None


def _render_and_keep(source: SourceRecipe, number: int) -> RgbdImage:
    image = render_scene(number, source.size, source.style)
    _to_cache(_path(source, number), image)
    return image


def render_scene(seed: int, size: tuple[int, int], style: str = "") -> RgbdImage:
    """One scene, a pure function of its seed.

    Most frames become disparity (1/depth), the rest stay depth, so that the network meets both; half are rounded to
    whole levels, as published disparity is. The frame's range becomes 80 to 200 levels.

    Args:
        seed: which scene.
        size: ``(H, W)`` in pixels.
        style: of `pagnet_ros.simulation`; empty goes through `STYLES` in turn.
    """
    rng = np.random.default_rng([seed, 4242])
    scene = Scene.random(seed, style or STYLES[seed % len(STYLES)], bank_seed=seed // 64)
    camera = PinholeCamera.from_fov(size[1], size[0], float(rng.uniform(35.0, 75.0)))
    frame = Renderer(scene)(camera, noise_seed=seed)
    levels = _to_levels(frame.depth_m, rng)
    image = make_image(f"procedural/{scene.style}{seed:06d}", frame.rgb, levels, frame.depth_m)
    assert image.metric is not None
    surface = (np.rint(255 * values).astype(np.uint8) for values in (frame.albedo, frame.cos_incidence))
    metric = MetricDepth(image.metric.depth_m, camera.fx, *surface)
    return replace(image, metric=metric)


def _to_levels(depth_m: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    known = np.isfinite(depth_m) & (depth_m > 0)
    values = depth_m if rng.uniform() < METRIC_SHARE else 1.0 / np.where(known, depth_m, np.nan)
    low, high = np.percentile(values[known], [0.0, 99.9])
    top, span = rng.uniform(180.0, 240.0), rng.uniform(80.0, 170.0)
    levels = top - span * (high - np.minimum(values, high)) / max(float(high - low), 1e-6)
    if rng.uniform() < WHOLE_LEVELS_SHARE:
        levels = np.round(levels)
    return np.where(known, levels, np.nan).astype(np.float32)


def _from_cache(path: Path | None, number: int) -> RgbdImage | None:
    if path is None or not path.is_file():
        return None
    try:
        content = read_numpy(path)
        metric = MetricDepth(content["depth_m"], float(content["focal_px"]), content["albedo"], content["cosine"])
        return RgbdImage(f"procedural/{number:06d}", content["rgb"], content["depth"], content["valid"], metric)
    except (RecordingError, KeyError, TypeError):
        return None


def _to_cache(path: Path | None, image: RgbdImage) -> None:
    if path is None or image.metric is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {**vars(image), **vars(image.metric)}
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: value for name, value in arrays.items() if name not in ("name", "metric")})
