"""What a consumer like depth_image_proc makes of /depth_hr and the camera_info of the same stamp."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.messages.image import depth_from_image, stamp_ns
from tests.ros.node.node_rig import MS, START_NS, Rig, info_message


def inverse_depth(width, height):
    """Of the plane z = 1.5 m + 0.3 x - 0.2 y at each pixel of the colour camera, scaled to that many pixels."""
    focal, ratio = 100.0, 128 / width
    right, down = (
        ((np.arange(side) + 0.5) * ratio - 0.5 - (full - 1) / 2) / focal for side, full in ((width, 128), (height, 96))
    )
    return (1 - 0.3 * right[None] + 0.2 * down[:, None]) / 1.5


@pytest.mark.parametrize("weights", ["bicubic", "fast-sensor"])
def test_points_from_depth_and_camera_info_of_one_stamp_lie_on_the_plane_that_was_sent(ros, weights):
    rig = Rig(ros, weights=weights, precision="fp32")
    rig.info.publish(info_message())
    ros.wait_until(lambda: rig.node._inputs.calibrations.color is not None, what="camera_info")
    for number in range(3):
        rig.send(START_NS + number * 33 * MS, value=(1 / inverse_depth(32, 24)).astype(np.float32))
        rig.out.wait_for(number + 1, timeout_s=60.0)
    infos = {stamp_ns(info): info for info in rig.out_info.wait_for(3)}
    for image in rig.out.messages:
        info = infos[stamp_ns(image)]  # the very stamp: what an exact synchroniser pairs by
        assert (info.width, info.height, info.header.frame_id) == (image.width, image.height, image.header.frame_id)
        depth = depth_from_image(image).astype(np.float64)
        rows, columns = np.indices(depth.shape)
        matrix = np.reshape(info.k, (3, 3))
        x, y = (columns - matrix[0, 2]) / matrix[0, 0] * depth, (rows - matrix[1, 2]) / matrix[1, 1] * depth
        inside = np.s_[4:-4, 4:-4]
        off_m = (depth - (1.5 + 0.3 * x - 0.2 * y))[inside]
        assert np.isfinite(off_m).all()
        assert np.sqrt(np.mean(off_m**2)) < 0.001
