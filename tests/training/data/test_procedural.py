from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pagnet_training.data.procedural import render_scene, render_scenes
from pagnet_training.recipe import SourceRecipe


def test_a_scene_is_a_pure_function_of_its_seed() -> None:
    first, again, other = (render_scene(seed, (48, 64)) for seed in (3, 3, 4))
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.depth, again.depth)
    assert not np.array_equal(first.depth, other.depth)


def test_scenes_fill_the_range_of_levels() -> None:
    for seed in range(6):
        image = render_scene(seed, (48, 64))
        assert image.rgb.shape == (48, 64, 3)
        assert 0 < image.depth.min() < image.depth.max() <= 255
        assert 60 <= image.span <= 200


def test_cached_scenes_come_back_unchanged_and_damaged_ones_are_rendered_again(tmp_path: Path) -> None:
    source = SourceRecipe(kind="procedural", scenes=2, size=(40, 48), cache=str(tmp_path))
    fresh = render_scenes(source)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2
    files[0].write_bytes(b"half a file")
    for before, after in zip(fresh, render_scenes(source), strict=True):
        assert np.array_equal(before.depth, after.depth)
        assert np.array_equal(before.rgb, after.rgb)


def test_several_processes_render_the_same_scenes() -> None:
    source = SourceRecipe(kind="procedural", scenes=3, seed=5, size=(40, 48))
    for alone, together in zip(render_scenes(source), render_scenes(source, processes=2), strict=True):
        assert alone.name == together.name
        assert np.array_equal(alone.rgb, together.rgb)
        assert np.array_equal(alone.depth, together.depth)


def test_several_processes_render_only_what_the_cache_lacks(tmp_path: Path) -> None:
    source = SourceRecipe(kind="procedural", scenes=3, size=(40, 48), cache=str(tmp_path))
    fresh = render_scenes(source)
    first, last = sorted(tmp_path.glob("*.npz"))[::2]
    before = first.stat().st_mtime_ns
    last.unlink()
    for one, other in zip(fresh, render_scenes(source, processes=2), strict=True):
        assert np.array_equal(one.depth, other.depth)
    assert last.is_file()
    assert first.stat().st_mtime_ns == before


def test_a_source_may_ask_for_one_style_and_keeps_its_scenes_apart(tmp_path: Path) -> None:
    several = SourceRecipe(kind="procedural", scenes=1, size=(40, 48), cache=str(tmp_path))
    posters = replace(several, style="posters")
    for source in (several, posters, posters):
        (image,) = render_scenes(source)
        assert np.array_equal(image.depth, render_scene(0, (40, 48), source.style).depth)
    assert len(list(tmp_path.glob("*.npz"))) == 2
