"""Arrays to messages, and back through the node's own reading side."""

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.errors import InputError
from pagnet_ros.messages.image import color_from_image, depth_from_image, stamp_ns
from pagnet_ros.ros.encode import camera_info_message, image_message

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("depth", "encoding"),
    [
        (RNG.integers(0, 9000, (5, 7), np.uint16), "16UC1"),
        (RNG.random((5, 7), np.float32), "32FC1"),
        (np.asfortranarray(RNG.random((5, 7), np.float32)), "32FC1"),
    ],
)
def test_depth_comes_back(depth, encoding):
    message = image_message(depth, 3_000_000_005, "optical")

    assert message.encoding == encoding
    assert (message.header.frame_id, stamp_ns(message)) == ("optical", 3_000_000_005)
    np.testing.assert_array_equal(depth_from_image(message), depth)


def test_colour_comes_back_from_a_view():
    rgb = RNG.integers(0, 255, (10, 14, 3), np.uint8)[::2, ::2]

    message = image_message(rgb, 1, "optical")

    assert (message.encoding, message.step) == ("rgb8", 21)
    np.testing.assert_array_equal(color_from_image(message), rgb)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint16)])
def test_other_arrays_are_refused(array):
    with pytest.raises(InputError, match="expected"):
        image_message(array, 0, "optical")


def test_camera_info_holds_the_matrix_and_its_projection():
    matrix = np.array([[100.0, 0, 31.5], [0, 101, 23.5], [0, 0, 1]])

    info = camera_info_message(matrix, np.int64(64), np.int64(48), np.int64(9), "optical")

    assert info.k.tolist() == matrix.ravel().tolist()
    assert info.p.tolist() == [100, 0, 31.5, 0, 0, 101, 23.5, 0, 0, 0, 1, 0]
    assert (info.width, info.height, type(info.width)) == (64, 48, int)


def test_unknown_camera_says_so_as_the_message_defines():
    info = camera_info_message(None, 64, 48, 9, "optical")

    assert info.k[0] == 0.0
    assert not info.d
