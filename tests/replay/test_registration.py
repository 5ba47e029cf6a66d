"""Depth that lies off the colour image, replayed: moved by what is set, and told by the tool that measures it."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.replay import alignment
from pagnet_ros.replay.cli import BAD_INPUT, FINE, main
from tests.core.alignment.boxes import boxes

OFF = (7, -6)


def folder_of(path, offset):
    """Two frames of depth with an offset."""
    path.mkdir()
    depth, rgb = boxes(seed=3, offset=offset)
    for k in range(2):
        millimetres = np.rint(1000 * coarse_depth(depth, 4)).astype(np.uint16)
        cv2.imwrite(str(path / f"frame-{k:06d}.depth.png"), millimetres)
        cv2.imwrite(str(path / f"frame-{k:06d}.color.png"), rgb[..., ::-1])
    return path


@pytest.fixture
def folder(tmp_path):
    """Two frames of depth that is off."""
    return folder_of(tmp_path / "off", OFF)


def replayed(folder, out, *words):
    """The results of a replay."""
    quick = ("--weights", "bicubic", "--baselines", "nearest", "--device", "cpu", "--json", "--force")
    assert main([str(folder), *quick, "--out", str(out), *words]) == FINE
    return json.loads((out / "results.json").read_text())


def test_depth_is_moved_by_what_is_set_and_by_nothing_else(folder, tmp_path):
    left = replayed(folder, tmp_path / "left")
    moved = replayed(folder, tmp_path / "moved", f"--registration={OFF[0]},{OFF[1]}")
    assert left["settings"]["pipeline"]["registration"] == "none"
    assert moved["settings"]["pipeline"]["registration"] == "7,-6"
    assert left["methods"] != moved["methods"]


@pytest.mark.parametrize("how", ["off", "auto"])
def test_a_wrong_word_ends_in_one_line(folder, capsys, how):
    assert main([str(folder), "--registration", how]) == BAD_INPUT
    assert f"registration = '{how}'; expected none, sensor" in capsys.readouterr().err


def test_the_offset_of_a_profile_that_is_not_read_is_not_taken_for_none(folder, capsys):
    assert main([str(folder), "--registration", "sensor"]) == BAD_INPUT
    assert "registration = 'sensor'; expected the offset itself" in capsys.readouterr().err


def test_the_tool_tells_the_offset_and_what_to_set(folder, capsys):
    assert alignment.main([str(folder)]) == alignment.OFF
    told = capsys.readouterr().out
    assert "depth lies off the colour image: it must move by (+" in told
    assert "registration_width: 320" in told


def test_the_tool_says_where_depth_lies_on_colour_or_nothing_can_be_told(tmp_path, capsys):
    assert alignment.main([str(folder_of(tmp_path / "fine", (0, 0)))]) == alignment.ALIGNED
    assert "depth lies on the colour image" in capsys.readouterr().out
    assert alignment.main([str(tmp_path / "nothing")]) == alignment.BAD_INPUT
    assert "alignment: " in capsys.readouterr().err


def test_ctrl_c_ends_the_tool_in_one_line(folder, monkeypatch, capsys):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(alignment, "open_source", pressed)
    assert alignment.main([str(folder)]) == alignment.INTERRUPTED
    assert capsys.readouterr().err == "alignment: stopped\n"
