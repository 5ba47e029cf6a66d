from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studies.solvers import METHODS, main


@pytest.mark.parametrize("name", ["bilateral-solver", "tgv"])
def test_a_solver_reproduces_a_plane(name: str) -> None:
    low = np.full((8, 10), 77.0, np.float32)
    rgb = np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8)
    result = METHODS[name](low, rgb, 4)
    assert result.shape == (32, 40)
    np.testing.assert_allclose(result, 77.0, atol=0.05)


def test_the_table_has_a_row_for_a_solver(data_root: Path, tmp_path: Path) -> None:
    words = ["--data", str(data_root / "val"), "--scales", "4", "--inputs", "float", "--baselines", "bilateral-solver"]
    assert main([*words, "--json", str(tmp_path / "s.json")]) == 0
    assert {score["method"] for score in json.loads((tmp_path / "s.json").read_text())} == {"bilateral-solver"}
