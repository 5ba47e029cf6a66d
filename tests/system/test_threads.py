"""Idle threads of the executables sleep; importing the library changes nothing of its process."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from pagnet_ros.system import start

ROOT = Path(__file__).resolve().parents[2]


def environment(code, **given):
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys; {code}; print(os.environ.get('OMP_WAIT_POLICY'))"],
        cwd=ROOT, env=clean | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1]


def test_importing_the_library_leaves_the_environment_alone():
    assert (
        environment("import pagnet_ros.recordings.joined, pagnet_ros.messages.pair, pagnet_ros.system.start") == "None"
    )


def test_executables_let_idle_threads_sleep_unless_the_user_says_otherwise():
    code = "from pagnet_ros.system.threads import wait_passively; wait_passively()"
    assert environment(code) == "PASSIVE"
    assert environment(code, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


def test_every_executable_says_so_before_it_imports_anything_else(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is put back afterwards
    monkeypatch.delenv("OMP_WAIT_POLICY")
    seen = []
    main = SimpleNamespace(main=lambda: seen.append(os.environ.get("OMP_WAIT_POLICY")))
    monkeypatch.setattr(start.importlib, "import_module", lambda name: main)
    monkeypatch.setattr(start.signal, "signal", lambda *_: None)
    monkeypatch.setattr(start.gc, "freeze", lambda: None)
    assert start.start("some.module") == 0
    assert seen == ["PASSIVE"]
