"""Rules on how often messages come: what DDS loses, and rates that do not fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import Observation, Stream
from pagnet_ros.diagnosis.timing import rate_hz, share_received

_INFO_RATIO: Final = 1.7
_LEAST_INFOS: Final = 10
_LEAST_RECEIVED: Final = 0.7
_LEAST_HZ: Final = 3.0
_LARGEST_RATIO: Final = 2.2
_ENOUGH: Final = 3

PROFILE_MEND: Final = (
    "Start the camera driver with the DDS profile: export FASTRTPS_DEFAULT_PROFILES_FILE and "
    "FASTDDS_DEFAULT_PROFILES_FILE = <share/pagnet_ros>/config/dds/fastdds_large_images.xml in its shell (or include "
    "large_images.launch.py before it). Else make both ends reliable (the node: input_reliability:=reliable); a "
    "reliable publisher alone does not help."
)


@rule("error", mend=PROFILE_MEND)
def images_lost(seen: Observation) -> Iterator[Fault]:
    """Most images are lost on the way: camera_info comes several times as often, or the stamps show gaps."""
    for image in seen.images:
        evidence = what_is_lost(seen, image)
        if evidence:
            size = image.largest_bytes
            best_effort = any(e.reliability == "best_effort" for e in image.publishers)
            remote = any(e.here is False for e in image.publishers)
            how = f" Images have {size / 1024:.0f} KiB" if size else ""
            how += ", by a best-effort publisher" if how and best_effort else ""
            mend = (
                "The camera is on another machine: use a wired network, compressed transports, and larger kernel "
                f"buffers (net.core.rmem_max, net.ipv4.ipfrag_high_thresh). {PROFILE_MEND}"
                if remote
                else ""
            )
            yield Fault(image.topic, f"{evidence}.{how}" if how else evidence, "every image", mend)


def what_is_lost(seen: Observation, image: Stream) -> str:
    """What shows that images are lost; empty if nothing does."""
    return _by_camera_info(seen, image) or _by_gaps(image)


def _by_camera_info(seen: Observation, image: Stream) -> str:
    info = seen.info_of(image)
    if info is None or len(info.arrivals) < _LEAST_INFOS:
        return ""
    if not image.arrivals or len(info.arrivals) < _INFO_RATIO * len(image.arrivals):
        return ""  # where nothing comes at all, silent_topic speaks
    return (
        f"{len(image.arrivals)} images came in the time of {len(info.arrivals)} messages on {info.topic} "
        f"({rate_hz(image.arrivals):.1f} against {rate_hz(info.arrivals):.1f} Hz)"
    )


def _by_gaps(image: Stream) -> str:
    share = share_received(image.arrivals)
    return (
        f"the gaps between its stamps show that {100 * share:.0f} % of the images came"
        if share < _LEAST_RECEIVED
        else ""
    )


@rule(
    "warning",
    mend="Raise the camera's frame rate, or look for what slows it down: exposure time, USB 2, a throttled relay.",
)
def low_rate(seen: Observation) -> Iterator[Fault]:
    """An image stream is so slow that the output is no use for driving."""
    for image in seen.images:
        rate = rate_hz(image.arrivals)
        if len(image.arrivals) >= _ENOUGH and rate < _LEAST_HZ and not what_is_lost(seen, image):
            yield Fault(image.topic, f"{rate:.1f} Hz", f"at least {_LEAST_HZ:g} Hz")


@rule(
    "warning",
    mend="Set both cameras to one frame rate: the output comes at depth's rate, and each depth frame is up-sampled "
    "with the colour nearest in time, which moves on in between.",
)
def rates_apart(seen: Observation) -> Iterator[Fault]:
    """Depth and colour come at rates far apart, so frames are left out, or pair with another moment's colour."""
    if seen.depth is None or seen.color is None:
        return
    depth, color = rate_hz(seen.depth.arrivals), rate_hz(seen.color.arrivals)
    if min(len(seen.depth.arrivals), len(seen.color.arrivals)) < _ENOUGH or not depth or not color:
        return
    apart = max(depth, color) > _LARGEST_RATIO * min(depth, color)
    if apart and not any(what_is_lost(seen, image) for image in seen.images):
        yield Fault(
            f"{seen.depth.topic} and {seen.color.topic}",
            f"depth comes at {depth:.1f} Hz, colour at {color:.1f} Hz",
            f"rates within a factor of {_LARGEST_RATIO:g}",
        )
