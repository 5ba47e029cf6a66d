"""The node's inputs: two image topics and their calibrations, paired, and the newest pair kept for the worker.

Callbacks only store: a message is counted and paired under a lock, and the newest pair goes into the queue outside it,
still undecoded. Images come as serialised bytes (`reader_of`). The pairing policy is `pagnet_ros.core.pairing`, the
replay's too, or one of message_filters' synchronisers where ROS provides them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.core.stamps import PairingFault, pairing_fault
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.image import image_from_cdr, stamp_ns
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.calibrations import Calibrations
from pagnet_ros.ros.node.examination import Examination
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sync import FilterPairing
from pagnet_ros.ros.node.transforms import Transforms
from pagnet_ros.ros.qos import image_qos, overriding_options, subscription_events
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from pagnet_ros.system.units import NS_PER_MS

T = TypeVar("T")


class Received(NamedTuple):
    """An undecoded message and when it came, nanoseconds of the steady clock."""

    message: Any
    arrived_ns: int

    @property
    def header(self) -> Any:
        """The message's, by which message_filters pair."""
        return self.message.header


MessagePair = Pair[Received, Received]


class LatestOnlyQueue(Generic[T]):
    """Holds at most one item, the newest, so that the delay stays bounded at any input rate. Thread-safe."""

    def __init__(self) -> None:
        """Begin empty."""
        self._changed = threading.Condition()
        self._item: T | None = None
        self._in_hand = False
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave an item; true if it replaced one that nobody had taken."""
        with self._changed:
            replaced = self._item is not None
            self._item = item
            self._changed.notify_all()
            return replaced

    def get(self) -> T | None:
        """Wait for an item; None once the queue is closed. Who asks has done with the item before."""
        with self._changed:
            self._in_hand = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            self._in_hand = not self._closed
            return item if self._in_hand else None

    def drain(self, timeout_s: float = 30.0) -> bool:
        """Throw away what waits, and wait until what was taken is done with; false if it outlasts the timeout."""
        with self._changed:
            self._item = None
            return self._changed.wait_for(lambda: not self._in_hand, timeout_s)

    def close(self) -> None:
        """Let every `get` return None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Pairing(Protocol):
    slop_ns: int

    def add_depth(self, stamp_ns: int, depth: Any) -> list[MessagePair]: ...
    def add_color(self, stamp_ns: int, color: Any) -> list[MessagePair]: ...
    def clear(self) -> None: ...


class Inputs:
    """Subscriptions of an active node. Callbacks run in the executor's thread and cannot raise.

    The calibrations are subscribed to from construction until `close`; the images only between `open_images` and
    `close_images`, so that nothing large is received which nobody wants.
    """

    def __init__(
        self,
        node: Any,
        topics: TopicNames,
        settings: NodeParameters,
        health: Health,
        reporter: Reporter,
        queue: LatestOnlyQueue[MessagePair],
    ) -> None:
        """Subscribe to the calibrations and transforms; the newest pair goes into the queue.

        Raises:
            ConfigError: The pairing policy needs message_filters, which is not installed, or DDS refuses a topic.
        """
        self.topics = topics
        self.examination = Examination(node, topics, settings, reporter)
        self._node, self._settings, self._health, self._reporter, self._queue = node, settings, health, reporter, queue
        self._lock = threading.Lock()
        self._pairing = make_pairing(settings)
        self._newest_ns: dict[str, int] = {}
        self._paired_ns = 0
        self._images: list[Any] = []
        self.calibrations = Calibrations(node, topics, self._subscribe, self._on_camera_info)
        self.transforms = Transforms(node)

    @property
    def receives_images(self) -> bool:
        """Whether the images are subscribed to."""
        return bool(self._images)

    def open_images(self) -> None:
        """Subscribe to the images.

        Raises:
            ConfigError: DDS refuses a topic.
        """
        if self._images:
            return
        image_or = {"raw": Image}
        depth, color = (
            image_or.get(transport, CompressedImage)
            for transport in (self._settings.depth_transport, self._settings.color_transport)
        )
        try:
            self._subscribe(self._images, self.topics.depth, depth, reader_of(depth, self._on_depth), raw=True)
            self._subscribe(self._images, self.topics.color, color, reader_of(color, self._on_color), raw=True)
        except ConfigError:
            self.close_images()
            raise

    def close_images(self) -> None:
        """Unsubscribe from the images, and forget what waits."""
        while self._images:
            self._node.destroy_subscription(self._images.pop())
        self.clear()

    def close(self) -> None:
        """Unsubscribe; the calibrations that came are kept for the frame that still runs."""
        self.close_images()
        self.calibrations.close()
        self.transforms.close()

    def pairing_fault(self) -> PairingFault | None:
        """Why depth and colour, though both arrive, have not paired since the last pair."""
        settings = self._settings
        logs = self.examination.logs["depth"], self.examination.logs["color"]
        depth, color = ([each for each in log.since(self._paired_ns) if each.stamp_ns] for log in logs)
        return pairing_fault(
            depth,
            color,
            (self.topics.depth, self.topics.color),
            slop_ns=0 if settings.sync == "exact" else round(settings.slop_ms * NS_PER_MS),
            max_late_ns=round(settings.max_late_ms * NS_PER_MS) if settings.sync == "nearest" else None,
            queue_size=settings.queue_size,
        )

    def apply(self, settings: NodeParameters) -> None:
        """Take changed limits of the pairing."""
        with self._lock:
            self._settings = settings
            slop_ns = round(settings.slop_ms * NS_PER_MS)
            if self._pairing.slop_ns != slop_ns:
                self._pairing.slop_ns = slop_ns
            if isinstance(self._pairing, NearestPairing):
                self._pairing.max_late_ns = round(settings.max_late_ms * NS_PER_MS)

    def clear(self) -> None:
        """Forget all waiting messages, as after a clock jump."""
        with self._lock:
            self._pairing.clear()
            self._paired_ns = time.monotonic_ns()

    def _subscribe(
        self, held: list[Any], topic: str, message_type: Any, callback: Callable[[Any], None], *, raw: bool = False
    ) -> None:
        try:
            subscription = self._node.create_subscription(
                message_type,
                topic,
                callback,
                image_qos(self._settings.input_reliability),
                event_callbacks=subscription_events(self._reporter, topic),
                qos_overriding_options=overriding_options(self._node, topic, "subscription"),
                raw=raw,
            )
        except Exception as error:  # rclpy has no public class for what the middleware refuses
            raise ConfigError(
                f"cannot subscribe to {topic} as {message_type.__name__}: {error}. Expected a topic of that type and "
                "valid QoS; another node in this process may use the name with another type: remap one of them"
            ) from error
        held.append(subscription)

    def _on_depth(self, message: Any) -> None:
        self._on_image("depth", message)

    def _on_color(self, message: Any) -> None:
        self._on_image("color", message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._health.tick("camera_info", time.monotonic_ns())
        self.examination.note("camera_info", message)

    def _on_image(self, stream: Literal["depth", "color"], message: Any) -> None:
        """Store one message; the newest pair it completes goes into the queue."""
        try:
            now_ns = time.monotonic_ns()
            self._health.tick(stream, now_ns)
            self.examination.note(stream, message)
            stamp = stamp_ns(message)
            if stamp == 0:
                self._refuse_unstamped(stream)
                return
            with self._lock:
                self._note_stamp(stream, stamp)
                add = self._pairing.add_depth if stream == "depth" else self._pairing.add_color
                pairs = add(stamp, Received(message, now_ns))
            if pairs:
                self._paired_ns = time.monotonic_ns()
                self._health.count("pairs", len(pairs))
                self._health.tick("pairs", now_ns)
                self._health.count("superseded", len(pairs) - 1 + self._queue.put(pairs[-1]))
        except Exception as error:
            self._reporter.report("internal_error", f"{stream} callback: {type(error).__name__}: {error}", "error")

    def _note_stamp(self, stream: str, stamp: int) -> None:
        newest_ns = self._newest_ns.get(stream, 0)
        if stamp < newest_ns:
            self._health.count("backward_stamps")
        elif stamp == newest_ns:
            self._health.count("repeated_stamps")
        self._newest_ns[stream] = stamp

    def _refuse_unstamped(self, stream: str) -> None:
        topic = self.topics.depth if stream == "depth" else self.topics.color
        self._reporter.report(
            "zero_stamp",
            f"{topic} has header.stamp 0; expected the time of exposure, because depth and colour are paired by it. "
            "The driver must fill header.stamp (under use_sim_time: is /clock running?)",
            about=topic,
        )


def make_pairing(settings: NodeParameters) -> _Pairing:
    """The pairing policy that the parameters ask for, with fresh queues.

    Raises:
        ConfigError: It needs message_filters, which is not installed.
    """
    slop_ns = round(settings.slop_ms * NS_PER_MS)
    if settings.sync == "nearest":
        max_late_ns = round(settings.max_late_ms * NS_PER_MS)
        return NearestPairing(slop_ns, settings.queue_size, max_late_ns=max_late_ns)
    return FilterPairing(slop_ns, settings.queue_size, exact=settings.sync == "exact")


def reader_of(message_type: Any, callback: Callable[[Any], None]) -> Callable[[bytes], None]:
    """A callback for a raw subscription of Image or CompressedImage, which reads it without copying a pixel.

    rclpy's own conversion (rosidl_generator_py, Jazzy) makes a Python object of an image's bytes in C and does not look
    whether there was memory for it: without, the process ends with SIGSEGV. Taken raw, the same lack is an exception.
    It also copies each image once less. What the callback gets has the fields of that type, with a std_msgs Header; for
    bytes that are no such message, the reader raises `RecordingError`.
    """
    name = f"sensor_msgs/msg/{message_type.__name__}"

    def take(raw: bytes) -> None:
        image = image_from_cdr(raw, name)
        stamp = Time(sec=image.header.stamp.sec, nanosec=image.header.stamp.nanosec)
        callback(image._replace(header=Header(stamp=stamp, frame_id=image.header.frame_id)))

    return take
