"""The process around a player: argument splitting, spinning, Ctrl-C, and errors as one line on stderr.

Owns start and end only. A player hands in its node and the function that plays; both run until the function returns,
the context is shut down, or a signal comes. What every player does before its first message and after its last is here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import remove_ros_args

from pagnet_ros.errors import PagnetError
from pagnet_ros.ros.players.clock import PlaybackClock
from pagnet_ros.ros.running import init_ros, spin
from pagnet_ros.system.transport import prepare_process
from pagnet_ros.system.units import NS_PER_S

__all__ = ["finish_playing", "play_while_spinning", "player_main", "wait_for_subscribers"]

ACK_TIMEOUT_S = 1.0
POLL_S = 0.05


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
        body(_init(arguments), stop)
    except PagnetError as error:
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


def _init(arguments: list[str]) -> list[str]:
    """Initialise rclpy with ROS's part of the command line; returns the rest, without the program's name."""
    init_ros(arguments)
    plain: list[str] = remove_ros_args(arguments)[1:]
    return plain


def play_while_spinning(node: Any, play: Callable[[], None], stop: threading.Event) -> None:
    """Spin a node in this thread while `play` runs in another, until `play` returns or the context ends.

    Args:
        node: The node.
        play: Plays; must return soon after `stop` is set.
        stop: Set when the context ends or a signal comes.

    Raises:
        BaseException: What `play` raised, unless it was only the context ending under it.
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


def wait_for_subscribers(
    node: Any, publishers: Collection[Any], timeout_s: float, stop: threading.Event, subscriber: str = ""
) -> None:
    """Wait until each publisher has a subscriber, and say what is waited for, and when the wait is given up.

    Args:
        node: The player.
        publishers: Of the player.
        timeout_s: Longest wait, seconds; 0 for none.
        stop: Ends the wait when set.
        subscriber: Full name of the node that must subscribe; any, if empty.
    """
    if not timeout_s:
        return

    def missing() -> list[str]:
        return [each.topic_name for each in publishers if not _is_subscribed(node, each, subscriber)]

    who = subscriber or "somebody"
    names = ", ".join(each.topic_name for each in publishers)
    node.get_logger().info(f"waiting for {who} to subscribe to {names}, {timeout_s:g} s at most")
    for _ in range(max(1, round(timeout_s / POLL_S))):
        if not missing() or stop.wait(POLL_S):
            break
    if (left := missing()) and not stop.is_set():
        node.get_logger().warning(
            f"{who} has not subscribed to {', '.join(left)} within {timeout_s:g} s; expected it before the first "
            "message, for what is published now may be lost. Is the node active (ros2 lifecycle get), and are its "
            "topics remapped to these? With lazy, it subscribes only while somebody subscribes to its output"
        )
    node.get_logger().info("playing")


def _is_subscribed(node: Any, publisher: Any, subscriber: str) -> bool:
    """Whether a subscription is there, by a node if one is named, and DDS has matched all that there are."""
    matched = publisher.get_subscription_count()
    if not subscriber or not matched:
        return bool(matched)
    endpoints = node.get_subscriptions_info_by_topic(publisher.topic_name)
    names = {f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}" for endpoint in endpoints}
    return subscriber in names and matched >= len(endpoints)


def finish_playing(node: Any, clock: PlaybackClock, publishers: Collection[Any], stop: threading.Event) -> None:
    """Say where playing took longer than planned, and wait until the last messages have arrived."""
    if clock.shifted_ns:
        node.get_logger().warning(
            f"could not keep up: playing took {clock.shifted_ns / NS_PER_S:.1f} s longer than planned"
        )
    if node.context.ok() and not stop.is_set():
        for publisher in publishers:
            publisher.wait_for_all_acked(Duration(nanoseconds=round(ACK_TIMEOUT_S * NS_PER_S)))
