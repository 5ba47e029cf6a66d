"""When depth is reprojected, with what, and what is told where that cannot be."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pagnet_ros.core.reprojection import Reprojection
from pagnet_ros.errors import OutOfMemoryError
from pagnet_ros.runtime.aligner import Aligner

DEPTH_TOPICS, COLOR_TOPICS = ("/depth/image", "/depth/camera_info"), ("/color/image", "/color/camera_info")
FRAMES = ("depth_optical", "color_optical")


def info(size, focal, **fields):
    (height, width), zeros = size, [0.0] * 12
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    values = {"header": None, "width": width, "height": height, "k": k, "p": zeros, "r": zeros[:9], "d": []}
    return SimpleNamespace(**{**values, "distortion_model": "", "binning_x": 0, "binning_y": 0, **fields})


INFOS = (info((30, 40), 40.0), info((90, 160), 160.0))
DEPTH = np.full((30, 40), 2.0, np.float32)


def shifted(x):
    matrix = np.eye(4)
    matrix[0, 3] = x
    return lambda target, source: matrix if (target, source) == FRAMES[::-1] else "another frame"


TOGETHER = shifted(0.0)


def align(frames=FRAMES, infos=INFOS, lookup=TOGETHER, size=(90, 160), **keywords):
    return Aligner(DEPTH_TOPICS, COLOR_TOPICS)(DEPTH, size, frames, infos, lookup, **keywords)


def test_depth_of_another_frame_and_shape_is_drawn_for_the_colour_camera():
    drawn = align()
    assert drawn.shape == (22, 40)
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], 2.0, rtol=1e-6)
    assert np.isfinite(drawn[:, 1:-1]).all()


def test_it_follows_a_transform_that_changes():
    aligner = Aligner(DEPTH_TOPICS, COLOR_TOPICS)
    edges = []
    for x in (0.0, 0.5, 0.5, 0.0):
        drawn = aligner(DEPTH, (90, 160), FRAMES, INFOS, shifted(x))
        edges.append(np.flatnonzero(np.isfinite(drawn[11])).min())
    assert edges == [0, 10, 10, 0]  # 0.5 m at 2 m with a focal length of 40


@pytest.mark.parametrize("frames", [("optical", "optical"), ("", "optical"), ("", "")])
def test_aligned_depth_is_left_alone(frames):
    assert align(frames=frames, infos=(None, None), size=(60, 80)) == ""


def test_depth_in_colours_frame_but_of_another_shape_follows_from_the_calibrations_alone():
    drawn = align(frames=("optical", "optical"), lookup=None)
    assert drawn.shape == (22, 40)
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], 2.0, rtol=1e-6)


def test_a_known_pose_counts_whatever_the_frames_are():
    drawn = align(frames=("", ""), lookup=lambda *_: shifted(0.5)(*FRAMES[::-1]), always=True)
    assert np.isnan(drawn[:, :10]).all()


@pytest.mark.parametrize(
    ("infos", "told"),
    [
        ((None, INFOS[1]), "there is no camera_info on /depth/camera_info"),
        ((INFOS[0], None), "there is no camera_info on /color/camera_info"),
        ((info((30, 40), 0.0), INFOS[1]), "/depth/camera_info cannot be used: .*focal lengths 0, 0"),
        ((INFOS[0], info((90, 90), 90.0)), "/color/camera_info cannot be used: .*another aspect ratio"),
        ((INFOS[0], info((90, 160), 90.0, d=[1.0], distortion_model="odd")), "distortion_model 'odd'"),
    ],
)
def test_what_is_missing_is_told(infos, told):
    assert re.search(told, align(infos=infos))


@pytest.mark.parametrize(
    ("model", "d"),
    [("plumb_bob", [1e300] * 5), ("equidistant", [-2.0] * 4), ("rational_polynomial", [0.1] * 7 + [-5.0])],
)
@pytest.mark.parametrize("centre", [0.0, -1e6, 1e300])
@pytest.mark.parametrize("camera", [0, 1])
def test_a_mad_calibration_gives_no_depth_and_no_error(model, d, centre, camera):
    mad = info(((30, 40), (90, 160))[camera], 40.0, d=d, distortion_model=model)
    mad.k[2] = centre
    infos = (mad, INFOS[1]) if camera == 0 else (INFOS[0], mad)
    drawn = align(infos=infos)
    assert isinstance(drawn, np.ndarray)
    known = drawn[np.isfinite(drawn)]
    assert ((known > 0) & (known < 100)).all()


@pytest.mark.parametrize("fails", ["__init__", "__call__"])
def test_a_device_without_room_says_so_and_the_next_frame_is_drawn(monkeypatch, fails):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    aligner = Aligner(DEPTH_TOPICS, COLOR_TOPICS)
    aligner(DEPTH, (90, 160), FRAMES, INFOS, TOGETHER)
    with monkeypatch.context() as at_once:
        at_once.setattr(Reprojection, fails, full)
        with pytest.raises(OutOfMemoryError):
            aligner(DEPTH, (90, 160), FRAMES, INFOS, shifted(0.5))
    drawn = aligner(DEPTH, (90, 160), FRAMES, INFOS, shifted(0.5))
    assert np.flatnonzero(np.isfinite(drawn[11])).min() == 10


def test_a_missing_transform_is_told_as_it_was_said():
    assert align(lookup=lambda *_: "tf has none") == "tf has none"
