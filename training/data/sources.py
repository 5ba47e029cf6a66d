"""A recipe's data section -> images in memory. Everything that is wrong with the data is listed in one error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_files import storage_suffix
from pagnet_ros.system.units import MILLIMETRE
from pagnet_training.data.folders import read_folder
from pagnet_training.data.images import RgbdImage
from pagnet_training.data.patches import Source
from pagnet_training.data.recordings import read_bag, read_frame_folder
from pagnet_training.phases import Phase, silent
from pagnet_training.recipe import DataRecipe, SourceRecipe

logger = logging.getLogger(__name__)


def without_missing(recipe: DataRecipe, root: Path | None = None) -> DataRecipe:
    """Leave out the sources that are optional and whose folder is not there, and warn of each.

    Args:
        recipe: where images come from.
        root: replaces the recipe's data root.
    """
    base = root or Path(recipe.root)
    missing = [source for source in recipe.sources if source.optional and not (base / source.path).exists()]
    for source in missing:
        logger.warning("%s: no such folder; trained without it, the other sources make up for it", base / source.path)
    return replace(recipe, sources=tuple(source for source in recipe.sources if source not in missing))


def load_sources(
    recipe: DataRecipe, root: Path | None = None, processes: int = 1, phase: Callable[[str, int], Phase] = silent
) -> list[Source]:
    """Load every source of a recipe: what is recorded first, so that nothing is rendered where a folder is missing.

    Args:
        recipe: where images come from.
        root: replaces the recipe's data root.
        processes: render that many scenes at a time.
        phase: is told what goes on, see `phases`.

    Raises:
        RecordingError: missing folders, unpaired or mis-sized files, frames without depth; all listed at once. Or there
            is no source at all.
    """
    base = root or Path(recipe.root)
    if not recipe.sources:
        raise RecordingError(
            f"training data: no source is left, as none of the optional ones is in {base}; expected at least one; name "
            "the folder that they lie in with --data, or add a source of kind procedural to the recipe"
        )
    problems: list[str] = []
    images: dict[int, list[RgbdImage]] = {}
    for number, source in enumerate(recipe.sources):
        if source.kind != "procedural":
            with phase(f"reading {base / source.path}", 1):
                images[number] = _recorded(source, base / source.path, problems)
    if problems:
        raise RecordingError("training data:\n" + "\n".join(f"  - {problem}" for problem in problems))
    for number, source in enumerate(recipe.sources):
        if source.kind == "procedural":
            from pagnet_training.data.procedural import render_scenes

            with phase(f"rendering {source.style or 'procedural'} scenes", source.scenes) as advance:
                images[number] = render_scenes(source, processes, advance)
    return [Source(images[i], source.weight) for i, source in enumerate(recipe.sources) if images[i]]


def _recorded(source: SourceRecipe, path: Path, problems: list[str]) -> list[RgbdImage]:
    """Images of a folder or bag; `problems` grows by what is wrong with it."""
    kind = source.kind
    if kind == "recording":
        if not path.exists():
            problems.append(f"{path}: nothing there; expected a bag or a folder of frames; name yours with --recording")
            return []
        if path.is_dir() and not _holds_a_bag(path):
            return read_frame_folder(path, source.every, source.leave_out, problems, source.depth_unit_m or None)
        kind = "bag"
    unit_m = source.depth_unit_m or MILLIMETRE
    if kind != "bag":
        return read_folder(kind, path, problems, unit_m, source.leave_out)
    found: list[str] = []
    if source.leave_out:
        problems.append(f"{path}: a bag, of which leave_out={list(source.leave_out)} names no images; leave it out")
    images = read_bag(path, source.every, source.depth_topic, source.color_topic, found, unit_m)
    problems += found
    return images


def _holds_a_bag(path: Path) -> bool:
    return any(file.name == "metadata.yaml" or storage_suffix(file) for file in path.iterdir())
