"""What players of recordings share: options, pace, waiting for subscribers, and the process around them.

A kind of recording says what it holds (`Player`); items are read ahead in a thread, and published at their times. A
process spins the node while it plays, until that ends or a signal comes; errors are one line on stderr.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from pagnet_ros.errors import PagnetError
from pagnet_ros.recordings.prefetch import Prefetch
from pagnet_ros.ros.players.clock import PlaybackClock, clock_publisher
from pagnet_ros.ros.running import START_ERRORS, init_ros, spin
from pagnet_ros.system.settings import Settings, fields_of, setting
from pagnet_ros.system.transport import prepare_process
from pagnet_ros.system.units import NS_PER_S

P = TypeVar("P", bound="PlayerOptions")
T = TypeVar("T")
LONGEST_S: Final = 1e6
_ALSO: Final = {"rate": "-r", "loop": "-l", "start_s": "--start-offset", "duration_s": "--playback-duration"}
"""What `ros2 bag play` calls them."""
_CLOCK_HZ: Final = 40.0
_READ_AHEAD_BYTES: Final = 64 << 20
_ACK_TIMEOUT_S: Final = 1.0
_POLL_S: Final = 0.05


@dataclass(frozen=True)
class PlayerOptions(Settings):
    """How to play any recording."""

    rate: float = setting(1.0, "recording seconds per wall second", low=0.01, high=100.0)
    loop: bool = setting(False, "begin again at the end")
    clock_hz: float = setting(
        0.0,
        f"publish /clock this often, per second ({_CLOCK_HZ:g} if bare); one that a bag holds is played instead",
        low=0.0,
        high=1000.0,
    )
    wait_s: float = setting(0.0, "wait for subscribers before playing, at most this long, s", low=0.0, high=LONGEST_S)


def parse_options(
    parser: argparse.ArgumentParser, arguments: Sequence[str], kind: type[P]
) -> tuple[argparse.Namespace, P]:
    """A command line (without ROS's part) as options: ``--clock`` is `clock_hz`, and so on for every field.

    The parser has the arguments that are no options.

    Raises:
        ConfigError: values that cannot be, all in one message.
    """
    for field in fields_of(kind):
        default: Any = field.default
        names = [f"--{field.name.removesuffix('_s').removesuffix('_hz').replace('_', '-')}"]
        names += [_ALSO[field.name]] if field.name in _ALSO else []
        how: dict[str, Any] = {"dest": field.name, "default": default, "help": field.metadata["text"]}
        if isinstance(default, bool):
            how["action"] = "store_true"
        else:
            how["type"] = float if "float" in str(field.type) else type(default) if default != () else str
            how["choices"] = field.metadata["choices"] or None
            how |= {"nargs": "+"} if isinstance(default, tuple) else {}
            how |= {"nargs": "?", "const": _CLOCK_HZ} if field.name == "clock_hz" else {}
        parser.add_argument(*names, **how)
    given = parser.parse_args(arguments)
    values: dict[str, Any] = {field.name: getattr(given, field.name) for field in fields_of(kind)}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return given, kind(**values)


Item = tuple[int, int, T]
"""When it was recorded, nanoseconds; its size, bytes; what it is."""


class Player(Node, Generic[T]):
    """Publishes what a recording holds; a kind of recording defines `_one_pass` and `_publish`.

    Attributes:
        clock: The pace.
        published: Number of items published so far.
    """

    def __init__(self, name: str, options: PlayerOptions, stop: threading.Event, **kwargs: Any) -> None:
        """Make the clock.

        Raises:
            ConfigError: `/clock` is wanted and rosgraph_msgs is not installed.
        """
        super().__init__(name, **kwargs)
        self.published = self._origin_ns = 0
        self._pace, self._stop = options, stop
        self._outputs: dict[str, Any] = {}  # publishers by topic
        self._begins_ns = self._gap_ns = 0  # where a pass begins; the pause from its last item to the next pass
        on_tick = clock_publisher(self) if options.clock_hz else None
        self.clock = PlaybackClock(options.rate, stop, tick_hz=options.clock_hz, on_tick=on_tick)

    def play(self) -> None:
        """Play until the end (for ever with `loop`) or until stopped."""
        self._wait_for_subscribers()
        self._before_playing()
        with Prefetch(self._passes(), lambda item: item[1] if item else 0, _READ_AHEAD_BYTES) as ahead:
            ahead.wait_filled(timeout_s=1.0)
            self._play(iter(ahead))
        if self.clock.shifted_ns:
            late_s = self.clock.shifted_ns / NS_PER_S
            self.get_logger().warning(f"could not keep up: playing took {late_s:.1f} s longer than planned")
        if self.context.ok() and not self._stop.is_set():
            for publisher in self._outputs.values():
                publisher.wait_for_all_acked(Duration(nanoseconds=round(_ACK_TIMEOUT_S * NS_PER_S)))

    def _one_pass(self) -> Iterator[Item[T]]:
        """What there is to play, once; runs in a thread that reads ahead."""
        raise NotImplementedError

    def _publish(self, what: T) -> None:
        """Publish an item."""
        raise NotImplementedError

    def _moved(self, stamp_ns: int) -> int:
        """A stamp of the recording, moved to the present with its distances kept."""
        return int(self._origin_ns + self.clock.elapsed_wall_ns(stamp_ns))

    def _awaited(self) -> tuple[Collection[Any], str]:
        """The publishers that must have a subscriber before the first message, and that one's name, empty for any."""
        return self._outputs.values(), ""

    def _before_playing(self) -> None:
        """What is to be done once the wait for subscribers is over."""

    def _passes(self) -> Iterator[Item[T] | None]:
        """All items, each pass beginning with None."""
        while not self._stop.is_set():
            yield None
            empty = True
            for item in self._one_pass():
                yield item
                empty = False
            if empty or not self._pace.loop:
                return

    def _play(self, items: Iterator[Item[T] | None]) -> None:
        last_ns = 0
        for item in items:
            if item is None:
                if self.published and not self.clock.wait_until(last_ns + self._gap_ns):
                    return
                self.clock.start(self._begins_ns)
                self._origin_ns = self.get_clock().now().nanoseconds
                continue
            last_ns = item[0]
            if not self.clock.wait_until(last_ns):
                return
            self._publish(item[2])
            self.published += 1

    def _wait_for_subscribers(self) -> None:
        """Wait until each publisher has a subscriber; say what is waited for, and when the wait is given up."""
        timeout_s = self._pace.wait_s
        if not timeout_s:
            return
        publishers, subscriber = self._awaited()

        def missing() -> list[str]:
            return [each.topic_name for each in publishers if not self._is_subscribed(each, subscriber)]

        who = subscriber or "somebody"
        names = ", ".join(each.topic_name for each in publishers)
        self.get_logger().info(f"waiting for {who} to subscribe to {names}, {timeout_s:g} s at most")
        for _ in range(max(1, round(timeout_s / _POLL_S))):
            if not missing() or self._stop.wait(_POLL_S):
                break
        if (left := missing()) and not self._stop.is_set():
            self.get_logger().warning(
                f"{who} has not subscribed to {', '.join(left)} within {timeout_s:g} s; expected it before the first "
                "message, for what is published now may be lost. Is the node active (ros2 lifecycle get), and are its "
                "topics remapped to these? With lazy, it subscribes only while somebody subscribes to its output"
            )
        self.get_logger().info("playing")

    def _is_subscribed(self, publisher: Any, subscriber: str) -> bool:
        """Whether a subscription is there, by a node if one is named, and DDS has matched all that there are."""
        matched = publisher.get_subscription_count()
        if not subscriber or not matched:
            return bool(matched)
        endpoints = self.get_subscriptions_info_by_topic(publisher.topic_name)
        names = {f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}" for endpoint in endpoints}
        return subscriber in names and matched >= len(endpoints)


def player_main(body: Callable[[list[str], threading.Event], None], arguments: list[str] | None = None) -> int:
    """Run a player as a process.

    Args:
        body: Gets the command line without ROS's part, and the event that ends it; runs with rclpy initialised.
        arguments: Command line with the program name first; `sys.argv` if None.

    Returns:
        Exit status: 0, also after Ctrl-C; 1 after an error, which is then on stderr.
    """
    arguments = list(sys.argv if arguments is None else arguments)
    stop = threading.Event()
    try:
        # Set here for those who start a player by hand; DDS reads it at init. Without it large images get lost.
        prepare_process()
        init_ros(arguments)
        body(remove_ros_args(arguments)[1:], stop)
    except START_ERRORS as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a signal has shut ROS down while the player was made: no error of the player's
            raise
    finally:
        stop.set()
        rclpy.try_shutdown()
    return 0


def play_while_spinning(node: Any, play: Callable[[], None], stop: threading.Event) -> None:
    """Spin a node in this thread while `play` runs in another, until that returns, the context ends, or a signal comes.

    `play` has to return soon after `stop` is set. What it raised is raised here, unless it was only the context ending.
    """
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    done = threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            play()
        except BaseException as error:  # raised again in the spinning thread
            failure.append(error)
        finally:
            done.set()
            executor.wake()

    thread = threading.Thread(target=work, name="play")
    thread.start()
    try:
        spin(executor, node.get_logger(), until=done.is_set)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        ended_early, interrupted = not done.is_set(), not node.context.ok()
        stop.set()
        thread.join()
        executor.remove_node(node)
        executor.shutdown(timeout_sec=1.0)
    # A publisher fails when a signal has shut its context down: that is no error of the player's.
    if failure and (isinstance(failure[0], PagnetError) or not (ended_early or interrupted)):
        raise failure[0]
