"""Rules on what images hold: encodings, sizes, units, frames, and calibrations that do not fit them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import CameraInfoFacts, DepthFacts, ImageFacts, Observation, Stream
from pagnet_ros.diagnosis.timing import runs_on_sim_time
from pagnet_ros.messages.shapes import differ_in_shape
from pagnet_ros.system.units import MILLIMETRE

UNORDERED: Final = ("8UC3", "8UC4")
"""As `pagnet_ros.messages.encodings` has it, which needs OpenCV."""
_CROP: Final = 0.02
_VIEW_TOLERANCE: Final = 0.05
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


def _last(stream: Stream | None) -> ImageFacts | None:
    """The newest image of known size."""
    whole = [image for image in stream.images if image.width and image.height] if stream is not None else []
    return whole[-1] if whole else None


@rule(
    "error",
    mend="Swap the topics if they are swapped; else subscribe to the full-size colour topic, or decimate depth.",
)
def depth_larger_than_color(seen: Observation) -> Iterator[Fault]:
    """Depth that is not to be reprojected has more pixels than colour in some axis: nothing to gain from colour."""
    depth, color = _last(seen.depth), _last(seen.color)
    if seen.depth is None or not depth or not color or _is_reprojected(seen, depth, color):
        return
    if depth.width > color.width or depth.height > color.height:
        yield Fault(seen.depth.topic, f"depth is {_size(depth)}, colour {_size(color)}", "colour at least as large")


@rule(
    "error",
    mend="Publish the camera_info of both cameras, by which the node reprojects depth (with reproject:=true), or "
    "subscribe to the driver's depth that is aligned (registered) to colour.",
)
def shapes_differ(seen: Observation) -> Iterator[Fault]:
    """Depth and colour images have different shapes (4:3 and 16:9, say), and depth cannot be reprojected."""
    depth, color = _last(seen.depth), _last(seen.color)
    if seen.depth is None or not depth or not color or (_both_calibrated(seen) and _may_reproject(seen)):
        return
    if _other_shape(depth, color):
        yield Fault(
            seen.depth.topic,
            f"depth is {_size(depth)} ({_shape(depth):.2f}:1), colour {_size(color)} ({_shape(color):.2f}:1)",
            "one shape within 2 %, as depth aligned to colour has",
        )


@rule(
    "error",
    mend="Subscribe to the driver's depth that is aligned (registered) to colour, with the camera_info of that very "
    "topic; for other cameras name depth's own frame in its frame_id, so that the node reprojects it.",
)
def fields_of_view_differ(seen: Observation) -> Iterator[Fault]:
    """Depth says that it is in the colour camera's frame, but sees another field of view by the calibrations."""
    depth = seen.depth_info.info if seen.depth_info is not None else None
    color = seen.color_info.info if seen.color_info is not None else None
    if seen.depth_info is None or depth is None or color is None or not (_calibrated(depth) and _calibrated(color)):
        return
    if not (_fits(depth, seen.depth) and _fits(color, seen.color)):
        return  # camera_info_other_size speaks
    if _other_shape(depth, color) or _has_pose(seen):
        return  # the node reprojects it
    if _frame_id(seen.depth) != _frame_id(seen.color):
        return  # frame_ids_differ speaks
    views = [_view(info) for info in (depth, color)]
    difference = max(abs(math.log(a / b)) for a, b in zip(views[0][:2], views[1][:2], strict=True))
    shift = max(abs(a - b) for a, b in zip(views[0][2:], views[1][2:], strict=True))
    if difference > _VIEW_TOLERANCE or shift > _VIEW_TOLERANCE:
        yield Fault(
            seen.depth_info.topic,
            f"depth sees {_degrees(depth)}, colour {_degrees(color)}"
            + (f"; the principal points lie {100 * shift:.0f} % of the image apart" if shift > _VIEW_TOLERANCE else ""),
            "one field of view, as depth aligned to colour has",
        )


def _is_reprojected(seen: Observation, depth: ImageFacts, color: ImageFacts) -> bool:
    """Whether the node draws depth anew for the colour camera, as far as the images and calibrations tell."""
    apart = _frames_differ(seen) or _has_pose(seen) or _other_shape(depth, color)
    return apart and _both_calibrated(seen) and _may_reproject(seen)


def _may_reproject(seen: Observation) -> bool:
    """False where every node that takes the images is told that depth is registered."""
    return not seen.consumers or any(node.reproject is not False for node in seen.consumers)


def _has_pose(seen: Observation) -> bool:
    return any(node.has_pose for node in seen.consumers)


def _both_calibrated(seen: Observation) -> bool:
    infos = [stream.info if stream is not None else None for stream in (seen.depth_info, seen.color_info)]
    return all(info is not None and _calibrated(info) for info in infos)


def _fits(info: CameraInfoFacts, image: Stream | None) -> bool:
    """Whether a calibration is of its image's size, as far as that is known."""
    facts = _last(image)
    return facts is None or (info.width, info.height) == (facts.width, facts.height)


def _shape(sized: CameraInfoFacts | ImageFacts) -> float:
    return sized.width / sized.height


def _other_shape(one: CameraInfoFacts | ImageFacts, other: CameraInfoFacts | ImageFacts) -> bool:
    return differ_in_shape((one.height, one.width), (other.height, other.width))


def _view(info: CameraInfoFacts) -> tuple[float, float, float, float]:
    """Image size over focal length, and where the principal point lies, as shares of the image; both for x and y."""
    centre = (info.cx + 0.5) / info.width, (info.cy + 0.5) / info.height
    return info.width / info.fx, info.height / info.fy, *centre


def _degrees(info: CameraInfoFacts) -> str:
    across, down = (
        2 * math.degrees(math.atan(0.5 * a / f)) for a, f in ((info.width, info.fx), (info.height, info.fy))
    )
    return f"{across:.0f} x {down:.0f} degrees"


@rule(
    "warning",
    mend="The node reprojects depth where tf connects the frames and both cameras have a camera_info; else subscribe "
    "to the driver's aligned (registered) depth. If it is registered all the same, set reproject:=false.",
)
def frame_ids_differ(seen: Observation) -> Iterator[Fault]:
    """Depth and colour name different frames, so depth is most likely not registered to colour.

    Nodes that are told that it is, and nodes that do reproject it, are not warned of.
    """
    settled = seen.consumers and all(node.has_reprojected or node.reproject is False for node in seen.consumers)
    if seen.depth is not None and _frames_differ(seen) and not settled:
        came = f"depth is in frame {_frame_id(seen.depth)!r}, colour in {_frame_id(seen.color)!r}"
        yield Fault(seen.depth.topic, came, "the colour camera's frame for both")


def _frames_differ(seen: Observation) -> bool:
    depth, color = _frame_id(seen.depth).lstrip("/"), _frame_id(seen.color).lstrip("/")
    return bool(depth and color) and depth != color


def _frame_id(stream: Stream | None) -> str:
    return stream.images[-1].frame_id if stream is not None and stream.images else ""


def _frame_ids(seen: Observation) -> Iterator[tuple[str, str]]:
    """(topic, frame_id) of every stream that has told one."""
    for stream in seen.streams:
        if stream.images:
            yield stream.topic, stream.images[-1].frame_id
        elif stream.info is not None:
            yield stream.topic, stream.info.frame_id


@rule("warning", mend="Name the frame without a slash in the driver; tf2 refuses frames that begin with one.")
def leading_slash(seen: Observation) -> Iterator[Fault]:
    """A frame_id begins with a slash, which tf2 refuses."""
    for topic, frame_id in _frame_ids(seen):
        if frame_id.startswith("/"):
            yield Fault(topic, f"header.frame_id is {frame_id!r}", repr(frame_id.lstrip("/")))


@rule("warning", mend="Set the frame_id of the driver to its optical frame (often a parameter).")
def empty_frame_id(seen: Observation) -> Iterator[Fault]:
    """header.frame_id is empty, so nobody can tell where the image was taken from."""
    for topic, frame_id in _frame_ids(seen):
        if not frame_id.strip("/"):
            yield Fault(topic, f"header.frame_id is {frame_id!r}", "the camera's optical frame")


def _calibrated(info: CameraInfoFacts) -> bool:
    values = (info.width, info.height, info.fx, info.fy, info.cx, info.cy)
    return all(math.isfinite(value) for value in values) and min(values[:4]) > 0


@rule("warning", mend="Calibrate the camera (camera_calibration), or let the driver load its calibration.")
def camera_info_uncalibrated(seen: Observation) -> Iterator[Fault]:
    """camera_info has no size or no focal length."""
    for stream in seen.infos:
        info = stream.info
        if info is not None and not _calibrated(info):
            came = (
                f"size {info.width} x {info.height}, focal lengths {info.fx:g} and {info.fy:g}, centre {info.cx:g}, "
                f"{info.cy:g}"
            )
            yield Fault(stream.topic, came, "a positive size, positive focal lengths, and nothing that is not finite")


@rule("warning", mend="Publish the camera_info of this very image: of its resolution, from the same namespace.")
def camera_info_other_size(seen: Observation) -> Iterator[Fault]:
    """camera_info is for another size than the image has."""
    for image, info in ((seen.depth, seen.depth_info), (seen.color, seen.color_info)):
        facts = _last(image)
        if facts is None or info is None or info.info is None or not _calibrated(info.info):
            continue
        told = info.info
        if (told.width, told.height) != (facts.width, facts.height):
            crop = abs(math.log(_shape(told) / _shape(facts))) > _CROP
            yield Fault(
                info.topic,
                f"it is for {told.width} x {told.height}, the image has {_size(facts)}"
                + (", another shape, so a crop" if crop else ""),
                "the image's own size",
                severity="error" if crop else "warning",
            )


def _size(image: ImageFacts) -> str:
    return f"{image.width} x {image.height}"
