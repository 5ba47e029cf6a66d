"""The node's benchmarks run and print what they promise; their figures are for docs/benchmarks.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from benchmarks import soak

ROOT = Path(__file__).parents[2]
SMALL = ["--width", "64", "--height", "48"]


def run(module, *arguments):
    environ = {name: value for name, value in os.environ.items() if name != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_soak_counts_frames_ages_and_memory(ros_environment, tmp_path):
    out = tmp_path / "soak.json"
    words = ["--frames", "6", "--windows", "2", "--warm-up", "2", "--weights", "bicubic", "--json", str(out)]
    printed = run("benchmarks.soak", *words, *SMALL)
    assert "growth MB" in printed
    windows = json.loads(out.read_text())["windows"]
    assert [window["frames"] >= 3 for window in windows] == [True, True]
    assert all(window["memory_mb"]["total"] > 50 and window["p50"] > 0 for window in windows)
    for memory in (window["memory_mb"] for window in windows):
        assert memory["own"] + memory["files"] + memory["shared"] == pytest.approx(memory["total"])


NEIGHBOURED = """
import time
from benchmarks.neighbours import busy_neighbours
with busy_neighbours(1):
    print("up", flush=True)
    time.sleep(600)
"""


def test_neighbours_end_with_a_benchmark_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", NEIGHBOURED], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        assert parent.communicate(timeout=30) == ("", None)  # the end of what the neighbour holds open too


def test_soak_needs_frames_or_minutes():
    with pytest.raises(SystemExit):
        soak.main([])
