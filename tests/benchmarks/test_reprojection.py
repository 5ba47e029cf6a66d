"""Depth of a simulated pair of cameras lands where the colour camera sees it: under half a pixel and 1 mm."""

import numpy as np

from benchmarks.reprojection import PAIRS, compare
from pagnet_ros.simulation import Scene


def test_a_room_through_two_wide_lenses_is_within_half_a_pixel_and_a_millimetre():
    found, reprojection, _ = compare(PAIRS["equidistant, 224x171 to 640x480"], Scene.random(0, "room"))
    assert reprojection.size == (182, 243)
    assert found.right / found.drawn > 0.96
    assert found.torn / found.seen < 0.001
    assert found.invented / found.hidden < 0.01
    assert np.percentile(found.errors_m, 99) < 0.001
