"""The best checkpoint of a run, kept beside the last one, and an early word where a run is worse than interpolation."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

from pagnet_ros.errors import WeightsError
from pagnet_training.checkpoint import read_checkpoint, write_checkpoint
from pagnet_training.module import Training

LAST, BEST = "checkpoint.safetensors", "best.safetensors"

logger = logging.getLogger(__name__)


class Best:
    """Keeps the state whose averaged weights have the least error over that of interpolation.

    Args:
        folder: of the run; a resumed run goes on from the best that lies there.
        resumed: whether the run goes on.
        judged_on: what the error is measured on; the best of another judge is forgotten.
    """

    def __init__(self, folder: Path, resumed: bool, judged_on: str) -> None:
        self.path, self.judged_on = folder / BEST, judged_on
        self.least, self._warned = math.inf, False
        if not resumed:
            self.path.unlink(missing_ok=True)
        elif self.path.is_file():
            before = read_checkpoint(self.path)
            self.least = before.score if before.judged_on == judged_on else math.inf

    def offer(self, module: Training, score: float) -> None:
        """Keep the present state if it is the best so far.

        Args:
            module: the training.
            score: error over that of interpolation, below 1 where the network is better; not finite says nothing.
        """
        if not math.isfinite(score):
            return
        if score > 1 and module.step_number > module.recipe.optimiser.warmup and not self._warned:
            self._warned = True
            logger.warning(
                "step %d: the network has %.2f times the error of interpolation on %s; expected below 1 after the "
                "warm-up; look at validation.jsonl, and if it does not fall soon, at data, --warm-start and the rate",
                module.step_number,
                score,
                self.judged_on,
            )
        if score < self.least:
            self.least = score
            write_checkpoint(self.path, replace(module.state(), score=score, judged_on=self.judged_on))


def chosen_checkpoint(path: Path) -> Path:
    """A checkpoint, or of a run's folder the best one, where validation found one, else the last.

    Raises:
        WeightsError: a folder without a checkpoint.
    """
    if not path.is_dir():
        return path
    for name in (BEST, LAST):
        if (path / name).is_file():
            return path / name
    raise WeightsError(f"{path}: no checkpoint in it; expected {BEST} or {LAST}, as training writes to --out")
