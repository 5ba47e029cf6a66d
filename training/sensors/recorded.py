"""A recording, bag or folder, as a stream of `RecordedFrame`: depth, colour, and what else there is (pose, reference).

Bags are read without ROS, one frame at a time, through the same decoding and pairing as the node's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import MessageError, RecordingError
from pagnet_ros.messages.camera_info import camera_info_for
from pagnet_ros.messages.pair import read_color, read_depth
from pagnet_ros.recordings.bags import Bag, BagMessage
from pagnet_ros.recordings.coarse import coarse_intrinsics
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame, open_frames, quaternion_pose
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.recordings.rgbd_topics import RgbdTopics, find_rgbd_topics
from pagnet_ros.replay.companions import Companions
from pagnet_ros.system.units import MILLIMETRE, NS_PER_S, from_counts

PAIR_SLOP_NS = 20_000_000
POSE_SLOP_NS = 20_000_000
WAITING = 60
"""Pairs that may wait for their reference or pose, and references kept."""
POSES_KEPT = 400
POSE_TYPES = (
    "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/PoseWithCovarianceStamped",
    "geometry_msgs/msg/TransformStamped",
    "nav_msgs/msg/Odometry",
)


@dataclass(frozen=True)
class Selection:
    """Which part of a recording to read.

    Attributes:
        depth: Depth topic of a bag, found if empty.
        color: Colour topic, found if empty.
        reference: Topic of a better depth of the same view, none if empty.
        poses: Topic with the pose of the camera's optical frame; a single PoseStamped topic is taken if empty.
        start_s: Leave out this many seconds at the beginning, >= 0.
        duration_s: Stop after this many seconds, > 0, or None.
        every: Take every n-th frame, >= 1.
        depth_unit_m: Metres per count of 16-bit depth; None for millimetres, or what a folder proves.
    """

    depth: str = ""
    color: str = ""
    reference: str = ""
    poses: str = ""
    start_s: float = 0.0
    duration_s: float | None = None
    every: int = 1
    depth_unit_m: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if not self.start_s >= 0:
            problems.append(f"start {self.start_s!r} s; expected 0 or more")
        if self.duration_s is not None and not self.duration_s > 0:
            problems.append(f"duration {self.duration_s!r} s; expected more than 0")
        if self.every < 1:
            problems.append(f"every {self.every!r}; expected 1 or more")
        if problems:
            raise RecordingError("; ".join(problems))

    def holds(self, seconds: float) -> bool:
        """Whether a time since the beginning lies in the part."""
        return seconds >= self.start_s and (self.duration_s is None or seconds < self.start_s + self.duration_s)


def is_frame_folder(path: Path) -> bool:
    """Whether a path is a folder of frames rather than a bag."""
    return path.is_dir() and not (path / "metadata.yaml").exists() and detect_layout(path) is not None


def count_frames(path: Path, selection: Selection) -> int:
    """About how many frames `recorded_frames` will give, for a progress bar."""
    if is_frame_folder(path):
        return -(-len(_taken(open_frames(path, depth_unit_m=selection.depth_unit_m), selection)) // selection.every)
    with Bag(path) as bag:
        topics = find_rgbd_topics(bag, selection.depth, selection.color)
        whole_s = (bag.end_ns - bag.start_ns) / NS_PER_S
        part_s = min(max(whole_s - selection.start_s, 0.0), selection.duration_s or whole_s)
        return -(-round(bag.topics[topics.depth].count * part_s / max(whole_s, 1e-9)) // selection.every)


def has_poses(path: Path, selection: Selection) -> bool:
    """Whether a recording tells where the camera was."""
    if is_frame_folder(path):
        return all(entry.pose is not None for entry in open_frames(path, depth_unit_m=selection.depth_unit_m).files)
    with Bag(path) as bag:
        return bool(_pose_topic(bag, selection.poses))


def recorded_frames(path: str | Path, selection: Selection | None = None) -> Iterator[RecordedFrame]:
    """Read a recording frame by frame.

    Args:
        path: Bag folder, .mcap or .db3 file, or a folder of frames.
        selection: Which topics and which part.

    Raises:
        RecordingError: Nothing readable there, topics missing, or damage on the way; what was expected is said.
        MessageError: An image in an encoding that is no depth or colour.
    """
    path, selection = Path(path).expanduser(), selection or Selection()
    return _from_folder(path, selection) if is_frame_folder(path) else _from_bag(path, selection)


def _from_folder(path: Path, selection: Selection) -> Iterator[RecordedFrame]:
    folder = open_frames(path, depth_unit_m=selection.depth_unit_m)
    for index in _taken(folder, selection)[:: selection.every]:
        yield folder.read(index)


def _taken(folder: FrameFolder, selection: Selection) -> list[int]:
    """Which frames lie in the part."""
    first_ns = folder.files[0].depth_stamp_ns
    return [i for i, f in enumerate(folder.files) if selection.holds((f.depth_stamp_ns - first_ns) / NS_PER_S)]


def _from_bag(path: Path, selection: Selection) -> Iterator[RecordedFrame]:
    with Bag(path) as bag:
        topics = find_rgbd_topics(bag, selection.depth, selection.color)
        if topics.depth == topics.color:
            raise RecordingError(f"{topics.depth} was named as depth and as colour; expected two topics")
        if selection.reference:
            (reference,) = bag.check_topics([selection.reference])
        else:
            reference = next((n for n in (f"{topics.depth}_reference",) if n in bag.topics), "")
        wanted = [topics.depth, topics.color, reference, _pose_topic(bag, selection.poses)]
        roles = dict(zip(wanted, ("depth", "color", "reference", "pose"), strict=True))
        roles.pop("", None)
        yield from _BagFrames(bag, selection, topics, roles).frames()


def _pose_topic(bag: Bag, given: str) -> str:
    if given:
        (name,) = bag.check_topics([given])
        if bag.topics[name].msgtype not in POSE_TYPES:
            raise RecordingError(f"{name} has type {bag.topics[name].msgtype}; expected one of {', '.join(POSE_TYPES)}")
        return name
    found = [name for name, topic in bag.topics.items() if topic.msgtype == POSE_TYPES[0]]
    return found[0] if len(found) == 1 else ""


class _Job(NamedTuple):
    """A pair, and what else was recorded for it."""

    pair: Pair[BagMessage, BagMessage]
    reference: BagMessage | None = None
    pose: BagMessage | None = None

    @property
    def depth_stamp_ns(self) -> int:
        return self.pair.depth_stamp_ns

    def with_message(self, role: str, message: BagMessage | None) -> _Job:
        return self._replace(reference=message) if role == "reference" else self._replace(pose=message)


class _BagFrames:
    """Turns messages in the order of a bag into frames, each with the reference and the pose nearest in time."""

    def __init__(self, bag: Bag, selection: Selection, topics: RgbdTopics, roles: dict[str, str]) -> None:
        self._bag, self._selection, self._roles = bag, selection, roles
        self._pairing: NearestPairing[BagMessage, BagMessage] = NearestPairing(PAIR_SLOP_NS, queue_size=30)
        self._companions: list[tuple[str, Companions[_Job, BagMessage]]] = [
            (role, Companions(slop_ns, WAITING, kept))
            for role, slop_ns, kept in (("reference", PAIR_SLOP_NS, WAITING), ("pose", POSE_SLOP_NS, POSES_KEPT))
            if role in roles.values()
        ]
        self._infos = [self._first(topics.camera_info), self._first(topics.depth_info)]
        self._first_ns: int | None = None
        self._count = 0

    def frames(self) -> Iterator[RecordedFrame]:
        """All frames of the part."""
        for message in self._bag.messages(list(self._roles)):
            for job in self._add(message):
                yield self._frame(job)
        for job in self._decided(self._taken(self._pairing.flush()), flush=True):
            yield self._frame(job)

    def _first(self, topic: str | None) -> Any:
        message = self._bag.first(topic) if topic else None
        return None if message is None else self._bag.decode(message)

    def _add(self, message: BagMessage) -> list[_Job]:
        """The pairs that one message decides."""
        role, stamp_ns = self._roles[message.topic.name], message.header_stamp_ns or message.stamp_ns
        for place, (name, waiting) in enumerate(self._companions, start=1):
            if name == role:
                jobs = [job.with_message(name, found) for job, found in waiting.add(stamp_ns, message)]
                return self._decided(jobs, place)
        take = self._pairing.add_depth if role == "depth" else self._pairing.add_color
        return self._decided(self._taken(take(stamp_ns, message)))

    def _taken(self, pairs: list[Pair[BagMessage, BagMessage]]) -> list[_Job]:
        """The pairs of the part, every n-th of them."""
        taken = []
        for pair in pairs:
            self._first_ns = pair.depth_stamp_ns if self._first_ns is None else self._first_ns
            if self._selection.holds((pair.depth_stamp_ns - self._first_ns) / NS_PER_S):
                if self._count % self._selection.every == 0:
                    taken.append(_Job(pair))
                self._count += 1
        return taken

    def _decided(self, jobs: list[_Job], known: int = 0, *, flush: bool = False) -> list[_Job]:
        """The jobs whose reference and pose are decided, the first `known` of both being so."""
        for name, waiting in self._companions[known:]:
            decided = waiting.add_pairs(jobs) + (waiting.flush() if flush else [])
            jobs = [job.with_message(name, found) for job, found in decided]
        return jobs

    def _frame(self, job: _Job) -> RecordedFrame:
        depth, rgb = self._depth(job.pair.depth), self._read(read_color, job.pair.color)
        return RecordedFrame(
            name=f"{job.depth_stamp_ns / NS_PER_S:.3f}",
            stamp_ns=job.depth_stamp_ns,
            color_stamp_ns=job.pair.color_stamp_ns,
            depth=depth,
            rgb=rgb,
            intrinsics=self._intrinsics(depth.shape, rgb.shape),
            pose=None if job.pose is None else _pose_of(self._bag.decode(job.pose)),
            reference=None if job.reference is None else self._depth(job.reference),
        )

    def _intrinsics(self, depth: tuple[int, ...], color: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Of the colour camera, by its calibration or by that of depth of the same view; None where there is none."""
        for info, (height, width) in zip(self._infos, (color[:2], depth[:2]), strict=True):
            try:
                fitted = None if info is None else camera_info_for(info, None, height, width)
            except MessageError:  # not calibrated, or of another shape
                continue
            if fitted is not None:
                matrix = np.asarray(fitted.k, np.float64).reshape(3, 3)
                return coarse_intrinsics(matrix, width / color[1], height / color[0])
        return None

    def _depth(self, message: BagMessage) -> NDArray[np.uint16] | NDArray[np.float32]:
        return from_counts(self._read(read_depth, message), self._selection.depth_unit_m or MILLIMETRE)

    def _read(self, read: Callable[[Any, str], Any], message: BagMessage) -> Any:
        try:
            return read(self._bag.decode(message), message.topic.name)
        except MessageError as error:
            raise RecordingError(str(error)) from error


def _pose_of(message: Any) -> NDArray[np.float64]:
    """The 4x4 matrix of any of `POSE_TYPES`."""
    if hasattr(message, "transform"):
        at, turn = message.transform.translation, message.transform.rotation
    else:
        pose = message.pose.pose if hasattr(message.pose, "pose") else message.pose
        at, turn = pose.position, pose.orientation
    return quaternion_pose((at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w))
