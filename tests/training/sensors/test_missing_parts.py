"""Missing rates taken apart: what adds up, and what only dark surfaces at an angle do."""

from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.sensors.missing import darkness, parts_of, where_dark_begins

BRIGHTNESS = np.array([0.03, 0.11, 0.19, 0.28, 0.4, 0.54, 0.72, 0.9])
BY_RANGE = np.linspace(0.01, 0.06, 10)
BY_ANGLE = np.array([0.0, 0.0, 0.0, 0.01, 0.04, 0.08])
ON_BLACK = np.array([0.0, 0.0, 0.05, 0.2, 0.5, 0.8])


def cells(on_black: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and missing ones per cell, of uneven size, some empty."""
    rng = np.random.default_rng(2)
    n = np.floor(rng.uniform(0, 20_000, (BY_RANGE.size, BRIGHTNESS.size, BY_ANGLE.size)))
    n[rng.uniform(size=n.shape) < 0.2] = 0
    dark = np.maximum(1 - BRIGHTNESS / 0.5, 0)
    rate = BY_RANGE[:, None, None] + BY_ANGLE + on_black * dark[:, None]
    return n, rng.binomial(n.astype(np.int64), rate).astype(np.float64)


def test_a_dark_surface_at_an_angle_is_told_from_dark_and_from_slanted_ones() -> None:
    n, m = cells(ON_BLACK)
    below = where_dark_begins(n, m, BRIGHTNESS)
    assert below == 0.5
    parts = parts_of(n, m, darkness(BRIGHTNESS, below))
    assert parts.dark == pytest.approx(ON_BLACK, abs=0.02)
    assert parts.angle - parts.angle[0] == pytest.approx(BY_ANGLE, abs=0.02)
    assert parts.brightness == pytest.approx(np.zeros(8), abs=0.01)


def test_where_parts_add_up_nothing_else_is_claimed() -> None:
    n, m = cells(np.zeros(6))
    assert where_dark_begins(n, m, BRIGHTNESS) == 0.0
    parts = parts_of(n, m, darkness(BRIGHTNESS, 0.0))
    assert not parts.dark.any()
    assert np.diff(parts.range) == pytest.approx(np.diff(BY_RANGE), abs=0.005)


def test_darkness_is_one_on_black_and_ends_where_told() -> None:
    assert darkness(np.array([0.0, 0.2, 0.4, 0.9]), 0.4) == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert not darkness(BRIGHTNESS, 0.0).any()
