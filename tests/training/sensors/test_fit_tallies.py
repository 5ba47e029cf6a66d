"""Sums of recordings of any length."""

import numpy as np

from pagnet_training.sensors.tallies import STRETCHES, TILES, Tallies, tile_of


def test_nothing_is_lost_and_memory_stays_the_same_however_long_the_recording():
    tallies = Tallies()
    for frame in range(200):
        tallies.next_frame()
        tallies.add("seen", (3,), np.array([0, 5]), np.array([frame % 3, 2]), np.array([1.0, 2.0]))
    sums = tallies.get("seen", (3,))
    assert sums.shape == (STRETCHES * TILES, 3)
    assert sums.sum() == 600
    assert tallies.frames == 200


def test_stretches_hold_similar_numbers_of_frames():
    tallies = Tallies()
    for _ in range(96):
        tallies.next_frame()
        tallies.add("frames", (1,), np.array([0]), np.array([0]))
    counts = tallies.get("frames", (1,)).reshape(STRETCHES, TILES)[:, 0]
    used = counts[counts > 0]
    assert used.size >= STRETCHES // 2
    assert used.max() <= 3 * used.min()


def test_what_was_never_added_is_zero():
    assert not Tallies().total("nothing", (2, 3)).any()


def test_tiles_cover_the_image():
    tiles = tile_of((30, 40))
    assert np.unique(tiles).tolist() == list(range(TILES))
