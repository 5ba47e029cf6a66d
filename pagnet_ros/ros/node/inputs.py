"""The node's inputs: two image topics and a calibration, paired into jobs.

Owns the subscriptions and the queues between them. Callbacks only store: a message is counted, paired under a lock, and
the newest pair is handed on outside it, still undecoded. The pairing policy is `pagnet_ros.core.pairing`, the replay's
too, or one of message_filters' synchronisers where ROS provides them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple, Protocol

from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.core.stamps import PairingFault, StampHistory, pairing_fault
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.sync import FilterPairing
from pagnet_ros.ros.parameters import NodeParameters
from pagnet_ros.ros.qos import image_qos, overriding_options, subscription_events
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from pagnet_ros.system.units import NS_PER_MS

__all__ = ["Inputs", "Job"]

MessagePair = Pair[Any, Any]


class Job(NamedTuple):
    """A pair of undecoded messages.

    Attributes:
        pair: The messages.
        received_ns: When the pair was complete, nanoseconds of the steady clock.
        paired_ns: How long its first message had waited for the second, nanoseconds.
    """

    pair: MessagePair
    received_ns: int
    paired_ns: int = 0


class _Pairing(Protocol):
    slop_ns: int

    def add_depth(self, stamp_ns: int, depth: Any) -> list[MessagePair]: ...
    def add_color(self, stamp_ns: int, color: Any) -> list[MessagePair]: ...
    def clear(self) -> None: ...


class Inputs:
    """Subscriptions from construction until `close`. Callbacks run in the executor's thread and cannot raise."""

    def __init__(
        self,
        node: Any,
        topics: TopicNames,
        parameters: NodeParameters,
        health: Health,
        reporter: Reporter,
        submit: Callable[[Job], bool],
    ) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            topics: Where.
            parameters: Transports, reliability, pairing.
            health: Counts frames in, pairs and what was superseded.
            reporter: Told of bad stamps, unmatched QoS and failures in a callback.
            submit: Takes the newest pair; returns true if it replaced one not yet computed.

        Raises:
            ConfigError: The pairing policy needs message_filters, which is not installed, or DDS refuses a topic.
        """
        self.topics = topics
        self._node, self._health, self._reporter, self._submit = node, health, reporter, submit
        self._lock = threading.Lock()
        self._pairing = make_pairing(parameters)
        self._newest_ns: dict[str, int] = {}
        self._history = {"depth": StampHistory(), "color": StampHistory()}
        self._arrivals_ns: deque[tuple[int, int]] = deque(maxlen=2 * parameters.queue_size)
        self._camera_info: CameraInfo | None = None
        self._subscriptions: list[Any] = []
        image_or = {"raw": Image}
        for topic, message_type, callback in (
            (topics.depth, image_or.get(parameters.depth_transport, CompressedImage), self._on_depth),
            (topics.color, image_or.get(parameters.color_transport, CompressedImage), self._on_color),
            (topics.color_info, CameraInfo, self._on_camera_info),
        ):
            self._subscribe(topic, message_type, callback, image_qos(parameters.input_reliability))

    @property
    def camera_info(self) -> CameraInfo | None:
        """Newest calibration of the colour camera, if any came."""
        return self._camera_info

    def pairing_fault(self, parameters: NodeParameters) -> PairingFault | None:
        """Why depth and colour, though both arrive, have not paired since the last pair."""
        nearest = parameters.sync == "nearest"
        with self._lock:
            depth, color = (deepcopy(self._history[stream]) for stream in ("depth", "color"))
        return pairing_fault(
            depth,
            color,
            (self.topics.depth, self.topics.color),
            slop_ns=0 if parameters.sync == "exact" else round(parameters.slop_ms * NS_PER_MS),
            max_late_ns=round(parameters.max_late_ms * NS_PER_MS) if nearest else None,
            queue_size=parameters.queue_size,
        )

    def apply(self, parameters: NodeParameters) -> None:
        """Take changed limits of the pairing."""
        with self._lock:
            slop_ns = round(parameters.slop_ms * NS_PER_MS)
            if self._pairing.slop_ns != slop_ns:
                self._pairing.slop_ns = slop_ns
            if isinstance(self._pairing, NearestPairing):
                self._pairing.max_late_ns = round(parameters.max_late_ms * NS_PER_MS)

    def clear(self) -> None:
        """Forget all waiting messages, as after a clock jump."""
        with self._lock:
            self._pairing.clear()

    def close(self) -> None:
        """Unsubscribe, and forget what waits; the calibration stays."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.clear()

    def _subscribe(self, topic: str, message_type: Any, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        try:
            subscription = self._node.create_subscription(
                message_type,
                topic,
                callback,
                qos,
                event_callbacks=subscription_events(self._reporter, topic),
                qos_overriding_options=overriding_options(),
            )
        except Exception as error:  # rclpy has no public class for what the middleware refuses
            self.close()
            raise ConfigError(
                f"cannot subscribe to {topic} as {message_type.__name__}: {error}. Expected a topic of that type and "
                "valid QoS; another node in this process may use the name with another type: remap one of them"
            ) from error
        self._subscriptions.append(subscription)

    def _on_depth(self, message: Any) -> None:
        self._take("depth", message)

    def _on_color(self, message: Any) -> None:
        self._take("color", message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message
        self._health.saw("camera_info", time.monotonic_ns())

    def _take(self, stream: str, message: Any) -> None:
        """Store one message; hand on the newest pair it completes."""
        try:
            now_ns = time.monotonic_ns()
            self._health.saw(stream, now_ns)
            stamp = stamp_ns(message)
            if stamp == 0:
                self._refuse_unstamped(stream)
                return
            with self._lock:
                newest_ns = self._newest_ns.get(stream, 0)
                if stamp < newest_ns:
                    self._health.count("backward_stamps")
                elif stamp == newest_ns:
                    self._health.count("repeated_stamps")
                self._newest_ns[stream] = stamp
                self._history[stream].add(stamp, now_ns)
                add = self._pairing.add_depth if stream == "depth" else self._pairing.add_color
                pairs = add(stamp, message)
                self._arrivals_ns.append((id(message), now_ns))
                if pairs:
                    for history in self._history.values():
                        history.clear()
            if pairs:
                self._health.count("pairs", len(pairs))
                self._health.saw("pairs", now_ns)
                replaced = self._submit(Job(pairs[-1], now_ns, self._waited_ns(pairs[-1], now_ns)))
                self._health.count("superseded", len(pairs) - 1 + replaced)
        except Exception as error:
            self._reporter.report("internal_error", f"{stream} callback: {type(error).__name__}: {error}", "error")

    def _waited_ns(self, pair: MessagePair, now_ns: int) -> int:
        """How long ago the first message of a pair arrived."""
        arrived_ns = dict(self._arrivals_ns)  # of two with one id the later: the earlier message is gone
        return now_ns - min(arrived_ns.get(id(message), now_ns) for message in (pair.depth, pair.color))

    def _refuse_unstamped(self, stream: str) -> None:
        topic = self.topics.depth if stream == "depth" else self.topics.color
        self._reporter.report(
            "zero_stamp",
            f"{topic} has header.stamp 0; expected the time of exposure, because depth and colour are paired by it. "
            "The driver must fill header.stamp (under use_sim_time: is /clock running?)",
            about=topic,
        )


def make_pairing(parameters: NodeParameters) -> _Pairing:
    """The pairing policy that the parameters ask for.

    Args:
        parameters: `sync`, `slop_ms`, `max_late_ms` and `queue_size`.

    Returns:
        Fresh queues.

    Raises:
        ConfigError: It needs message_filters, which is not installed.
    """
    slop_ns = round(parameters.slop_ms * NS_PER_MS)
    if parameters.sync == "nearest":
        max_late_ns = round(parameters.max_late_ms * NS_PER_MS)
        return NearestPairing(slop_ns, parameters.queue_size, max_late_ns=max_late_ns)
    return FilterPairing(slop_ns, parameters.queue_size, exact=parameters.sync == "exact")
