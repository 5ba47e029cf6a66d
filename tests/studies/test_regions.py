from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.sensors.images import edge_mask
from studies.regions import distance_to, footprint, nearest_filled


def step() -> np.ndarray:
    depth = np.full((20, 30), 2.0, np.float32)
    depth[:, 15:] = 1.0
    return depth


def test_both_sides_of_a_step_are_edge_and_nothing_else() -> None:
    assert set(np.flatnonzero(edge_mask(step()).any(0))) == {14, 15}


def test_unknown_depth_makes_no_edge() -> None:
    depth = step()
    depth[:, 13:17] = np.nan
    assert not edge_mask(depth).any()


def test_distance_counts_pixels_and_is_infinite_without_edges() -> None:
    distance = distance_to(edge_mask(step()))
    assert distance[3, [15, 16, 20]].tolist() == [0.0, 1.0, 5.0]
    assert np.isinf(distance_to(np.zeros((3, 4), bool))).all()


def test_holes_take_the_nearest_value() -> None:
    depth = step()
    depth[:, 10:18] = np.nan
    filled = nearest_filled(depth)
    assert (filled[:, :13] == 2.0).all()
    assert (filled[:, 15:] == 1.0).all()
    assert np.isnan(nearest_filled(np.full((4, 5), np.nan, np.float32))).all()
    assert np.array_equal(nearest_filled(step()), step())


@pytest.mark.parametrize("size", [(8, 12), (7, 11), (4, 6)])
def test_the_footprint_is_the_pixel_below_the_centre(size: tuple[int, int]) -> None:
    low = np.arange(24, dtype=np.float32).reshape(4, 6)
    up = footprint(low, size)
    assert up.shape == size
    assert up[0, 0] == 0
    assert up[-1, -1] == 23
    if size == (8, 12):
        assert np.array_equal(up, low.repeat(2, 0).repeat(2, 1))
