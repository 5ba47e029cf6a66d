"""Frames as they are measured: everything at the size of the depth image, and at its place."""

from __future__ import annotations

import numpy as np
import pytest

from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_training.sensors.images import make_view

FLOOR = (1 / (0.2 + 0.001 * np.arange(480)[:, None] * np.ones((1, 640)))).astype(np.float32)
"""A floor, from 5 m at the top to 1.5 m at the bottom."""


def frame(depth: np.ndarray, reference: np.ndarray) -> RecordedFrame:
    return RecordedFrame("floor", 1, 1, depth, np.zeros((*FLOOR.shape, 3), np.uint8), reference=reference)


def test_a_finer_reference_of_a_slope_lies_where_the_depth_does() -> None:
    view = make_view(frame(coarse_depth(FLOOR, 4), FLOOR))
    assert view.reference is not None
    assert np.abs(view.z - view.reference).mean() < 1e-3


@pytest.mark.parametrize("size", [(100, 150), (480, 640), (960, 1280)])
def test_a_reference_of_any_other_size_lies_there_too(size: tuple[int, int]) -> None:
    rows = (np.arange(size[0]) + 0.5) * FLOOR.shape[0] / size[0] - 0.5
    depth = np.repeat(1 / (0.2 + 0.001 * rows[:, None]), size[1], axis=1).astype(np.float32)
    view = make_view(frame(depth, FLOOR))
    assert view.reference is not None
    assert view.reference.shape == size
    assert abs(float((view.z - view.reference).mean())) < 2e-3
