"""When a player publishes what: recording time mapped to the wall clock, with `/clock` on the way.

Recording times go in, the call returns when their moment has come; `/clock` messages go out at their own rate while
waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.units import NS_PER_S

MAX_LATE_NS = 200_000_000


class PlaybackClock:
    """Paces a recording.

    Attributes:
        rate: Recording seconds per wall second.
        shifted_ns: By how much playing was delayed in all because it could not keep up.
    """

    def __init__(
        self,
        rate: float,
        stop: threading.Event,
        *,
        tick_hz: float = 0.0,
        on_tick: Callable[[int], None] | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make a clock that stands still until `start`; a stop ends every wait.

        `on_tick` is called with the recording time, `tick_hz` times per wall second.
        """
        self.rate = rate
        self.shifted_ns = 0
        self._stop = stop
        self._tick_ns = round(NS_PER_S / tick_hz) if tick_hz and on_tick is not None else 0
        self._on_tick = on_tick or (lambda recording_ns: None)
        self._monotonic_ns = monotonic_ns
        self._started_ns = self._delayed_ns = self._recording_ns = self._next_tick_ns = 0

    def start(self, recording_ns: int) -> None:
        """Let the recording time be `recording_ns` now; also used to jump back in a loop."""
        self._started_ns = self._next_tick_ns = self._monotonic_ns()
        self._delayed_ns = 0
        self._recording_ns = recording_ns

    def now_ns(self) -> int:
        """Recording time now."""
        return self._recording_ns + round((self._monotonic_ns() - self._started_ns - self._delayed_ns) * self.rate)

    def elapsed_wall_ns(self, recording_ns: int) -> int:
        """Wall time between the start and a moment of the recording, by plan."""
        return self._delayed_ns + round((recording_ns - self._recording_ns) / self.rate)

    def wait_until(self, recording_ns: int) -> bool:
        """Wait until a moment of the recording; false if stopped meanwhile.

        If that moment is long past (the disk was slow), the plan is moved instead of sending a burst.
        """
        while not self._stop.is_set():
            now = self._monotonic_ns()
            due = self._started_ns + self.elapsed_wall_ns(recording_ns)
            if self._tick_ns and now >= self._next_tick_ns:
                self._next_tick_ns = max(self._next_tick_ns + self._tick_ns, now)
                self._on_tick(min(self.now_ns(), recording_ns))
            elif now >= due:
                if now - due > MAX_LATE_NS:
                    self._delayed_ns += now - due
                    self.shifted_ns += now - due
                return True
            else:
                until = min(due, self._next_tick_ns) if self._tick_ns else due
                self._stop.wait((until - now) / NS_PER_S)
        return False


def clock_publisher(node: Any) -> Callable[[int], None]:
    """A function that publishes a time on `/clock`, nanoseconds.

    Raises:
        ConfigError: The rosgraph_msgs package is not installed.
    """
    try:
        from rosgraph_msgs.msg import Clock
    except ImportError as error:
        raise ConfigError(
            "/clock needs the package rosgraph_msgs, which is not installed; "
            "`pip install ros-rosgraph-msgs`, or source a ROS 2 that has it, or play without --clock"
        ) from error
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    # What ros2 bag and Gazebo offer; reliable serves both kinds of subscriber.
    publisher = node.create_publisher(Clock, "/clock", QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))

    def publish(recording_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(recording_ns, NS_PER_S)
        publisher.publish(message)

    return publish
