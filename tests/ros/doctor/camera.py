"""A small camera for the doctor's tests: depth, colour and both calibrations, at a steady rate, from its own thread."""

import threading
import time

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.ros.encode import camera_info_message, image_message

FRAME = "camera_color_optical_frame"
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Camera:
    """Publishes below /camera from `start` to `close`. What is wrong with it is said by the arguments."""

    def __init__(
        self,
        node,
        *,
        rate_hz=15.0,
        qos=RELIABLE,
        info_qos=RELIABLE,
        depth_shape=(60, 80),
        color_shape=(240, 320),
        depth_type=np.uint16,
        depth_value=1800,
        depth_frame=FRAME,
        stamp=lambda ns: ns,
        info_focal=250.0,
        info_every=1,
        streams=("depth", "color"),
    ):
        self.rate_hz, self.stamp, self.info_every, self.streams = rate_hz, stamp, info_every, streams
        self.depth_shape, self.color_shape, self.depth_frame = depth_shape, color_shape, depth_frame
        self.depth_type, self.depth_value, self.info_focal = depth_type, depth_value, info_focal
        self._depth = node.create_publisher(Image, "/camera/depth/image", qos)
        self._color = node.create_publisher(Image, "/camera/color/image", qos)
        self._depth_info = node.create_publisher(CameraInfo, "/camera/depth/camera_info", info_qos)
        self._color_info = node.create_publisher(CameraInfo, "/camera/color/camera_info", info_qos)
        self._rng = np.random.default_rng(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self._thread.start()
        return self

    def close(self):
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(20)

    def _run(self):
        count, begin = 0, time.monotonic()
        while not self._stop.wait(max(0.0, begin + count / self.rate_hz - time.monotonic())):
            self._publish(count, self.stamp(time.time_ns()))
            count += 1

    def _publish(self, count, stamp_ns):
        if "depth" in self.streams:
            noise = self._rng.integers(0, 20, self.depth_shape)
            depth = (self.depth_value + noise * self.depth_value / 2000).astype(self.depth_type)
            self._depth.publish(image_message(depth, stamp_ns, self.depth_frame))
        if "color" in self.streams:
            color = self._rng.integers(0, 255, (*self.color_shape, 3)).astype(np.uint8)
            self._color.publish(image_message(color, stamp_ns, FRAME))
        if count % self.info_every == 0:
            for publisher, (height, width), frame in (
                (self._depth_info, self.depth_shape, self.depth_frame),
                (self._color_info, self.color_shape, FRAME),
            ):
                focal = self.info_focal * width / self.color_shape[1]
                matrix = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
                publisher.publish(camera_info_message(matrix, width, height, stamp_ns, frame))
