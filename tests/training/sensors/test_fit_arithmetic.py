"""Statistics that the fits share."""

import numpy as np
import pytest

from pagnet_training.sensors.arithmetic import (
    RESIDUAL_BINS,
    gaussian_from_quantised,
    nonnegative_least_squares,
    residual_bin,
    tetrachoric,
    trimmed_variance,
)
from pagnet_training.sensors.noise_curves import jitter_of_variance, tail_of


def histogram(values):
    bins = residual_bin(values)
    counts = np.bincount(bins, minlength=RESIDUAL_BINS).astype(float)
    return counts, np.bincount(bins, values**2, RESIDUAL_BINS)


@pytest.mark.parametrize("sigma", [2e-4, 0.004, 0.08])
def test_trimming_leaves_the_variance_of_gaussian_noise_as_it_is(sigma):
    values = np.random.default_rng(1).normal(0, sigma, 50_000)
    assert float(trimmed_variance(*histogram(values))) == pytest.approx(sigma**2, rel=0.02)


def test_trimming_takes_outliers_out():
    values = np.random.default_rng(1).normal(0, 0.004, 50_000)
    values[:500] = 0.5
    assert float(trimmed_variance(*histogram(values))) == pytest.approx(0.004**2, rel=0.05)


def test_an_empty_histogram_has_no_variance():
    assert np.isnan(trimmed_variance(np.zeros(RESIDUAL_BINS), np.zeros(RESIDUAL_BINS)))


@pytest.mark.parametrize("same_phase", [True, False])
@pytest.mark.parametrize("ratio", [0.35, 0.7, 2.0])
def test_rounding_is_taken_out_of_the_variance(ratio, same_phase):
    rng = np.random.default_rng(2)
    depth, step = rng.uniform(0, 1000, 200_000), 1.0
    other = depth if same_phase else rng.uniform(0, 1000, depth.size)
    errors = [np.rint((d + ratio * rng.standard_normal(d.size)) / step) * step - d for d in (depth, other)]
    half = np.mean((errors[0] - errors[1]) ** 2) / 2
    assert np.sqrt(gaussian_from_quantised(half, step, same_phase)) == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize("r", [0.0, 0.4, 0.9])
def test_correlation_behind_two_masks_is_found(r):
    rng = np.random.default_rng(3)
    first = rng.standard_normal(400_000)
    second = r * first + np.sqrt(1 - r * r) * rng.standard_normal(first.size)
    a, b = first < -1.0, second < -0.5
    found = tetrachoric([a.mean()], [b.mean()], [(a & b).mean()], np.array([a.size]))
    assert found == pytest.approx(r, abs=0.02)


def test_coefficients_do_not_become_negative():
    x = np.linspace(0, 1, 50)
    design = np.stack([np.ones_like(x), x], 1)
    assert nonnegative_least_squares(design, 1.0 - 0.5 * x, np.ones_like(x)) == pytest.approx([0.75, 0.0], abs=0.01)
    assert nonnegative_least_squares(design, 1.0 + 0.5 * x, np.ones_like(x)) == pytest.approx([1.0, 0.5], abs=1e-6)


@pytest.mark.parametrize("h", [0.0, 0.1, 0.2])
def test_heavy_tails_are_told_from_differences(h):
    g = np.random.default_rng(4).standard_normal((2, 200_000))
    single = 0.01 * g * np.exp(0.5 * h * g**2)
    counts, squares = (part[None, None] for part in histogram(single[0] - single[1]))
    tail = tail_of(counts, squares, np.zeros(1))
    assert tail.h == pytest.approx(h, abs=0.03)
    robust = 1.4826 * np.median(np.abs(single[0]))
    assert np.sqrt(trimmed_variance(counts, squares)[0, 0] / 2 * tail.robust) == pytest.approx(robust, rel=0.03)


def test_a_rounded_jitter_is_undone():
    jitter = np.rint(np.random.default_rng(5).normal(0, 0.5, 200_000))
    assert jitter_of_variance(float(jitter.var())) == pytest.approx(0.5, abs=0.02)
