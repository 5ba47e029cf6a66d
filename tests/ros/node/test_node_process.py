"""The executable as a user runs it: its own process, remaps and parameters on the command line, Ctrl-C."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

import rclpy
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from pagnet_ros.ros.encode import image_message
from pagnet_ros.ros.node import node
from tests.ros.node.node_rig import repeating

ROOT = Path(__file__).parents[3]
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
        if self._process.poll() is None:
            self._process.send_signal(how)
        status = self._process.wait(timeout=60)
        self._reader.join(timeout=10)
        return status, "".join(self.lines)

    def close(self):
        try:
            self.end(signal.SIGTERM)  # killed, it would leave its shared memory behind
        finally:
            self._process.kill()


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
        process.close()


def test_command_line_that_ros_refuses_is_an_error_without_a_traceback(monkeypatch, capfd):
    monkeypatch.setattr(node, "prepare_process", lambda: None)
    assert node.main(["pagnet_node", "--ros-args", "-p", "broken"]) == 1
    assert "error: the arguments after --ros-args:" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["--params-file", "node.yaml"]])
def test_words_that_are_not_for_ros_are_refused(ros_environment, monkeypatch, capfd, words):
    monkeypatch.setattr(node, "prepare_process", lambda: None)
    assert node.main(["pagnet_node", *words, "--ros-args", "-p", "device:=cpu"]) == 1
    assert f"error: arguments '{' '.join(words)}'; expected ROS parameters only" in capfd.readouterr().err
    assert not rclpy.ok()


def test_a_parameter_of_rclpy_of_another_type_is_an_error_without_a_traceback(ros_environment, monkeypatch, capfd):
    monkeypatch.setattr(node, "prepare_process", lambda: None)
    assert node.main(["pagnet_node", "--ros-args", "-p", "use_sim_time:=1"]) == 1
    assert "error: Trying to set parameter 'use_sim_time' to '1'" in capfd.readouterr().err
    assert not rclpy.ok()


SIGNALLED_WHILE_LOADING = """
import os, signal, sys, time
import rclpy
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node.node import PagnetNode, run_node

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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_node_process_works_on_remapped_topics_and_ends_cleanly(ros, start, how):
    process = start("-r", "depth:=/cam/depth", "-r", "color:=/cam/image", "-r", "depth_hr:=/sharp")
    camera = ros.node("camera")
    depth = camera.create_publisher(Image, "/cam/depth", RELIABLE)
    color = camera.create_publisher(Image, "/cam/image", RELIABLE)
    out = ros.collect(camera, Image, "/sharp", RELIABLE)
    ros.wait_until(lambda: process.says("]: active: /cam/depth + /cam/image"), 60.0, "the active node")
    ros.wait_matched(depth)
    ros.wait_matched(color)

    def feed(index):
        at_ns = 10**18 + index * 33_000_000
        color.publish(image_message(np.full((48, 64, 3), 90, np.uint8), at_ns, "camera"))
        depth.publish(image_message(np.full((12, 16), 1500, np.uint16), at_ns, "camera"))

    with repeating(feed):
        message = out.wait_for(2, 60.0)[0]
        status, said = process.end(how)
    assert (message.width, message.height) == (64, 48)
    assert status == 0, said
    assert "Traceback" not in said
    assert "[no_camera_info] no camera_info on /cam/camera_info" in said


def test_lifecycle_requests_out_of_sequence_are_refused_and_the_node_goes_on(ros, start):
    process = start()
    probe = ros.node("manager")
    ros.wait_until(lambda: process.says("]: active:"), 60.0, "the active node")
    change = probe.create_client(ChangeState, "/pagnet_node/change_state")
    for wanted in (Transition(id=Transition.TRANSITION_CONFIGURE), Transition(id=255), Transition(label="activate")):
        assert not ros.call(change, ChangeState.Request(transition=wanted)).success
    deactivate = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert ros.call(change, deactivate).success
    assert not ros.call(change, deactivate).success
    assert ros.call(change, ChangeState.Request(transition=Transition(label="activate"))).success
    status, said = process.end()
    assert status == 0, said
    assert "refused in state active; expected a transition that starts there" in said


def test_what_rclpy_itself_cannot_take_does_not_end_the_node(ros, start):
    process = start("-p", "use_sim_time:=true")
    probe = ros.node("world")
    ros.wait_until(lambda: process.says("]: active:"), 60.0, "the active node")
    clock = probe.create_publisher(Clock, "/clock", RELIABLE)
    ros.wait_matched(clock)

    def tell_a_time_before_zero():
        clock.publish(Clock(clock=Time(sec=-5)))
        return process.says("a callback failed and the node goes on")

    ros.wait_until(tell_a_time_before_zero, 30.0, "the report")
    set_parameters = probe.create_client(SetParameters, "/pagnet_node/set_parameters")
    unknown = ParameterMessage(name="slop_ms", value=ParameterValue(type=200))
    ros.wait_until(set_parameters.service_is_ready, 30.0, "the service")
    set_parameters.call_async(SetParameters.Request(parameters=[unknown]))
    good = ParameterMessage(name="slop_ms", value=ParameterValue(type=3, double_value=33.0))
    assert ros.call(set_parameters, SetParameters.Request(parameters=[good])).results[0].successful
    status, said = process.end()
    assert status == 0, said


def test_a_node_without_a_folder_for_its_log_runs_and_says_so(ros, monkeypatch, start):
    monkeypatch.delenv("ROS_LOG_DIR")
    monkeypatch.setenv("HOME", "/proc")
    process = start()
    ros.wait_until(lambda: process.says("]: active:"), 60.0, "the active node")
    status, said = process.end()
    assert status == 0, said
    assert re.search(r"no log file is written: .*/proc/.*set ROS_LOG_DIR", said)


def cpu_seconds(pid):
    """Processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mapped_segments(pid):
    """Shared memory of DDS that a process uses, ports aside: those outlive the processes that meet there."""
    names = re.findall(r"/dev/shm/fastrtps_[0-9a-f]+(?:_el)?$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    return set(names)


def test_a_closed_terminal_ends_a_node_that_waits_and_leaves_nothing_behind(ros, start):
    process = start("-p", "autostart:=false")
    ros.wait_until(lambda: process.says("waiting: ros2 lifecycle set"), 60.0, "the waiting node")
    segments = mapped_segments(process._process.pid) - mapped_segments(os.getpid())
    process._process.send_signal(signal.SIGHUP)
    status, said = process.end(signal.SIGHUP)  # by the shell and by the kernel
    assert status == 0, said
    assert segments
    assert not [path for path in segments if Path(path).exists()]


def test_ctrl_c_ends_the_node_at_once_and_a_second_one_leaves_nothing_behind(ros, start):
    process = start()
    ros.wait_until(lambda: process.says("]: active:"), 60.0, "the active node")
    pid = process._process.pid
    segments = mapped_segments(pid) - mapped_segments(os.getpid())
    spent, last = cpu_seconds(pid), 0.0
    process._process.send_signal(signal.SIGINT)
    while process._process.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            last = cpu_seconds(pid) - spent
        process._process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    status, said = process.end()
    assert status == 0, said
    assert "Traceback" not in said
    assert last < 1.5, "seconds of processor time after Ctrl-C; the last garbage collection alone takes two or more"
    assert segments
    assert not [path for path in segments if Path(path).exists()]
