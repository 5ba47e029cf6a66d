"""The commands of docs/sensors.md, one after the other on one small recording: fit, train, export; then replay."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

from pagnet_ros.model.weights import load_weights
from pagnet_ros.recordings.bag_writer import write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.replay.cli import main as replay
from pagnet_ros.sensors import load_profile
from tests.training.sensors.fit_worlds import gaussian, record, write_folder

ROOT = Path(__file__).resolve().parents[3]
SMALLER = {
    "pagnet_training.sensors.fit": ["--threads", "1"],
    "pagnet_training.train": ["--steps", "2", "--threads", "1", "--accelerator", "cpu"],
}


def commands():
    """The documented commands of the training package, in their order."""
    block = re.search(r"```bash\n(.*?)```", (ROOT / "docs/sensors.md").read_text(encoding="utf-8"), re.DOTALL).group(1)
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("python -m pagnet_training")]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the bag `kitchen` and the shipped recipe, made small."""
    pytest.importorskip("rosbags", reason="a bag is written and read")
    pytest.importorskip("matplotlib", reason="the report's pictures need matplotlib")
    frames = write_folder(record(gaussian(0.01, missing=0.05), step_m=0.01), tmp_path / "frames")
    write_bag(open_frames(frames), tmp_path / "kitchen")
    recipe = (ROOT / "training/recipes/my_camera.yaml").read_text(encoding="utf-8")
    for large, small in {
        "scenes: 240": "scenes: 2, size: [64, 80]",
        "every: 10": "every: 5",
        "patch: 128": "patch: 32",
        "batch: 8": "batch: 2",
    }.items():
        assert large in recipe
        recipe = recipe.replace(large, small)
    (tmp_path / "training/recipes").mkdir(parents=True)
    (tmp_path / "training/recipes/my_camera.yaml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.timeout(600)
def test_the_documented_commands_lead_from_a_recording_to_weights_and_scores(workplace):
    walked = []
    for module, *words in commands():
        assert importlib.import_module(module).main([*words, *SMALLER.get(module, [])]) == 0, module
        walked.append(module)
    assert walked == ["pagnet_training.sensors.fit", "pagnet_training.train", "pagnet_training.export"]
    assert load_profile(workplace / "my_camera.yaml").covered
    assert "data:image/png" in (workplace / "my_camera.html").read_text(encoding="utf-8")
    assert load_weights(workplace / "my_camera.safetensors")[1].variant == "my-camera"

    words = [
        "kitchen",
        "--scale",
        "4",
        "--weights",
        "my_camera.safetensors",
        "bicubic",
        "--baselines",
        "none",
        "--json",
    ]
    assert replay([*words, "--out", "out"]) == 0
    scores = json.loads((workplace / "out/results.json").read_text(encoding="utf-8"))
    assert [method["name"] for method in scores["methods"]] == ["my_camera", "node-bicubic"]
