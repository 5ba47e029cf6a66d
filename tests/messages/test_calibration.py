"""Which part of a camera_info holds for which image, and which lenses are known."""

from types import SimpleNamespace

import pytest

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.calibration import (
    EQUIDISTANT,
    NO_DISTORTION,
    POLYNOMIAL,
    Calibration,
    is_rectified,
    read_calibration,
)


def info(model="plumb_bob", d=(0.1, 0.2, 0.01, 0.02, 0.3), **fields):
    values = {
        "header": None,
        "width": 64,
        "height": 48,
        "k": [50.0, 0.0, 31.0, 0.0, 51.0, 24.0, 0.0, 0.0, 1.0],
        "p": [45.0, 0.0, 30.0, 0.0, 0.0, 46.0, 23.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "r": [0.0] * 9,
        "d": list(d),
        "distortion_model": model,
        "binning_x": 0,
        "binning_y": 0,
    }
    return SimpleNamespace(**{**values, **fields})


def test_an_image_as_taken_has_k_and_the_lens():
    assert read_calibration(info(), 48, 64, rectified=False) == Calibration(
        (48, 64), (50.0, 51.0), (31.0, 24.0), POLYNOMIAL, (0.1, 0.2, 0.01, 0.02, 0.3)
    )


def test_a_rectified_image_has_p_and_no_lens():
    assert read_calibration(info(), 48, 64, rectified=True) == Calibration((48, 64), (45.0, 46.0), (30.0, 23.0))
    without = info(p=[0.0] * 12)
    assert read_calibration(without, 48, 64, rectified=True) == Calibration((48, 64), (50.0, 51.0), (31.0, 24.0))


def test_it_follows_the_size_of_the_image():
    half = read_calibration(info(), 24, 32, rectified=False)
    assert (half.focal, half.centre) == ((25.0, 25.5), (15.25, 11.75))


@pytest.mark.parametrize(
    ("model", "d", "lens"),
    [
        ("", (), NO_DISTORTION),
        ("plumb_bob", (0.0,) * 5, NO_DISTORTION),
        ("anything", (0.0,) * 5, NO_DISTORTION),
        ("rational_polynomial", (0.1,) * 8, POLYNOMIAL),
        ("rational_polynomial", (0.1,) * 8 + (0.0,) * 6, POLYNOMIAL),
        ("equidistant", (0.1,) * 4, EQUIDISTANT),
        ("fisheye", (0.1,) * 4, EQUIDISTANT),
    ],
)
def test_the_lenses_of_ros_are_known(model, d, lens):
    assert read_calibration(info(model, d), 48, 64, rectified=False).lens == lens


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("tilted", (0.1,) * 5),
        ("plumb_bob", (0.1, 0.2)),
        ("rational_polynomial", (0.1,) * 12),
        ("plumb_bob", (float("nan"),) * 5),
    ],
)
def test_another_lens_is_refused_by_name(model, d):
    with pytest.raises(MessageError, match=rf"distortion_model '{model}'.*expected plumb_bob") as caught:
        read_calibration(info(model, d), 48, 64, rectified=False)
    assert caught.value.kind == "distortion_unknown"
    assert read_calibration(info(model, d), 48, 64, rectified=True).lens == NO_DISTORTION


def test_a_singular_matrix_is_refused():
    with pytest.raises(MessageError, match="focal lengths 0, 0") as caught:
        read_calibration(info(k=[0.0] * 9), 48, 64, rectified=True)
    assert caught.value.kind == "camera_info_uncalibrated"


@pytest.mark.parametrize("focal", [1e-300, 0.5, 1e300])
def test_a_focal_length_that_no_camera_has_is_refused(focal):
    with pytest.raises(MessageError, match=r"expected 0\.01 to 100 times its longer side") as caught:
        read_calibration(info(k=[focal, 0.0, 31.0, 0.0, focal, 24.0, 0.0, 0.0, 1.0]), 48, 64, rectified=False)
    assert caught.value.kind == "camera_info_uncalibrated"


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/depth/image_rect_raw", True),
        ("/camera/color/image_rect_color/compressed", True),
        ("/rectangular_room/image_raw", False),
        ("/camera/image_raw", False),
        ("/camera/rect", True),
        ("/camera/left/rectified_image", True),
        ("/camera/image_color_corrected", False),
        ("/camera/direct", False),
    ],
)
def test_a_topics_name_tells_whether_it_is_rectified(topic, rectified):
    assert is_rectified(topic) == rectified


def test_coefficients_of_zero_beyond_a_models_own_are_left_out():
    fourteen = info("rational_polynomial", (0.1, 0.2, 0.01, 0.02, 0.3, 0.1, 0.2, 0.3, *[0.0] * 6))
    assert read_calibration(fourteen, 48, 64, rectified=False).distortion == tuple(fourteen.d[:8])
