"""The probes for a GPU: what becomes of their file where there is no room."""

import runpy
from pathlib import Path

import pytest

from tests.limits import file_size_limit

PROBES = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts/gpu_probes.py"))


def test_a_line_without_room_ends_in_one_sentence_and_keeps_those_before(tmp_path):
    out = tmp_path / "probes.jsonl"
    PROBES["_add_line"](out, '{"probe": "first"}')
    PROBES["_add_line"](out, '{"probe": "second"}')
    with file_size_limit(60), pytest.raises(SystemExit, match=r"probes.jsonl: the probes cannot be written.*free some"):
        PROBES["_add_line"](out, '{"probe": "' + "x" * 100 + '"}')
    assert out.read_text(encoding="utf-8") == '{"probe": "first"}\n{"probe": "second"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["probes.jsonl"]
