"""Training states on disk: what was written comes back, and a foreign or damaged file is refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pagnet_ros.errors import WeightsError
from pagnet_training.checkpoint import (
    FORMAT,
    Checkpoint,
    adam_tensors,
    read_checkpoint,
    restore_adam,
    write_checkpoint,
)


def test_a_checkpoint_comes_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoint.safetensors"
    written = Checkpoint(7, 1.5, {"name": "x", "seed": 3}, {"net.a": torch.arange(4.0), "ema.a": torch.zeros(2, 2)})
    write_checkpoint(path, written)
    read = read_checkpoint(path)
    assert (read.step, read.seconds, read.recipe) == (7, 1.5, {"name": "x", "seed": 3})
    assert read.part("net")["a"].tolist() == [0, 1, 2, 3]
    assert read.tensors.keys() == written.tensors.keys()
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.safetensors"]


def test_what_is_cut_off_while_writing_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, Checkpoint(1, 1.0, {}, {"net.a": torch.zeros(2)}))

    def cut_off(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pagnet_ros.system.files.os.fsync", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, Checkpoint(2, 2.0, {}, {"net.a": torch.ones(2)}))
    assert read_checkpoint(path).step == 1


@pytest.mark.parametrize("fused", [True, None])
def test_adam_goes_on_from_a_file_whatever_the_order_of_the_weights_in_memory(
    tmp_path: Path, fused: bool | None
) -> None:
    torch.manual_seed(1)
    whole = torch.nn.Conv2d(8, 8, 3).to(memory_format=torch.channels_last)
    sliced = copy.deepcopy(whole)
    gradients = [torch.randn(8, 8, 3, 3) for _ in range(4)]
    names = [name for name, _ in whole.named_parameters()]

    def optimiser(net: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), 1e-2, fused=fused)

    def step(net: torch.nn.Conv2d, adam: torch.optim.Optimizer, gradient: torch.Tensor) -> None:
        net.weight.grad = gradient.to(memory_format=torch.channels_last)
        net.bias.grad = torch.ones(8)
        adam.step()

    one = optimiser(whole)
    for i, gradient in enumerate(gradients):
        step(whole, one, gradient)
        adam = optimiser(sliced)
        if i:
            restore_adam(adam, names, read_checkpoint(tmp_path / "x"))
        step(sliced, adam, gradient)
        write_checkpoint(tmp_path / "x", Checkpoint(i, 0.0, {}, adam_tensors(adam, names)))
    assert torch.equal(whole.weight, sliced.weight)


WHOLE = {"format": FORMAT, "step": 1, "seconds": 1.0, "recipe": {}}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({}, "not a training checkpoint"),
        ([], "not a training checkpoint"),
        (WHOLE | {"format": "other"}, "not a training checkpoint"),
        ({"format": FORMAT}, "unreadable checkpoint"),
        (WHOLE | {"step": "many"}, "unreadable checkpoint"),
        (WHOLE | {"seconds": None}, "unreadable checkpoint"),
        (WHOLE | {"recipe": 5}, "unreadable checkpoint"),
    ],
)
def test_a_foreign_header_is_refused(tmp_path: Path, header: object, says: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"net.a": torch.zeros(1)}, path, {"pagnet": json.dumps(header)})
    with pytest.raises(WeightsError, match=f"x.safetensors: {says}"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 a pickle", b"\xff" * 64, (10**15).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="unreadable checkpoint"):
        read_checkpoint(path)


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="absent: no such file; expected a training checkpoint, or the folder of a"):
        read_checkpoint(tmp_path / "absent")


def test_a_header_nested_beyond_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"net.a": torch.zeros(1)}, path, {"pagnet": "[" * 100_000})
    with pytest.raises(WeightsError, match="unreadable checkpoint"):
        read_checkpoint(path)
