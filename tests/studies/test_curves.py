"""Journals of trainings as one picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from pagnet_ros.errors import ConfigError
from studies import curves


def journal(folder: Path, errors: list[float]) -> Path:
    folder.mkdir()
    path = folder / "validation.jsonl"
    lines = [{"step": 500 * n, "seconds": 1.0, "cones": error, "venus": 2 * error} for n, error in enumerate(errors, 1)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_journal_gives_steps_and_the_figures_of_each_image(tmp_path: Path) -> None:
    steps, figures = curves.read_journal(journal(tmp_path / "run", [2.0, 1.5]))
    assert steps == [500, 1000]
    assert figures == {"cones": [2.0, 1.5], "venus": [4.0, 3.0]}


def test_several_runs_become_one_picture(tmp_path: Path) -> None:
    paths = [str(journal(tmp_path / name, [2.0, 1.5, 1.2])) for name in ("one", "two")]
    assert curves.main([*paths, "--out", str(tmp_path / "curves.png")]) == 0
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None
    assert picture.shape[1] > 600


def test_more_runs_than_fit_into_a_row_go_on_in_the_next(tmp_path: Path) -> None:
    shapes = []
    paths = [str(journal(tmp_path / f"run{n}", [2.0, 1.5, 1.2])) for n in range(4)]
    for count in (3, 4):
        assert curves.main([*paths[:count], "--out", str(tmp_path / "curves.png")]) == 0
        picture = cv2.imread(str(tmp_path / "curves.png"))
        assert picture is not None
        shapes.append(picture.shape[:2])
    (one_row, width), (two_rows, same) = shapes
    assert same == width
    assert two_rows > 1.5 * one_row


@pytest.mark.parametrize(
    ("files", "titles"),
    [
        (["one/run/validation.jsonl", "two/run/validation.jsonl"], ["one/run", "two/run"]),
        (["one/tof.jsonl", "two/tof.jsonl", "two/kinect.jsonl"], ["one/tof", "two/tof", "kinect"]),
        (["run.jsonl", "run/validation.jsonl"], ["run.jsonl", "validation.jsonl"]),
        (["run.jsonl", "run.jsonl"], ["run"]),
    ],
)
def test_journals_of_equal_names_are_panels_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], titles: list[str]
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(curves, "draw", lambda journals, _: drawn.extend(journals))
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text('{"step": 1, "cones": 2.0}\n')
    assert curves.main([*(str(tmp_path / file) for file in files), "--out", str(tmp_path / "curves.png")]) == 0
    assert drawn == titles


@pytest.mark.parametrize("text", ["", "{}\n", "no json\n", '{"step": 1, "cones": 2.0}\n{"step": 2}\n', "[]\n"])
def test_what_is_no_journal_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "validation.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"validation\.jsonl: no journal of a training"):
        curves.read_journal(path)
