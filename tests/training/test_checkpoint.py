"""Training states on disk: what was written comes back, and a foreign or damaged file is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pagnet_ros.errors import WeightsError
from pagnet_training.checkpoint import FORMAT, Checkpoint, read_checkpoint, write_checkpoint


def test_a_checkpoint_comes_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoint.safetensors"
    written = Checkpoint(7, 1.5, {"name": "x", "seed": 3}, {"net.a": torch.arange(4.0), "ema.a": torch.zeros(2, 2)})
    write_checkpoint(path, written)
    read = read_checkpoint(path)
    assert (read.step, read.seconds, read.recipe) == (7, 1.5, {"name": "x", "seed": 3})
    assert read.part("net")["a"].tolist() == [0, 1, 2, 3]
    assert read.tensors.keys() == written.tensors.keys()
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.safetensors"]


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


def test_a_header_nested_beyond_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"net.a": torch.zeros(1)}, path, {"pagnet": "[" * 100_000})
    with pytest.raises(WeightsError, match="unreadable checkpoint"):
        read_checkpoint(path)
