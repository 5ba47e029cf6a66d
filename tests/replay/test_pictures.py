"""Pictures of frames: what is drawn, and that odd frames are drawn too."""

import base64
import dataclasses

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from pagnet_ros.replay.pictures import Scene, _telling_window, draw_scene, picture_url


def scene(reference=True, given=True, names=("ours", "bilinear")):
    truth = np.full((48, 64), 2.0, np.float32)
    truth[:, 32:] = 1.0
    ours = truth + np.float32(0.01)
    ours[0, 0] = np.nan
    depths = {name: (ours if given else np.full_like(ours, np.nan)) for name in names}
    return Scene(np.zeros((48, 64, 3), np.uint8), truth[::4, ::4], truth if reference else None, depths)


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_every_method_is_shown_with_depth_and_error():
    names = ("ours", "a", "b", "c", "d")
    found = titles(draw_scene(scene(names=names)))
    assert found[:4] == ["colour", "input 16x12, 0 % missing", "reference", "depth of ours"]
    assert {f"error of {name}" for name in names} <= set(found)
    assert {f"depth of {name}" for name in names} <= set(found)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_few_places_stay_empty_whatever_the_number_of_methods(count):
    figure = draw_scene(scene(names=tuple("abcdefgh"[:count])))
    pictures = [axis for axis in figure.axes if axis.get_subplotspec() and axis.get_label() != "<colorbar>"]
    assert len(pictures) - len([axis for axis in pictures if axis.images]) <= 2


def test_a_note_stands_below_the_title_of_the_error():
    noted = dataclasses.replace(scene(), notes={"bilinear": "RMSE 12.3 mm"})
    assert "error of bilinear\nRMSE 12.3 mm" in titles(draw_scene(noted))


def test_without_a_reference_it_is_left_out():
    assert "reference" not in titles(draw_scene(scene(reference=False)))


@pytest.mark.parametrize("frame", [scene(given=False), scene(names=("_$x_{", "</svg>"))])
def test_a_frame_without_any_depth_and_names_that_are_no_mathematics_are_drawn(frame):
    url = picture_url(draw_scene(frame))
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] > 900
    assert picture.std() > 10


def test_the_same_scene_gives_the_same_bytes():
    assert picture_url(draw_scene(scene())) == picture_url(draw_scene(scene()))


def test_the_enlarged_window_is_where_errors_add_up():
    error = np.zeros((48, 64), np.float32)
    error[30:36, 50:58] = -5
    error[0, 0] = 1000  # one pixel alone
    error[5, 5] = np.nan
    rows, columns = _telling_window(error)
    assert rows.start <= 30
    assert rows.stop >= 36
    assert columns.start <= 50
    assert columns.stop >= 58
