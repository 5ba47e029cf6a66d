"""The node's benchmarks run and print what they promise; their figures are for docs/benchmarks.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from benchmarks import soak
from benchmarks.degradation import Timeline, budget_shares, draw_timeline, rung_table
from benchmarks.run import Output
from pagnet_ros.core.degradation import JOINT_BILATERAL, NETWORK, SMALLER_SIZE

ROOT = Path(__file__).parents[2]
SMALL = ["--width", "64", "--height", "48"]
TIMELINE = Timeline(
    outputs=[Output(0.5, 100.0), Output(1.5, 300.0), Output(2.5, 40.0), Output(2.6, 60.0), Output(9.5, 100.0)],
    changes=[(0.0, NETWORK), (2.0, SMALLER_SIZE), (2.55, JOINT_BILATERAL), (9.0, NETWORK)],
    budgets=[(0.0, 200.0), (3.0, 50.0), (8.0, 200.0)],
    end_s=10.0,
)


def test_outputs_count_for_the_rung_of_their_time():
    rows = {rung: figures for rung, *figures in rung_table(TIMELINE)}
    assert list(rows) == [NETWORK, SMALLER_SIZE, JOINT_BILATERAL]
    assert rows[NETWORK] == pytest.approx([3.0, 3, 100.0, 296.0])
    assert rows[SMALLER_SIZE] == pytest.approx([0.55, 1, 40.0, 40.0])
    assert rows[JOINT_BILATERAL] == pytest.approx([6.45, 1, 60.0, 60.0])


@pytest.mark.parametrize("busy_s", [None, (1.0, 8.0)])
def test_the_picture_is_drawn(tmp_path, busy_s):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the demo extra brings it)")
    draw_timeline(TIMELINE._replace(busy_s=busy_s), tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


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


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["--neighbours", "1", "--before", "1", "--during", "1", "--after", "1"], "budget 0.001 ms, neighbours from 1"),
        (["--steps", "2", "--step", "0.3"], "budget 0.001 ms to 0.0001 and back"),
    ],
    ids=["neighbours", "budget"],
)
def test_the_ladder_is_walked_and_drawn(ros_environment, tmp_path, words, title):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the demo extra brings it)")
    picture = tmp_path / "ladder.png"
    printed = run("benchmarks.degradation", *words, "--budget", "0.001", *SMALL, "--picture", str(picture))
    assert title in printed
    assert picture.is_file()


def test_the_budget_falls_and_grows_again_by_equal_factors():
    shares = budget_shares(0.125, 4)
    assert shares == pytest.approx([1, 1, 0.5, 0.25, 0.125, 0.125, 0.125, 0.125, 0.25, 0.5, 1, 1, 1])


NEIGHBOURED = """
import time
from benchmarks.run import busy_neighbours
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
