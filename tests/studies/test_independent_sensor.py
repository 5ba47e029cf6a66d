from __future__ import annotations

import numpy as np
import pytest

from studies.independent_sensor import (
    FAMILIES,
    KERNELS,
    SHAPES,
    IndependentSensor,
    Manner,
)

DEPTH = np.full((120, 160), 2.0, np.float32)


def robust_scale(values: np.ndarray) -> float:
    """1.4826 times the median absolute deviation: the standard deviation, of a Gaussian."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def observe(manner: Manner, frames: int, sigma: float = 0.02, missing: np.ndarray | float = 0.0) -> np.ndarray:
    sensor = IndependentSensor(manner, 3)
    chance = np.broadcast_to(np.asarray(missing, np.float32), DEPTH.shape)
    return np.stack([sensor.observe(DEPTH, np.full_like(DEPTH, sigma), chance) for _ in range(frames)])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_noise_has_the_scale_it_is_told_and_heavier_tails_than_gaussian(family: str, kernel: str) -> None:
    error = observe(Manner(family, kernel, step_m=1e-5), 12) - DEPTH
    assert robust_scale(error) == pytest.approx(0.02, rel=0.04)
    assert np.std(error) > 1.1 * robust_scale(error)
    neighbours = np.corrcoef(np.sign(error[:, :, 1:].ravel()), np.sign(error[:, :, :-1].ravel()))[0, 1]
    assert (neighbours > 0.2) == (kernel != "white")


def test_noise_is_correlated_over_as_many_frames_as_are_averaged() -> None:
    error = np.sign(observe(Manner("laplace", "white", frames_averaged=3, step_m=1e-5), 8) - DEPTH)
    near, far = ((error[lag:] * error[:-lag]).mean() for lag in (1, 4))
    assert near > 0.3
    assert abs(far) < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_are_missing_exactly_as_often_as_told_wherever_the_probability_changes(shape: str) -> None:
    chance = np.full(DEPTH.shape, 0.05, np.float32)
    chance[:, 80:] = 0.4
    gone = np.isnan(observe(Manner(shape=shape, hole_size_px=4.0, hole_frames=2), 120, missing=chance))
    assert gone[..., :80].mean() == pytest.approx(0.05, abs=0.01)
    assert gone[..., 80:].mean() == pytest.approx(0.4, abs=0.025)


def test_holes_come_as_things_and_stay_for_a_while() -> None:
    gone = np.isnan(observe(Manner(hole_size_px=8.0, hole_frames=5), 20, missing=0.1))
    assert (gone[:, :, 1:] & gone[:, :, :-1]).sum() > 0.7 * gone.sum()
    assert 0.7 < (gone[1:] & gone[:-1]).sum() / gone[1:].sum() < 0.9
    assert not np.array_equal(gone[0], gone[-1])


def test_unknown_truth_stays_unknown_and_the_seed_decides() -> None:
    depth = DEPTH.copy()
    depth[:10] = np.nan
    first, second, other = (
        IndependentSensor(Manner(), seed).observe(depth, np.full_like(depth, 0.01), np.zeros_like(depth))
        for seed in (1, 1, 2)
    )
    assert np.isnan(first[:10]).all()
    assert np.isfinite(first[10:]).all()
    assert np.array_equal(first, second, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
