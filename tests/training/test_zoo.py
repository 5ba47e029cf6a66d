from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from pagnet_ros.model.zoo import zoo
from pagnet_training.protocol import bicubic, rmse

_spec = importlib.util.spec_from_file_location("make_golden", Path(__file__).with_name("make_golden.py"))
assert _spec is not None
assert _spec.loader is not None
make_golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_golden)

CLEAN = [name for name, header in zoo().items() if header.variant == "clean"]


@pytest.mark.parametrize("name", list(zoo()))
def test_a_shipped_network_gives_its_golden_output(name: str) -> None:
    expected = np.load(make_golden.FOLDER / f"{name}.npz", allow_pickle=False)["levels"]
    _, result = make_golden.run_shipped(name)
    if zoo()[name].config.output == "surfaces":  # where two are equally likely the last bits of a sum decide
        assert np.mean(np.abs(result[::4, ::4] - expected) > 0.001) <= 0.001
    else:
        np.testing.assert_allclose(result[::4, ::4], expected, atol=0.02)


@pytest.mark.parametrize("name", CLEAN)
def test_a_network_for_clean_depth_beats_bicubic_on_a_frame_it_never_saw(name: str) -> None:
    case, result = make_golden.run_shipped(name)
    scale = zoo()[name].config.scale
    assert rmse(result, case.truth) < 0.95 * rmse(bicubic(case.low, case.rgb, scale), case.truth)


@pytest.mark.parametrize("name", list(zoo()))
def test_a_header_tells_how_the_network_came_to_be(name: str) -> None:
    header = zoo()[name]
    assert header.description
    assert header.recipe["command"].startswith("python -m pagnet_training.train")
    assert header.recipe["steps_done"] > 0
    assert header.data
    if header.config.output == "surfaces":
        assert all(score["mae"] < 1 for score in header.scores.values())
    else:
        assert header.scores["middlebury_val"]["float"]["moebius"] > 0
