"""What the journal of a slice says about its speed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pagnet_ros.model.network import PagNet
from pagnet_training import throughput
from pagnet_training.recipe import load_recipe
from pagnet_training.throughput import Pauses, Throughput, TimedLoader, patch_gflop


def test_operations_of_a_step_are_those_of_its_forward_and_backward_pass(recipe_path: Path) -> None:
    recipe = replace(load_recipe(recipe_path), patch=32)
    net = PagNet(replace(recipe.model, channels=32))
    torch.nn.init.normal_(net.head.weight)
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 1, 16, 16), torch.rand(1, 3, 32, 32)).sum().backward()
    counted = counter.get_total_flops() / 1e9
    assert patch_gflop(replace(recipe, model=net.config)) == pytest.approx(counted, rel=0.05)


def test_a_teacher_counts_once(recipe_path: Path) -> None:
    recipe = load_recipe(recipe_path)
    alone = patch_gflop(recipe)
    assert patch_gflop(recipe, recipe.model) == pytest.approx(alone * 4 / 3)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_pauses_and_first_steps_are_left_out_and_all_processes_count(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    monkeypatch.setattr(throughput, "matrix_gflops", lambda device, precision, *sizes: 500.0)
    loader = TimedLoader([])  # type: ignore[arg-type]
    loader.waits_s = []
    strategy = SimpleNamespace(root_device=torch.device("cpu"), reduce=lambda rate, reduce_op: 2 * rate)
    trainer: Any = SimpleNamespace(strategy=strategy, train_dataloader=loader, is_global_zero=True, world_size=2)
    recipe, pauses, journal = load_recipe(recipe_path), Pauses(), tmp_path / "throughput.jsonl"
    callback = Throughput(recipe, None, journal, pauses)
    module: Any = None
    callback.on_train_start(trainer, module)
    for step in range(Throughput.WARM_UP_STEPS + 10):
        clock.now += 100.0 if step < Throughput.WARM_UP_STEPS else 2.0
        loader.waits_s.append(0.5)
        callback.on_train_batch_end(trainer, module, None, None, step)
        if step % 3 == 0:
            with pauses.pause(strategy.root_device):
                clock.now += 30.0
    callback.on_train_end(trainer, module)
    figures = json.loads(journal.read_text(encoding="utf-8"))
    assert figures["steps"] == 10
    assert figures["patches_per_s"] == recipe.batch / 2
    assert figures["waiting_share"] == 0.25
    assert figures["matrix_gflops"] == 1000.0
    assert figures["gflops"] == pytest.approx(patch_gflop(recipe) * recipe.batch / 2, rel=1e-3)
    assert figures["matrix_share"] == pytest.approx(figures["gflops"] / 1000.0, rel=1e-3)
    assert (figures["processes"], figures["precision"]) == (2, "fp32")
    assert figures["device"]
    assert pauses.longest_s == 30.0


def test_a_slice_of_a_few_steps_writes_no_figures(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "matrix_gflops", lambda device, precision, *sizes: 500.0)
    callback = Throughput(load_recipe(recipe_path), None, tmp_path / "throughput.jsonl", Pauses())
    trainer: Any = SimpleNamespace(is_global_zero=True)
    callback.on_train_end(trainer, None)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("throughput*"))
