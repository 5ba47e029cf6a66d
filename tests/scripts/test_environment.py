"""Which ROS 2 and which environment the set-up scripts choose, and that the source is what runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The Python below this environment: it knows nothing of the wheels.
PYTHON = next((str(p) for p in [Path(sys.base_prefix, "bin/python3")] if p.exists()), shutil.which("python3"))
SHOWN = ("ROS_SOURCE", "VENV", "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "ROS_DISTRO")

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the set-up scripts need bash")


def bash(command, **environ):
    """Run a command with nothing of the surrounding ROS, and return what came of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROS", "AMENT", "PYTHON"))}
    kept |= {"PYTHON": PYTHON, **environ}
    return subprocess.run(["bash", "-c", command], env=kept, cwd="/", capture_output=True, text=True, check=False)


def choice(**environ):
    """The variables that environment.sh leaves behind."""
    show = "; ".join(f'echo "{name}=${{{name}-unset}}"' for name in SHOWN)
    done = bash(f"set -euo pipefail; . {ROOT}/scripts/environment.sh; {show}", **environ)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture
def sourced(tmp_path):
    """The environment after `source /opt/ros/.../setup.bash`, with an rclpy that can be imported."""
    packages = tmp_path / "ros/lib/python3/site-packages"
    (packages / "rclpy").mkdir(parents=True)
    (packages / "rclpy/__init__.py").touch()
    return {
        "ROS_DISTRO": "jazzy",
        "AMENT_PREFIX_PATH": f"{tmp_path}/overlay:{tmp_path}/ros",
        "PYTHONPATH": f"{packages}:/mine",
        "LD_LIBRARY_PATH": f"{tmp_path}/ros/lib:/usr/mylib",
        "PATH": f"{tmp_path}/ros/bin:{os.environ['PATH']}",
    }


def test_without_ros_the_jazzy_wheels_are_taken():
    chosen = choice()
    assert chosen["ROS_SOURCE"] == "jazzy"
    assert chosen["VENV"] == f"{ROOT}/.venv"


def test_kilted_has_an_environment_of_its_own():
    assert choice(ROS="kilted")["VENV"] == f"{ROOT}/.venv-kilted"


def test_a_sourced_ros_is_used_as_it_is(sourced):
    chosen = choice(**sourced)
    assert chosen["ROS_SOURCE"] == "installed"
    assert chosen["VENV"] == f"{ROOT}/.venv-installed"
    assert {name: chosen[name] for name in sourced} == sourced


def test_wheels_and_a_sourced_ros_never_meet(sourced):
    chosen = choice(**sourced, ROS="jazzy")
    assert chosen["ROS_SOURCE"] == "jazzy"
    assert (chosen["PYTHONPATH"], chosen["LD_LIBRARY_PATH"]) == ("/mine", "/usr/mylib")
    assert chosen["PATH"] == os.environ["PATH"]
    assert chosen["AMENT_PREFIX_PATH"] == chosen["ROS_DISTRO"] == "unset"


def test_a_sourced_ros_of_another_python_is_left_for_wheels(sourced, tmp_path):
    shutil.rmtree(tmp_path / "ros/lib/python3/site-packages/rclpy")
    if "rclpy" in bash("$PYTHON -c 'import rclpy; print(rclpy)'").stdout:
        pytest.skip("this Python has an rclpy of its own")
    chosen = choice(**sourced)
    assert chosen["ROS_SOURCE"] == "jazzy"
    assert chosen["AMENT_PREFIX_PATH"] == "unset"


@pytest.mark.parametrize(
    ("ros", "says"), [("humble", "expected jazzy or kilted"), ("installed", "no ROS 2 is sourced")]
)
def test_what_cannot_be_is_said(ros, says):
    done = bash(f". {ROOT}/scripts/environment.sh", ROS=ros)
    assert done.returncode == 1
    assert says in done.stderr


def test_running_before_set_up_says_what_to_do(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    done = bash(f"{tmp_path}/scripts/run.sh true")
    assert done.returncode == 1
    assert "run: make setup" in done.stderr


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a stand-in environment: bin/python is this machine's python3, source/ as setup.sh makes it."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "pagnet_ros").mkdir()
    (root / "pagnet_ros/__init__.py").write_text("WHICH = 'source'\n")
    for folder in (".venv/bin", ".venv/source"):
        (root / folder).mkdir(parents=True)
    (root / ".venv/bin/python").symlink_to(PYTHON)
    (root / ".venv/source/pagnet_ros").symlink_to(root / "pagnet_ros")
    return root


def test_a_stale_installed_copy_never_shadows_the_source(checkout, tmp_path):
    stale = tmp_path / "workspace/site-packages/pagnet_ros/__init__.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("WHICH = 'stale'\n")
    ask = "cd / && python -c 'import pagnet_ros; print(pagnet_ros.WHICH)'"
    done = bash(f'{checkout}/scripts/run.sh bash -c "{ask}"', PYTHONPATH=str(stale.parents[1]))
    assert done.stdout == "source\n", done.stderr


def test_commands_run_in_the_checkout_with_its_environment_first(checkout):
    done = bash(f"{checkout}/scripts/run.sh bash -c 'pwd; command -v python'")
    assert done.stdout.split() == [str(checkout), f"{checkout}/.venv/bin/python"]


def setup(checkout, **environ):
    """setup.sh with a stand-in pip: what it is asked for is written down, nothing is installed."""
    return bash(f"{checkout}/scripts/setup.sh", **environ)


def test_no_fitting_python_is_named_with_the_way_out(checkout, tmp_path):
    shutil.rmtree(checkout / ".venv")
    old = tmp_path / "bin/python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 3.8\n")
    old.chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "cat", "cksum", "uname", "grep"):
        (tools / tool).symlink_to(shutil.which(tool))
    done = setup(checkout, PATH=f"{old.parent}:{tools}", PYTHON="")
    assert done.returncode == 1
    assert "python3: 3.8" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_a_python_asked_for_by_name_that_does_not_start_is_named(checkout):
    shutil.rmtree(checkout / ".venv")
    done = setup(checkout, PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "/nowhere/python3 (does not start)" in done.stderr
