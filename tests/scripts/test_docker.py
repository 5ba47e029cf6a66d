"""Each path, extra, ROS package and command of the images is in the repository: no container engine runs the tests."""

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {"Dockerfile": "jazzy", "Dockerfile.jetpack6": "humble"}
files = pytest.mark.parametrize("name", DISTRIBUTIONS)


def instructions(name):
    """Each instruction of a Dockerfile on one line."""
    text = (ROOT / "docker" / name).read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    return [line for line in lines.splitlines() if line.strip()]


@files
def test_every_line_is_an_instruction_and_the_shell_can_read_it(name):
    known = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "VOLUME", "ENTRYPOINT", "CMD"}
    for line in instructions(name):
        word, _, rest = line.partition(" ")
        assert word in known, line
        if word == "RUN":
            assert subprocess.run(["sh", "-n", "-c", rest], check=False).returncode == 0, rest


@files
def test_the_image_holds_the_ros_packages_that_the_package_depends_on_beyond_ros_base(name):
    distribution = DISTRIBUTIONS[name]
    text = "\n".join(instructions(name))
    assert f"/opt/ros/{distribution}/setup.bash" in text
    depends = {each.text for each in ElementTree.parse(ROOT / "package.xml").getroot().iter("exec_depend")}
    for package in {"cv_bridge", "diagnostic_msgs", "message_filters"} & depends:
        assert f"ros-{distribution}-{package.replace('_', '-')}" in text
    for named in re.findall(rf"ros-{distribution}-([a-z-]+)", text):
        assert named.replace("-", "_") in depends | {"ros_base"}, named


@files
def test_what_the_image_calls_is_in_the_repository(name):
    text = "\n".join(instructions(name))
    (extras,) = re.findall(r"make setup ROS=installed EXTRAS=(\S+)", text)
    extras = extras.rstrip("'")
    assert all(re.search(rf'^ +"{extra}": ', (ROOT / "setup.py").read_text(), re.M) for extra in extras.split(","))
    (entry,) = re.findall(r'ENTRYPOINT \["/opt/pagnet_ws/src/pagnet_ros/(.+?)"\]', text)
    assert (ROOT / entry).stat().st_mode & 0o100
    (launched,) = re.findall(r'CMD \["ros2", "launch", "pagnet_ros", "(.+?)"\]', text)
    assert (ROOT / "launch" / launched).is_file()
    assert "PAGNET_CACHE" in (ROOT / "docs/jetson.md").read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="the entry point is a bash script")
def test_the_entry_point_is_a_script_and_local_files_stay_out_of_the_image():
    assert subprocess.run(["bash", "-n", ROOT / "docker/entrypoint.sh"], check=False).returncode == 0
    assert {".git", ".venv*", "shared"} <= set((ROOT / ".dockerignore").read_text().split())
