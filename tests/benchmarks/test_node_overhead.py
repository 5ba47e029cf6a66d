"""The node's benchmarks run and print what they promise; their figures are for docs/benchmarks.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

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


def test_the_age_of_the_output_is_measured(ros_environment):
    printed = run("benchmarks.age", "--rates", "10", "--seconds", "2", "--weights", "bicubic", *SMALL)
    (row,) = (line.split("│")[1:-1] for line in printed.splitlines() if line.startswith("│"))
    assert row[0].strip() == "10"
    assert all(float(cell) > 0 for cell in row[1:])


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
