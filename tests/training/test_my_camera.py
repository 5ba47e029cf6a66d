"""A user's own camera, from a recording of it: the recipe `my_camera.yaml`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pagnet_training.checkpoint import read_checkpoint
from pagnet_training.train import main

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore")


def record(folder: Path) -> Path:
    """A folder of frames as a camera's recording is exported: 16-bit millimetres beside colour."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(3):
        depth = np.tile(np.linspace(800 + 50 * number, 2500, 96), (72, 1)).astype(np.uint16)
        depth[20:40, 30:60] = 700
        cv2.imwrite(str(folder / f"frame-{number:06d}.depth.png"), depth)
        cv2.imwrite(str(folder / f"frame-{number:06d}.color.png"), rng.integers(0, 255, (72, 96, 3), np.uint8))
    return folder


def test_ones_own_camera_needs_nothing_but_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = (ROOT / "training" / "recipes" / "my_camera.yaml").read_text(encoding="utf-8")
    small = shipped.replace("scenes: 240", "scenes: 2, size: [64, 80]").replace("patch: 128", "patch: 32")
    Path("my_camera.yaml").write_text(small.replace("batch: 8", "batch: 2"), encoding="utf-8")
    words = ["my_camera.yaml", "--recording", str(record(tmp_path / "kitchen")), "--profile", "kinect_v1"]
    assert main([*words, "--steps", "2", "--threads", "1", "--accelerator", "cpu"]) == 0
    checkpoint = read_checkpoint(tmp_path / "runs" / "my-camera" / "checkpoint.safetensors")
    assert checkpoint.step == 2
    assert checkpoint.recipe["sensor"]["profiles"] == ["kinect_v1", "kinect_v1", "kinect_v1", "unknown"]
    said = capsys.readouterr().err
    assert f"reading {tmp_path / 'kitchen'}: done" in said
    assert "rendering procedural scenes: done" in said
    assert main(["my_camera.yaml", "--recording", "nowhere", "--out", "other"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_network_that_regresses_depth_refuses_a_profile(
    recipe_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(recipe_path), "--profile", "kinect_v1"]) == 2
    assert "expected a recipe whose network chooses surfaces" in capsys.readouterr().err


def test_a_recipe_without_a_recording_refuses_one(recipe_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe_path), "--recording", "kitchen"]) == 2
    assert "my_camera.yaml" in capsys.readouterr().err
