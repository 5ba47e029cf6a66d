"""What a recipe is validated on, and which of it decides on the best checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.callbacks import Callback

from pagnet_training.best import Best
from pagnet_training.callbacks import ProtocolValidation
from pagnet_training.protocol import read_protocol_images
from pagnet_training.recipe import Recipe, SourceRecipe
from pagnet_training.scene_validation import RESERVED, SceneValidation, recorded_scenes
from pagnet_training.short_names import short_names
from pagnet_training.throughput import Pauses


def validations(
    recipe: Recipe,
    folder: Path,
    pauses: Pauses,
    data_root: Path | None = None,
    recordings: Sequence[SourceRecipe] = (),
    *,
    resumed: bool = False,
) -> list[Callback]:
    """What validates a run: rendered scenes and recordings, and the protocol's images.

    Scenes and recordings decide which checkpoint is the best where there are any. The protocol's images are free of
    noise and gaps, so that they decide only where a network is trained for such depth.

    Args:
        recipe: what is trained.
        folder: of the run.
        pauses: grow by the time that validations take.
        data_root: replaces the recipe's data root.
        recordings: to validate on, of kind recording, at absolute paths.
        resumed: whether the run goes on.

    Raises:
        RecordingError: a recording or the folder of images cannot be read.
    """
    different = list(dict.fromkeys(recordings))
    names = short_names([Path(each.path) for each in different], RESERVED)
    scenes = {name: recorded_scenes(each, recipe.model.scale) for name, each in zip(names, different, strict=True)}
    folder_of_images = recipe.data.validation
    images = read_protocol_images((data_root or Path(recipe.data.root)) / folder_of_images) if folder_of_images else []
    judges = [*(["held-out scenes"] if recipe.data.held_out else []), *scenes]
    judged_on = ", ".join(judges or [folder_of_images])
    best = Best(folder, resumed, judged_on) if judges or (images and recipe.augmentation.sensor == 0) else None
    found: list[Callback] = []
    if judges:
        journal = folder / ("scenes.jsonl" if images else "validation.jsonl")
        found.append(SceneValidation(recipe, scenes, journal, pauses, best))
    if images:
        journal = folder / "validation.jsonl"
        found.append(ProtocolValidation(images, recipe.validate_every, journal, pauses, None if judges else best))
    return found
