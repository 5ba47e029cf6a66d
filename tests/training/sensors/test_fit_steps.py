"""Steps of depth and of disparity, from distinct values."""

import numpy as np
import pytest

from pagnet_training.sensors.steps import find_steps

DEPTHS = np.random.default_rng(1).uniform(0.6, 4.0, 20_000)


def test_steps_of_a_millimetre_are_found():
    steps = find_steps(set((np.rint(DEPTHS * 1000) / 1000).astype(np.float32).tolist()), False)
    assert steps.depth_m == 0.001
    assert steps.inverse == 0


@pytest.mark.parametrize("inverse", [0.0029, 0.006])
def test_disparity_steps_are_found_behind_rounding_to_millimetres(inverse):
    stepped = 1 / (np.rint(1 / DEPTHS / inverse) * inverse)
    steps = find_steps(set((np.rint(stepped * 1000) / 1000).astype(np.float32).tolist()), False)
    assert steps.inverse == pytest.approx(inverse, rel=0.01)


def test_disparity_that_does_not_start_at_zero_is_found_too():
    stepped = 1 / (np.rint((1 / DEPTHS - 0.0013) / 0.003) * 0.003 + 0.0013)
    steps = find_steps(set((np.rint(stepped * 1000) / 1000).astype(np.float32).tolist()), False)
    assert steps.inverse == pytest.approx(0.003, rel=0.01)


def test_continuous_depth_has_no_steps():
    steps = find_steps(set(DEPTHS.astype(np.float32).tolist()), False)
    assert (steps.depth_m, steps.inverse) == (0, 0)


def test_too_few_values_are_said():
    assert "only 3 distinct depth values" in find_steps({1.0, 2.0, 3.0}, False).note
