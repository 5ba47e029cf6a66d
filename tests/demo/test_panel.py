"""The demo's score, and the picture with it."""

import cv2
import numpy as np
import pytest

from pagnet_ros.demo.cli import common_rmse_m, draw_panel
from pagnet_ros.replay.pictures import Scene


def _scene(truth: bool = True) -> Scene:
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    ours, bicubic = depth + np.float32(0.01), depth + np.float32(0.03)
    ours[0, 0] = np.nan
    bicubic[0, 0] = 9.0  # where ours says nothing, nobody is judged
    color = np.zeros((48, 64, 3), np.uint8)
    return Scene(color, depth[::4, ::4], depth if truth else None, {"ours": ours, "bicubic": bicubic})


def test_rmse_is_taken_over_the_pixels_both_give():
    assert common_rmse_m(_scene()) == {"ours": pytest.approx(0.01, rel=1e-4), "bicubic": pytest.approx(0.03, rel=1e-4)}


def test_rmse_is_unknown_without_truth_or_without_a_common_pixel():
    assert np.isnan(list(common_rmse_m(_scene(truth=False)).values())).all()
    empty = np.full((48, 64), np.nan, np.float32)
    nothing = Scene(_scene().rgb, empty[::4, ::4], empty, {"ours": empty, "bicubic": empty})
    assert np.isnan(list(common_rmse_m(nothing).values())).all()


@pytest.mark.parametrize("truth", [True, False])
def test_the_picture_is_written_and_not_blank(tmp_path, truth):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    draw_panel(_scene(truth), tmp_path / "panel.png")
    picture = cv2.imread(str(tmp_path / "panel.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 10
