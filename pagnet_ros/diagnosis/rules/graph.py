"""Rules on the graph: topics, types, QoS, nodes and who runs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import COMPRESSED_TYPE, IMAGE_TYPE, Endpoint, Observation, Process, Stream
from pagnet_ros.diagnosis.rules.rates import PROFILE_MEND

_MAX_LISTED: Final = 8
_START: Final = (
    "Start the camera, or name its topic: depth:= and color:= for the node, --depth and --color for the doctor."
)


@rule("error", mend=_START)
def no_publisher(seen: Observation) -> Iterator[Fault]:
    """Nobody publishes the depth or the colour topic."""
    for stream in seen.images:
        if not stream.publishers:
            kind = stream.expected.rpartition("/")[2]
            if stream.candidates:
                there = f"These {kind} topics exist: {_listed(stream.candidates)}."
            elif seen.nodes:
                there = f"There is no {kind} topic at all in domain {seen.domain}."
            else:
                there = (
                    f"No node at all is seen in domain {seen.domain}: compare ROS_DOMAIN_ID, "
                    "ROS_AUTOMATIC_DISCOVERY_RANGE and ROS_LOCALHOST_ONLY with those of the camera's shell."
                )
            yield Fault(stream.topic, "nobody publishes it", f"a publisher of {stream.expected}", f"{there} {_START}")


@rule(
    "error",
    mend="Remap to a topic of the right type, or set the node's depth_transport or color_transport to what is "
    "published.",
)
def wrong_type(seen: Observation) -> Iterator[Fault]:
    """The topic exists with another type than the node subscribes to."""
    for stream in seen.streams:
        if stream.publishers and not stream.typed:
            wrong = stream.publishers[0]
            came = f"published as {wrong.type}" + (f" by {wrong.node}" if wrong.node else "")
            yield Fault(stream.topic, came, stream.expected, _mend_type(stream, wrong.type))


def _mend_type(stream: Stream, came: str) -> str:
    if came == COMPRESSED_TYPE and stream.is_image:
        suffix = stream.topic.rpartition("/")[2]
        if suffix in ("compressed", "compressedDepth"):
            return f"Set the node's {stream.name}_transport:={suffix}, or remap {stream.name} to the raw topic."
        transport = "compressedDepth" if stream.name == "depth" else "compressed"
        return (
            f"Set the node's {stream.name}_transport:={transport}, and, as the name lacks that suffix, remap "
            f"{stream.topic}/{transport}:={stream.topic}; or remap {stream.name} to the raw topic."
        )
    if came == IMAGE_TYPE and stream.expected == COMPRESSED_TYPE:
        return f"Set the node's {stream.name}_transport:=raw, or remap {stream.name} to the compressed topic."
    listed = f" These exist: {_listed(stream.candidates)}." if stream.candidates else ""
    return f"Remap to a topic of type {stream.expected}.{listed}"


@rule(
    "error",
    mend="Let the subscriber ask for no more than the publisher offers: best effort and volatile accept every "
    "publisher.",
)
def incompatible_qos(seen: Observation) -> Iterator[Fault]:
    """A publisher and a subscriber of one topic cannot match, so the subscriber gets nothing and hears of no error."""
    pairs = [(s.topic, p, s.subscribers) for s in seen.streams for p in s.publishers]
    pairs += [output for node in seen.consumers for output in node.outputs]
    for topic, publisher, subscribers in pairs:
        same_type = [subscriber for subscriber in subscribers if subscriber.type == publisher.type]
        served = {subscriber.node for subscriber in same_type if subscriber.node and not _clash(publisher, subscriber)}
        for subscriber in same_type:
            clash = _clash(publisher, subscriber)
            if clash and subscriber.node not in served:  # else it asks in two ways, to get what is latched too
                offered, asked, policy = clash
                yield Fault(
                    topic,
                    f"the publisher{_by(publisher)} offers {policy} {offered}, the subscriber{_by(subscriber)} asks "
                    f"for {asked}",
                    f"an offer at least as strict as what is asked for, or {subscriber.node or 'it'} gets nothing",
                    f"Set {policy} of {subscriber.node or 'the subscriber'} to {offered}, or of "
                    f"{publisher.node or 'the publisher'} to {asked} (for nodes that declare it: the parameter "
                    f"qos_overrides.{topic}.subscription.{policy} or .publisher.{policy}; for pagnet_node also "
                    "input_reliability and output_reliability).",
                )


def _clash(publisher: Endpoint, subscriber: Endpoint) -> tuple[str, str, str] | None:
    """(what is offered, what is asked for, of which policy), or None where they match."""
    if (publisher.reliability, subscriber.reliability) == ("best_effort", "reliable"):
        return "best_effort", "reliable", "reliability"
    if (publisher.durability, subscriber.durability) == ("volatile", "transient_local"):
        return "volatile", "transient_local", "durability"
    asked, offered = subscriber.deadline_ns, publisher.deadline_ns
    if asked is not None and (offered is None or offered > asked):
        given = "none" if offered is None else f"{offered / 1e6:g} ms"
        return given, f"{asked / 1e6:g} ms", "deadline"
    return None


@rule(
    "error",
    mend="Check that the camera streams (some start with their first subscriber, some need to be enabled). If it does, "
    f"DDS loses its images. {PROFILE_MEND}",
)
def silent_topic(seen: Observation) -> Iterator[Fault]:
    """The topic has a publisher of the right type, and not one message came."""
    for stream in seen.images:
        if stream.typed and not stream.arrivals and not _other_users(seen, stream):
            info = seen.info_of(stream)
            beside = f", though {len(info.arrivals)} messages came on {info.topic}" if info and info.arrivals else ""
            yield Fault(stream.topic, f"no message in {seen.seconds:g} s{beside}", "a stream of images")


@rule(
    "error",
    mend="Run both as one user, or switch shared memory off for both: FASTDDS_BUILTIN_TRANSPORTS=UDPv4, without the "
    "profiles of config/dds.",
)
def other_user(seen: Observation) -> Iterator[Fault]:
    """Publisher and subscriber here belong to different users: Fast DDS's shared memory then delivers nothing."""
    for stream in seen.streams:
        for endpoint, process, uid in _other_users(seen, stream):
            yield Fault(
                stream.topic,
                f"its publisher{_by(endpoint)} (process {process.pid}) runs as user {process.uid}, this as user {uid}"
                + ("" if stream.arrivals else ", and nothing comes"),
                "one user for all nodes of a machine, because their shared memory is private to a user",
            )


def _other_users(seen: Observation, stream: Stream) -> list[tuple[Endpoint, Process, int]]:
    """Publishers on this machine that another user runs, with their process and this user's id."""
    uid = seen.machine.uid
    if uid is None:
        return []
    known = [(e, e.process) for e in stream.publishers if e.process is not None]
    return [(endpoint, process, uid) for endpoint, process in known if process.uid != uid]


@rule(
    "warning",
    mend="Stop all but one: a driver started twice, or a bag played while the camera runs; else give each camera its "
    "own namespace.",
)
def several_publishers(seen: Observation) -> Iterator[Fault]:
    """Several publishers share the topic of one camera, so their frames mix."""
    for stream in seen.streams:
        if len(stream.typed) > 1:
            names = ", ".join(sorted({e.node or "an unnamed node" for e in stream.typed}))
            yield Fault(stream.topic, f"it has {len(stream.typed)} publishers ({names})", "one camera per topic")


@rule("warning", mend="Give one of them another name (-r __node:=other) or namespace (-r __ns:=/other).")
def duplicate_node_names(seen: Observation) -> Iterator[Fault]:
    """Several nodes have one name: parameters, services and lifecycle commands reach only one of them."""
    for name, count in sorted(Counter(seen.nodes).items()):
        if count > 1:
            yield Fault(name, f"{count} nodes have this name", "one node of a name")


@rule(
    "warning",
    mend="Remap color/camera_info of the node (camera_info:= of its launch file) to the driver's topic, or start the "
    "driver with its calibration.",
)
def camera_info_missing(seen: Observation) -> Iterator[Fault]:
    """Nobody publishes the colour camera's calibration, or nothing comes: no point can be made of the output."""
    stream = seen.color_info
    if stream is None:
        return
    listed = f"These CameraInfo topics exist: {_listed(stream.candidates)}. " if stream.candidates else ""
    if not stream.publishers:
        advice = "" if not listed else f"{listed}{camera_info_missing.mend}"
        yield Fault(stream.topic, "nobody publishes it", f"{stream.expected} for every colour image", advice)
    elif stream.typed and not stream.arrivals and not stream.latched:
        yield Fault(stream.topic, f"no message in {seen.seconds:g} s", "one calibration for every colour image")


@rule(
    "warning",
    mend="Let the driver publish camera_info with every image, with the image's stamp; until then only subscribers "
    "that are transient local themselves get it.",
)
def camera_info_latched(seen: Observation) -> Iterator[Fault]:
    """camera_info is published once and kept (latched), so a volatile subscriber that starts later never gets it."""
    for stream in seen.infos:
        if stream.latched and not stream.arrivals:
            yield Fault(
                stream.topic,
                f"{stream.latched} message(s) came to a transient-local subscriber and none to a volatile one",
                "a message for every image, with its stamp",
            )


def _by(endpoint: Endpoint) -> str:
    return f" {endpoint.node}" if endpoint.node else ""


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
