"""What is installed where: by pip, by colcon, and from the source tree."""

import ast
import os
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXECUTABLES = {"pagnet_node", "simulated_camera", "bag_player", "frame_player", "frames_to_bag", "demo"}
EXECUTABLES |= {"replay", "evaluate", "doctor"}


def copy_of_the_tree(target):
    """The files that take part in a build, elsewhere: building leaves folders behind."""
    names = [
        "package.xml",
        "setup.py",
        "setup.cfg",
        "pyproject.toml",
        "MANIFEST.in",
        "LICENSE",
        "README.md",
        "resource",
    ]
    names += ["launch", "config", "scripts", "pagnet_ros", "training"]
    for name in names:
        for path in [ROOT / name, *sorted((ROOT / name).rglob("*"))]:
            if path.is_file() and "__pycache__" not in path.parts:
                copy = target / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
                copy.chmod(path.stat().st_mode)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that pip makes of this tree."""
    pytest.importorskip("setuptools", minversion="70.1", reason="building a wheel takes setuptools 70.1 or newer")
    tree = tmp_path_factory.mktemp("tree")
    copy_of_the_tree(tree)
    code = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as opened:
        yield opened


def package_xml():
    return ElementTree.parse(ROOT / "package.xml").getroot()


def test_package_xml_says_what_colcon_needs():
    root = package_xml()
    assert root.get("format") == "3"
    assert root.findtext("name") == "pagnet_ros"
    assert root.findtext("export/build_type") == "ament_python"
    assert root.findtext("license") == "Apache-2.0"
    # colcon takes a package with an invalid address for plain Python, and `ros2 run` then finds nothing
    assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", root.find("maintainer").get("email"))


def test_package_xml_is_valid_for_catkin_pkg():
    catkin = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg (of colcon) is not installed here")
    warnings = []
    package = catkin.parse_package(ROOT / "package.xml", warnings=warnings)
    package.validate()
    assert not warnings


def test_versions_agree(wheel):
    metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode()
    version = re.search(r"^Version: (.*)$", metadata, re.MULTILINE).group(1)
    assert version == package_xml().findtext("version")
    assert f"first version, {version}" in (ROOT / "CHANGELOG.rst").read_text().lower()


def test_no_top_level_name_is_taken_but_our_own(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.startswith("pagnet_ros-")} == {"pagnet_ros", "pagnet_training"}


def test_every_module_of_the_source_is_in_the_wheel(wheel):
    names = set(wheel.namelist())
    for folder, package in (("pagnet_ros", "pagnet_ros"), ("training", "pagnet_training")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{package}/{path.relative_to(ROOT / folder).as_posix()}" in names
    data = [path for suffix in ("safetensors", "css", "typed") for path in (ROOT / "pagnet_ros").rglob(f"*.{suffix}")]
    assert ROOT / "pagnet_ros/py.typed" in data
    for path in [*data, *(ROOT / "training/recipes").glob("*.yaml")]:
        name = path.relative_to(ROOT).as_posix().replace("training/", "pagnet_training/", 1)
        assert name in names


def test_launch_config_and_the_index_marker_go_to_share(wheel):
    data = {name.split(".data/data/")[1] for name in wheel.namelist() if ".data/data/" in name}
    shared = {f"share/pagnet_ros/{path.relative_to(ROOT).as_posix()}" for path in files_below("launch", "config")}
    assert shared <= data
    assert {"share/ament_index/resource_index/packages/pagnet_ros", "share/pagnet_ros/package.xml"} <= data


def files_below(*folders):
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def test_ros2_run_finds_its_executables(wheel):
    found = {name.rpartition("/")[2]: name for name in wheel.namelist() if ".data/data/lib/pagnet_ros/" in name}
    assert set(found) == EXECUTABLES
    for name in found.values():
        assert (wheel.getinfo(name).external_attr >> 16) & stat.S_IXUSR, f"{name} is not executable"


@pytest.mark.parametrize("name", sorted(EXECUTABLES))
def test_an_executable_calls_a_main_that_exists(name):
    tree = ast.parse((ROOT / "scripts/run" / name).read_text())
    (module,) = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and
                 isinstance(node.value, str) and re.fullmatch(r"pagnet_ros(\.\w+)+", node.value)]  # fmt: skip
    path = ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = {alias.asname or alias.name for node in ast.parse(source.read_text()).body
             if isinstance(node, ast.ImportFrom) for alias in node.names}  # fmt: skip
    names |= {node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert "main" in names


def fake_python(path, says):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{says}" "$@"\n')
    path.chmod(0o755)


@pytest.mark.parametrize("installed_in", ["an environment", "a colcon workspace"])
def test_an_executable_takes_the_python_it_belongs_to(tmp_path, installed_in):
    script = tmp_path / "lib/pagnet_ros/pagnet_node"
    script.parent.mkdir(parents=True)
    script.write_bytes((ROOT / "scripts/run/pagnet_node").read_bytes())
    script.chmod(0o755)
    fake_python(tmp_path / "on_path/python3", "the shell's")
    if installed_in == "an environment":
        fake_python(tmp_path / "bin/python3", "its own")
    environ = {**os.environ, "PATH": f"{tmp_path / 'on_path'}{os.pathsep}{os.environ['PATH']}"}
    said = subprocess.run([script, "--ros-args"], env=environ, capture_output=True, text=True, check=True).stdout
    expected = "its own" if installed_in == "an environment" else "the shell's"
    assert said == f"{expected} {script} --ros-args\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A colcon workspace with this package in src, and the shell command to call colcon there."""
    pytest.importorskip("colcon_ros", reason="colcon is not installed here (make test brings it)")
    folder = tmp_path_factory.mktemp("ws")
    copy_of_the_tree(folder / "src/pagnet_ros")

    def colcon(*arguments):
        command = [sys.executable, "-m", "colcon", "--log-base", str(folder / "log"), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return folder, colcon


def test_colcon_takes_it_for_an_ament_python_package(workspace):
    _, colcon = workspace
    assert colcon("list").split() == ["pagnet_ros", "src/pagnet_ros", "(ros.ament_python)"]


@pytest.mark.parametrize("how", [[], ["--symlink-install"]], ids=["copied", "symlinked"])
def test_colcon_build_gives_the_layout_of_ros2_run_and_launch(workspace, how):
    folder, colcon = workspace
    base = folder / f"install{len(how)}"
    colcon("build", "--build-base", str(folder / f"build{len(how)}"), "--install-base", str(base), *how)
    prefix = base / "pagnet_ros"
    assert {path.name for path in (prefix / "lib/pagnet_ros").iterdir()} == EXECUTABLES
    assert all(os.access(path, os.X_OK) for path in (prefix / "lib/pagnet_ros").iterdir())
    assert (prefix / "share/ament_index/resource_index/packages/pagnet_ros").is_file()
    for path in files_below("launch", "config"):
        assert (prefix / "share/pagnet_ros" / path.relative_to(ROOT)).is_file()
    imports = "import pagnet_ros, pagnet_training.recipe; from pagnet_ros.system.resources import config_path"
    ask = f"{imports}; print(config_path())"
    setup = f". {base}/local_setup.sh && cd / && {sys.executable} -c '{ask}'"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(["sh", "-c", setup], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(folder), "a copy from elsewhere was found"
    if not how:
        (packages,) = prefix.glob("lib/python*/site-packages")
        tops = {path.name for path in packages.iterdir() if path.suffix != ".egg-info"}
        assert tops == {"pagnet_ros", "pagnet_training"}
