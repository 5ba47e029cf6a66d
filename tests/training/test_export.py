"""What a weights file tells of its training."""

from __future__ import annotations

from pathlib import Path

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import load_weights
from pagnet_training.checkpoint import Checkpoint, write_checkpoint
from pagnet_training.export import export
from pagnet_training.recipe import DataRecipe, Recipe, SensorRecipe, SourceRecipe


def test_a_weights_file_does_not_tell_where_things_lay_on_the_machine_that_trained_it(tmp_path: Path) -> None:
    model = ModelConfig(scale=2, channels=8, growth=4, convolutions=1, blocks=1)
    home = tmp_path / "home" / "alice"
    sources = (
        SourceRecipe(kind="recording", path=str(home / "kitchen")),
        SourceRecipe(kind="procedural", cache=str(home / "scenes")),
        SourceRecipe(kind="sintel", path="sintel/train"),
    )
    recipe = Recipe(
        model=model,
        data=DataRecipe(root=str(home / "sets"), sources=sources, validation="../../alice/val"),
        sensor=SensorRecipe((str(home / "my_camera.yaml"), "kinect_v1")),
        warm_start=str(home / "runs" / "rt-x2" / "checkpoint.safetensors"),
        teacher=str(home / "wide.safetensors"),
    )
    tensors = {f"ema.{name}": tensor for name, tensor in PagNet(model).state_dict().items()}
    run = tmp_path / "checkpoint.safetensors"
    write_checkpoint(run, Checkpoint(3, 0.0, recipe.to_dict(), tensors))
    target = tmp_path / "mine-x2-clean.safetensors"
    export(run, target)
    header = load_weights(target)[1]
    assert "alice" not in header.to_json()
    assert str(tmp_path) not in header.to_json()
    told = header.recipe
    assert (told["warm_start"], told["teacher"]) == ("rt-x2/checkpoint.safetensors", "wide.safetensors")
    assert (told["data"]["root"], told["data"]["validation"]) == ("sets", "val")
    assert [(each["path"], each["cache"]) for each in told["data"]["sources"]] == [
        ("kitchen", ""),
        ("", "scenes"),
        ("sintel/train", ""),
    ]
    assert told["sensor"]["profiles"] == ["my_camera.yaml", "kinect_v1"]
    assert header.data == ("kitchen", "procedural", "sintel/train")
