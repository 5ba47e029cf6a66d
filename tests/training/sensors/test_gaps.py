"""Holes of a depth image, filled as surfaces and shadows usually lie."""

from __future__ import annotations

import numpy as np

from pagnet_training.sensors.images import along_plane, farther, fill_holes, gaps_closed

HEIGHT, WIDTH = 120, 160


def floor() -> np.ndarray:
    """A plane whose depth falls from 4 m in the first row to 1 m in the last."""
    inverse = np.linspace(1 / 4, 1.0, HEIGHT)[:, None]
    return np.repeat(1 / inverse, WIDTH, axis=1).astype(np.float32)


def test_a_large_hole_in_a_floor_becomes_the_floor() -> None:
    seen = floor()
    seen[60:85, 20:140] = np.nan
    filled, split = fill_holes(seen)
    np.testing.assert_allclose(filled, floor(), rtol=1e-5)
    assert not split.any()


def test_a_shadow_beside_a_near_board_is_background() -> None:
    seen = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    seen[:, 80:] = 1.0
    seen[:, 72:80] = np.nan
    filled, split = fill_holes(seen)
    assert (filled[:, 72:80] == 3.0).all()
    assert split[:, 72:80].all()
    assert split.sum() == 8 * HEIGHT


def test_a_gap_below_a_near_board_is_background_too() -> None:
    seen = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    seen[:60] = 1.0
    seen[60:64] = np.nan
    filled, split = fill_holes(seen)
    assert (filled[60:64] == 3.0).all()
    assert split[60:64].all()


def test_what_no_two_ends_enclose_stays_unknown() -> None:
    seen = floor()
    seen[:, :10] = np.nan
    seen[:, 50:110] = np.nan
    filled, split = fill_holes(seen)
    assert np.isnan(filled[:, :10]).all()
    assert np.isnan(filled[:, 50:110]).all()
    assert not split.any()


def test_only_gaps_that_are_narrow_enough_are_closed() -> None:
    row = np.array([[2.0, np.nan, np.nan, 4.0, np.nan, np.nan, np.nan, 1.0]], np.float32)
    np.testing.assert_array_equal(gaps_closed(row, 2, farther)[0, :4], [2.0, 4.0, 4.0, 4.0])
    assert np.isnan(gaps_closed(row, 2, farther)[0, 4:7]).all()
    np.testing.assert_allclose(gaps_closed(row, 3, along_plane)[0, 1:3], [2.4, 3.0], rtol=1e-6)
