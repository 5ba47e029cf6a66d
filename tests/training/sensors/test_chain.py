"""From a recording to weights on the robot: fit, train, export, replay, one after the other on one small recording."""

import json

import cv2
import numpy as np
import pytest

from pagnet_ros.model.weights import load_weights
from pagnet_ros.replay.cli import main as replay
from pagnet_ros.sensors import load_profile
from pagnet_training.export import main as export
from pagnet_training.sensors.fit import main as fit
from pagnet_training.train import main as train
from tests.training.sensors.fit_worlds import MATRIX, gaussian, record

RECIPE = """
name: my-x2-camera
model: {scale: 2, channels: 8, growth: 4, convolutions: 1, blocks: 1, residual: true, mask_channel: true}
data: {sources: [{kind: procedural, scenes: 2, size: [64, 80]}]}
sensor: {profiles: [PROFILE], spread: 0.3}
augmentation: {sensor: 1.0}
patch: 32
batch: 4
steps: 3
precision: fp32
checkpoint_every: 1
"""


@pytest.fixture
def recording(tmp_path):
    """Fourteen frames of a still camera as numbered files."""
    folder = tmp_path / "frames"
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", MATRIX)
    for index, frame in enumerate(record(gaussian(0.01, missing=0.05))):
        millimetres = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
        cv2.imwrite(str(folder / f"frame-{index:06d}.depth.png"), millimetres)
        cv2.imwrite(str(folder / f"frame-{index:06d}.color.png"), frame.rgb[..., ::-1])
        np.savetxt(folder / f"frame-{index:06d}.pose.txt", frame.pose)
    return folder


@pytest.mark.timeout(600)
def test_a_recording_becomes_a_profile_weights_and_figures(recording, tmp_path):
    profile = tmp_path / "my_camera.yaml"
    assert fit([str(recording), "--out", str(profile), "--threads", "1"]) == 0
    assert load_profile(profile).covered

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("PROFILE", str(profile)), encoding="utf-8")
    run = tmp_path / "run"
    assert train([str(recipe), "--out", str(run), "--accelerator", "cpu", "--threads", "1", "--quiet"]) == 0
    weights = tmp_path / "my_camera.safetensors"
    assert export([str(run / "checkpoint.safetensors"), str(weights), "--variant", "my-camera"]) == 0
    assert load_weights(weights)[1].variant == "my-camera"

    arguments = ["--scale", "2", "--weights", str(weights), "bicubic", "--baselines", "none", "--json"]
    assert replay([str(recording), *arguments, "--out", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    names = [method["name"] for method in figures["methods"]]
    assert names == [weights.stem, "node-bicubic"]
