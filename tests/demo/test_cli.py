"""The demo as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from pagnet_ros.demo.cli import DemoOptions, _node_arguments, _source, main
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


def test_a_bag_is_played_to_the_node_in_its_transports_and_without_the_results_that_it_holds(tmp_path):
    pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
    pytest.importorskip("rosbags", reason="the rosbags library is not installed")
    from pagnet_ros.ros.players.bag_player import parse_arguments
    from tests.replay import bags

    depth = bags.compressed(bags.depth_mm(0), bags.START_NS)
    depth.data, depth.format = depth.data[12:], "16UC1; png compressed "
    color = bags.compressed(bags.color(0), bags.START_NS)
    topics = {"/cam/depth/compressed": depth, "/cam/color/compressed": color}
    bag = bags.write(tmp_path / "bag", [(topic, bags.START_NS, message) for topic, message in topics.items()])

    options = DemoOptions(bag=str(bag))
    source = _source(options)
    _, playing = parse_arguments(source.arguments)
    assert playing.wait_for == "/pagnet_node"  # which leaves out what that node publishes itself
    assert playing.wait_topics == tuple(topics)
    assert playing.wait_s > 0
    assert {"depth_transport:=compressed", "color_transport:=compressed"} <= set(_node_arguments(options, source))


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
