"""The demo as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from pagnet_ros.demo.cli import DemoOptions, main
from pagnet_ros.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_all_wrong_options_are_listed_at_once():
    with pytest.raises(ConfigError, match=r"seconds = 0.0 .*; rate = -1.0 .*; downsample = 99 .*expected 1 to 16"):
        DemoOptions(seconds=0, rate=-1, downsample=99)
    with pytest.raises(ConfigError, match="--frames and --bag"):
        DemoOptions(frames="a", bag="b")
    with pytest.raises(ConfigError, match="--downsample without --frames"):
        DemoOptions(downsample=4)


def test_a_missing_bag_ends_with_the_reason(tmp_path, capsys):
    assert main(["--bag", str(tmp_path / "no.mcap"), "--out", str(tmp_path)]) == 1
    assert "no.mcap" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_ends_with_the_reason(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file" / "demo")]) == 1
    said = capsys.readouterr().err
    assert "Not a directory" in said
    assert "name another folder with --out" in said


@pytest.mark.timeout(240)
def test_the_demo_shows_outputs_and_writes_its_picture(tmp_path):
    pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `demo`)")
    dropped = ("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "ROS_DOMAIN_ID")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    arguments = ["--seconds", "3", "--weights", "bicubic", "--sensor", "clean", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pagnet_ros.demo", *arguments],
        cwd=ROOT,
        env=environment | {"ROS_LOG_DIR": str(tmp_path / "log"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    logs = "\n".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    assert "median RMSE against the truth" in done.stdout
    assert str(tmp_path / "panel.png") in done.stdout
    assert cv2.imread(str(tmp_path / "panel.png")).std() > 10
