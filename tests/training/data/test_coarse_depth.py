from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.data.coarse_depth import (
    centre_sample,
    footprint_mean,
    main_surface,
    processed,
    summed_up,
    with_foreign_patch,
    with_outliers,
)


def edge(scale: int) -> tuple[np.ndarray, np.ndarray]:
    """One footprint with a quarter of its columns on a near surface, and one with nothing measured."""
    depth = np.full((scale, 2 * scale), 2.0, np.float32)
    depth[:, : scale // 4 or 1] = 1.0
    measured = np.ones(depth.shape, np.bool_)
    measured[:, scale:] = False
    return depth, measured


def test_the_main_surface_is_one_surface_and_the_mean_a_mixture() -> None:
    depth, measured = edge(4)
    assert main_surface(depth, measured, 4).tolist() == [[2.0, 0.0]]
    assert footprint_mean(depth, measured, 4, 0.5).tolist() == [[1.75, 0.0]]
    assert centre_sample(depth, measured, 4).tolist() == [[2.0, 0.0]]
    assert centre_sample(depth, measured, 4, place=4).tolist() == [[1.0, 0.0]]


def test_the_main_surface_averages_its_noise_and_needs_a_quarter_measured() -> None:
    depth = np.array([[1.0, 1.004], [1.002, 3.0]], np.float32)
    measured = np.ones((2, 2), np.bool_)
    assert main_surface(depth, measured, 2)[0, 0] == pytest.approx(1.002, abs=1e-6)
    few = np.zeros((4, 4), np.bool_)
    few[0, :3] = True
    assert main_surface(np.ones((4, 4), np.float32), few, 4).tolist() == [[0.0]]
    few[0, 3] = True
    assert main_surface(np.ones((4, 4), np.float32), few, 4).tolist() == [[1.0]]


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16])
def test_summing_up_is_deterministic_and_stays_within_what_was_measured(scale: int) -> None:
    rng = np.random.default_rng(scale)
    depth = rng.uniform(1, 2, (48, 64)).astype(np.float32)
    measured = rng.uniform(size=depth.shape) > 0.2
    for seed in range(12):
        low, again = (summed_up(depth, measured, scale, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(low, again)
        assert (low.shape, low.dtype) == ((48 // scale, 64 // scale), np.float32)
        assert (low[low > 0] > 0.9).all()
        assert low.max() < 2.1
    if scale == 1:
        assert np.array_equal(low, np.where(measured, depth, 0))


def test_outliers_are_few_and_no_measurement_is_invented() -> None:
    low = np.full((64, 64), 2.0, np.float32)
    low[:, :8] = 0
    changed = [np.mean((wrong := with_outliers(low, np.random.default_rng(seed))) != low) for seed in range(20)]
    assert not wrong[:, :8].any()
    assert 0 < np.mean(changed) < 0.01


def test_a_foreign_patch_is_small_and_of_one_depth() -> None:
    low = np.zeros((16, 16), np.float32)
    for seed in range(10):
        found = with_foreign_patch(low, np.random.default_rng(seed))
        assert 1 <= (found > 0).sum() <= 16
        assert len(np.unique(found)) == 2
    assert not low.any()


def test_processed_depth_is_whole_and_smooth_and_surfaces_run_into_each_other() -> None:
    depth = np.full((64, 64), 3.0, np.float32)
    depth[:, 32:] = 1.0
    depth += 0.01 * np.random.default_rng(0).standard_normal(depth.shape).astype(np.float32)
    for seed in range(8):
        low = processed(depth, 4, np.random.default_rng(seed))
        assert low.shape == (16, 16)
        assert (low > 0.9).all()
        assert low[:, :2].std() < 0.004
        assert ((low > 1.3) & (low < 2.7)).any(axis=1).all()
