"""The comparison of cameras: which folders are compared, on which pixels, and what the page says."""

import re

import cv2
import numpy as np
import pytest

from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.replay import cameras as module
from pagnet_ros.replay.cameras import _networks, compare_cameras, main
from pagnet_ros.replay.methods import Identity, make_baselines
from tests.limits import file_size_limit

PIPELINE = UpsamplerOptions(metric=True, registration="none")
SIZE = (64, 96)


@pytest.fixture
def cameras(tmp_path):
    """Two cameras that see a box before a slanted wall, one with poses, and one whose colour has another size."""

    def make(name, count, color_size=SIZE, poses=False, hole=False):
        folder = tmp_path / "sensors" / name
        folder.mkdir(parents=True)
        depth = np.tile(np.linspace(2000, 2400, SIZE[1]), (SIZE[0], 1))
        depth[13:47, 21:58] = 1000
        if hole:
            depth[:24] = 0
        for k in range(count):
            cv2.imwrite(str(folder / f"frame-{k:06d}.depth.png"), depth.astype(np.uint16))
            cv2.imwrite(str(folder / f"frame-{k:06d}.color.png"), np.full((*color_size, 3), 90, np.uint8))
            if poses:
                np.savetxt(folder / f"frame-{k:06d}.pose.txt", np.eye(4))

    make("box", 2)
    make("sequence", 3, poses=True, hole=True)
    make("unaligned", 1, color_size=(100, 150))
    (tmp_path / "sensors" / "empty").mkdir()
    return tmp_path / "sensors"


@pytest.fixture
def found(cameras):
    methods = [Identity(), *make_baselines(["bilinear", "nearest"], PIPELINE)]
    return compare_cameras([cameras], [4], methods, PIPELINE, frames=2)


def test_cameras_whose_depth_does_not_lie_on_colour_are_left_out_and_named(found):
    assert list(found.values[4]) == ["box", "sequence"]
    assert found.skipped["unaligned"] == "depth 96x64 and colour 150x100; expected depth that lies on colour"
    assert found.skipped["empty"] == "no frames that can be read"


def test_methods_are_compared_where_nothing_had_to_be_filled(found):
    rows = found.values[4]["sequence"]
    assert rows["bilinear"]["coverage"] > rows["identity"]["coverage"] - 1e-9
    assert rows["identity"]["rmse_common_m"] == rows["nearest"]["rmse_common_m"]  # though nearest fills and it does not
    assert rows["bilinear"]["flying_common"] > rows["nearest"]["flying_common"] == 0
    assert rows["bilinear"]["rmse_flat_common_m"] < rows["nearest"]["rmse_flat_common_m"] < 0.01
    assert rows["bilinear"]["rmse_rest_common_m"] > 0.05


def test_obstacles_are_counted_without_calibration_and_flicker_only_in_sequences(found):
    assert found.values[4]["box"]["bilinear"]["false_obstacles"] is not None
    assert found.values[4]["box"]["bilinear"]["flicker_m"] is None
    assert found.values[4]["sequence"]["bilinear"]["flicker_m"] == pytest.approx(0, abs=1e-6)


def test_the_page_has_means_wins_tables_and_pictures(cameras, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    words = [str(cameras), "--scale", "4", "--weights", "identity", "--frames", "1", "--out", str(tmp_path / "docs")]
    assert main(words) == 0
    page = (tmp_path / "docs" / "cameras.md").read_text()
    assert "python -m pagnet_ros.replay.cameras" in page
    assert re.search(r"^\| bilinear \| 1\.000 \| 1\.000 \|.*\| – \| – \|$", page, re.M)
    assert re.search(r"^\| node-bicubic \|.*\| \d of 2 \| \d of 2 \|$", page, re.M)
    assert len(re.findall(r"^\| box \| ", page, re.M)) == 5
    assert "- unaligned: depth 96x64" in page
    picture = cv2.imread(str(tmp_path / "docs" / "images" / "camera_box.jpg"))
    assert picture.std() > 10
    assert "images/camera_box.jpg" in page


def test_a_picture_without_room_is_told_in_one_line(cameras, tmp_path, capsys):
    words = [str(cameras), "--scale", "4", "--weights", "bicubic", "--frames", "1", "--out", str(tmp_path / "out")]
    with file_size_limit(1000):
        assert main(words) == 2
    assert "camera_box.jpg: writing failed" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["images"]


def test_networks_are_compared_in_each_estimate_and_everything_else_once():
    methods = _networks(["identity", "bicubic"], PIPELINE, "cpu", "fp32")
    assert [method.name for method in methods] == ["identity", "node-bicubic (surface)", "node-bicubic (mean)"]


def test_folders_without_a_camera_are_refused(tmp_path, capsys):
    assert main([str(tmp_path), "--weights", "identity"]) == 2
    assert "no frames whose depth lies on colour" in capsys.readouterr().err
    assert main([str(tmp_path / "absent"), "--weights", "identity"]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_ctrl_c_ends_in_one_line(cameras, tmp_path, monkeypatch, capsys):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "compare_cameras", pressed)
    assert main([str(cameras), "--weights", "identity", "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "cameras: stopped\n"
