"""What the camera looked at: for every frame the depth that was there, holes known from other frames where possible.

Data flows: views -> mode (still, poses, slow, space) -> `Moment`: a view, its predecessors, and the scene behind it. At
most `WINDOW` views are held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError
from pagnet_training.sensors.images import Depth, Edges, Mask, Slopes, View, fill_holes, find_edges, slopes
from pagnet_training.sensors.motion import image_shift, pose_shift, project, refine, relative_pose

MODES = ("still", "poses", "slow", "space")
EDGE_JUMP = 0.04
LAGS = (1, 2, 4, 8, 16)
PILOT = 16
WINDOW = 17
NEIGHBOURS = (-4, -2, 2, 4)
STILL_PX = 0.15
SLOW_PX = 0.35
NOISE_LAG_SHIFT_PX = 3.0
MIN_FRAMES = 8
MIN_MEASURED = 0.02


class Motion(NamedTuple):
    """How a recording moves.

    Attributes:
        mode: One of `MODES`.
        shift_px: Median shift from frame to frame.
        lag: Frames between the two sides of a difference, so that a moving image has moved on by a few pixels.
    """

    mode: str
    shift_px: float
    lag: int


@dataclass(frozen=True)
class Scene:
    """The surfaces behind one frame, with as little noise as the recording allows.

    Attributes:
        z: ``[h, w]`` metres, NaN where no frame shows what is there.
        split: Pixels at a depth edge of which no frame shows the depth; taken as background.
        edges: Its depth edges.
        plane: Planes around every pixel.
        grey: Brightness.
    """

    z: Depth
    split: Mask
    edges: Edges
    plane: Slopes
    grey: Depth


@dataclass(frozen=True)
class Moment:
    """One frame to learn from.

    Attributes:
        view: The frame.
        scene: What is behind it.
        before: Earlier views, the latest last, at most `WINDOW` - 1.
        scene_before: Scene of the view `lag` frames earlier (poses only).
        relative: Pose from there to here, mended (poses only).
        delivering: Pixels that have measured anything so far; None for all. While the camera moves, the others belong
            to the image (the rim that is left when depth is registered to colour), not to the sensor.
    """

    view: View
    scene: Scene
    before: tuple[View, ...]
    scene_before: Scene | None = None
    earlier: View | None = None
    relative: NDArray[np.float64] | None = None
    delivering: Mask | None = None


def make_scene(known: Depth, view: View, smooth: int) -> Scene:
    """A scene from the best depth there is of it.

    Args:
        known: ``[h, w]`` metres, NaN where no frame measured.
        view: The frame (intrinsics, brightness).
        smooth: Side of the median filter before edges are sought, 0, 3 or 5.
    """
    filled, split = fill_holes(known)
    if smooth:
        calm = cv2.medianBlur(np.nan_to_num(filled, nan=0.0), smooth)
        filled = np.where(np.isfinite(filled) & (calm > 0), calm, filled)
    radius = max(2, round(view.shape[1] / 160))
    return Scene(
        z=filled,
        split=split,
        edges=find_edges(filled, EDGE_JUMP),
        plane=slopes(filled, view.matrix, radius),
        grey=view.grey,
    )


def find_motion(views: list[View], *, space_only: bool = False) -> Motion:
    """Which way a recording can be read, from its first frames.

    Raises:
        RecordingError: Too few frames, nothing measured, constant depth, or a camera that moves without poses.
    """
    _check_content(views)
    pairs = list(pairwise(views))
    posed = all(view.pose is not None for view in views)
    if posed:
        relatives = [relative_pose(a, b) for a, b in pairs]
        shifts = [pose_shift(a, r) for (a, _), r in zip(pairs, relatives, strict=True) if r is not None]
        whole = relative_pose(views[0], views[-1])
        travel = pose_shift(views[0], whole) if whole is not None else 0.0
        travel = max(travel, image_shift(views[0], views[-1]) if travel < STILL_PX else 0.0)
    else:
        shifts = [image_shift(a, b) for a, b in pairs]
        travel = max(image_shift(views[0], view) for view in views[1:])
    shift = float(np.median(shifts))
    if space_only:
        return Motion("space", shift, 1)
    if travel < STILL_PX:
        return Motion("still", shift, 1)
    if posed:
        wanted = NOISE_LAG_SHIFT_PX / max(shift, 1e-3)
        lag = next((k for k in LAGS[:4] if k >= wanted), LAGS[3])
        return Motion("poses", shift, lag)
    if shift < SLOW_PX:
        return Motion("slow", shift, 1)
    raise RecordingError(
        f"the camera moves by {shift:.1f} pixels from frame to frame and the recording has no poses; expected a camera "
        f"that stands still, poses (pose files in the folder, a PoseStamped topic or --poses in a bag), or less than "
        f"{SLOW_PX} pixels per frame; record the scene from a tripod, or fit from single frames with --space-only, "
        "which cannot tell how noise and holes behave in time"
    )


def _check_content(views: list[View]) -> None:
    if len(views) < MIN_FRAMES:
        raise RecordingError(
            f"the recording has {len(views)} usable frame(s); expected at least {MIN_FRAMES} to tell noise from "
            "scene, and some hundred for narrow intervals; record for a few seconds"
        )
    measured = [float(np.isfinite(view.z).mean()) for view in views]
    if max(measured) < MIN_MEASURED:
        raise RecordingError(
            f"at most {max(measured):.1%} of the pixels are measured in the first {len(views)} frames; expected more "
            f"than {MIN_MEASURED:.0%}; is the lens covered, or the scene out of the sensor's range?"
        )
    spans = [float(np.nanmax(v.z) - np.nanmin(v.z)) for v in views if np.isfinite(v.z).any()]
    if max(spans) < 1e-6:
        value = float(np.nanmedian(views[0].z))
        raise RecordingError(
            f"the depth is constant ({value:.3f} m in every pixel); expected measurements of a scene; is the topic a "
            "mask or an uninitialised image?"
        )
    if all(np.array_equal(view.z, views[0].z, equal_nan=True) for view in views[1:]):
        raise RecordingError(
            f"the first {len(views)} depth frames are the same to the last bit; expected a camera's noise in them; has "
            "the driver stopped and sent its last image again and again?"
        )
    if len({view.shape for view in views}) > 1:
        raise RecordingError("frames differ in size; expected one depth camera; name its topic with --depth")


def moments(views: Iterable[View], notes: list[str], *, space_only: bool = False) -> tuple[Motion, Iterator[Moment]]:
    """Read the first frames, decide how the recording is to be read, and give it moment by moment.

    Args:
        views: The recording; where a camera that stood still begins to move, its other frames are left.
        notes: Grows by what should be told.
        space_only: Take every frame on its own.
    """
    source = iter(views)
    pilot = list(islice(source, PILOT))
    motion = find_motion(pilot, space_only=space_only)
    stream = _checked(chain(pilot, source), pilot[0].shape, notes)
    if motion.mode == "still":
        return motion, _still(stream, pilot, notes)
    if motion.mode == "poses":
        return motion, _posed(stream, pilot, motion.lag, notes)
    return motion, _single(stream)


def _checked(views: Iterator[View], shape: tuple[int, int], notes: list[str]) -> Iterator[View]:
    before: View | None = None
    repeated = 0
    for number, view in enumerate(views):
        if view.shape != shape:
            raise RecordingError(
                f"depth frame {number + 1} is {view.shape[1]}x{view.shape[0]}, the first was {shape[1]}x{shape[0]}; "
                "expected one size; name the topic of one depth camera with --depth"
            )
        if before is not None and np.array_equal(view.z, before.z, equal_nan=True):
            repeated += 1
        else:
            yield view
        before = view
    if repeated:
        notes.append(
            f"{repeated} depth frames are the one before them to the last bit and were left out: the driver had "
            "stopped, or sends each image more than once"
        )


def _median(stack: list[Depth]) -> Depth:
    """Median of what was measured; of two middles on two surfaces the nearer, never what lies between them."""
    ordered = np.sort(np.stack(stack), axis=0)  # NaN last
    last = np.maximum(np.isfinite(ordered).sum(0) - 1, 0)[None]
    low, high = (np.take_along_axis(ordered, index // 2, 0)[0] for index in (last, last + 1))
    return np.asarray(np.where(high - low > EDGE_JUMP * low, low, 0.5 * (low + high)), np.float32)


def _still(views: Iterator[View], pilot: list[View], notes: list[str]) -> Iterator[Moment]:
    """A camera that stands still: one scene, to which later frames add what the first ones did not measure."""
    known = _median([view.z for view in pilot])
    scene = make_scene(known, replace(pilot[0], grey=np.mean([v.grey for v in pilot], 0)), 0)
    before: deque[View] = deque(maxlen=WINDOW - 1)
    gained = 0
    for number, view in enumerate(views):
        moved = relative_pose(pilot[0], view)
        by_image = moved is None and number % 8 == 7
        shift = image_shift(pilot[0], view) if by_image else 0.0 if moved is None else pose_shift(pilot[0], moved)
        if shift > 4 * STILL_PX:
            notes.append(
                f"the camera stood still and began to move before frame {number + 1} (by {shift:.1f} pixels)"
                + ("; there are no poses, so only what came before was used" if view.pose is None else "")
            )
            return
        new = np.isfinite(view.z) & ~np.isfinite(known)
        if number >= PILOT and new.any():
            known = np.where(new, view.z, known)
            gained += int(new.sum())
            if gained > 0.0005 * known.size:
                scene, gained = make_scene(known, replace(view, grey=scene.grey), 0), 0
        yield Moment(view, scene, tuple(before))
        before.append(view)


def _single(views: Iterator[View]) -> Iterator[Moment]:
    """Every frame on its own."""
    before: deque[View] = deque(maxlen=WINDOW - 1)
    for view in views:
        yield Moment(view, make_scene(view.z, view, 3), tuple(before))
        before.append(view)


def _posed(views: Iterator[View], pilot: list[View], lag: int, notes: list[str]) -> Iterator[Moment]:
    """A moving camera: the scene is the median of what the neighbours saw, brought here by the poses."""
    delivering: Mask = np.asarray(np.isfinite(np.stack([view.z for view in pilot])).any(0))
    held: deque[View] = deque(maxlen=WINDOW)
    scenes: deque[Scene] = deque(maxlen=lag)
    ahead = NEIGHBOURS[-1]
    lost = 0
    for view in chain(views, [None]):
        if view is not None:
            held.append(view)
            delivering = delivering | np.isfinite(view.z)
        last = len(held) if view is None else len(held) - ahead
        for at in range(max(0, len(held) - ahead if view is None else last - 1), last):
            now = held[at]
            scene = make_scene(_known_at(list(held), at), now, 0)
            earlier, relative, scene_before = None, None, None
            if len(scenes) == lag and at >= lag:
                earlier, scene_before = held[at - lag], scenes[0]
                rough = relative_pose(earlier, now)
                if rough is not None:
                    relative, _ = refine(
                        earlier, now, rough, scene_before.edges.distance > 3, scene.edges.distance > 3, scene.plane
                    )
                else:
                    lost += 1
            before = tuple(list(held)[max(0, at - 16) : at])
            yield Moment(now, scene, before, scene_before, earlier, relative, delivering)
            scenes.append(scene)
    if lost:
        notes.append(f"{lost} frames have no pose; they were read on their own")


def _known_at(held: list[View], at: int) -> Depth:
    stack = [held[at].z]
    for offset in NEIGHBOURS:
        if 0 <= at + offset < len(held):
            relative = relative_pose(held[at + offset], held[at])
            if relative is not None:
                stack.append(project(held[at + offset], relative))
    return _median(stack)
