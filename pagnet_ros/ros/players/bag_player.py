"""Plays a bag: the recorded bytes straight to the publishers, nothing decoded, at the recorded times.

Data flows from the bag (read ahead in a thread) through the pace to one publisher per topic.

    ros2 run pagnet_ros bag_player BAG --rate 1.0 --loop --clock --topics /camera/depth /camera/color
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from pagnet_ros.errors import RecordingError
from pagnet_ros.messages.transports import without_transport
from pagnet_ros.recordings.bags import Bag, BagMessage, BagTopic
from pagnet_ros.recordings.cdr import header_offsets, header_stamp_ns, with_header_stamp
from pagnet_ros.ros.players.player import (
    LONGEST_S,
    Item,
    Player,
    PlayerOptions,
    parse_options,
    play_while_spinning,
    player_main,
)
from pagnet_ros.system.settings import setting
from pagnet_ros.system.start import start
from pagnet_ros.system.units import NS_PER_S

QOS_CHOICES = ("reliable", "best_effort", "recorded")
QUEUE_DEPTH = 10
MESSAGE_OVERHEAD = 256
OTHER_CLOCK_NS = 86_400 * NS_PER_S
"""A header stamp farther than this from the time of recording is of another clock."""


@dataclass(frozen=True)
class BagPlayerOptions(PlayerOptions):
    """How to play a bag."""

    start_s: float = setting(0.0, "leave out this much of the beginning, s", low=0.0, high=LONGEST_S)
    duration_s: float = setting(0.0, "play this much, s; 0: all", low=0.0, high=LONGEST_S)
    topics: tuple[str, ...] = setting((), "play these only; all if empty")
    qos: str = setting("reliable", "what to offer; topics recorded as transient local stay so", choices=QOS_CHOICES)
    restamp: str = setting(
        "none",
        "header stamps, of transforms too: now moves them to the present, their distances kept; zero is no time and "
        "stays",
        choices=("none", "now"),
    )
    wait_for: str = setting(
        "",
        "with wait: full name of the node that must subscribe; any, if empty. What it publishes itself is played only "
        "if topics names it",
    )
    wait_topics: tuple[str, ...] = setting(
        (), "what it must subscribe to: these, with any transport's suffix; all that are played if empty"
    )

    def conflicts(self) -> Iterator[str]:
        """Two clocks that would disagree."""
        if self.restamp == "now" and self.clock_hz:
            yield "restamp now together with clock: stamps and /clock would disagree; choose one"


class BagPlayer(Player[BagMessage]):
    """Publishes a bag's messages.

    Attributes:
        skipped: Topics left out because their message package is not installed, with the reason.
    """

    def __init__(self, bag: Bag, options: BagPlayerOptions, stop: threading.Event, **kwargs: Any) -> None:
        """Make the publishers of an open bag.

        Raises:
            RecordingError: A topic asked for is not in the bag or its type is not installed, or nothing is left.
        """
        if not options.topics and "/clock" in bag.topics and bag.topics["/clock"].count:
            options = replace(options, clock_hz=0.0)  # the recorded one: header stamps follow it, not the recorder
        super().__init__("bag_player", options, stop, **kwargs)
        self.skipped: dict[str, str] = {}
        self._bag, self._options = bag, options
        self._notes_said = 0
        self._behind_ns: int | None = None
        self._begins_ns = bag.start_ns + round(options.start_s * NS_PER_S)
        self._stop_ns = bag.end_ns
        if options.duration_s:
            self._stop_ns = min(bag.end_ns, self._begins_ns + round(options.duration_s * NS_PER_S))
        if self._begins_ns >= self._stop_ns:
            length_s = (bag.end_ns - bag.start_ns) / NS_PER_S
            raise RecordingError(
                f"{bag.path}: nothing to play from {options.start_s:g} s on; it is {length_s:.3f} s long"
            )
        self._outputs = self._make_publishers()
        busiest = max(bag.topics[name].count for name in self._outputs)  # the pause is the mean distance there
        self._gap_ns = min((bag.end_ns - bag.start_ns) // max(busiest - 1, 1), NS_PER_S)

    @property
    def topics(self) -> list[str]:
        """Topics that are played, as the bag names them."""
        return sorted(self._outputs)

    def _say_remarks(self) -> None:
        """Warn of what is odd about the bag; some of it is known only once all was read."""
        for note in self._bag.notes[self._notes_said :]:
            self.get_logger().warning(note)
        self._notes_said = len(self._bag.notes)

    def _awaited(self) -> tuple[Collection[Any], str]:
        wanted, all_ = self._options.wait_topics, self._outputs.values()
        bases = {without_transport(name) for name in wanted}
        chosen = [each for each in all_ if not wanted or without_transport(each.topic_name) in bases]
        return chosen, self._node_waited_for

    @property
    def _node_waited_for(self) -> str:
        """Its full name; empty for any."""
        node = self._options.wait_for
        return node if not node or node.startswith("/") else f"/{node}"

    def _before_playing(self) -> None:
        """Leave out what the node that was waited for publishes itself: two results on one topic would mix."""
        if not (node := self._node_waited_for) or self._options.topics:
            return
        namespace, _, name = node.rpartition("/")
        live: set[str] = set()
        with contextlib.suppress(NodeNameNonExistentError):  # it has not come; the wait has said so
            live = {topic for topic, _ in self.get_publisher_names_and_types_by_node(name, namespace or "/")}
        left_out = {topic: each for topic, each in self._outputs.items() if each.topic_name in live}
        if not left_out:
            return
        names = ", ".join(sorted(left_out))
        if len(left_out) == len(self._outputs):
            raise RecordingError(f"{self._bag.path}: {node} publishes all that it holds ({names}); nothing to play")
        self.get_logger().warning(f"left out what {node} publishes itself: {names}; --topics plays it all the same")
        for topic, publisher in left_out.items():
            del self._outputs[topic]
            self.destroy_publisher(publisher)

    def _one_pass(self) -> Iterator[Item[BagMessage]]:
        self._say_remarks()
        latched = [name for name in self._outputs if _is_latched(self._bag.topics[name])]
        if latched and self._begins_ns > self._bag.start_ns:  # what still held then
            for message in self._bag.messages(latched, None, self._begins_ns):
                yield self._begins_ns, MESSAGE_OVERHEAD + len(message.raw), message
        for message in self._bag.messages(list(self._outputs), self._begins_ns, self._stop_ns):
            yield message.stamp_ns, MESSAGE_OVERHEAD + len(message.raw), message
        self._say_remarks()

    def _publish(self, what: BagMessage) -> None:
        raw = what.raw
        if self._options.restamp == "now":
            for at in header_offsets(raw, what.topic.msgtype, stamped=what.topic.stamped):
                if stamp_ns := header_stamp_ns(raw, at):
                    raw = with_header_stamp(raw, self._moved(stamp_ns + self._behind(what, stamp_ns)), at)
        self._outputs[what.topic.name].publish(raw)

    def _behind(self, message: BagMessage, stamp_ns: int) -> int:
        """By how much a stamp of another clock (simulated, since boot) lies behind the time of recording; else 0.

        The first such message that is not latched tells it for all, so that their distances stay.
        """
        behind_ns = message.stamp_ns - stamp_ns
        if abs(behind_ns) < OTHER_CLOCK_NS:
            return 0
        if self._behind_ns is None and not _is_latched(message.topic):
            self._behind_ns = behind_ns
        return self._behind_ns or 0

    def _make_publishers(self) -> dict[str, Any]:
        chosen = self._bag.check_topics(self._options.topics) if self._options.topics else list(self._bag.topics)
        if (
            not self._options.topics
            and "/clock" in chosen
            and (self._options.clock_hz or self._options.restamp == "now")
        ):
            chosen.remove("/clock")  # it is empty, or disagrees with stamps of the present
        publishers = {}
        for topic in (self._bag.topics[name] for name in chosen):
            try:
                kind = message_class(topic.msgtype)
                publishers[topic.name] = self.create_publisher(kind, topic.name, self._qos(topic))
            except (RecordingError, InvalidTopicNameException) as error:  # ROS 1 had other names
                self.skipped[topic.name] = str(error)
        if self.skipped:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(self.skipped.items()))
            if self._options.topics or not publishers:
                raise RecordingError(f"{self._bag.path}: cannot play {reasons}")
            self.get_logger().warning(f"left out {reasons}")
        if not publishers:
            raise RecordingError(f"{self._bag.path}: it has no topic to play")
        return publishers

    def _qos(self, topic: BagTopic) -> QoSProfile:
        reliable = self._options.qos == "reliable"
        if self._options.qos == "recorded" and topic.qos:
            reliable = all(q.reliability.name != "BEST_EFFORT" for q in topic.qos)
        latched = _is_latched(topic)
        kept = sum(max(q.depth, 1) for q in topic.qos)  # one publisher stands for all that were recorded
        kept = max(kept, topic.count) if _is_tf_static(topic) else kept  # each message has other frames
        return QoSProfile(
            depth=min(kept, 1000) if latched else QUEUE_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )


def _is_latched(topic: BagTopic) -> bool:
    """Whether late subscribers get what was sent before; those of /tf_static ask for it, whatever was recorded."""
    is_offered = bool(topic.qos) and all(q.durability.name == "TRANSIENT_LOCAL" for q in topic.qos)
    return is_offered or _is_tf_static(topic)


def _is_tf_static(topic: BagTopic) -> bool:
    return topic.name.rpartition("/")[2] == "tf_static"


def message_class(msgtype: str) -> Any:
    """Import a message type such as "sensor_msgs/msg/Image".

    The name comes from the bag, and importing a package runs it: only one that has messages is imported.

    Raises:
        RecordingError: Its package is not installed, or it is no message type.
    """
    package, _, name = msgtype.partition("/msg/")
    if not (package.isidentifier() and name.isidentifier()):
        raise RecordingError(f"type {msgtype!r}; expected package/msg/Name")
    try:
        spec = importlib.util.find_spec(package)
        folders = spec.submodule_search_locations or () if spec else ()
        if not any((Path(folder) / "msg").is_dir() for folder in folders):
            raise ModuleNotFoundError(f"{package} has no messages")
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecordingError(f"type {msgtype} is not installed here; install the ROS package {package}") from error


def parse_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, BagPlayerOptions]:
    """Command line (without ROS's part) to options."""
    parser = argparse.ArgumentParser(
        prog="bag_player",
        description="Play a bag (mcap or sqlite3, or of ROS 1). Topics are renamed with --ros-args -r /from:=/to.",
    )
    parser.add_argument("bag", help="bag folder, or a .mcap, .db3 or .bag file")
    parser.add_argument("--list", action="store_true", help="list the topics and end")
    return parse_options(parser, arguments, BagPlayerOptions)


def _run(arguments: list[str], stop: threading.Event) -> None:
    given, options = parse_arguments(arguments)
    with Bag(given.bag) as bag:
        if given.list:
            sys.stdout.write("\n".join([bag.describe(), *bag.notes, ""]))
            return
        player = BagPlayer(bag, options, stop)
        try:
            player.get_logger().info(f"playing {', '.join(player.topics)} from {bag.path}")
            play_while_spinning(player, player.play, stop)
        finally:
            player.destroy_node()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `bag_player`."""
    return player_main(_run, arguments)


if __name__ == "__main__":
    raise SystemExit(start("pagnet_ros.ros.players.bag_player"))
