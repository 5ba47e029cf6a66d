"""What a replay reads: the options of a source, the frame that it hands out, and what all sources share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing
from pagnet_ros.core.set_pose import NOT_TURNED, pose_conflicts, set_pose
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.replay.results import Pairing, Recording
from pagnet_ros.replay.stats import ReplayStats
from pagnet_ros.system.settings import Settings, setting

RawDepth = NDArray[np.uint16] | NDArray[np.float32]
S = TypeVar("S", bound="Source")


@dataclass(frozen=True)
class SourceOptions(Settings):
    """What to read, and how depth and colour are paired (the node's defaults).

    Attributes:
        use_reference: False leaves out any reference.
        reproject: False takes depth of a bag for registered to colour whatever its frame_id says.

    Raises:
        ConfigError: values out of range; all problems in one message.
    """

    depth: str = setting("", "depth topic of a bag (found if unambiguous)")
    color: str = setting("", "colour topic of a bag (found if unambiguous)")
    reference: str = setting("", "topic of a better depth of the same view and of the colour image's size")
    result: str = setting("", "score a result that was recorded with its inputs, such as /depth_hr")
    start_s: float = setting(0.0, "leave out so much of the beginning, s", low=0, high=1e9)
    duration_s: float | None = setting(None, "replay so much, s (default all)", low=1e-9, high=1e9)
    every: int = setting(1, "evaluate every Nth pair", low=1, high=1_000_000)
    slop_ms: float = setting(20.0, "largest stamp difference of a pair, ms", low=0, high=10000)
    queue_size: int | None = setting(
        None, "most images that wait for a partner, as the node has it (default any)", low=1, high=1000
    )
    hz: float | None = setting(None, "frames per second of a folder without stamps")
    only: str = setting("", "frames of a folder whose name contains this")
    depth_unit_m: float | None = setting(
        None, "metres per count of 16-bit depth: 0.001 for millimetres (default), 0.0002 for TUM", low=1e-6, high=1
    )
    depth_pose_xyz: str = setting(
        "", "where a bag's depth camera is in the colour camera's frame: X,Y,Z in m; empty: what /tf_static says"
    )
    depth_pose_xyzw: str = setting(NOT_TURNED, "how it is turned there: a quaternion X,Y,Z,W")
    use_reference: bool = True
    reproject: bool = True

    @property
    def depth_pose(self) -> NDArray[np.float64] | None:
        """``[4, 4]`` from the depth camera's frame to the colour camera's, as set; None where it is not."""
        return set_pose(self.depth_pose_xyz, self.depth_pose_xyzw)

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        yield from pose_conflicts(self.depth_pose_xyz, self.depth_pose_xyzw, self.reproject)
        if self.reference and not self.use_reference:
            yield f"reference {self.reference} beside a mode that takes none; leave out one of the two"


@dataclass(frozen=True)
class ReplayFrame:
    """A pair of images that the node would up-sample.

    Attributes:
        index: number of the pair in the recording, counted from 0 before ``every`` leaves any out.
        name: of the frame in a folder; empty for a bag.
        depth_stamp_ns: header stamp of the depth image, nanoseconds.
        color_stamp_ns: header stamp of the colour image.
        depth: ``[h, w]`` uint16 millimetres (0 invalid) or float32 metres (non-finite or 0 invalid), as decoded.
        rgb: ``[H, W, 3]`` uint8.
        reference: ``[H, W]`` as `depth`, or None.
        result: ``[H, W]`` as `depth`, a result that was recorded with the inputs, or None.
        intrinsics: ``[3, 3]`` float64 of the colour image, pixels, or None.
        pose: ``[4, 4]`` float64 camera-to-world, metres, or None.
        camera_info: newest calibration message of the colour camera (an object with its fields), or None.
        frame_id: the colour camera's optical frame; empty for a folder.
        recorded_ns: recording time of the message that completed the pair; the depth stamp in a folder.
        decode_ms: how long decoding and checking took, milliseconds.
    """

    index: int
    depth_stamp_ns: int
    color_stamp_ns: int
    depth: RawDepth
    rgb: NDArray[np.uint8]
    reference: RawDepth | None = None
    intrinsics: NDArray[np.float64] | None = None
    pose: NDArray[np.float64] | None = None
    camera_info: Any = None
    frame_id: str = ""
    recorded_ns: int = 0
    decode_ms: float = 0.0
    name: str = ""
    result: RawDepth | None = None


class Source:
    """An open recording; a context manager.

    Attributes:
        stats: counts and problems so far.
        recording: what it is.
        expected: about how many frames will come.
    """

    recording: Recording
    expected: int
    _reader: PairReader

    def __init__(self, options: SourceOptions, max_late_ns: int | None = None) -> None:
        self.stats = ReplayStats()
        self._options = options
        self._pairing: NearestPairing[Any, Any] = NearestPairing(
            round(options.slop_ms * 1e6), options.queue_size, max_late_ns=max_late_ns
        )

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""

    def frames(
        self, tap: Callable[[BagMessage], None] | None = None, only: Collection[int] | None = None
    ) -> Iterator[ReplayFrame]:
        """Frames in the order in which the node would get them.

        Args:
            tap: sees every message of a bag in order of recording; without it only those needed are read.
            only: numbers of the pairs to read (`ReplayFrame.index`); all, or every Nth, by default.
        """
        raise NotImplementedError

    def report_range(self, depth: RawDepth, min_depth_m: float, max_depth_m: float) -> None:
        """Note where much of a frame lies outside the range that counts as measured."""
        self._reader.report_range(depth, min_depth_m, max_depth_m)

    @property
    def pairing(self) -> Pairing:
        """How depth and colour came together so far."""
        return self.stats.pairing(self._options.slop_ms, self._options.queue_size, self._pairing.counts)

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far."""
        raise NotImplementedError

    def _leaves_out(self, number: int, only: Collection[int] | None) -> bool:
        """Whether a pair is none of those asked for, which is counted."""
        left_out = number not in only if only is not None else bool(number % self._options.every)
        if left_out:
            self.stats.count("skipped")
        return left_out

    def _refuse(self, kind: str, text: str) -> None:
        self.stats.count("refused")
        self.stats.report(kind, text)
