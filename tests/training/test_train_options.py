"""What the command line of a training replaces in a recipe is checked as the recipe's file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagnet_training.train import main

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--teacher", "mid-x4-clean"], "loss.distillation=0.0 with teacher='mid-x4-clean', expected both or neither"),
        (["--steps", "0"], "steps=0, expected at least 1"),
        (["--steps", "-1"], "steps=-1, expected at least 1"),
        (["--devices", "0"], "--devices 0, expected at least 1"),
        (["--devices", "-1"], "--devices -1, expected at least 1"),
        (["--nodes", "0"], "--nodes 0, expected at least 1"),
        (["--workers", "-1"], "--workers -1, expected at least 0"),
        (["--threads", "0"], "--threads 0, expected at least 1"),
        (["--time-limit", "-2"], "--time-limit -2.0, expected at least 0"),
        (["--time-limit", "nan"], "--time-limit nan, expected at least 0"),
        (["--threads", "0", "--workers", "-3"], "--threads 0, expected at least 1; --workers -3, expected at least 0"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    recipe_path: Path, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    folder = tmp_path / "run"
    assert main([str(recipe_path), "--data", str(data_root), "--out", str(folder), "--quiet", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(says)
    assert not folder.exists()
