from __future__ import annotations

import re

import numpy as np
import pytest

from pagnet_ros.sensors import PinholeCamera
from pagnet_ros.simulation import Renderer
from studies import obstacles


def test_a_room_has_a_doorway_with_a_room_behind_and_is_the_same_for_its_seed() -> None:
    scene = obstacles.make_room(3)
    camera = PinholeCamera.from_fov(64, 48, 65.0)
    depth = Renderer(scene)(camera, scene.viewpoint, noise_seed=3).depth_m
    middle, left = depth[16, 28:36], depth[16, 4:12]
    assert np.median(middle) > np.median(left) + 0.8
    again = Renderer(obstacles.make_room(3))(camera, scene.viewpoint, noise_seed=3).depth_m
    np.testing.assert_array_equal(depth, again)


def test_interpolation_marks_what_is_not_there_and_a_chosen_surface_hardly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "SIZE", (240, 320))
    assert obstacles.main(["--rooms", "1"]) == 0
    rows = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|", capsys.readouterr().out, re.MULTILINE))
    assert set(rows) == {*obstacles.PRESETS, *obstacles.BASELINES}
    assert max(float(rows[name]) for name in obstacles.PRESETS) < 0.2 * float(rows["bilinear"])


def test_an_unknown_sensor_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert obstacles.main(["--rooms", "1", "--sensor", "kinct_v1"]) == 2
    assert "kinect_v1" in capsys.readouterr().err
