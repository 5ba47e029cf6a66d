"""Rules on how depth and colour lie to each other: sizes, shapes, fields of view, frames, and their calibrations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import CameraInfoFacts, ImageFacts, Observation, Stream
from pagnet_ros.messages.shapes import differ_in_shape

_CROP: Final = 0.02
_VIEW_TOLERANCE: Final = 0.05


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
    "topic; for other cameras name depth's own frame in its frame_id, so that the node reprojects it. If it is "
    "registered all the same, set reproject:=false.",
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
    if not _may_reproject(seen):
        return  # it is told that depth is registered
    if not (_last(seen.depth) and _last(seen.color)) or _frame_id(seen.depth) != _frame_id(seen.color):
        return  # silent_topic or frame_ids_differ speaks
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
