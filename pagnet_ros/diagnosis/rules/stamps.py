"""Rules on header.stamp: whether there is one, of which clock, and whether depth and colour can be paired by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from pagnet_ros.core.stamps import Arrival, pairing_fault
from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import Observation, Stream
from pagnet_ros.diagnosis.rules.rates import what_is_lost
from pagnet_ros.diagnosis.timing import (
    OTHER_CLOCK_S,
    clock_offset_s,
    drift_ms_per_s,
    median_age_ms,
    nearest_offsets_ms,
    runs_on_sim_time,
)

_ENOUGH: Final = 5
_LATE_MS: Final = 120.0
_OLD_MS: Final = 500.0
_AHEAD_MS: Final = 20.0
_DRIFT_MS_PER_S: Final = 5.0
_DRIFT_MS: Final = 10.0


@rule(
    "error",
    mend="The driver must fill header.stamp with the time of exposure (under use_sim_time: is /clock running?).",
)
def zero_stamp(seen: Observation) -> Iterator[Fault]:
    """header.stamp is 0, so images cannot be paired by time."""
    for stream in seen.images:
        zeros = sum(a.stamp_ns == 0 for a in stream.arrivals)
        if zeros:
            came = f"{zeros} of {len(stream.arrivals)} messages have header.stamp 0"
            yield Fault(stream.topic, came, "the time of exposure, because depth and colour are paired by it")


@rule("error", mend="The driver must stamp each image anew; look for a header that is filled once and reused.")
def frozen_stamps(seen: Observation) -> Iterator[Fault]:
    """Message after message has the same stamp."""
    for stream in seen.images:
        if _frozen(stream.arrivals):
            different = len({a.stamp_ns for a in stream.arrivals})
            came = f"{len(stream.arrivals)} messages with {different} different stamp(s)"
            yield Fault(stream.topic, came, "a stamp of its own for every image")


def _frozen(arrivals: Sequence[Arrival]) -> bool:
    stamps = [a.stamp_ns for a in arrivals]
    if len(stamps) < _ENOUGH or not any(stamps):
        return False
    return sum(a == b for a, b in pairwise(stamps)) > 0.3 * (len(stamps) - 1)


@rule(
    "warning",
    mend="For a bag that is played in a loop this is as it should be. Else look for two publishers on the topic, or a "
    "driver that sends images out of order.",
)
def backward_stamps(seen: Observation) -> Iterator[Fault]:
    """Stamps go backwards: a looped bag, two cameras on one topic, or images out of order."""
    for stream in seen.images:
        back = _backward(stream)
        if back:
            came = f"{back} of {len(stream.arrivals)} stamps are earlier than the one before"
            yield Fault(stream.topic, came, "rising stamps")


def _backward(stream: Stream) -> int:
    """How often a stamp is before the one before."""
    return sum(later.stamp_ns < earlier.stamp_ns for earlier, later in pairwise(_stamped(stream)))


@rule(
    "error",
    mend="Let the driver stamp with the system's time (often a parameter: use_device_time:=false, global time), or for "
    "a recording play /clock and set use_sim_time:=true on every node.",
)
def other_clock(seen: Observation) -> Iterator[Fault]:
    """Stamps are of another clock: device time, time since boot, or a recording without /clock."""
    apart = {stream.topic: clock_offset_s(_stamped(stream)) for stream in seen.images if _stamped(stream)}
    together = len(apart) > 1 and max(apart.values()) - min(apart.values()) < OTHER_CLOCK_S
    for stream in seen.images:
        offset_s = apart.get(stream.topic, 0.0)
        if abs(offset_s) > OTHER_CLOCK_S and not _frozen(stream.arrivals):
            clocks = "this machine's clock" + (" and /clock" if seen.clock_publishers else "")
            yield Fault(
                stream.topic,
                f"stamps are {_span(offset_s)} {clocks}",
                f"within {OTHER_CLOCK_S:g} s",
                severity="warning" if together else None,
            )


@rule(
    "warning",
    mend="Synchronise the clocks of the machines (chrony or ptp), or the camera's clock with its host's; a driver must "
    "not stamp in advance.",
)
def stamps_ahead(seen: Observation) -> Iterator[Fault]:
    """Images arrive before the time of their stamp: the clocks of two machines differ."""
    for stream in seen.images:
        stamped = _stamped(stream)
        median = median_age_ms(stamped)
        if stamped and -OTHER_CLOCK_S * 1000 <= median < -_AHEAD_MS and not _drift(stream):
            came = f"stamps are {-median:.0f} ms ahead of this machine's clock"
            yield Fault(stream.topic, came, "stamps of the past")


@rule(
    "warning",
    mend="Let the driver stamp with the system's time, or synchronise the device's clock (PTP, global time); where "
    "depth and colour come from one device, its stamps still pair with each other.",
)
def drifting_stamps(seen: Observation) -> Iterator[Fault]:
    """The stamps' clock runs faster or slower than the machine's, so what pairs now will not pair in a minute."""
    for stream in seen.images:
        drift = _drift(stream)
        if drift:
            which = "behind" if drift > 0 else "ahead of"
            came = f"stamps fall {abs(drift):.1f} ms further {which} the machine's clock every second"
            yield Fault(stream.topic, came, "a clock that runs as fast as the machine's")


def _drift(stream: Stream) -> float:
    """By how much stamps fall behind the machine's clock, ms per second; 0 where it is too little to tell."""
    stamped = _stamped(stream)
    if not stamped or _frozen(stream.arrivals) or runs_on_sim_time(stamped):
        return 0.0
    drift = drift_ms_per_s(stamped)
    span_s = (stamped[-1].steady_ns - stamped[0].steady_ns) / 1e9
    return drift if abs(drift) > _DRIFT_MS_PER_S and abs(drift) * span_s > _DRIFT_MS else 0.0


@rule(
    "warning",
    mend="Look for what holds the images up: a slow network, a long queue, a filter in between. If nothing does, the "
    "stamps are wrong (taken before a long processing, or of another machine's clock); a larger slop_ms would pair "
    "wrong frames.",
)
def late_stream(seen: Observation) -> Iterator[Fault]:
    """Images of one stream arrive late by a constant: long after their stamp, or long after the other stream's."""
    ages = {stream.name: median_age_ms(_stamped(stream)) for stream in seen.images if _timed(stream)}
    waits_ms = min((node.max_late_ms for node in seen.consumers if node.max_late_ms is not None), default=None)
    for stream in seen.images:
        age = ages.get(stream.name)
        if age is None:
            continue
        behind = max((age - other for name, other in ages.items() if name != stream.name), default=0.0)
        if behind > _LATE_MS:
            too_late = waits_ms is not None and behind > waits_ms
            yield Fault(
                stream.topic,
                f"images arrive {age:.0f} ms after their stamp, {behind:.0f} ms later than those of the other camera"
                + (f", and the node waits {waits_ms:g} ms for a partner" if too_late else ""),
                f"both within {_LATE_MS:.0f} ms of each other",
                f"Set max_late_ms above {behind:.0f}, so that frames of one moment pair. {late_stream.mend}"
                if too_late
                else "",
                severity="error" if too_late else None,
            )
        elif age > _OLD_MS and behind >= -_LATE_MS:
            yield Fault(
                stream.topic,
                f"images arrive {age:.0f} ms after their stamp",
                f"less than {_OLD_MS:.0f} ms, or a robot acts on the past",
            )


def _timed(stream: Stream) -> bool:
    """Whether a stream's stamps can be compared with a clock, and with another stream's."""
    stamped = _stamped(stream)
    if len(stamped) < _ENOUGH or _frozen(stream.arrivals) or _backward(stream) or _drift(stream):
        return False
    return abs(clock_offset_s(stamped)) <= OTHER_CLOCK_S


@rule(
    "error",
    mend="Synchronise the cameras, or set the node's slop_ms above the offset if what moves in that time does not "
    "matter.",
)
def never_pairs(seen: Observation) -> Iterator[Fault]:
    """Depth and colour come with sound stamps, and most depth frames find no colour within the slop: skewed stamps."""
    if seen.depth is None or seen.color is None:
        return
    depth, color = _stamped(seen.depth), _stamped(seen.color)
    if min(len(depth), len(color)) < _ENOUGH or _frozen(seen.depth.arrivals) or _frozen(seen.color.arrivals):
        return
    if (abs(clock_offset_s(depth)) > OTHER_CLOCK_S) != (abs(clock_offset_s(color)) > OTHER_CLOCK_S):
        return  # of different clocks: that rule speaks
    if any(what_is_lost(seen, image) or _drift(image) for image in seen.images):
        return  # likewise
    slop_ms = next((node.slop_ms for node in seen.consumers if node.slop_ms is not None), seen.slop_ms)
    rarer_is_depth = len(depth) <= len(color)  # each of its frames should find a partner
    offsets = nearest_offsets_ms(depth, color) if rarer_is_depth else -nearest_offsets_ms(color, depth)
    if np.mean(np.abs(offsets) <= slop_ms) >= 0.5:
        return
    topics = seen.depth.topic, seen.color.topic
    cause = pairing_fault(depth, color, topics, slop_ns=round(slop_ms * 1e6), max_late_ns=None)
    spread = float(np.percentile(offsets, 75) - np.percentile(offsets, 25))
    constant = spread < 0.25 * abs(float(np.median(offsets)))
    came = cause.text if cause is not None else f"colour is stamped {np.median(offsets):+.1f} ms from depth"
    mend = "" if cause is None else f"{cause.mend}."
    if constant and (cause is None or cause.cause == "offset"):
        came += ", constantly"
        mend = (
            "The offset is constant, so one driver stamps at another moment than the other (begin of exposure, "
            f"arrival): mend the stamps, or shift them. {mend}"
        )
    yield Fault(" and ".join(topics), came, f"within slop_ms = {slop_ms:g} for most depth frames", mend)


@rule(
    "warning",
    mend="Publish camera_info with the very stamp of its image; image_transport's camera subscribers and "
    "depth_image_proc pair the two by equal stamps.",
)
def camera_info_unsynchronised(seen: Observation) -> Iterator[Fault]:
    """camera_info does not carry the stamps of its images, so consumers that need both get nothing."""
    for image in seen.images:
        info = seen.info_of(image)
        if info is None or len(info.arrivals) < _ENOUGH or len(image.arrivals) < _ENOUGH:
            continue
        stamps = {a.stamp_ns for a in info.arrivals}
        first, last = min(a.steady_ns for a in info.arrivals), max(a.steady_ns for a in info.arrivals)
        inner = [a for a in image.arrivals if first < a.steady_ns < last]
        same = sum(a.stamp_ns in stamps for a in inner)
        if len(inner) >= _ENOUGH and same < 0.5 * len(inner):
            came = f"{same} of {len(inner)} images of {image.topic} have its stamp"
            yield Fault(info.topic, came, "the stamp of every image")


@rule(
    "error",
    mend="Play the recording with /clock (bag_player --clock, ros2 bag play --clock), or set use_sim_time:=false on "
    "the node; where /clock runs, set use_sim_time:=true on every node.",
)
def no_clock(seen: Observation) -> Iterator[Fault]:
    """A node waits for /clock that nobody publishes, or goes by the system's time while stamps follow /clock."""
    for node in seen.consumers:
        if node.use_sim_time is True and not seen.clock_publishers:
            yield Fault(node.name, "use_sim_time is true and nobody publishes /clock", "a publisher of /clock")
        on_sim = [s for s in seen.images if _stamped(s) and runs_on_sim_time(_stamped(s)) and _far_from_system(s)]
        if node.use_sim_time is False and seen.clock_publishers and on_sim:
            yield Fault(
                node.name,
                f"use_sim_time is false, and the stamps of {on_sim[0].topic} follow /clock",
                "one time for all: use_sim_time:=true",
                severity="warning",
            )


def _far_from_system(stream: Stream) -> bool:
    offset_ns = np.median([a.system_ns - a.stamp_ns for a in _stamped(stream)])
    return bool(abs(offset_ns) > OTHER_CLOCK_S * 1e9)


def _stamped(stream: Stream) -> list[Arrival]:
    return [a for a in stream.arrivals if a.stamp_ns]


def _span(offset_s: float) -> str:
    """Such as "3.2 years behind" or "14 s ahead of"."""
    which = "behind" if offset_s > 0 else "ahead of"
    size = abs(offset_s)
    for unit, seconds in (("years", 31_557_600.0), ("days", 86_400.0), ("h", 3_600.0)):
        if size >= 2 * seconds:
            return f"{size / seconds:.1f} {unit} {which}"
    return f"{size:.1f} s {which}"
