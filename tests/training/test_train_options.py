"""What the command line of a training replaces in a recipe is checked as the recipe's file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.train import main
from tests.training.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--teacher", "mid-x4-clean"], "loss.distillation=0.0 with teacher='mid-x4-clean', expected both or neither"),
        (["--steps", "0"], "steps=0, expected at least 1"),
        (["--steps", "-1"], "steps=-1, expected at least 1"),
        (["--devices", "0"], "--devices 0, expected at least 1"),
        (["--devices", "-1"], "--devices -1, expected at least 1"),
        (["--nodes", "0"], "--nodes 0, expected at least 1"),
        (["--workers", "-1"], "--workers -1, expected at least 0"),
        (["--threads", "0"], "--threads 0, expected at least 1"),
        (["--time-limit", "-2"], "--time-limit -2.0, expected at least 0"),
        (["--depth-unit", "0"], "--depth-unit 0.0, expected metres per count, 1e-6 to 1"),
        (["--time-limit", "nan"], "--time-limit nan, expected at least 0"),
        (["--threads", "0", "--workers", "-3"], "--threads 0, expected at least 1; --workers -3, expected at least 0"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    recipe_path: Path, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    folder = tmp_path / "run"
    assert main([str(recipe_path), "--data", str(data_root), "--out", str(folder), "--quiet", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(says)
    assert not folder.exists()


def write_bag(path: Path) -> Path:
    """Two depth cameras and two colour cameras."""
    pytest.importorskip("rosbags", reason="reading bags needs rosbags")
    from tests.replay.bags import START_NS, STEP_NS, color, depth_mm, image, write

    size = (72, 96)
    messages = []
    for number in range(12):
        stamp_ns = START_NS + number * STEP_NS
        for side in ("left", "right"):
            messages.append((f"/{side}/color", stamp_ns, image(color(number, size), stamp_ns)))
            messages.append((f"/{side}/depth", stamp_ns, image(depth_mm(number, size), stamp_ns)))
    return write(path, messages)


def test_topics_of_recordings_are_named_to_train_and_to_validate_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.yaml"
    shipped = (ROOT / "training" / "recipes" / "my_camera.yaml").read_text(encoding="utf-8")
    small = shipped.replace("scenes: 240", "scenes: 1, size: [64, 80]").replace("cache: scene_cache", "seed: 3")
    recipe.write_text(small.replace("patch: 128", "patch: 32").replace("batch: 8", "batch: 2"), encoding="utf-8")
    bags = [str(write_bag(tmp_path / name)) for name in ("kitchen", "hall")]
    words = [str(recipe), "--accelerator", "cpu", "--threads", "1", "--steps", "1", "--quiet"]
    words += ["--out", str(tmp_path / "run"), "--recording", bags[0]]
    assert main([*words, "--validate-on", bags[1]]) == 2
    assert "hall: 2 depth image topics (/left/depth, /right/depth)" in capsys.readouterr().err
    topics = ["--depth", "/left/depth", "--color", "/right/color"]
    assert main([*words, "--depth", "/left/depth"]) == 2
    assert "kitchen: 2 color image topics (/left/color, /right/color)" in capsys.readouterr().err
    assert main([*words, "--validate-on", bags[1], *topics]) == 0
    source = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors").recipe["data"]["sources"][0]
    assert (source["path"], source["depth_topic"], source["color_topic"]) == (bags[0], "/left/depth", "/right/color")


def test_topics_without_a_recording_are_refused(recipe_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe_path), "--depth", "/left/depth"]) == 2
    assert "expected --validate-on, or a recipe such" in capsys.readouterr().err
