"""A recipe's data section -> images in memory. Everything that is wrong with the data is listed in one error."""

from __future__ import annotations

from pathlib import Path

from pagnet_ros.errors import RecordingError
from pagnet_training.data.folders import read_folder
from pagnet_training.data.patches import Source
from pagnet_training.recipe import DataRecipe

__all__ = ["load_sources"]


def load_sources(recipe: DataRecipe, root: Path | None = None, processes: int = 1) -> list[Source]:
    """Load every source of a recipe.

    Args:
        recipe: where images come from.
        root: replaces the recipe's data root.
        processes: render that many scenes at a time.

    Raises:
        RecordingError: missing folders, unpaired or mis-sized files, frames without depth; all listed at once.
    """
    base = root or Path(recipe.root)
    problems: list[str] = []
    sources = []
    for source in recipe.sources:
        if source.kind == "procedural":
            from pagnet_training.data.procedural import render_scenes

            images = render_scenes(source, processes)
        elif source.kind == "bag":
            from pagnet_training.data.bags import read_bag

            found: list[str] = []
            images = read_bag(base / source.path, source.every, source.depth_topic, source.color_topic, found)
            problems += found
        else:
            images = read_folder(source.kind, base / source.path, problems)
        if images:
            sources.append(Source(images, source.weight))
    if problems:
        raise RecordingError("training data:\n" + "\n".join(f"  - {problem}" for problem in problems))
    return sources
