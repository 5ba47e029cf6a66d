"""The executable as a user runs it: its own process, remaps and parameters on the command line, Ctrl-C."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from pagnet_ros.ros import node
from pagnet_ros.ros.encode import image_message

ROOT = Path(__file__).parents[2]
RELIABLE = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)


class Process:
    """A child process whose output is collected, and which is ended by its own id."""

    def __init__(self, command, environment):
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line)

    def says(self, text):
        return any(text in line for line in list(self.lines))

    def end(self, how=signal.SIGINT):
        """Send a signal; return the exit status and everything said."""
        self._process.send_signal(how)
        status = self._process.wait(timeout=30)
        self._reader.join(timeout=10)
        return status, "".join(self.lines)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def start(ros):
    processes = []

    def run(*ros_args):
        arguments = ["-p", "weights:=bicubic", "-p", "device:=cpu", "-p", "autostart:=true", *ros_args]
        command = [sys.executable, "-m", "pagnet_ros.ros.node", "--ros-args", *arguments]
        processes.append(Process(command, ros.child_environment()))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()


def test_command_line_that_ros_refuses_is_an_error_without_a_traceback(monkeypatch, capfd):
    monkeypatch.setattr(node, "prepare_process", lambda: None)
    assert node.main(["pagnet_node", "--ros-args", "-p", "broken"]) == 1
    assert "error: the arguments after --ros-args:" in capfd.readouterr().err


SIGNALLED_WHILE_LOADING = """
import os, signal, sys, time
import rclpy
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node import PagnetNode, run_node

def load(parameters):
    os.kill(os.getpid(), int(sys.argv[1]))
    while rclpy.ok():
        time.sleep(0.01)
    return DepthUpsampler.bicubic(device="cpu")

rclpy.init(args=["node", "--ros-args", "-p", "autostart:=true"])
run_node(lambda: PagnetNode(load=load))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_weights_are_loaded_ends_the_node_cleanly(ros, how):
    command = [sys.executable, "-c", SIGNALLED_WHILE_LOADING, str(int(how))]
    done = subprocess.run(
        command, cwd=ROOT, env=ros.child_environment(), capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_node_process_works_on_remapped_topics_and_ends_cleanly(ros, start, how):
    process = start("-r", "depth:=/cam/depth", "-r", "color:=/cam/image", "-r", "depth_hr:=/sharp")
    camera = ros.node("camera")
    depth = camera.create_publisher(Image, "/cam/depth", RELIABLE)
    color = camera.create_publisher(Image, "/cam/image", RELIABLE)
    out = ros.collect(camera, Image, "/sharp", RELIABLE)
    ros.wait_until(lambda: process.says("]: active: /cam/depth + /cam/image"), 60.0, "the active node")
    ros.wait_matched(depth)
    ros.wait_matched(color)
    feeding = threading.Event()

    def feed():
        at = 10**18
        while not feeding.wait(0.05):
            color.publish(image_message(np.full((48, 64, 3), 90, np.uint8), at, "camera"))
            depth.publish(image_message(np.full((12, 16), 1500, np.uint16), at, "camera"))
            at += 33_000_000

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        message = out.wait_for(2, 60.0)[0]
        status, said = process.end(how)
    finally:
        feeding.set()
        thread.join()
    assert (message.width, message.height) == (64, 48)
    assert status == 0, said
    assert "Traceback" not in said
    assert "[no_camera_info] no camera_info on /cam/camera_info" in said
