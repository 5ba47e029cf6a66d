"""Children that end with their parent: asked for in time, noticed when too late, and the module runs as it would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pagnet_ros.system import processes
from pagnet_ros.system.processes import end_with_parent, words

ROOT = Path(__file__).parents[2]
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux offers it")


def run(folder, words_, text):
    (folder / "echo.py").write_text(text)
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run([sys.executable, *words_], env=environ, capture_output=True, text=True, check=False)


def test_the_module_sees_what_python_m_gives_it(tmp_path):
    text = "import sys\nif __name__ == '__main__':\n    print(sys.argv)\n    sys.exit(3)"
    done = run(tmp_path, words("echo", "--child", "node"), text)
    assert done.returncode == 3, done.stderr
    assert done.stdout == f"{[str(tmp_path / 'echo.py'), '--child', 'node']}\n"


@linux_only
def test_a_parent_that_ended_before_is_noticed(tmp_path):
    _, name, _, *rest = words("echo")
    done = run(tmp_path, ["-m", name, "999999999", *rest], "print('ran')")
    assert done.returncode == 1
    assert "ended before this child began" in done.stderr
    assert done.stdout == ""


def test_another_system_or_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda name: object())
    assert end_with_parent(-1) is False
    monkeypatch.setattr(processes.sys, "platform", "darwin")
    assert end_with_parent(-1) is False
