"""The projector's shadow, from the widths of holes beside near objects."""

from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.sensors.edge_effects import SHADOW_BINS, EdgeFit, fit_edges
from pagnet_training.sensors.tallies import EDGE_REACH_PX, STRETCHES, TILES, Tallies


def edges(as_wide_as_a_shadow: float) -> EdgeFit:
    """Holes of any width beside near objects, and on their left some as wide as a baseline of 85 mm makes them."""
    counts = np.zeros((TILES, 2, SHADOW_BINS))
    counts[:, :, 0] = 300
    counts[:, 0, 1:-1], counts[:, 1, 1:-1] = 10, 4
    counts[:, 0, 7:12] += as_wide_as_a_shadow * np.array([1, 2, 3, 2, 1]) / 9
    tallies, rng = Tallies(), np.random.default_rng(0)
    for _ in range(STRETCHES):
        tallies.next_frame()
        tallies.add_sums("shadow", rng.poisson(counts))
        tallies.add_sums("edge", np.ones((TILES, 2, 4, EDGE_REACH_PX + 1)))
    return fit_edges(tallies, None)


@pytest.mark.parametrize("holes", [128, 200])
def test_a_shadow_that_most_resamplings_tell_has_an_interval(holes: float) -> None:
    found = edges(holes)
    assert found.shadow_side == "left"
    assert found.baseline_m.low < 0.085 < found.baseline_m.high
    assert np.isfinite(found.baseline_m.draws).all()
    assert found.shadow_share.low > 0


def test_widths_that_do_not_stand_out_are_no_shadow() -> None:
    assert edges(60).shadow_side == "none"
