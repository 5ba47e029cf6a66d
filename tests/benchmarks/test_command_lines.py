"""Every benchmark's command line ends alike."""

import argparse
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if 'prog="python -m ' in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_ctrl_c_ends_a_benchmark_in_one_line(monkeypatch, capsys, module):
    def pressed(*_):
        raise KeyboardInterrupt

    main = importlib.import_module(module).main
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", pressed)
    assert main([]) == 130
    assert capsys.readouterr().err == "stopped\n"
