"""A node under test with a camera that feeds it; what the camera sends is small and says what it is."""

import itertools
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.ros.encode import camera_info_message, image_message
from pagnet_ros.ros.node.node import PagnetNode

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


def depth_message(at_ns, shape=(24, 32), value=2.0):
    values = np.full(shape, value, np.float32) if np.isscalar(value) else value
    return image_message(values, at_ns, "depth_optical")


def color_message(at_ns, shape=(96, 128)):
    return image_message(np.full((*shape, 3), 128, np.uint8), at_ns, "color_optical")


def info_message(shape=(96, 128)):
    height, width = shape
    matrix = np.array([[100.0, 0.0, (width - 1) / 2], [0.0, 100.0, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return camera_info_message(matrix, width, height, 0, "color_optical")


@contextmanager
def repeating(act, period_s=0.05):
    """Call ``act(index)`` in a thread, once a period, while the block runs."""
    stop = threading.Event()

    def run():
        for index in itertools.count():
            if stop.wait(period_s):
                return
            act(index)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Rig:
    """A node under test, a camera that feeds it, and subscribers of its outputs."""

    def __init__(self, ros, *, activate=True, listen=True, feed_depth=True, load=None, cli_args=None, **parameters):
        self.ros = ros
        parameters = {"weights": "bicubic", "device": "cpu", "report_period_s": 0.0, **parameters}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        extra = {} if load is None else {"load": load}
        self.log = []
        self.node = PagnetNode(context=ros.context, parameter_overrides=overrides, cli_args=cli_args, **extra)
        self._listen_to_reports()
        if activate:
            self.activate()
        ros.add(self.node)
        self.camera = ros.node("camera")
        self.depth = self.camera.create_publisher(Image, "depth", RELIABLE) if feed_depth else None
        self.color = self.camera.create_publisher(Image, "color", RELIABLE)
        self.info = self.camera.create_publisher(CameraInfo, "color/camera_info", RELIABLE)
        self.out = ros.collect(self.camera, Image, "depth_hr", RELIABLE) if listen else None
        self.out_info = ros.collect(self.camera, CameraInfo, "depth_hr/camera_info", RELIABLE) if listen else None
        if activate:
            self.wait_matched()

    def activate(self):
        """Configure and activate, with the log's lines kept."""
        assert self.node.trigger_configure().name == "SUCCESS"
        self._listen_to_reports()
        assert self.node.trigger_activate().name == "SUCCESS"

    def _listen_to_reports(self):
        """Keep the log's lines, whatever the level."""
        keep = self.log.append
        self.node.reporter._logger = SimpleNamespace(info=keep, warn=keep, error=keep)

    def wait_matched(self):
        """Wait until the node hears the camera, and we hear the node; without listeners it takes no images."""
        self.ros.wait_matched(self.info)
        if self.out is not None:
            self.ros.wait_until(
                lambda: self.node.count_subscribers("depth_hr") >= 1 and self.node._outputs.wanted(),
                what="our subscription",
            )
        if self.node._outputs.wanted() or not self.node.settings.lazy:
            for publisher in (self.depth, self.color):
                if publisher is not None:
                    self.ros.wait_matched(publisher)

    def send(self, at_ns, color_offset_ns=0, **kwargs):
        """Send a depth frame and its colour, colour first so that the pair is complete with the depth frame."""
        self.color.publish(color_message(at_ns + color_offset_ns))
        self.depth.publish(depth_message(at_ns, **kwargs))

    def wait_log(self, kind):
        """Wait for a report of a kind and return it."""
        return self.ros.wait_until(
            lambda: next((line for line in list(self.log) if f"[{kind}]" in line), None), what=f"a report [{kind}]"
        )

    def counts(self):
        return self.node.health.snapshot(0).counts

    def send_until_output(self, count=1):
        """Send calibration and frames until that many outputs came; each frame waits for the one before."""
        for index in range(count):
            self.info.publish(info_message())
            self.ros.wait_until(lambda: self.node._inputs.calibrations.color is not None, what="camera_info")
            self.send(START_NS + index * 33 * MS)
            self.out.wait_for(index + 1)
        return self.out.messages[-1]
