from __future__ import annotations

import numpy as np
import pytest

from studies.comparison import (
    Counts,
    Truth,
    kolmogorov_smirnov,
    missing_distance,
    temporal_distance,
    total_variation,
)

MATRIX = np.array([[60.0, 0, 39.5], [0, 60.0, 29.5], [0, 0, 1.0]])


def counted(noise: float, gone: float, seed: int, block: int = 1) -> Counts:
    rng = np.random.default_rng(seed)
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:, 40:] = 1.0
    truth = Truth(depth, np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1)), np.eye(4))
    counts = Counts(MATRIX)
    for _ in range(8):
        seen = depth + noise * rng.standard_normal(depth.shape).astype(np.float32)
        holes = rng.random((60 // block, 80 // block)) < gone
        seen[holes.repeat(block, 0).repeat(block, 1)] = np.nan
        counts.add(seen, truth)
    return counts


def test_known_distances() -> None:
    a, b = np.array([10, 0, 0]), np.array([0, 0, 5])
    assert kolmogorov_smirnov(a, b) == 1.0
    assert kolmogorov_smirnov(a, 3 * a) == 0.0
    assert total_variation(np.array([1, 1]), np.array([3, 1])) == pytest.approx(0.25)
    assert total_variation(a, np.zeros(3, int)) == 1.0
    real, other = np.array([[90, 10], [50, 50]]), np.array([[100, 0], [50, 50]])
    assert missing_distance(real, other) == pytest.approx(0.05)


def test_the_same_sensor_is_near_and_others_are_far() -> None:
    real, same, noisier = counted(0.01, 0.1, 1), counted(0.01, 0.1, 2), counted(0.03, 0.1, 3)
    assert temporal_distance(real.differences, same.differences)[0] < 0.03
    assert temporal_distance(real.differences, noisier.differences)[0] > 0.15
    assert missing_distance(real.by_range, same.by_range) < 0.01
    assert missing_distance(real.by_range, counted(0.01, 0.4, 4).by_range) == pytest.approx(0.3, abs=0.02)
    assert total_variation(real.holes[:, 1], same.holes[:, 1]) < 0.1
    assert total_variation(real.holes[:, 1], counted(0.01, 0.1, 5, block=4).holes[:, 1]) > 0.8


def test_differences_know_the_noise_and_leave_edges_out() -> None:
    counts = counted(0.01, 0.0, 6)
    assert counts.differences.sum() == 7 * 60 * (80 - 8)  # three pixels beside each side of the edge, and itself
    assert (counts.differences.sum(axis=1) > 0).sum() == 2


def test_a_moving_camera_makes_no_difference_by_itself() -> None:
    depth = np.full((60, 80), 2.0, np.float32)
    counts = Counts(MATRIX)
    for index in range(3):
        pose = np.eye(4)
        pose[2, 3] = 0.1 * index  # towards the wall
        truth = Truth(depth - np.float32(0.1 * index), np.zeros_like(depth), pose)
        counts.add(truth.depth_m, truth)
    low, high = np.flatnonzero(counts.differences.sum(axis=0))[[0, -1]]
    assert high - low <= 1


def test_a_ramp_that_fills_what_no_frame_saw_is_no_mixing() -> None:
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:, 40:] = 1.0
    depth[:, 39] = 1.5
    known = np.ones(depth.shape, np.bool_)
    brightness, pose = np.zeros_like(depth), np.eye(4)
    mixed = []
    for seen in (known, np.indices(depth.shape)[1] != 39):
        counts = Counts(MATRIX)
        counts.add(depth, Truth(depth, brightness, pose, known, seen))
        mixed.append(counts.realism.figures()["edge_mixing"])
    assert mixed[0] > 10
    assert mixed[1] == 0


def test_all_missing_and_nothing_missing_count() -> None:
    counts = counted(0.0, 0.0, 7)
    assert counts.by_edge[:, 1].sum() == 0
    assert counts.by_edge[:, 0].sum() == 8 * 4800
    blind = counted(0.0, 1.0, 8)
    assert blind.by_range[:, 0].sum() == 0
    assert blind.holes[:, 0].sum() == 8
    assert np.isnan(temporal_distance(counts.differences, blind.differences)[0])


def test_a_new_sequence_has_no_frame_before_its_first() -> None:
    depth = np.full((60, 80), 2.0, np.float32)
    truth = Truth(depth, np.zeros_like(depth), np.eye(4))
    counts = Counts(MATRIX)
    counts.add(depth, truth)
    counts.next_sequence()
    counts.add(depth, truth)
    assert counts.differences.sum() == 0
    counts.add(depth, truth)
    assert counts.differences.sum() == depth.size
