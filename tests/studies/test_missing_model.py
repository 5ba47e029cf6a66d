"""A learned model of what is missing, against a profile, on a recording whose holes lie on dark surfaces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from studies.missing_model import FIGURES, features, main
from tests.studies.test_realism import write_recording


def test_features_tell_a_pixel_behind_an_edge_from_one_before_it() -> None:
    depth = np.full((20, 40), 3.0, np.float32)
    depth[:, 20:] = 1.0
    planes = features(depth, np.full(depth.shape, 0.5, np.float32), np.ones(depth.shape, np.float32))
    assert np.isfinite(planes).all()
    far, near, away = (planes[5:, 10, column] for column in (18, 21, 2))
    assert far.max() == pytest.approx(0.7)
    assert near.max() == pytest.approx(0.7)
    assert not np.array_equal(far, near)
    assert np.abs(away).max() == 0


@pytest.mark.slow
def test_what_decides_is_learnt_from_the_first_half(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    for path in sorted(folder.glob("*.depth.png")):  # bright surfaces do not answer, which no curve of a profile sees
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        grey = cv2.imread(str(path).replace(".depth.", ".color.")).mean(axis=2)
        depth[(grey > 100) & (grey < 140)] = 0
        cv2.imwrite(str(path), depth)
    assert main([str(folder), "--steps", "300", "--json", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert set(results) == {"real", "the same everywhere", "profile", "learned"}
    assert set(FIGURES) <= set(results["real"])
    assert results["learned"]["bits"] < 0.8 * results["the same everywhere"]["bits"]
