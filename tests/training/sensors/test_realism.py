"""What is counted on depth images alone: mixing at edges, holes, noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from pagnet_training.sensors.images import away_from_edges
from pagnet_training.sensors.realism import FIGURES, RealismCounts, delivered_part

SHAPE = (120, 160)
STEP = np.full(SHAPE, 3.0, np.float32)
STEP[:, 80:] = 1.5


def figures(*frames: np.ndarray, **masks: np.ndarray) -> dict[str, float]:
    counts = RealismCounts()
    for frame in frames:
        counts.add(frame.astype(np.float32), **masks)
    return counts.figures()


def test_a_perfect_step_mixes_nothing_and_a_blurred_one_does() -> None:
    sharp, blurred = figures(STEP), figures(cv2.GaussianBlur(STEP, (0, 0), 0.7))
    assert set(sharp) == set(FIGURES)
    assert sharp["edge_mixing"] == 0
    assert blurred["edge_mixing"] > 20


def test_what_the_real_frame_did_not_measure_does_not_count_as_mixed() -> None:
    ramp = STEP.copy()
    ramp[:, 79] = 2.2
    assert figures(ramp)["edge_mixing"] > 10
    measured = np.ones(SHAPE, np.bool_)
    measured[:, 79] = False
    assert figures(ramp, at_edges=measured)["edge_mixing"] == 0


def test_holes_are_counted_and_large_ones_told_apart() -> None:
    frame = np.full(SHAPE, 2.0, np.float32)
    frame[10:30, 10:30] = np.nan
    frame[60, 60] = frame[80, 90] = np.nan
    found = figures(frame, frame)
    assert found["holes"] == pytest.approx(3e5 / frame.size)
    assert found["large_holes"] == pytest.approx(100 * 400 / 402)
    assert found["missing"] == pytest.approx(100 * 402 / frame.size)


def test_pixels_that_are_not_judged_are_no_holes() -> None:
    frame = np.full(SHAPE, 2.0, np.float32)
    frame[:, :8] = np.nan
    judged = np.isfinite(frame)
    assert figures(frame, judged=judged)["missing"] == 0
    assert delivered_part(judged) == (slice(0, 120), slice(8, 160))


def test_a_band_missing_beside_an_edge_is_missing_at_the_edge() -> None:
    frame = STEP.copy()
    frame[:, 78:80] = np.nan
    assert figures(frame)["missing_at_edges"] == pytest.approx(100 * 2 / 6)  # two of three pixels on the far side
    far = STEP.copy()
    far[:, 20:22] = np.nan
    assert figures(far)["missing_at_edges"] == 0


def test_noise_is_that_of_flat_areas_relative_to_depth() -> None:
    rng = np.random.default_rng(0)
    noisy = STEP * (1 + 0.002 * rng.standard_normal(SHAPE))
    assert 1.4 < figures(noisy)["noise"] < 2.1  # without the largest twentieth
    assert figures(STEP)["noise"] == 0
    assert math.isnan(figures(np.full(SHAPE, np.nan))["noise"])


def test_windows_that_hold_two_surfaces_take_the_nearest_value_beyond() -> None:
    values = np.where(np.arange(20) < 10, 1.0, 2.0)[None].repeat(8, 0).astype(np.float32)
    values[:, 8:12] = 9.0
    edges = np.zeros((8, 20), np.bool_)
    edges[:, 9:11] = True
    cleaned = away_from_edges(values, edges, 2)
    assert (cleaned[:, :10] == 1).all()
    assert (cleaned[:, 10:] == 2).all()
    assert away_from_edges(values, np.zeros_like(edges), 2) is values
