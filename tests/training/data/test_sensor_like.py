from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pagnet_training.data.augment import Augmentation
from pagnet_training.data.folders import read_middlebury
from pagnet_training.data.patches import Patches, Source
from pagnet_training.data.sensor_like import sensor_like


def step_depth(side: int = 64) -> np.ndarray:
    """Two planes 60 levels apart."""
    depth = np.full((side, side), 80.0, np.float32)
    depth[:, side // 2 + 3 :] = 140.0
    return depth


def test_every_sensor_is_a_pure_function_of_its_generator() -> None:
    first = sensor_like(step_depth(), 4, np.random.default_rng(5))
    again = sensor_like(step_depth(), 4, np.random.default_rng(5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
def test_sensors_vary_and_always_measure_something(scale: int) -> None:
    lows, shares = [], []
    for seed in range(40):
        low, measured = sensor_like(step_depth(), scale, np.random.default_rng(seed))
        assert low.shape == measured.shape == (64 // scale, 64 // scale)
        assert low.dtype == np.float32
        assert measured.dtype == bool
        assert measured.any()
        assert np.abs(np.median(low[:, 0]) - 80) < 15
        lows.append(low)
        shares.append(measured.mean())
    assert len({low.tobytes() for low in lows}) > 30
    assert min(shares) < 0.97 < max(shares) == 1.0


def test_patches_of_random_sensors_keep_the_truth_and_mark_holes(data_root: Path) -> None:
    source = Source(read_middlebury(data_root / "pairs", []), 1.0)
    patches = Patches([source], 4, 32, 3, Augmentation(sensor=1.0))
    samples = [patches[i] for i in range(30)]
    assert all(torch.isfinite(sample["low"]).all() for sample in samples)
    assert all(sample["low"].shape == sample["measured"].shape == (1, 8, 8) for sample in samples)
    assert any(float(sample["measured"].min()) == 0 for sample in samples)
    again = patches[7]
    assert all(torch.equal(again[key], samples[7][key]) for key in again)


def test_without_sensors_the_patches_are_those_of_the_clean_recipe(data_root: Path) -> None:
    source = Source(read_middlebury(data_root / "pairs", []), 1.0)
    clean, mixed = (Patches([source], 4, 32, 3, Augmentation(sensor=share)) for share in (0.0, 1.0))
    assert not torch.equal(clean[0]["low"], mixed[0]["low"])
    assert float(clean[0]["low"].min()) >= -1e-4
