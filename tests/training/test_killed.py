"""kill -9 at random moments of training, fitting and replay: figures stay the same, no half file is taken for whole.

Fifty times in all; PAGNET_KILL_SEED chooses other moments.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pagnet_ros.replay.results import read_results
from pagnet_ros.sensors import load_profile
from pagnet_training.checkpoint import read_checkpoint
from tests.training.sensors.fit_worlds import gaussian, record, write_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SEED = int(os.environ.get("PAGNET_KILL_SEED", "1"))
LONGEST = 1.1
"""Latest moment of a kill, as a share of the time that an undisturbed run took."""


def run(words: list[str], package_path: Path) -> float:
    """Let a command end by itself; seconds."""
    began = time.monotonic()
    environ = {**os.environ, "PYTHONPATH": str(package_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def kill(words: list[str], package_path: Path, after_s: float) -> bool:
    """Start a command and kill it after a while; whether it still ran."""
    environ = {**os.environ, "PYTHONPATH": str(package_path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_a_training_killed_20_times_ends_bit_for_bit_like_one_in_one_go(recipe_path, data_root, tmp_path, package_path):
    dice = random.Random(SEED)

    def command(folder: Path) -> list[str]:
        words = [sys.executable, "-m", "pagnet_training.train", str(recipe_path), "--data", str(data_root)]
        return [*words, "--out", str(folder), "--quiet", "--accelerator", "cpu", "--threads", "1", "--resume"]

    recipe_path.write_text(recipe_path.read_text().replace("steps: 8", "steps: 60"))
    longest = run(command(tmp_path / "whole"), package_path)
    whole = read_checkpoint(tmp_path / "whole" / "checkpoint.safetensors")
    journal = (tmp_path / "whole" / "validation.jsonl").read_text()
    folder, kills, reached = tmp_path / "killed", 0, 0
    while kills < 20:
        kills += kill(command(folder), package_path, dice.uniform(0.3, LONGEST) * longest)
        path = folder / "checkpoint.safetensors"
        if path.exists():
            step = read_checkpoint(path).step
            assert step >= reached
            reached = step
        if reached == 60:
            compare(folder, whole, journal)
            shutil.rmtree(folder)
            reached = 0
    run(command(folder), package_path)
    compare(folder, whole, journal)


def compare(folder: Path, whole, journal: str) -> None:
    ended = read_checkpoint(folder / "checkpoint.safetensors")
    assert ended.step == whole.step
    assert all(torch.equal(whole.tensors[name], ended.tensors[name]) for name in whole.tensors)
    steps = [json.loads(line)["step"] for line in journal.splitlines()]
    figures = {json.loads(line)["step"]: json.loads(line)["scene9"] for line in journal.splitlines()}
    found = [json.loads(line) for line in (folder / "validation.jsonl").read_text().splitlines()]
    assert sorted({line["step"] for line in found}) == steps
    assert all(line["scene9"] == figures[line["step"]] for line in found)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_folder(record(gaussian(0.004, 0.05), 12), tmp_path_factory.mktemp("recording") / "frames")


def test_a_fit_killed_10_times_leaves_a_whole_profile_or_none(frames, tmp_path, package_path):
    dice, out = random.Random(SEED), tmp_path / "profile.yaml"
    words = [sys.executable, "-m", "pagnet_training.sensors.fit", str(frames), "--threads", "1"]
    words += ["--out", str(out), "--report", str(tmp_path / "report.html")]
    longest = run(words, package_path)
    whole, page = out.read_text(), (tmp_path / "report.html").read_text()
    kills = 0
    while kills < 10:
        out.unlink(missing_ok=True)
        (tmp_path / "report.html").unlink(missing_ok=True)
        kills += kill(words, package_path, dice.uniform(0.5, LONGEST) * longest)
        if out.exists():
            assert load_profile(out)
            assert out.read_text() == whole
        if (tmp_path / "report.html").exists():
            assert len((tmp_path / "report.html").read_text()) == len(page)
    run(words, package_path)
    assert out.read_text() == whole


def test_a_replay_killed_20_times_leaves_whole_files_or_none(frames, tmp_path, package_path):
    dice, out = random.Random(SEED), tmp_path / "out"
    words = [sys.executable, "-m", "pagnet_ros.replay", str(frames), "--weights", "identity", "--baselines", "nearest"]
    words += ["--scale", "4", "--out", str(out), "--force"]
    longest = run(words, package_path)

    def figures() -> dict[str, object]:
        results = read_results(out / "results.json")
        return {method.name: method.metrics for method in results.methods}

    whole = figures()
    sizes = {path.name: len(path.read_text().splitlines()) for path in out.iterdir()}
    kills = 0
    while kills < 20:
        shutil.rmtree(out)
        out.mkdir()
        kills += kill(words, package_path, dice.uniform(0.5, LONGEST) * longest)
        for path in out.iterdir():
            if path.name.startswith(".partial-"):
                continue
            assert len(path.read_text().splitlines()) == sizes[path.name], path
            if path.name == "results.json":
                assert figures() == whole
    run(words, package_path)
    assert figures() == whole
