"""The demo's picture and the figures printed in it."""

import cv2
import numpy as np
import pytest

from pagnet_ros.demo.panel import PanelFrame, _telling_crop, common_rmse_m, draw_panel

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `demo`)")


def _frame(truth: bool = True) -> PanelFrame:
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    ours = depth + np.float32(0.01)
    ours[0, 0] = np.nan
    return PanelFrame(
        color=np.zeros((48, 64, 3), np.uint8),
        coarse=depth[::4, ::4],
        bicubic=depth + np.float32(0.03),
        ours=ours,
        truth=depth if truth else None,
        name="test",
    )


def test_rmse_is_taken_over_the_pixels_both_give():
    ours, bicubic = common_rmse_m(_frame())
    assert ours == pytest.approx(0.01, rel=1e-4)
    assert bicubic == pytest.approx(0.03, rel=1e-4)


def test_rmse_is_unknown_without_truth():
    assert np.isnan(common_rmse_m(_frame(truth=False))).all()


@pytest.mark.parametrize("truth", [True, False])
def test_the_picture_is_written_and_not_blank(tmp_path, truth):
    draw_panel(_frame(truth), tmp_path / "panel.png")
    picture = cv2.imread(str(tmp_path / "panel.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 10


def test_a_frame_without_any_believed_pixel_is_drawn_too(tmp_path):
    frame = _frame()
    empty = np.full_like(frame.ours, np.nan)
    nothing = PanelFrame(frame.color, empty[::4, ::4], empty, empty, empty, "empty")
    draw_panel(nothing, tmp_path / "panel.png")
    assert (tmp_path / "panel.png").stat().st_size > 0


def test_the_enlarged_window_is_where_bicubic_fails_most():
    frame = _frame()
    bicubic = frame.bicubic.copy()
    bicubic[30:36, 50:58] += 5
    rows, columns = _telling_crop(PanelFrame(frame.color, frame.coarse, bicubic, frame.ours, frame.truth, ""))
    assert rows.start <= 30
    assert rows.stop >= 36
    assert columns.start <= 50
    assert columns.stop >= 58
