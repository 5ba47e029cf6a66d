"""How a process begins and ends: Ctrl-C during imports is quiet, a missing library is one line, the end is not cut."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(tmp_path, module_text, before=""):
    """Start a module made of some text in a process of its own."""
    (tmp_path / "program.py").write_text(textwrap.dedent(module_text))
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n{before}\n"
    code += "from pagnet_ros.system.start import start\nsys.exit(start('program'))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110, check=False)


def test_the_status_is_that_of_main(tmp_path):
    assert run(tmp_path, "def main(): return 3").returncode == 3
    assert run(tmp_path, "def main(): pass").returncode == 0


def test_ctrl_c_during_the_imports_ends_quietly(tmp_path):
    done = run(tmp_path, "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ctrl_c_during_the_imports_raises_nothing_that_a_library_could_choke_on(tmp_path):
    library = """
        import signal, sys

        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as error:
            sys.stderr.write(f"terminate called after {type(error).__name__}")
    """
    done = run(tmp_path, library)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_ctrl_c_does_not_interrupt_what_cleans_up(tmp_path):
    done = run(
        tmp_path,
        """
        import atexit, os, signal

        def main():
            atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), print("at the end")))
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                print("cleaned up")
        """,
    )
    assert (done.returncode, done.stdout.split("\n"), done.stderr) == (0, ["cleaned up", "at the end", ""], "")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("torch", "Python cannot find torch; expected it installed for"),
        ("cv2", "pip install opencv-python-headless"),
        ("rclpy", "expected ROS 2. Source its setup.bash"),
    ],
)
def test_a_missing_library_is_one_line(tmp_path, missing, words):
    done = run(tmp_path, f"import {missing}", before=f"sys.modules[{missing!r}] = None")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_fault_of_our_own_is_not_taken_for_a_missing_library(tmp_path):
    done = run(tmp_path, "import pagnet_ros.nowhere")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'pagnet_ros.nowhere'" in done.stderr
