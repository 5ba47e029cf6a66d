"""Frames of one sensor in a row: what persists does so as the profile says, and each frame looks like any other."""

import dataclasses

import numpy as np
import pytest
import torch

from pagnet_ros.errors import InputError
from pagnet_ros.sensors import PROFILES, PinholeCamera, SensorMemory, SensorProfile, sense

CAMERA = PinholeCamera.from_fov(160, 120)
DEPTH = np.full((120, 160), 2.0, np.float32)
NOISE = SensorProfile("noise", noise_floor_m=0.01)
HOLES = SensorProfile("holes", missing=0.2, hole_size_px=1.5)


def sequence(profile, frames, depth=DEPTH, seed=0, memory=None):
    memory = memory or SensorMemory()
    return np.stack([sense(depth, CAMERA, profile, seed * 1000 + n, memory=memory) for n in range(frames)])


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize(("persistence", "fixed"), [(0.0, 0.0), (0.8, 0.0), (0.0, 0.4), (0.6, 0.3)])
def test_noise_persists_as_stated_and_keeps_its_strength(persistence, fixed):
    profile = dataclasses.replace(NOISE, noise_persistence=persistence, noise_fixed=fixed)
    error = sequence(profile, 12) - 2.0
    for lag in (1, 2, 5):
        expected = fixed + (1 - fixed) * persistence**lag
        found = np.mean([correlation(error[n], error[n + lag]) for n in range(12 - lag)])
        assert found == pytest.approx(expected, abs=0.03), lag
    for frame in (0, 5, 11):
        assert error[frame].std() == pytest.approx(0.01, rel=0.03)


def test_differences_of_neighbouring_frames_have_the_stated_size():
    profile = dataclasses.replace(NOISE, noise_persistence=0.7, noise_fixed=0.2)
    error = sequence(profile, 10)
    assert np.diff(error, axis=0).std() == pytest.approx(0.01 * np.sqrt(2 * 0.8 * 0.3), rel=0.03)


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.95])
def test_holes_stay_and_their_share_does_not_change(persistence):
    profile = dataclasses.replace(HOLES, hole_persistence=persistence)
    gone = np.isnan(sequence(profile, 20))
    assert gone.mean() == pytest.approx(0.2, abs=0.04)
    latent = np.random.default_rng(0).multivariate_normal([0, 0], [[1, persistence], [persistence, 1]], 200_000)
    both = (latent < -0.8416).all(axis=1).mean()
    assert (gone[1:] & gone[:-1]).mean() == pytest.approx(both, abs=0.03)


@pytest.mark.parametrize(("persistence", "least", "most"), [(0.97, 0.8, 1.0), (0.0, 0.3, 0.65)])
def test_the_pieces_of_a_shadow_persist_as_holes_do(persistence, least, most):
    depth = DEPTH.copy()
    depth[:, 80:] = 1.0
    shadow = SensorProfile("shadow", shadow_side="left", baseline_m=0.1, shadow_share=0.5, hole_persistence=persistence)
    gone = np.isnan(sequence(shadow, 40, depth))[:, :, 60:80]
    band = gone.any(axis=0)
    assert least <= (gone[1:] == gone[:-1])[:, band].mean() <= most


def test_the_jitter_at_edges_persists():
    depth = DEPTH.copy()
    depth[:, 80:] = 1.0
    profile = SensorProfile("jitter", reduction="nearest", lateral_px=1.5)
    still, restless = (sequence(dataclasses.replace(profile, lateral_persistence=p), 6, depth) for p in (0.97, 0.0))
    changes = [(frames[1:] != frames[:-1]).mean() for frames in (still, restless)]
    assert 0 < changes[0] < 0.4 * changes[1]


def test_without_a_memory_frames_are_independent_and_as_they_were():
    profile = dataclasses.replace(NOISE, noise_persistence=0.9, noise_fixed=0.5)
    first, second = (sense(DEPTH, CAMERA, profile, seed) for seed in (1, 2))
    assert abs(correlation(first, second)) < 0.05
    assert np.array_equal(first, sense(DEPTH, CAMERA, NOISE, 1))


def test_a_memory_changes_nothing_where_nothing_persists():
    frames = sequence(dataclasses.replace(NOISE, missing=0.1), 3)
    for number, frame in enumerate(frames):
        alone = sense(DEPTH, CAMERA, dataclasses.replace(NOISE, missing=0.1), number)
        assert np.array_equal(frame, alone, equal_nan=True)


@pytest.mark.parametrize("name", ["kinect_v1", "kinect_v2", "azure_kinect"])
def test_the_same_seeds_give_the_same_sequence(name):
    first, again, other = (sequence(PROFILES[name], 3, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_a_generator_serves_a_sequence_of_batches():
    profile = dataclasses.replace(NOISE, noise_persistence=0.8)
    dice, memory = torch.Generator().manual_seed(1), SensorMemory()
    batch = torch.full((3, 120, 160), 2.0)
    first, second = (sense(batch, CAMERA, profile, dice, memory=memory) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert correlation(a.numpy(), b.numpy()) == pytest.approx(0.8, abs=0.03)


def test_two_sequences_of_one_device_share_only_what_never_changes():
    profile = dataclasses.replace(NOISE, noise_persistence=0.5, noise_fixed=0.4)
    one = SensorMemory()
    first = sequence(profile, 1, memory=one)
    second = sequence(profile, 1, seed=1, memory=SensorMemory(one))
    assert correlation(first, second) == pytest.approx(0.4, abs=0.03)


def test_frames_of_another_size_are_refused():
    memory = SensorMemory()
    profile = dataclasses.replace(NOISE, noise_persistence=0.5)
    sense(DEPTH, CAMERA, profile, 0, memory=memory)
    with pytest.raises(InputError, match=r"\[1, 120, 160\].*\[1, 60, 80\].*new SensorMemory"):
        sense(DEPTH, CAMERA, profile, 1, factor=2, memory=memory)
