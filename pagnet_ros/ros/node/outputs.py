"""The node's outputs: the up-sampled depth with its calibration, in two topic layouts.

A depth map comes in with the stamp of its depth frame; one Image and one CameraInfo with the identical header go out.
The image goes to `depth_hr`, and, if somebody listens there, to `depth_hr/image_rect` too, where image_transport finds
`depth_hr/camera_info` as its sibling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from pagnet_ros.diagnosis.observation import CAMERA_INFO_TYPE
from pagnet_ros.errors import ConfigError, MessageError, quoted
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.messages.image import fill_depth_image, fill_image
from pagnet_ros.pipeline import UpsampledDepth
from pagnet_ros.ros.doctor.graph import Graph
from pagnet_ros.ros.names import TopicNames, below_output
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.points import Points
from pagnet_ros.ros.qos import image_qos, overriding_options, publisher_events
from pagnet_ros.ros.reporter import Reporter


class Layer(NamedTuple):
    """An image beside the depth.

    Attributes:
        encoding: Of the message.
        make: The image ``[H, W]`` or ``[H, W, C]`` of that encoding out of a result; None where the result has none.
    """

    encoding: str
    make: Callable[[UpsampledDepth], NDArray[Any] | None]


_COLOURS: Final = np.array(
    [(0, 0, 0), (0, 158, 115), (86, 180, 233), (240, 228, 66), (120, 120, 120), (213, 94, 0)], np.uint8
)
"""Of provenance, 0 to 5: told apart by colour-blind eyes too (Okabe and Ito 2008)."""

LAYERS: Final = {
    "provenance": Layer("8UC1", lambda result: result.provenance),
    "provenance_color": Layer("rgb8", lambda result: _COLOURS[result.provenance]),
    "sigma": Layer("32FC1", lambda result: result.sigma),
    "confidence": Layer("mono8", lambda result: result.confidence),
}
"""By topic below `depth_hr`. One is made while somebody subscribes to it, and has the depth image's header."""


class Outputs:
    """Lifecycle publishers from construction until `close`; silent while the node is not active."""

    def __init__(
        self,
        node: Any,
        topics: TopicNames,
        parameters: NodeParameters,
        reporter: Reporter,
        on_matched: Callable[[], None],
    ) -> None:
        """Advertise; `on_matched` is called in the executor's thread when a subscriber of an output comes or goes.

        Raises:
            ConfigError: A topic is one of the inputs, DDS refuses it, or an override of its QoS is not sound.
        """
        self.topics = topics
        self._node, self._reporter, self._graph = node, reporter, Graph(node)
        self._publishers: list[Any] = []

        def advertise(message_type: Any, topic: str) -> Any:
            if topic in topics.inputs:
                self.close()
                raise ConfigError(
                    f"{topic} is an input, and would be an output too (depth_hr is {topics.output}); expected an "
                    "output's own topic: name another (-r depth_hr:=..., or output:= of the launch file), or remap it"
                )
            try:
                publisher = node.create_lifecycle_publisher(
                    message_type,
                    topic,
                    image_qos(parameters.output_reliability),
                    event_callbacks=publisher_events(reporter, topic, on_matched),
                    qos_overriding_options=overriding_options(node, topic, "publisher"),
                )
            except Exception as error:  # rclpy has no public class for what the middleware refuses
                self.close()
                raise ConfigError(
                    f"cannot publish {topic} as {message_type.__name__}: {error}. Expected valid QoS, and a name that "
                    "nobody in this process uses with another type: mend qos_overrides, or remap it"
                ) from error
            self._publishers.append(publisher)
            return publisher

        self._image = advertise(Image, topics.output)
        self._rect = advertise(Image, topics.output_rect)
        self._info = advertise(CameraInfo, topics.output_info)
        self.points = Points(advertise(PointCloud2, below_output(node, "points")), topics.color, reporter)
        self._layers = {leaf: advertise(Image, below_output(node, leaf)) for leaf in LAYERS}

    def wanted(self) -> bool:
        """Whether anybody subscribes to any output."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._publishers)

    def layers_wanted(self) -> bool:
        """Whether anybody subscribes to one of `LAYERS`."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._layers.values())

    def encode(self, depth_m: NDArray[np.float32], stamp: Any, frame_id: str, encoding: str) -> Image:
        """The image message of depth ``[H, W]`` float32, metres, NaN unknown, as "32FC1" or "16UC1"."""
        message = Image(header=Header(stamp=stamp, frame_id=frame_id))
        fill_depth_image(message, depth_m, encoding)
        return message

    def publish(self, message: Image, result: UpsampledDepth, color_info: CameraInfo | None) -> None:
        """Publish an image from `encode`, its calibration and its layers under one header, calibration first.

        No calibration of the colour camera is reported, and the image goes out alone.
        """
        info = self._calibration(message, color_info)
        if info is not None:
            self._info.publish(info)
        self._image.publish(message)
        if self._rect.get_subscription_count() > 0:
            self._rect.publish(message)
        for leaf, publisher in self._layers.items():
            if publisher.get_subscription_count() > 0 and (image := LAYERS[leaf].make(result)) is not None:
                layer = Image(header=message.header)
                fill_image(layer, image, LAYERS[leaf].encoding)
                publisher.publish(layer)

    def close(self) -> None:
        """Withdraw the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []

    def _calibration(self, message: Image, color_info: CameraInfo | None) -> CameraInfo | None:
        if color_info is None:
            own = (self.topics.color_info, self.topics.output_info)
            others = [topic for topic in self._graph.topics([CAMERA_INFO_TYPE]) if topic not in own]
            listed = f". These CameraInfo topics exist: {', '.join(others)}" if others else ""
            self._reporter.report(
                "no_camera_info",
                f"no camera_info on {self.topics.color_info}; expected the colour camera's calibration. "
                f"{self.topics.output} is published without one, so no point cloud can be made of it: remap "
                f"color/camera_info to the driver's topic{listed}",
            )
            return None
        try:
            return camera_info_for(color_info, message.header, message.height, message.width)
        except MessageError as error:
            self._reporter.report(error.kind, f"{self.topics.color_info}: {error}")
        except Exception as error:  # whatever is wrong with a calibration, it does not cost the image
            self._reporter.report(
                "camera_info",
                f"{self.topics.color_info}: a camera_info that cannot be used ({type(error).__name__}: "
                f"{quoted(str(error))}); expected the colour camera's calibration. Check its publisher",
            )
        return None
