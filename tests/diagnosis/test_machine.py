"""What is seen of a machine: a made-up /proc and /dev, and this one."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pagnet_ros.diagnosis import machine as looks
from pagnet_ros.diagnosis.machine import look_at_machine


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dev/shm").mkdir(parents=True)
    (tmp_path / "proc/sys/net/core").mkdir(parents=True)
    (tmp_path / "proc/sys/net/core/rmem_max").write_text("212992\n")
    return tmp_path


def test_this_machine_is_described():
    found = look_at_machine()
    assert found.uid == os.getuid()
    assert found.shm_bytes >= found.shm_free_bytes >= 0
    assert "numpy" not in found.modules


def test_an_empty_machine_is_described(root, monkeypatch):
    monkeypatch.setattr(looks, "_ROS_MODULES", ("no_such_package",))
    found = look_at_machine({"PATH": ""}, root)
    assert found.gpu == ""
    assert found.compiler == ""
    assert found.receive_buffer_bytes == 212992
    assert "no_such_package" in found.ros_error
    assert (found.dds_profile, found.ros_sourced, found.rmw) == ("", "", "rmw_fastrtps_cpp")
    (root / "dev/shm").rmdir()
    assert look_at_machine({}, root).shm_bytes == 0


def test_a_sourced_ros_and_a_profile_are_seen(root, tmp_path):
    prefix = tmp_path / "opt/ros/jazzy"
    (prefix / "share/rclpy").mkdir(parents=True)
    (prefix / "share/rclpy/package.xml").touch()
    environ = {
        "AMENT_PREFIX_PATH": f"/home/me/ws/install:{prefix}",
        "FASTDDS_DEFAULT_PROFILES_FILE": "/nowhere.xml",
        "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
    }
    found = look_at_machine(environ, root)
    assert found.ros_sourced == str(prefix)
    assert (found.dds_profile, found.profile_exists, found.rmw) == ("/nowhere.xml", False, "rmw_cyclonedds_cpp")


def test_a_module_that_is_not_installed_is_named_as_pip_names_it(root, monkeypatch):
    monkeypatch.setattr(looks, "NEEDED", {"no_such_module": "no-such-distribution", "numpy": "numpy"})
    assert look_at_machine({}, root).modules == ("no-such-distribution",)


@pytest.mark.parametrize(
    ("output", "error", "expected"),
    [
        ("True\n\n", "", (True, "")),
        ("False\nbuilt without CUDA\n", "AssertionError: Torch not compiled", (False, "built without CUDA")),
        ("False\n\n", "Traceback\nRuntimeError: driver too old", (False, "RuntimeError: driver too old")),
    ],
)
def test_torch_is_asked_where_there_is_a_gpu(root, monkeypatch, output, error, expected):
    gpu = root / "proc/driver/nvidia/gpus/0000:01:00.0"
    gpu.mkdir(parents=True)
    (gpu / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 3\n")
    asked = []

    def run(command, **_):
        asked.append(command[0])
        return SimpleNamespace(stdout=output, stderr=error)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(looks, "_version", lambda name: "2.13.0")
    found = look_at_machine({}, root)
    assert found.gpu == "NVIDIA H200"
    assert (found.torch_cuda, found.torch_reason) == expected
    assert asked == [sys.executable]


def test_torch_that_does_not_answer_is_no_finding(root, monkeypatch):
    (root / "dev/nvidia0").touch()

    def run(*_, **__):
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(subprocess, "run", run)
    assert look_at_machine({}, root).torch_cuda is None


def test_the_compilers_looked_for_are_those_that_build_the_kernels():
    library = pytest.importorskip("pagnet_ros.runtime.native.library")
    assert looks.COMPILERS == library.COMPILERS


def test_the_question_to_torch_can_be_asked_here():
    pytest.importorskip("torch")
    able, reason = looks._ask_torch()
    assert able is True or reason
