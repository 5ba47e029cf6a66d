"""Rules on what images hold: encodings, bytes that are missing, values, and the unit of depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import DepthFacts, ImageFacts, Observation, Stream
from pagnet_ros.diagnosis.timing import runs_on_sim_time
from pagnet_ros.system.units import MILLIMETRE

UNORDERED: Final = ("8UC3", "8UC4")
"""As `pagnet_ros.messages.encodings` has it, which needs OpenCV."""
_FAR_M: Final = 100.0
_ENOUGH: Final = 5
_BLANK: Final = 2


@rule("error", mend="Set the camera driver to publish 16UC1 millimetres or 32FC1 metres for depth, rgb8 for colour.")
def unknown_encoding(seen: Observation) -> Iterator[Fault]:
    """The encoding cannot be read, or is one of colour where depth is expected."""
    for stream, image in _broken(seen):
        if image.problem == "unknown_encoding":
            expected = "16UC1, mono16 or 32FC1" if stream.name == "depth" else "rgb8, bgr8, mono8 or the like"
            yield Fault(stream.topic, image.problem_text.rstrip("."), f"an encoding that can be read: {expected}")


@rule("warning", mend="Name the encoding in the publisher: cv2_to_imgmsg(image, encoding='bgr8'), or rgb8.")
def channel_order_unknown(seen: Observation) -> Iterator[Fault]:
    """The encoding of colour leaves open which channel comes first; blue is assumed."""
    if seen.color is None:
        return
    for encoding in sorted({image.encoding for image in seen.color.images if image.encoding in UNORDERED}):
        yield Fault(seen.color.topic, f"the encoding is {encoding}", "rgb8 or bgr8, so that red is red")


@rule(
    "error",
    mend="The publisher must send what sensor_msgs/Image and CompressedImage describe; this is a fault of the driver.",
)
def malformed_image(seen: Observation) -> Iterator[Fault]:
    """A message breaks its own format: its step, size or data do not fit together."""
    for stream, image in _broken(seen):
        if image.problem != "unknown_encoding":
            yield Fault(stream.topic, f"[{image.problem}] {image.problem_text.rstrip('.')}", "a whole image")


def _broken(seen: Observation) -> Iterator[tuple[Stream, ImageFacts]]:
    """The first image of each problem, by stream."""
    for stream in seen.images:
        told: set[str] = set()
        for image in stream.images:
            if image.problem and image.problem not in told:
                told.add(image.problem)
                yield stream, image


@rule("warning", mend="Restart the camera; a driver that repeats its last image hides that the sensor has stopped.")
def frozen_images(seen: Observation) -> Iterator[Fault]:
    """Image after image is the same to the bit, which no sensor's noise allows: the camera has stopped."""
    if any(node.use_sim_time for node in seen.consumers):
        return  # a simulated camera has no noise unless it is given some
    for stream in seen.images:
        if runs_on_sim_time([a for a in stream.arrivals if a.stamp_ns]):
            continue
        whole = [image for image in stream.images if not image.problem and _shows_something(image)]
        if len(whole) >= _ENOUGH and len({image.checksum for image in whole}) == 1:
            came = f"{len(whole)} images were the same to the bit"
            yield Fault(stream.topic, came, "images that change with the sensor's noise")


def _shows_something(image: ImageFacts) -> bool:
    """False where no image could differ from the next: nothing was measured, or the lens is covered."""
    return image.depth.median is not None if image.depth is not None else (image.spread or 0) > _BLANK


@rule("warning", mend="Take the cap off the lens, or look at the exposure.")
def blank_color(seen: Observation) -> Iterator[Fault]:
    """The colour image is of one colour, so it says nothing about where edges are."""
    if seen.color is None:
        return
    spreads = [image.spread for image in seen.color.images if image.spread is not None]
    if spreads and max(spreads) <= _BLANK:
        yield Fault(seen.color.topic, f"its values span {max(spreads)} of 255 levels", "an image of the scene")


def _depths(seen: Observation) -> tuple[Stream | None, list[DepthFacts], str]:
    """The depth stream, the facts of its readable images, and their encoding."""
    if seen.depth is None:
        return None, [], ""
    readable = [(image.depth, image.encoding) for image in seen.depth.images if image.depth is not None]
    return seen.depth, [facts for facts, _ in readable], readable[0][1] if readable else ""


def _is_float(encoding: str) -> bool:
    return encoding.startswith("32FC1")


@rule(
    "error",
    mend="Check that the sensor is not covered, too near, or in bright sun, that its emitter is on, and that depth is "
    "enabled.",
)
def no_valid_depth(seen: Observation) -> Iterator[Fault]:
    """Depth images hold not one measurement."""
    stream, depths, _ = _depths(seen)
    if stream is not None and depths and all(facts.median is None for facts in depths):
        came = f"all values of {len(depths)} images are 0, negative or not finite"
        yield Fault(stream.topic, came, "some measurements")


@rule("error", mend="Publish 16UC1 millimetres, or divide by 1000: 32FC1 must be metres (REP 118).")
def millimetres_in_32fc1(seen: Observation) -> Iterator[Fault]:
    """A 32FC1 image holds millimetres instead of metres."""
    stream, depths, encoding = _depths(seen)
    medians = [facts.median for facts in depths if facts.median is not None]
    if stream is not None and medians and _is_float(encoding) and np.median(medians) > _FAR_M:
        came = f"half of the 32FC1 values lie beyond {np.median(medians):g}"
        yield Fault(stream.topic, came, "metres, so values of a few units")


@rule(
    "warning",
    mend="Publish NaN where nothing was measured (REP 118). pagnet_ros reads 0 as missing, but others make a point at "
    "the camera of it.",
)
def zeros_in_32fc1(seen: Observation) -> Iterator[Fault]:
    """A 32FC1 image holds zeros, which mean a distance of nothing: missing depth must be NaN."""
    stream, depths, encoding = _depths(seen)
    share = max((facts.zeros for facts in depths), default=0.0)
    if stream is not None and _is_float(encoding) and share > 1e-3:
        yield Fault(stream.topic, f"{100 * share:.1f} % of a 32FC1 image is 0", "NaN where nothing was measured")


@rule(
    "error",
    mend="16UC1 is millimetres (REP 118). Set the driver to that, or tell the node the camera's unit where it has a "
    "parameter for it (depth_unit_m).",
)
def doubtful_unit(seen: Observation) -> Iterator[Fault]:
    """The values of a 16UC1 image, in millimetres or the node's depth_unit_m, cannot be of a room: too near or far."""
    stream, depths, encoding = _depths(seen)
    known = [facts for facts in depths if facts.median is not None]
    if stream is None or not known or _is_float(encoding):
        return
    unit_m = next((node.depth_unit_m for node in seen.consumers if node.depth_unit_m is not None), MILLIMETRE)
    farthest_m = max((node.max_depth_m for node in seen.consumers if node.max_depth_m is not None), default=0.0)
    median_m = unit_m * float(np.median([facts.median or 0.0 for facts in known]))
    p95_m = unit_m * float(np.median([facts.p95 for facts in known]))
    p05_m = unit_m * float(np.median([facts.p05 for facts in known]))
    if p95_m < 0.1:
        came = f"95 % of the values are below {p95_m / unit_m:.0f}, which is {1000 * p95_m:.0f} mm from the camera"
        guess = "These look like metres or centimetres. "
    elif median_m > max(10.0, farthest_m) and p05_m > 2.0:
        came = f"half of the values are above {median_m / unit_m:.0f}, which is {median_m:.1f} m from the camera"
        guess = f"These look like tenths of a millimetre (the scene would be at {median_m / 10:.1f} m). "
    else:
        return
    expected = "millimetres, 16UC1's unit, of a scene within a depth camera's range"
    if unit_m != MILLIMETRE:
        expected = f"counts of {1000 * unit_m:g} mm, the node's depth_unit_m, of a scene within a depth camera's range"
        guess = ""
    yield Fault(stream.topic, came, expected, guess + doubtful_unit.mend)


@rule("warning", mend="Publish NaN (32FC1) or 0 (16UC1) where nothing was measured; check the driver's units.")
def negative_depth(seen: Observation) -> Iterator[Fault]:
    """Depth has values below 0."""
    stream, depths, _ = _depths(seen)
    share = max((facts.negative for facts in depths), default=0.0)
    if stream is not None and share > 0:
        yield Fault(stream.topic, f"{100 * share:.2f} % of an image is negative", "metres above 0, or NaN (REP 117)")
