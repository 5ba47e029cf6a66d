"""The best checkpoint of a run, and the early word."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pagnet_ros.errors import WeightsError
from pagnet_training.best import Best, chosen_checkpoint
from pagnet_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


def module_at(step: int) -> Any:
    recipe = SimpleNamespace(optimiser=SimpleNamespace(warmup=10))
    state = Checkpoint(step, 1.0, {}, {"net.weight": torch.full((2,), float(step))})
    return SimpleNamespace(step_number=step, recipe=recipe, state=lambda: state)


def test_the_least_score_is_kept_over_slices_and_forgotten_with_another_judge_or_a_new_run(tmp_path: Path) -> None:
    best = Best(tmp_path, False, "scenes")
    for step, score in ((20, 0.9), (40, 0.7), (60, 0.8), (80, math.nan)):
        best.offer(module_at(step), score)
    assert read_checkpoint(tmp_path / "best.safetensors").step == 40
    Best(tmp_path, True, "scenes").offer(module_at(100), 0.75)
    kept = read_checkpoint(tmp_path / "best.safetensors")
    assert (kept.step, kept.score, kept.judged_on, kept.tensors["net.weight"][0]) == (40, 0.7, "scenes", 40)
    Best(tmp_path, True, "scenes, kitchen").offer(module_at(120), 0.75)
    assert read_checkpoint(tmp_path / "best.safetensors").step == 120
    Best(tmp_path, False, "scenes")
    assert not (tmp_path / "best.safetensors").exists()


def test_a_run_that_is_worse_than_interpolation_is_told_once_and_after_the_warm_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = Best(tmp_path, False, "scenes")
    best.offer(module_at(10), 3.0)
    best.offer(module_at(20), 0.9)
    assert not caplog.records
    best.offer(module_at(30), 1.25)
    best.offer(module_at(40), 1.3)
    (record,) = caplog.records
    assert "step 30: the network has 1.25 times the error of interpolation on scenes" in record.getMessage()


def test_of_a_folder_the_best_is_taken_then_the_last(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"best\.safetensors or checkpoint\.safetensors"):
        chosen_checkpoint(tmp_path)
    for name in ("checkpoint.safetensors", "best.safetensors"):
        write_checkpoint(tmp_path / name, Checkpoint(1, 0.0, {}, {"net.weight": torch.zeros(1)}))
        assert chosen_checkpoint(tmp_path) == tmp_path / name
    assert chosen_checkpoint(tmp_path / "checkpoint.safetensors") == tmp_path / "checkpoint.safetensors"
