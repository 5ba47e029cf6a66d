"""The random sensors of training beside a real camera's figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from studies.random_sensors import JUDGED, main, nearest, read_camera
from tests.training.sensors.fit_worlds import gaussian, record, write_folder


def test_the_most_alike_draw_is_the_one_whose_worst_figure_differs_least() -> None:
    camera = dict(zip(JUDGED, (10.0, 20.0, 90.0, 10.0, 1.0), strict=True))
    far = [100.0, 20.0, 90.0, 10.0, 1.0]
    near = [12.0, 16.0, 90.0, 10.0, 1.0]
    assert nearest(camera, np.array([far, near])) == pytest.approx(1.25)
    assert nearest({**camera, "edge_mixing": 0.0}, np.array([[0.9, *near[1:]]])) == pytest.approx(1.25)  # no mixing
    assert nearest({**camera, "large_holes": math.nan}, np.array([near])) == pytest.approx(1.25)  # it has no holes


def test_a_cameras_figures_stand_beside_those_of_random_sensors(tmp_path: Path) -> None:
    folder = write_folder(record(gaussian(0.004, 0.05), 2), tmp_path / "camera")
    camera = read_camera(folder)
    assert not camera.coarse
    assert camera.figures["missing"] == pytest.approx(5, abs=0.5)
    out = tmp_path / "r.json"
    assert main([str(folder), "--draws", "3", "--scenes", "1", "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    (row,) = results["cameras"]
    assert row["figures"]["noise"] == pytest.approx(camera.figures["noise"])
    assert all(0 <= share <= 1 for share in row["below"].values())
    assert row["nearest"] >= 1
    assert np.shape(results["fine"]) == np.shape(results["coarse"]) == (3, len(JUDGED))


def test_what_is_no_recording_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_figures_that_cannot_be_written_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(record(gaussian(0.004, 0.05), 2), tmp_path / "camera")
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "r.json"
    assert main([str(folder), "--draws", "1", "--scenes", "1", "--json", str(out)]) == 2
    assert capsys.readouterr().err.strip().startswith("error: ")  # progress may stand before it
