"""What the node publishes, read by another DDS vendor: every field and every pixel."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
if importlib.util.find_spec("cyclonedds") is None:
    pytest.skip("the cyclonedds package is not installed", allow_module_level=True)

from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.node.node import PagnetNode
from tests.ros.node.node_rig import repeating

READER = Path(__file__).with_name("cyclonedds_reader.py")
FRAME = "camera_color_optical_frame"
STEP_NS = 33_333_333


@pytest.fixture
def reader(ros, tmp_path):
    """A CycloneDDS subscriber in a process of its own (two vendors' libraries must not share one)."""
    arguments = [str(ros.domain_id), "/depth_hr", "/depth_hr/camera_info", str(tmp_path / "out.npz")]
    process = subprocess.Popen(
        [sys.executable, str(READER), *arguments],
        env=ros.child_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def test_cyclonedds_reads_what_the_node_publishes(ros, reader, tmp_path):
    overrides = [
        Parameter("autostart", value=True),
        Parameter("weights", value="bicubic"),
        Parameter("device", value="cpu"),
    ]
    ros.add(PagnetNode(context=ros.context, parameter_overrides=overrides))
    camera = ros.node("camera")
    depth_out = camera.create_publisher(Image, "depth", 5)
    color_out = camera.create_publisher(Image, "color", 5)
    info_out = camera.create_publisher(CameraInfo, "color/camera_info", 5)
    seen = ros.collect(camera, Image, "depth_hr", 50)
    seen_info = ros.collect(camera, CameraInfo, "depth_hr/camera_info", 50)
    ros.wait_matched(depth_out)

    rng = np.random.default_rng(3)
    depth = rng.integers(900, 4000, (24, 32), np.uint16)
    depth[4:8, 5:20] = 0
    rgb = rng.integers(0, 255, (96, 128, 3), np.uint8)
    matrix = np.array([[110.0, 0, 63.5], [0, 110, 47.5], [0, 0, 1]])

    def play(index):
        at_ns = 7 * 10**9 + 123 + (index + 1) * STEP_NS
        info_out.publish(camera_info_message(matrix, 128, 96, at_ns, FRAME))
        color_out.publish(image_message(rgb, at_ns, FRAME))
        depth_out.publish(image_message(depth, at_ns, FRAME))

    with repeating(play):
        assert reader.wait(timeout=90) == 0, reader.communicate()[1]
        got = np.load(tmp_path / "out.npz")
        ours = seen.wait_for_match(lambda message: stamp_ns(message) == int(got["stamp_ns"]))
        info = seen_info.wait_for_match(lambda message: stamp_ns(message) == int(got["stamp_ns"]))

    assert str(got["frame_id"]) == ours.header.frame_id == FRAME
    assert (got["height"], got["width"], got["step"]) == (ours.height, ours.width, ours.step) == (96, 128, 512)
    assert (str(got["encoding"]), got["is_bigendian"]) == (ours.encoding, ours.is_bigendian) == ("32FC1", 0)
    assert got["data"].tobytes() == bytes(ours.data)
    pixels = got["data"].view(np.float32).reshape(96, 128)
    assert np.isfinite(pixels).mean() > 0.5
    assert np.nanmin(pixels) > 0.5
    assert np.nanmax(pixels) < 5.0
    assert str(got["info_frame_id"]) == FRAME
    assert got["info_size"].tolist() == [96, 128]
    assert str(got["distortion_model"]) == info.distortion_model
    for name in "dkrp":
        np.testing.assert_array_equal(got[name], np.asarray(getattr(info, name)))
    np.testing.assert_array_equal(got["k"].reshape(3, 3), matrix)
