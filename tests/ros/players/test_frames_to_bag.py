"""The command that writes a folder of frames as a bag."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.recordings.bags import Bag
from pagnet_ros.ros.players.frames_to_bag import main


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for k in range(2):
        assert cv2.imwrite(str(path / f"frame-{k:06d}.depth.png"), np.full((16, 24), 1000, np.uint16))
        assert cv2.imwrite(str(path / f"frame-{k:06d}.color.png"), np.zeros((16, 24, 3), np.uint8))
    return path


def test_bag_has_the_topics_asked_for(folder, tmp_path, capsys):
    bag_path = tmp_path / "bag"
    arguments = [str(folder), str(bag_path), "--storage", "sqlite3", "--downsample", "4"]

    assert main([*arguments, "--depth", "/cam/depth", "--color", "/cam/color"]) == 0

    assert capsys.readouterr().out == f"{bag_path}: 2 frames\n"
    with Bag(bag_path) as bag:
        assert {t.name: t.count for t in bag.topics.values()} == {
            "/cam/color": 2,
            "/cam/color/camera_info": 2,
            "/cam/depth": 2,
            "/cam/depth_reference": 2,
        }


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "there already; choose another name, or replace it with --force"),
        (["--force", "--downsample", "5"], "scale 5 does not divide 24x16"),
        (["--compress", "--storage", "sqlite3"], "compress needs storage mcap"),
        (["--only", "xyz"], "no frame name contains 'xyz'"),
    ],
)
def test_errors_are_one_line_and_keep_the_old_bag(folder, tmp_path, capsys, more, text):
    bag_path = tmp_path / "bag"
    assert main([str(folder), str(bag_path)]) == 0
    before = {file.name: file.read_bytes() for file in bag_path.iterdir()}

    assert main([str(folder), str(bag_path), *more]) == 1

    assert text in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in bag_path.iterdir()} == before
