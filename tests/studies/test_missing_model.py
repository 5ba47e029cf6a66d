"""A learned model of what is missing, against a profile's curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pagnet_ros.sensors import SensorProfile
from studies.comparison import Truth
from studies.missing_model import LearntFrame, features, judge, main, profile_probability, train
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


def frame(seed: int) -> LearntFrame:
    """A wall of squares, of which those of one brightness do not answer, whatever their depth."""
    rng = np.random.default_rng(seed)
    brightness = np.kron(rng.choice([0.2, 0.5, 0.8], (8, 8)), np.ones((8, 8))).astype(np.float32)
    depth = np.full(brightness.shape, rng.uniform(1, 3), np.float32)
    cosine, all_of_it = np.ones_like(depth), np.ones(depth.shape, np.bool_)
    inputs = features(depth, brightness, cosine)
    return LearntFrame(Truth(depth, brightness, np.eye(4)), cosine, inputs, brightness == 0.5, all_of_it)


def test_what_decides_is_learnt_and_told_from_a_profile_that_does_not_know_it() -> None:
    profile = SensorProfile("even", missing=1 / 3, hole_size_px=1.0)
    judged = [frame(seed) for seed in range(100, 103)]
    learned = judge(judged, train([frame(seed) for seed in range(8)], 120), profile, 1)
    even = judge(judged, profile_probability(profile), profile, 1)
    share = np.mean([each.missing.mean() for each in judged])
    assert even["bits"] == pytest.approx(-share * np.log2(1 / 3) - (1 - share) * np.log2(2 / 3), rel=1e-3)
    assert learned["bits"] < 0.5 * even["bits"]
    assert learned["missing"] == pytest.approx(100 * share, abs=6)


def test_a_recording_without_poses_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_recording(tmp_path / "recording", poses=False))]) == 2
    assert "no pose" in capsys.readouterr().err
