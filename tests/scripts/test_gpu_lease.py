"""The scripts for a short loan of a GPU, tried whole on a CPU, from a copy that holds only the tracked files.

Nothing of ROS, of rosbags or of the network can be reached, and there is no git history: as on such a machine.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pagnet_training.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
name: tiny-x2-clean
model: {scale: 2, channels: 8, growth: 4, convolutions: 1, blocks: 1, residual: true, mask_channel: true}
data:
  sources: [{kind: procedural, scenes: 2, size: [48, 64]}]
patch: 16
batch: 2
steps: 20
precision: fp32
seed: 1
checkpoint_every: 1000
validate_every: 1000
"""
CHOOSING = """
name: tiny-x4-surfaces
model: {output: surfaces, scale: 4, channels: 8, blocks: 1, feature_stride: 4}
data:
  held_out: 1
  sources: [{kind: procedural, scenes: 2, size: [64, 80]}]
patch: 32
batch: 2
steps: 20
precision: fp32
seed: 1
checkpoint_every: 1000
validate_every: 1000
"""
ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("rclpy", "rosbags", "sensor_msgs", "std_msgs", "launch"):
            raise ModuleNotFoundError(f"{name} is absent", name=name)

sys.meta_path.insert(0, Absent())
import socket
def refuse(*arguments):
    raise OSError("there is no network")
socket.socket.connect = refuse
"""
ONE_STEP = {"STEP_MS": "100", "OVERHEAD_SECONDS": "9999"}
FILES, FILE_BYTES = 8, 16 << 20
"""What comes back from such a machine: so many files, each so large at most."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Folder of the copy, and the environment of its commands."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs the git checkout, which says what travels")
    folder = tmp_path_factory.mktemp("machine")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():  # not one that was just removed
            (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "checkout" / name)
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(ABSENT)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "choosing.yaml").write_text(CHOOSING)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROS", "AMENT", "PAGNET"))}
    kept |= {"PYTHONPATH": str(folder / "site"), "PYTHON": sys.executable, "RECIPE": str(folder / "recipe.yaml")}
    kept |= {"DEVICE": "cpu", "SMALL": "1", "PATIENCE": "10", "TEST_PROCESSES": "0", "CALIBRATION_STEPS": "12"}
    kept |= {"CALIBRATION_SECONDS": "900"}
    return folder / "checkout", kept | {"OMP_NUM_THREADS": "1"}


def run(machine, *arguments, **environ):
    """Run the script; the status of each step by name, and the folder of results."""
    checkout, environment = machine
    out = checkout.parent / f"out-{'-'.join(arguments)}"
    done = subprocess.run(
        ["bash", "scripts/gpu_lease.sh", *arguments],
        cwd=checkout,
        env=environment | {"OUT": str(out)} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(log.read_text() for log in out.glob("*.log"))[-3000:] if out.is_dir() else ""
    assert done.returncode == 0, done.stdout + done.stderr + logs
    steps = [json.loads(line) for line in (out / f"{arguments[0]}.steps.jsonl").read_text().splitlines()]
    back = [path for path in out.rglob("*") if path.is_file()]
    assert len(back) <= FILES
    assert all(path.stat().st_size <= FILE_BYTES and path.parent == out for path in back)
    return {step["step"]: step["status"] for step in steps}, out


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_checks_run_without_ros_rosbags_git_and_network(machine):
    steps, out = run(machine, "checks", "3000", RECIPE=str(machine[0].parent / "choosing.yaml"))
    for name in ("versions", "tests", "bench", "probes", "more", "calibration", "networks", "compiled"):
        assert steps[name] == "done", (name, (out / "checks.log").read_text()[-3000:])
    bench = json.loads((out / "bench.json").read_text())
    assert {result["weights"] for result in bench["results"]} == {"bicubic-x4", "fast-x4-sensor"}
    assert bench["machine"]["commit"] == ""
    probes = {entry["probe"]: entry for entry in map(json.loads, (out / "probes.jsonl").read_text().splitlines())}
    assert not any("failed" in entry for entry in probes.values())
    assert probes["two_engines"]["figures"]["errors"] == []
    assert json.loads((out / "calibration.jsonl").read_text())["patches_per_s"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_training_ends_with_the_time_and_goes_on_from_its_parts(machine):
    steps, out = run(machine, "train", "2000", **ONE_STEP)
    assert steps == {"versions": "done", "train": "done", "export": "done"}
    weights = out / "tiny-x2-clean.safetensors"
    parts = sorted(out.glob("checkpoint.safetensors.part-*"))
    assert weights.is_file()
    assert parts
    start = machine[0].parent / "kept"
    for part in parts:
        shutil.copy(part, f"{start}.{part.name.rpartition('.')[2]}")
    steps, _ = run(machine, "train", "2001", START=str(start), **ONE_STEP)
    assert steps["train"] == "done"


def of_session(leader):
    """The processes that a new session's leader has started, and itself."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(ProcessLookupError):
            if os.getsid(int(name)) == leader:
                yield int(name)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_training_that_was_killed_in_the_middle_goes_on_from_its_checkpoint(machine):
    checkout, environment = machine
    recipe = checkout.parent / "killed.yaml"
    recipe.write_text(RECIPE.replace("checkpoint_every: 1000", "checkpoint_every: 2"))
    kept = checkout / "out/gpu_work/run-killed/checkpoint.safetensors"
    first = subprocess.Popen(
        ["bash", "scripts/gpu_lease.sh", "train", "3000"],
        cwd=checkout,
        env=environment | {"OUT": str(checkout.parent / "killed"), "RECIPE": str(recipe), "STEP_MS": "1"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 1500
        while not kept.is_file() and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        for each in [*of_session(first.pid)]:  # `timeout` gives its command a process group of its own
            os.kill(each, signal.SIGKILL)
        first.wait()
    reached = read_checkpoint(kept).step
    steps, out = run(machine, "train", "2002", RECIPE=str(recipe), **ONE_STEP)
    assert steps == {"versions": "done", "train": "done", "export": "done"}
    whole = checkout.parent / "whole.safetensors"
    whole.write_bytes(b"".join(part.read_bytes() for part in sorted(out.glob("checkpoint.safetensors.part-*"))))
    assert read_checkpoint(whole).step == reached + 1
    assert not kept.parent.exists()  # the next command starts anew


def test_what_does_not_fit_into_the_time_is_left_out_and_named(machine):
    steps, _ = run(machine, "checks", "0")
    assert set(steps.values()) == {"skipped"}
    assert list(steps)[:3] == ["versions", "tests", "bench"]
    assert len(steps) == 8


def test_an_unknown_command_says_how_the_script_is_used(machine):
    checkout, environment = machine
    for arguments in ([], ["check"], ["train", "soon"]):
        done = subprocess.run(
            ["bash", "scripts/gpu_lease.sh", *arguments],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "scripts/gpu_lease.sh checks [SECONDS]" in done.stderr
