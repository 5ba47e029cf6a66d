"""The demo's children: started, watched, and never left behind."""

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pagnet_ros.demo.processes import Child, ChildError, Children

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0


@pytest.fixture
def module(tmp_path):
    """Write a module and return a function that starts it as a child."""

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return write


def _environment(tmp_path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def _wait_for_log(child: Child, text: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while text not in child.tail():
        assert time.monotonic() < deadline, f"{text!r} never came; log: {child.tail()}"
        time.sleep(0.01)


def test_a_failed_child_is_told_with_the_end_of_its_log(tmp_path, module):
    name = module("failing", "import sys; print('the reason'); sys.exit(3)")
    with Children(tmp_path, _environment(tmp_path)) as children:
        child = children.start("camera", name, [])
        child.process.wait(DEADLINE_S)
        with pytest.raises(ChildError, match=r"camera ended with status 3.*\n.*the reason"):
            children.check()


def test_a_child_that_ended_well_is_no_error(tmp_path, module):
    name = module("fine", "print('done')")
    with Children(tmp_path, _environment(tmp_path)) as children:
        children.start("camera", name, []).process.wait(DEADLINE_S)
        children.check()


def test_leaving_interrupts_the_children_as_ctrl_c_does(tmp_path, module):
    name = module("polite", POLITE)
    with Children(tmp_path, _environment(tmp_path)) as children:
        child = children.start("node", name, [])
        _wait_for_log(child, "up")
    assert child.process.returncode == 0
    assert "said goodbye" in child.tail()


def test_an_error_inside_still_ends_the_children(tmp_path, module):
    name = module("sleeper", "import time; print('up', flush=True); time.sleep(600)")
    started = []

    def fail_while_it_runs():
        with Children(tmp_path, _environment(tmp_path)) as children:
            started.append(children.start("node", name, []))
            _wait_for_log(started[0], "up")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_while_it_runs()
    assert not started[0].is_running


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_child_that_ignores_both_signals_is_killed(tmp_path, module, monkeypatch):
    hurried = ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
    monkeypatch.setattr("pagnet_ros.demo.processes.ENDING", hurried)
    name = module(
        "stubborn",
        """
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('up', flush=True)
        time.sleep(600)
        """,
    )
    with Children(tmp_path, _environment(tmp_path)) as children:
        child = children.start("node", name, [])
        _wait_for_log(child, "up")
    assert child.process.returncode == -signal.SIGKILL


POLITE = """
import time
try:
    print('up', flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print('said goodbye', flush=True)
"""

PARENT = """
import sys, time
from pathlib import Path
from pagnet_ros.demo.processes import Children
folder, name = Path(sys.argv[1]), sys.argv[2]
with Children(folder) as children:
    child = children.start("node", name, [])
    while "up" not in child.tail():
        time.sleep(0.01)
    print(child.process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_parent_that_is_terminated_leaves_no_child_behind(tmp_path, module, how):
    name = module("polite", POLITE)
    environ = _environment(tmp_path) | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    words = [sys.executable, "-c", PARENT, str(tmp_path), name]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(how)
        assert parent.wait(DEADLINE_S) == 128 + how
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert "said goodbye" in (tmp_path / "node.log").read_text()


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
alive = os.open(os.environ["ALIVE"], os.O_WRONLY)
print('up', flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_a_parent_that_is_killed_takes_its_children_along(tmp_path, module):
    name, alive = module("stubborn", STUBBORN), tmp_path / "alive"
    os.mkfifo(alive)
    listener = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    try:
        environ = _environment(tmp_path) | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        words = [sys.executable, "-c", PARENT, str(tmp_path), name]
        with subprocess.Popen(words, env=environ | {"ALIVE": str(alive)}, stdout=subprocess.PIPE) as parent:
            parent.stdout.readline()
            assert not select.select([listener], [], [], 0)[0], "the child lives"
            parent.kill()
            assert select.select([listener], [], [], DEADLINE_S)[0], "the child outlived its parent"
            assert os.read(listener, 1) == b""
    finally:
        os.close(listener)


def test_the_programs_own_answer_to_sigterm_stays(tmp_path):
    def answer(number, frame):
        pass

    before = signal.signal(signal.SIGTERM, answer)
    try:
        with Children(tmp_path):
            assert signal.getsignal(signal.SIGTERM) is answer
        assert signal.getsignal(signal.SIGTERM) is answer
    finally:
        signal.signal(signal.SIGTERM, before)


def test_sigterm_ends_the_process_again_once_the_children_have_ended(tmp_path):
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with Children(tmp_path):
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
