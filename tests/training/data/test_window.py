"""Where a patch lies in its image, and what an image becomes that is enlarged before it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pagnet_training.data.window import Window, draw_window

SHAPE = (40, 50)


def window(enlarged: float, side: int = 16, margin: int = 4) -> Window:
    return draw_window(SHAPE, side, margin, False, np.random.default_rng(5), enlarged)


def slanted() -> NDArray[np.float32]:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    return np.asarray(rows * 0.5 + columns * 0.25 + 20, np.float32)


@pytest.mark.parametrize("enlarged", [1.0, 1.7, 3.0])
def test_a_cut_has_the_size_of_the_patch_with_its_margin(enlarged: float) -> None:
    rgb = np.full((*SHAPE, 3), 90, np.uint8)
    place = window(enlarged)
    assert place.cut_depth(slanted()).shape == (24, 24)
    assert place.inside(place.cut_depth(slanted())).shape == (16, 16)
    assert place.cut_colour(rgb).shape == (24, 24, 3)
    assert (place.cut_colour(rgb) == 90).all()
    assert place.cut(np.ones(SHAPE, bool)).all()


def test_a_surface_stays_a_surface_when_it_is_enlarged() -> None:
    cut = window(2.0).inside(window(2.0).cut_depth(slanted()))
    assert np.allclose(np.diff(cut, axis=0), 0.25, atol=0.01)
    assert np.allclose(np.diff(cut, axis=1), 0.125, atol=0.01)


def test_nothing_lies_between_two_surfaces_after_enlarging() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = np.where((rows - 20) ** 2 + (columns - 25) ** 2 < 150, 120, 40).astype(np.float32)
    cut = window(2.6, side=80, margin=0).cut_depth(disc)
    assert set(np.unique(cut)) == {40.0, 120.0}
    outline = np.abs(np.diff(cut, axis=1)) > 0
    assert outline.sum(axis=1).max() <= 2, "the outline of a disc crosses a row twice, without frays"


def test_colour_and_depth_are_enlarged_alike() -> None:
    edge = np.zeros(SHAPE, np.float32)
    edge[:, 25:] = 200
    rgb = np.repeat(edge[..., None], 3, axis=2).astype(np.uint8)
    place = window(3.0, side=100, margin=0)
    depth, colour = place.cut_depth(edge), np.asarray(place.cut_colour(rgb)[..., 0], np.float32)
    assert np.array_equal(depth > 100, colour > 100)
