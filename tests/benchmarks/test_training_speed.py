"""The benchmark of training steps: every change is a whole step, and processes find what they are given."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("lightning", reason="training needs Lightning")

from benchmarks.training_speed import CHANGES, FEWER, KEPT_MEMORY, _processes, rates, steps
from pagnet_ros.model.config import ModelConfig
from pagnet_training import surface_loss
from pagnet_training.recipe import Recipe

SMALL = {"patch": 32, "batch": 2}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(output="surfaces", channels=8, blocks=1, feature_stride=4),
        ModelConfig(channels=8, growth=4, blocks=1),
    ],
    ids=["surfaces", "depth"],
)
def test_every_change_trains_and_has_a_rate(model: ModelConfig) -> None:
    shares = surface_loss.SHARES
    changes = {name: change._replace(recipe=change.recipe | SMALL) for name, change in (CHANGES | FEWER).items()}
    found = rates(Recipe(model=model), changes, 1)
    assert found.keys() == changes.keys()
    assert min(found.values()) > 0
    assert shares == surface_loss.SHARES


@pytest.mark.filterwarnings("ignore")
def test_channels_first_is_what_the_network_then_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    seen: list[bool] = []
    model = ModelConfig(output="surfaces", channels=8, blocks=1, feature_stride=4)
    real = torch.nn.Conv2d.forward

    def spying(self: torch.nn.Conv2d, image: torch.Tensor) -> torch.Tensor:
        seen.append(image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous())
        return real(self, image)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", spying)
    for name, expected in ((next(iter(CHANGES)), True), ("channels first", False)):
        seen.clear()
        steps(Recipe(model=model, **SMALL), CHANGES[name])()
        assert any(seen) is expected


def test_new_processes_find_the_allocators_settings_and_later_ones_do_not() -> None:
    name = next(iter(KEPT_MEMORY))
    with _processes(1, KEPT_MEMORY) as pool:
        assert pool.submit(os.getenv, name).result() == KEPT_MEMORY[name]
    assert name not in os.environ
