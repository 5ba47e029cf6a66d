from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np
import pytest

from pagnet_training.data import recorded_depth as effects
from pagnet_training.data.recorded_depth import Depth, Mask, Rng

RAMP = np.tile(np.linspace(0.8, 1.2, 64, dtype=np.float32), (48, 1))

PAINTED = np.full((48, 64), 60, np.uint8)
PAINTED[:, 30:] = 200


@pytest.fixture
def step() -> Depth:
    """A near box before a wall."""
    depth = np.full((48, 64), 3.0, np.float32)
    depth[12:36, 20:44] = 1.0
    return depth


def on_depth(move: Callable[[Depth, Rng], effects.Places]) -> Callable[[Depth, Rng], Depth]:
    """What moves depth, as an effect that returns depth."""
    return wraps(move)(lambda depth, rng: effects.moved(depth, move(depth, rng)))


MOVING = [on_depth(each) for each in (effects.off_colour, effects.parallax, effects.bent, effects.ragged)]
ON_DEPTH = {
    *MOVING, effects.fattened, effects.median_filtered,
    effects.stereo_matched, effects.noisy, effects.quantised_in_disparity, effects.with_flying_pixels,
}  # fmt: skip
MASKS: dict[str, Callable[[Depth, Rng], Mask]] = {
    "shadow": lambda depth, rng: effects.projector_shadow(depth, effects.depth_edges(depth), rng),
    "blobs": lambda depth, rng: effects.blobs(depth.shape, rng),
    "dark": lambda depth, rng: effects.dark_surfaces(RAMP, rng),
    "silent": lambda depth, rng: effects.silent_surfaces(PAINTED, effects.depth_edges(depth), rng),
    "speckle": lambda depth, rng: effects.speckle(depth.shape, 0.06, rng),
    "hidden": lambda depth, rng: effects.hidden_parts(effects.depth_edges(depth), 11, rng),
}


def same_twice(effect: Callable[[Depth, Rng], np.ndarray], depth: Depth, seed: int) -> np.ndarray:
    before = depth.copy()
    first, second = (effect(depth, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(depth, before)
    assert first.shape == depth.shape
    return first


@pytest.mark.parametrize("effect", sorted(ON_DEPTH, key=lambda each: each.__name__))
def test_an_effect_is_a_pure_function_that_changes_depth_and_keeps_it_metric(
    effect: Callable[[Depth, Rng], Depth], step: Depth
) -> None:
    changed = 0
    for seed in range(12):
        result = same_twice(effect, step, seed)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert result.min() > 0.5
        assert result.max() < 5
        changed += not np.array_equal(result, step)
    assert changed > 3


@pytest.mark.parametrize("effect", [*MOVING, effects.fattened, effects.median_filtered])
def test_what_moves_outlines_invents_no_depth(effect: Callable[[Depth, Rng], Depth], step: Depth) -> None:
    for seed in range(12):
        assert set(np.unique(effect(step, np.random.default_rng(seed)))) == {1.0, 3.0}


def test_parallax_moves_the_near_surface_more_than_the_far_one() -> None:
    """A near and a far box before a wall: where each edge goes to, over many draws."""
    depth = np.full((48, 128), 8.0, np.float32)
    depth[12:36, 20:44], depth[12:36, 84:108] = 1.0, 4.0
    moved = []
    for seed in range(40):
        result = effects.moved(depth, effects.parallax(depth, np.random.default_rng(seed)))
        near, far = (np.flatnonzero(result[24] == each) for each in (1.0, 4.0))
        moved.append((near.mean() - 31.5, far.mean() - 95.5))
    near_by, far_by = np.abs(np.array(moved)).mean(axis=0)
    assert near_by > 1.2 * far_by


def test_wrong_measurements_are_few_small_and_anywhere(step: Depth) -> None:
    shares = []
    for seed in range(40):
        result = same_twice(effects.with_wrong_measurements, step, seed)
        assert result.min() >= 0.1
        assert result.max() < 10
        shares.append(float((result != step).mean()))
    assert max(shares) > 0.01
    assert np.mean(shares) < 0.05


def test_flying_pixels_and_matching_windows_put_depth_between_surfaces(step: Depth) -> None:
    flying = effects.with_flying_pixels(step, np.random.default_rng(0))
    between = (flying > 1.1) & (flying < 2.9)
    assert between.any()
    assert not between[:4].any()
    assert not between[18:30, 28:36].any()


def test_noise_grows_with_depth_and_steps_of_disparity_with_its_square() -> None:
    plane = np.full((64, 64), 1.0, np.float32)
    near, far = (np.mean([effects.noisy(k * plane, np.random.default_rng(i)).std() for i in range(20)]) for k in (1, 6))
    assert far > 3 * near
    steps, ramp = [], np.linspace(0.8, 1.2, 20001, dtype=np.float32)[None]
    for centre in (1.0, 4.0):
        values = np.unique(effects.quantised_in_disparity(np.float32(centre) * ramp, np.random.default_rng(3)))
        steps.append(np.median(np.diff(values)))
    assert steps[1] == pytest.approx(16 * steps[0], rel=0.2)


def test_depth_is_held_in_whole_millimetres_above_zero() -> None:
    held = effects.in_whole_millimetres(np.array([[-1.0, 0.01, 1.23449]], np.float32))
    assert held[0].tolist() == pytest.approx([0.05, 0.05, 1.234])


@pytest.mark.parametrize("name", sorted(MASKS))
def test_what_is_missing_is_a_pure_function_and_leaves_most_of_the_image(name: str, step: Depth) -> None:
    shares = []
    for seed in range(12):
        mask = same_twice(MASKS[name], step, seed)
        assert mask.dtype == np.bool_
        shares.append(mask.mean())
    assert 0 < np.mean(shares) < 0.6


def test_the_shadow_lies_beside_depth_edges(step: Depth) -> None:
    for seed in range(12):
        shadow = MASKS["shadow"](step, np.random.default_rng(seed))
        assert not shadow[:, :8].any()
        assert not shadow[23:25, 31:33].any()


def test_a_plane_has_neither_edges_nor_a_shadow() -> None:
    edge = effects.depth_edges(RAMP)
    assert not edge.any()
    assert not effects.projector_shadow(RAMP, edge, np.random.default_rng(1)).any()


def test_whole_surfaces_are_silent_up_to_edges_of_depth_and_colour(step: Depth) -> None:
    edge = effects.depth_edges(step)
    inside = np.zeros(step.shape, np.bool_)
    inside[14:34, 22:42] = True
    outside = np.ones(step.shape, np.bool_)
    outside[9:39, 17:47] = False
    bright = np.arange(64)[None] >= 30
    parts = [inside & bright, inside & ~bright, outside & bright, outside & ~bright]
    found = set()
    for seed in range(40):
        silent = effects.silent_surfaces(PAINTED, edge, np.random.default_rng(seed))
        shares = [silent[part].mean() for part in parts]
        assert all(share in (0, 1) for share in shares)
        assert silent.mean() < 0.4
        found |= {number for number, share in enumerate(shares) if share}
    assert {0, 3} <= found  # of the box and of the wall


def test_the_darkest_parts_are_those_that_do_not_answer() -> None:
    missing = effects.dark_surfaces(RAMP, np.random.default_rng(2))
    assert RAMP[missing].max() < np.quantile(RAMP, 0.3)
