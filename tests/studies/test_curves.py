from __future__ import annotations

import json
from pathlib import Path

import pytest

from studies.curves import main, read_curve


def _run(folder: Path, errors: list[float]) -> Path:
    folder.mkdir()
    lines = [
        {"step": 100 * i, "seconds": 9.0 * i, "cones": error, "venus": error + 1} for i, error in enumerate(errors, 1)
    ]
    (folder / "validation.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return folder


def test_a_curve_is_the_mean_over_images(tmp_path: Path) -> None:
    assert read_curve(_run(tmp_path / "run", [3.0, 2.0])) == [(100.0, 3.5), (200.0, 2.5)]


def test_the_command_draws_several_runs(tmp_path: Path) -> None:
    runs = [str(_run(tmp_path / name, [3.0, 2.0, 1.5])) for name in ("one", "two")]
    assert main([*runs, "--names", "rt", "mid", "--out", str(tmp_path / "curves.png")]) == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("content", [None, "{not json", '{"seconds": 1}', '{"step": 1, "venus": "low"}'])
def test_a_folder_that_is_no_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / "validation.jsonl").write_text(content, encoding="utf-8")
    assert main([str(tmp_path), "--out", str(tmp_path / "curves.png")]) == 2
    assert "validation.jsonl" in capsys.readouterr().err
