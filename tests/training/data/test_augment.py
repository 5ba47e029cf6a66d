from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pagnet_training.data import augment
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.images import make_image
from pagnet_training.data.patches import Patches, Source


@pytest.mark.parametrize("seed", range(12))
def test_registration_error_stays_within_its_limit(seed: int) -> None:
    error = augment.registration_error(8, np.random.default_rng(seed))
    assert len(error) == 2
    assert all(isinstance(shift, int) and abs(shift) <= 8 for shift in error)


@pytest.mark.parametrize("seed", range(12))
def test_smearing_keeps_plain_colour_and_lowers_contrast(seed: int) -> None:
    plain = np.full((40, 40, 3), 0.4, np.float32)
    np.testing.assert_allclose(augment.smear(plain, np.random.default_rng(seed)), plain, atol=1e-5)
    noisy = np.random.default_rng(0).uniform(size=(40, 40, 3)).astype(np.float32)
    assert augment.smear(noisy, np.random.default_rng(seed)).std() < noisy.std()


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


def test_misaligned_colour_moves_against_the_depth_and_aligned_colour_does_not() -> None:
    rng = np.random.default_rng(4)
    rgb = rng.integers(0, 255, (32, 32, 3), np.uint8)
    image = make_image("whole", rgb, rng.uniform(20, 200, (32, 32)).astype(np.float32))
    still = Augmentation(0, 0, 0, 0, 0, 0, 0, 0)

    def colours(augmentation: Augmentation) -> list[np.ndarray]:
        patches = Patches([Source([image], 1.0)], 4, 32, 1, augmentation)
        samples = [patches[i] for i in range(12)]
        truths = [(sample["truth"] - sample["truth"].min()) * sample["span"] for sample in samples]
        assert all(np.allclose(truth, truths[0], atol=1e-2) for truth in truths)
        return [np.rint((sample["rgb"].numpy() + 0.5) * 255).transpose(1, 2, 0) for sample in samples]

    assert all(np.array_equal(each, rgb) for each in colours(still))
    moved = colours(replace(still, misaligned=1.0))
    assert sum(not np.array_equal(each, rgb) for each in moved) >= 6


@pytest.mark.parametrize("code", range(8))
def test_turning_back_undoes_a_turn(code: int) -> None:
    image = np.arange(4 * 6 * 3).reshape(4, 6, 3)
    assert np.array_equal(augment.turn_back(augment.turn(image, code), code), image)
