"""A recording, bag or folder, as a stream of `RecordedFrame`: depth, colour, and what else there is (pose, reference).

Bags are read without ROS, one frame at a time, through the same decoding and pairing as the node's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing
from pagnet_ros.errors import MessageError, RecordingError
from pagnet_ros.messages.pair import read_color, read_depth
from pagnet_ros.recordings.bags import Bag, BagMessage
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame, open_frames, quaternion_pose
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.recordings.rgbd_topics import find_rgbd_topics
from pagnet_ros.system.units import MILLIMETRE, NS_PER_S, from_counts

PAIR_SLOP_NS = 20_000_000
POSE_SLOP_NS = 20_000_000
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
        reader = _BagFrames(bag, selection, reference)
        wanted = [topics.depth, topics.color, topics.camera_info or "", reference, _pose_topic(bag, selection.poses)]
        reader.roles = dict(zip(wanted, ("depth", "color", "info", "reference", "pose"), strict=True))
        for message in bag.messages([name for name in wanted if name]):
            yield from reader.add(message)


def _pose_topic(bag: Bag, given: str) -> str:
    if given:
        (name,) = bag.check_topics([given])
        if bag.topics[name].msgtype not in POSE_TYPES:
            raise RecordingError(f"{name} has type {bag.topics[name].msgtype}; expected one of {', '.join(POSE_TYPES)}")
        return name
    found = [name for name, topic in bag.topics.items() if topic.msgtype == POSE_TYPES[0]]
    return found[0] if len(found) == 1 else ""


class _BagFrames:
    """Turns messages in the order of a bag into frames."""

    def __init__(self, bag: Bag, selection: Selection, reference: str) -> None:
        self.roles: dict[str, str] = {}
        self._bag, self._selection, self._has_reference = bag, selection, bool(reference)
        self._pairing: NearestPairing[BagMessage, BagMessage] = NearestPairing(PAIR_SLOP_NS, queue_size=30)
        self._intrinsics: NDArray[np.float64] | None = None
        self._poses: dict[int, NDArray[np.float64]] = {}
        self._references: dict[int, BagMessage] = {}
        self._first_ns: int | None = None
        self._taken = 0

    def add(self, message: BagMessage) -> Iterator[RecordedFrame]:
        """Take a message; give the frames that it completes."""
        role = self.roles[message.topic.name]
        stamp = message.header_stamp_ns or message.stamp_ns
        if role == "info" and self._intrinsics is None:
            matrix = np.asarray(self._bag.decode(message).k, np.float64).reshape(3, 3)
            self._intrinsics = matrix if matrix[0, 0] > 0 else None
        elif role == "pose":
            _keep(self._poses, stamp, _pose_of(self._bag.decode(message)), POSES_KEPT)
        elif role == "reference":
            _keep(self._references, stamp, message, 60)
        elif role in ("depth", "color"):
            take = self._pairing.add_depth if role == "depth" else self._pairing.add_color
            for pair in take(stamp, message):
                yield from self._frame(pair.depth_stamp_ns, pair.color_stamp_ns, pair.depth, pair.color)

    def _frame(self, depth_ns: int, color_ns: int, depth: BagMessage, color: BagMessage) -> Iterator[RecordedFrame]:
        self._first_ns = depth_ns if self._first_ns is None else self._first_ns
        if not self._selection.holds((depth_ns - self._first_ns) / NS_PER_S):
            return
        self._taken += 1
        if (self._taken - 1) % self._selection.every:
            return
        reference = self._references.get(depth_ns) if self._has_reference else None
        yield RecordedFrame(
            name=f"{depth_ns / NS_PER_S:.3f}",
            stamp_ns=depth_ns,
            color_stamp_ns=color_ns,
            depth=self._depth(depth),
            rgb=self._read(read_color, color),
            intrinsics=self._intrinsics,
            pose=_nearest(self._poses, depth_ns),
            reference=None if reference is None else self._depth(reference),
        )

    def _depth(self, message: BagMessage) -> NDArray[np.uint16] | NDArray[np.float32]:
        return from_counts(self._read(read_depth, message), self._selection.depth_unit_m or MILLIMETRE)

    def _read(self, read: Callable[[Any, str], Any], message: BagMessage) -> Any:
        try:
            return read(self._bag.decode(message), message.topic.name)
        except MessageError as error:
            raise RecordingError(str(error)) from error


def _keep(store: dict[int, Any], stamp: int, value: Any, limit: int) -> None:
    store[stamp] = value
    while len(store) > limit:
        del store[next(iter(store))]


def _nearest(poses: dict[int, NDArray[np.float64]], stamp: int) -> NDArray[np.float64] | None:
    best = min(poses, key=lambda s: abs(s - stamp), default=None)
    return poses[best] if best is not None and abs(best - stamp) <= POSE_SLOP_NS else None


def _pose_of(message: Any) -> NDArray[np.float64]:
    """The 4x4 matrix of any of `POSE_TYPES`."""
    if hasattr(message, "transform"):
        at, turn = message.transform.translation, message.transform.rotation
    else:
        pose = message.pose.pose if hasattr(message.pose, "pose") else message.pose
        at, turn = pose.position, pose.orientation
    return quaternion_pose((at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w))
