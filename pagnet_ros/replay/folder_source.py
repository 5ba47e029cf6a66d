"""A folder of frames as the stream of pairs that the node would make of it, if a player published it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple

from pagnet_ros.core.pairing import NearestPairing, Pair
from pagnet_ros.errors import RecordingError
from pagnet_ros.messages.image import MalformedMessageError
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame
from pagnet_ros.recordings.images import read_rgb
from pagnet_ros.replay.frame import RawDepth, ReplayFrame, SourceOptions
from pagnet_ros.replay.results import Pairing, Recording
from pagnet_ros.replay.tally import Tally
from pagnet_ros.system.units import NS_PER_S

__all__ = ["FolderSource"]

FILES = "files"


class _Event(NamedTuple):
    """An image in order of stamps; colour (0) before depth (1) of the same stamp, as a player publishes them."""

    stamp_ns: int
    stream: int
    file: int


class FolderSource:
    """Frames of a folder; see `frame.Source`."""

    def __init__(self, frames: FrameFolder, options: SourceOptions) -> None:
        """Choose the frames.

        Raises:
            RecordingError: no frame lies in the time asked for.
        """
        self.tally = Tally()
        self._frames, self._options = frames, options
        self._pairing: NearestPairing[int, int] = NearestPairing(round(options.slop_ms * 1e6), options.queue_size)
        self._reader = PairReader(f"{frames.path.name}: depth", f"{frames.path.name}: colour", self.tally.report)
        self._damage: list[str] = []
        for note in frames.notes:
            self.tally.report("folder", f"{frames.path.name}: {note}", "info")
        self._events = self._choose()
        has_reference = options.use_reference and any(entry.reference for entry in frames.files)
        self.recording = Recording(
            paths=(frames.path.name,),
            kind="frames",
            depth=FILES,
            color=FILES,
            reference=FILES if has_reference else None,
            camera_info=FILES if frames.intrinsics is not None else None,
            start_s=options.start_s,
            duration_s=options.duration_s,
            every=options.every,
        )
        self.expected = -(-sum(event.stream for event in self._events) // options.every)

    def __enter__(self) -> FolderSource:
        """The source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    @property
    def pairing(self) -> Pairing:
        """How depth and colour came together so far."""
        return self.tally.pairing(self._options.slop_ms, self._options.queue_size, self._pairing.counts)

    @property
    def damage(self) -> tuple[str, ...]:
        """Frames that could not be read so far."""
        return tuple(self._damage)

    def report_range(self, depth: RawDepth, min_depth_m: float, max_depth_m: float) -> None:
        """Note where much of a frame lies outside the range that is believed."""
        self._reader.report_range(depth, min_depth_m, max_depth_m)

    def frames(
        self, tap: Callable[[BagMessage], None] | None = None, only: Collection[int] | None = None
    ) -> Iterator[ReplayFrame]:
        """Frames in order of stamps, those with a number in `only` if given; there are no messages for `tap` to see."""
        del tap
        for number, pair in enumerate(self._pairs()):
            self.tally.take_pair(pair.depth_stamp_ns, pair.color_stamp_ns)
            if number not in only if only is not None else number % self._options.every:
                self.tally.count("skipped")
                continue
            frame = self._read(number, pair)
            if frame is not None:
                yield frame

    def _pairs(self) -> Iterator[Pair[int, int]]:
        for event in self._events:
            stream, add = ("depth", self._pairing.add_depth) if event.stream else ("color", self._pairing.add_color)
            if self.tally.take_stamp(stream, f"{self._frames.path.name}: {stream}", event.stamp_ns):
                yield from add(event.stamp_ns, event.file)
        yield from self._pairing.flush()

    def _choose(self) -> list[_Event]:
        """The images in the time asked for, each colour image once."""
        files = self._frames.files
        start_ns = files[0].depth_stamp_ns + round(self._options.start_s * NS_PER_S)
        stop_ns = None if self._options.duration_s is None else start_ns + round(self._options.duration_s * NS_PER_S)
        chosen = [
            (index, entry)
            for index, entry in enumerate(files)
            if entry.depth_stamp_ns >= start_ns and (stop_ns is None or entry.depth_stamp_ns < stop_ns)
        ]
        if not chosen:
            length_s = (files[-1].depth_stamp_ns - files[0].depth_stamp_ns) / NS_PER_S
            raise RecordingError(
                f"{self._frames.path}: no frame from {self._options.start_s:g} s on; it is {length_s:.3f} s long"
            )
        colors = {(entry.color_stamp_ns, entry.color): index for index, entry in reversed(chosen)}
        events = [_Event(entry.depth_stamp_ns, 1, index) for index, entry in chosen]
        return sorted(events + [_Event(stamp_ns, 0, index) for (stamp_ns, _), index in colors.items()])

    def _read(self, number: int, pair: Pair[int, int]) -> ReplayFrame | None:
        """Decode and check a pair; None if it is refused."""
        started = time.perf_counter_ns()
        try:
            frame = self._decode(pair)
            self._reader.check(frame.depth, frame.rgb)
        except MalformedMessageError as error:
            self._refuse(error.kind, str(error))
            return None
        except RecordingError as error:
            self._damage.append(str(error))
            self._refuse("damaged_frame", str(error))
            return None
        return ReplayFrame(
            index=number,
            depth_stamp_ns=pair.depth_stamp_ns,
            color_stamp_ns=pair.color_stamp_ns,
            depth=frame.depth,
            rgb=frame.rgb,
            reference=frame.reference if self._options.use_reference else None,
            intrinsics=frame.intrinsics,
            pose=frame.pose,
            recorded_ns=pair.depth_stamp_ns,
            decode_ms=(time.perf_counter_ns() - started) / 1e6,
            name=self._frames.files[pair.depth].name,
        )

    def _decode(self, pair: Pair[int, int]) -> RecordedFrame:
        frame = self._frames.read(pair.depth)
        color = self._frames.files[pair.color].color
        return frame if color == self._frames.files[pair.depth].color else replace(frame, rgb=read_rgb(color))

    def _refuse(self, kind: str, text: str) -> None:
        self.tally.count("refused")
        self.tally.report(kind, text)
