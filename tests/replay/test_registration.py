"""Depth that lies off the colour image, replayed: networks and filters alike mend it, and the results tell."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.replay.cli import BAD_INPUT, FINE, main
from tests.core.registration.boxes import boxes

OFF = (7, -6)


@pytest.fixture
def folder(tmp_path):
    """Two frames of depth that is off."""
    path = tmp_path / "off"
    path.mkdir()
    depth, rgb = boxes(seed=3, offset=OFF)
    for k in range(2):
        millimetres = np.rint(1000 * coarse_depth(depth, 4)).astype(np.uint16)
        cv2.imwrite(str(path / f"frame-{k:06d}.depth.png"), millimetres)
        cv2.imwrite(str(path / f"frame-{k:06d}.color.png"), rgb[..., ::-1])
    return path


def replayed(folder, out, *words):
    """Offsets by method, and the kinds of problems."""
    quick = ("--weights", "bicubic", "--baselines", "nearest", "--device", "cpu", "--json", "--force")
    assert main([str(folder), *quick, "--out", str(out), *words]) == FINE
    values = json.loads((out / "results.json").read_text())
    offsets = {method["name"]: method["detail"]["registration"]["offset_px"] for method in values["methods"]}
    return offsets, [problem["kind"] for problem in values["problems"]], values


def test_networks_and_filters_find_the_same_offset_and_the_results_tell(folder, tmp_path, capsys):
    offsets, problems, values = replayed(folder, tmp_path / "out")
    np.testing.assert_allclose(offsets["node-bicubic"], OFF, atol=1)
    np.testing.assert_allclose(offsets["nearest"], offsets["node-bicubic"], atol=0.01)
    assert problems == ["registration"]
    assert "depth moved by (+" in capsys.readouterr().out
    assert values["settings"]["pipeline"]["registration"] == "auto"
    assert values["methods"][0]["detail"]["registration"]["estimate"]["doubts"] == []


@pytest.mark.parametrize(("how", "offset"), [("none", [0.0, 0.0]), ("-3,4.5", [-3.0, 4.5])])
def test_it_can_be_left_or_set(folder, tmp_path, how, offset):
    offsets, problems, _ = replayed(folder, tmp_path / "out", f"--registration={how}")
    assert offsets == {"node-bicubic": offset, "nearest": offset}
    assert problems == []


def test_a_wrong_word_ends_in_one_line(folder, capsys):
    assert main([str(folder), "--registration", "off"]) == BAD_INPUT
    assert "registration='off', expected auto, none, or an offset X,Y" in capsys.readouterr().err
