"""Recordings can be read where no ROS is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

CODE = """
import pkgutil, sys
for name in ("rclpy", "sensor_msgs", "std_msgs", "rosgraph_msgs", "builtin_interfaces"):
    sys.modules[name] = None
import pagnet_ros.recordings
for module in pkgutil.iter_modules(pagnet_ros.recordings.__path__):
    __import__(f"pagnet_ros.recordings.{module.name}")
import pagnet_ros.ros.players.frames_to_bag
"""


def test_recordings_and_the_bag_command_need_no_ros():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
