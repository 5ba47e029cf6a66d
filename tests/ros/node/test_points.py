"""The built-in cloud: only while somebody subscribes, organised or thinned, on the rays of the colour camera."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2

from pagnet_ros.ros.node import points
from tests.ros.node.node_rig import MS, RELIABLE, START_NS, Rig, info_message


def array(cloud):
    columns = cloud.point_step // 4
    shape = (cloud.height, cloud.width, columns) if cloud.height > 1 else (cloud.width, columns)
    return np.frombuffer(cloud.data, np.float32).reshape(shape)


def test_a_cloud_lies_on_the_cameras_rays_and_has_the_depths_header(ros):
    rig = Rig(ros)
    clouds = ros.collect(rig.camera, PointCloud2, "depth_hr/points", RELIABLE)
    ros.wait_until(lambda: rig.node.count_subscribers("depth_hr/points"), what="our subscription")
    image = rig.send_until_output(1)
    cloud = clouds.wait_for(1)[0]
    assert cloud.header == image.header
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (96, 128, 16, 2048)
    assert [(field.name, field.offset) for field in cloud.fields] == [("x", 0), ("y", 4), ("z", 8), ("rgb", 12)]
    xyz = array(cloud)
    np.testing.assert_allclose(xyz[..., 2], 2.0, atol=1e-3)
    np.testing.assert_allclose(xyz[10, 120, :2], [2 * (120 - 63.5) / 100, 2 * (10 - 47.5) / 100], atol=1e-3)
    assert xyz.view(np.uint32)[5, 5, 3] == 0x808080
    changes = {"points_voxel_m": 0.2, "points_color": False}
    assert all(r.successful for r in rig.node.set_parameters([Parameter(n, value=v) for n, v in changes.items()]))
    rig.send(START_NS + 500 * MS)
    thin = clouds.wait_for(2)[1]
    assert thin.is_dense
    assert (thin.height, thin.point_step) == (1, 12)
    assert 0 < thin.width < 150
    assert np.isfinite(array(thin)).all()


def test_nothing_is_made_while_nobody_subscribes(ros, monkeypatch):
    made = []
    monkeypatch.setattr(points, "make_points", lambda *a, **k: made.append(a))
    rig = Rig(ros)
    rig.send_until_output(2)
    assert not made


def test_a_lens_that_is_not_known_makes_no_cloud_and_is_told(ros):
    rig = Rig(ros)
    ros.collect(rig.camera, PointCloud2, "depth_hr/points", RELIABLE)
    ros.wait_until(lambda: rig.node.count_subscribers("depth_hr/points"), what="our subscription")
    info = info_message()
    info.distortion_model, info.d = "odd", [0.1]
    rig.info.publish(info)
    ros.wait_until(lambda: rig.node.camera_info is not None, what="camera_info")
    rig.send(START_NS)
    assert "no points: camera_info with distortion_model 'odd'" in rig.wait_log("distortion_unknown")
    assert rig.out.wait_for(1)
