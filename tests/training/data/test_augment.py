from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.data import augment


@pytest.mark.parametrize("seed", range(12))
def test_shifted_colours_stay_in_range(seed: int) -> None:
    rgb = np.random.default_rng(1).uniform(size=(16, 16, 3)).astype(np.float32)
    shifted = augment.shift_colours(rgb, np.random.default_rng(seed))
    assert shifted.shape == rgb.shape
    assert 0 <= shifted.min() <= shifted.max() <= 1


def test_the_eight_turns_differ_and_keep_the_values() -> None:
    array = np.arange(16).reshape(4, 4)
    turned = [augment.turn(array, code) for code in range(8)]
    assert len({each.tobytes() for each in turned}) == 8
    assert all(sorted(each.ravel()) == sorted(array.ravel()) for each in turned)


def test_inversion_is_its_own_inverse_and_tilting_keeps_the_mean() -> None:
    depth = np.random.default_rng(2).uniform(20, 200, (32, 48)).astype(np.float32)
    np.testing.assert_allclose(augment.invert(augment.invert(depth)), depth, atol=1e-4)
    assert augment.tilt(depth, np.random.default_rng(3)).mean() == pytest.approx(depth.mean(), abs=1e-2)


def test_hidden_measurements_are_a_small_share() -> None:
    for seed in range(20):
        kept = augment.hide_measurements((24, 32), np.random.default_rng(seed))
        assert 0.75 < kept.mean() < 1


@pytest.mark.parametrize("code", range(8))
def test_turning_back_undoes_a_turn(code: int) -> None:
    image = np.arange(4 * 6 * 3).reshape(4, 6, 3)
    assert np.array_equal(augment.turn_back(augment.turn(image, code), code), image)
