"""`make setup` keeps to what the machine needs: the torch of an index of the user's choice, a NumPy that ROS knows."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHON = """#!/bin/bash
# Stands for the environment's Python: says what it is asked to install, and finds torch only without a constraint.
echo "$*" >>"$CALLS"
case "$*" in
    *version_info*) echo 3.12 ;;
    *installed_versions.py*) echo torch==2.7.0 ;;
    *find_spec*) [ -e "$CALLS.torch" ] ;;
    *--constraint*--index-url*) exit 1 ;;
    *--index-url*) touch "$CALLS.torch" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """What the script reads, and an environment that only says what it is told."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def set_up(checkout, **environ):
    """Run the script; what was asked of the environment's Python, in order."""
    calls = checkout / "calls"
    calls.unlink(missing_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROS", "AMENT", "PYTHON"))}
    environ |= {"PYTHON": str(checkout / ".venv/bin/python"), "CALLS": str(calls), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [checkout / "scripts/setup.sh"], env=kept | environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return calls.read_text().splitlines()


def constraints_of(call):
    words = call.split()
    return Path(words[words.index("--constraint") + 1])


@pytest.mark.skipif(Path("/usr/bin/uv").exists(), reason="uv would be taken instead of pip")
def test_a_torch_that_only_the_chosen_index_has_is_kept_in_every_later_run(checkout):
    install = next(call for call in set_up(checkout, TORCH_INDEX="https://index.example") if "--editable" in call)
    lines = (checkout / constraints_of(install)).read_text().splitlines()
    assert [line for line in lines if line.startswith("torch")] == ["torch==2.7.0"]
    assert any(line.startswith("rosbags==") for line in lines)
    again = set_up(checkout)  # as `make demo` does it, which names no index
    assert not any("--index-url" in call for call in again)
    install = next(call for call in again if "--editable" in call)
    assert "torch==2.7.0" in (checkout / constraints_of(install)).read_text().splitlines()


def test_the_tested_torch_is_what_setup_installs_where_no_index_is_named(checkout):
    install = next(call for call in set_up(checkout) if "--editable" in call)
    assert constraints_of(install).name == "constraints.txt"


@pytest.mark.parametrize(
    ("present", "expected"), [("1.21.5", "numpy<2"), ("1.26.4", "numpy==1.26.4"), ("2.4.6", "numpy==2.4.6")]
)
def test_ros_keeps_the_numpy_it_was_compiled_for_or_its_major_version(present, expected):
    spec = importlib.util.spec_from_file_location("installed_versions", ROOT / "scripts/installed_versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.constraint("numpy", present) == expected
    assert module.constraint("torch", "2.7.0") == "torch==2.7.0"
    assert module.constraint("numpy", present, "jazzy") == expected
    on_humble = "numpy==1.26.4" if present == "1.26.4" else "numpy<2"
    assert module.constraint("numpy", present, "humble") == on_humble
