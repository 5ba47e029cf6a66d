"""The output's calibration: re-stamped as it is where sizes agree, scaled about pixel centres where not."""

import contextlib
import copy
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.camera_info import camera_info_for, scale_camera_info


class Roi:
    def __init__(self, x_offset=0, y_offset=0, width=0, height=0):
        self.x_offset, self.y_offset, self.width, self.height = x_offset, y_offset, width, height


def info(**changes):
    made = SimpleNamespace(
        header="old",
        width=640,
        height=480,
        distortion_model="plumb_bob",
        d=[0.1, -0.2, 0.0, 0.0, 0.3],
        k=[525.0, 0.0, 319.5, 0.0, 520.0, 239.5, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[525.0, 0.0, 319.5, -40.0, 0.0, 520.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0],
        binning_x=0,
        binning_y=0,
        roi=Roi(),
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def project(flat, columns, point):
    u, v, w = np.array(flat).reshape(3, columns) @ point
    return np.array([u / w, v / w])


def test_same_size_is_restamped_and_otherwise_untouched():
    source = info()
    before = copy.deepcopy(source)
    out = camera_info_for(source, "new header", 480, 640)
    assert out.header == "new header"
    assert (out.k, out.p, out.d, out.r) == (before.k, before.p, before.d, before.r)
    assert source.header == "old"


@pytest.mark.parametrize("size", [(480, 640), (240, 320)])
def test_a_projection_and_a_rotation_that_are_not_filled_in_are_those_of_the_image(size):
    # an OAK-D of luxonis/depthai-ros issue 58: depth_image_proc and RTAB-Map read P alone, and divide by it
    out = camera_info_for(info(p=[0.0] * 12, r=[0.0] * 9), None, *size)
    filled = camera_info_for(info(p=[525.0, 0.0, 319.5, 0.0, 0.0, 520.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]), None, *size)
    assert (out.k, out.p, out.r) == (filled.k, pytest.approx(filled.p), filled.r)
    assert camera_info_for(info(p=[float("nan")] * 12), None, *size).p == out.p


def test_symmetric_principal_point_stays_the_image_centre():
    out = scale_camera_info(info(), 960, 1280)
    assert (out.width, out.height) == (1280, 960)
    assert out.k[2] == pytest.approx((1280 - 1) / 2)
    assert out.k[5] == pytest.approx((960 - 1) / 2)
    assert out.k[0] == pytest.approx(1050.0)


@pytest.mark.parametrize(("height", "width"), [(960, 1280), (240, 320), (160, 212)])
def test_a_point_falls_on_the_same_place_of_the_scaled_image(height, width):
    source = info()
    out = scale_camera_info(source, height, width)
    scale = np.array([width / 640, height / 480])
    point = np.array([0.3, -0.2, 1.7])
    for before, after, columns, homogeneous in (
        (source.k, out.k, 3, point),
        (source.p, out.p, 4, np.append(point, 1.0)),
    ):
        expected = (project(before, columns, homogeneous) + 0.5) * scale - 0.5
        np.testing.assert_allclose(project(after, columns, homogeneous), expected)
    assert (out.d, out.r) == (source.d, source.r)


def test_binning_is_applied_before_scaling():
    binned = scale_camera_info(info(binning_x=2, binning_y=2), 240, 320)
    scaled = scale_camera_info(info(), 240, 320)
    np.testing.assert_allclose(binned.k, scaled.k)
    np.testing.assert_allclose(binned.p, scaled.p)
    assert (binned.binning_x, binned.width) == (0, 320)


def test_region_of_interest_moves_the_principal_point():
    out = scale_camera_info(info(roi=Roi(100, 50, 320, 240)), 240, 320)
    assert out.k[2] == pytest.approx(219.5)
    assert out.k[5] == pytest.approx(189.5)
    assert (out.roi.width, out.width) == (0, 320)


def test_another_aspect_ratio_is_refused_as_a_crop():
    with pytest.raises(MessageError, match=r"for 640 x 480, the colour image has 1280 x 720: another aspect"):
        camera_info_for(info(), None, 720, 1280)


@pytest.mark.parametrize("changes", [{"width": 0}, {"k": [0.0] * 9}, {"k": [float("nan")] * 9}])
def test_uncalibrated_camera_is_refused(changes):
    with pytest.raises(MessageError, match=r"expected a calibrated camera"):
        camera_info_for(info(**changes), None, 480, 640)


def test_binning_still_set_on_a_calibration_that_fits_the_image_is_not_applied_again():
    out = camera_info_for(info(binning_x=2, binning_y=2, roi=Roi(8, 8, 600, 400)), None, 480, 640)
    assert (out.k[0], out.k[2]) == (525.0, 319.5)
    assert (out.binning_x, out.binning_y, out.roi.width, out.roi.x_offset) == (0, 0, 0, 0)


finite = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e308, 5e-324]), st.floats())
unsigned = st.one_of(st.sampled_from([0, 1, 2, 1000, 2**32 - 1]), st.integers(0, 2**32 - 1))


@settings(max_examples=300, deadline=None)
@given(
    width=unsigned, height=unsigned, binning=st.tuples(unsigned, unsigned), roi=st.tuples(*[unsigned] * 4),
    k=st.lists(finite, min_size=9, max_size=9), p=st.lists(finite, min_size=12, max_size=12),
    size=st.tuples(st.integers(1, 8192), st.integers(1, 8192)), same=st.booleans(), sound=st.booleans(),
)  # fmt: skip
def test_any_calibration_fits_or_is_refused(width, height, binning, roi, k, p, size, same, sound):
    source = info(width=width, height=height, binning_x=binning[0], binning_y=binning[1], roi=Roi(*roi))
    if not sound:
        source.k, source.p = k, p
    if same:
        source.width, source.height = size[1], size[0]
    with contextlib.suppress(MessageError):
        out = camera_info_for(source, "h", *size)
        assert (out.width, out.height) == (size[1], size[0])
        assert (out.binning_x, out.roi.width) == (0, 0)
