"""What a replay reads: the options of a source, the frame that it hands out, and what all sources share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.pairing import NearestPairing
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.replay.results import Pairing, Recording
from pagnet_ros.replay.stats import ReplayStats

__all__ = ["RawDepth", "ReplayFrame", "Source", "SourceOptions"]

RawDepth = NDArray[np.uint16] | NDArray[np.float32]
S = TypeVar("S", bound="Source")


@dataclass(frozen=True)
class SourceOptions:
    """What to read, and how depth and colour are paired (the node's defaults).

    Attributes:
        depth: depth topic of a bag; found if empty and unambiguous.
        color: colour topic, likewise.
        reference: topic of a better depth image of the same view; "" looks for ``<depth>_reference`` or ``_truth``.
        result: topic of a recorded result, to be scored; only pairs that have one are evaluated.
        use_reference: False leaves out any reference.
        start_s: leave out this much of the beginning, seconds, at least 0.
        duration_s: replay this much, seconds, above 0; None for all.
        every: evaluate each how-many-th pair, at least 1.
        slop_ms: largest stamp difference of a pair, milliseconds, 0 to 10000.
        queue_size: most images that wait for a partner, 1 to 1000, as the node has it; None for any number.
        hz: frames per second of a folder without stamps; None for its default.
        only: frames of a folder whose name contains this.
        reproject: False takes depth of a bag for registered to colour whatever its frame_id says.
        depth_unit_m: metres per count of 16-bit depth; None for millimetres, or what a folder proves.
    """

    depth: str = ""
    color: str = ""
    reference: str = ""
    result: str = ""
    use_reference: bool = True
    start_s: float = 0.0
    duration_s: float | None = None
    every: int = 1
    slop_ms: float = 20.0
    queue_size: int | None = None
    hz: float | None = None
    only: str = ""
    depth_unit_m: float | None = None
    reproject: bool = True

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = [
            f"{name} {value!r}; expected {expected}"
            for name, value, expected, fits in (
                ("start", self.start_s, "0 or more seconds", 0.0 <= self.start_s < 1e9),
                ("duration", self.duration_s, "above 0 seconds", self.duration_s is None or 0 < self.duration_s < 1e9),
                ("every", self.every, "1 or more", self.every >= 1),
                ("slop", self.slop_ms, "0 to 10000 ms", 0.0 <= self.slop_ms <= 10000.0),
                ("depth unit", self.depth_unit_m, "0.000001 to 1 m", 1e-6 <= (self.depth_unit_m or 1e-3) <= 1.0),
                ("queue size", self.queue_size, "1 to 1000", self.queue_size is None or 1 <= self.queue_size <= 1000),
            )
            if not fits
        ]
        if self.reference and not self.use_reference:
            problems.append(f"reference {self.reference} beside a mode that takes none; leave out one of the two")
        if problems:
            raise ConfigError("; ".join(problems))


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
        """Note where much of a frame lies outside the range that is believed."""
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
