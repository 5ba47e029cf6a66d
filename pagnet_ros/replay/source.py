"""Recordings as pairs: a folder of frames here, bags in `bag_source`, and the choice between the two.

Data flows from `open_source` through `Source.frames` to the run. Sources pair and refuse as the node does: the header
stamps through `pairing.NearestPairing`, the images through `messages.pair.PairReader`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pagnet_ros.core.pairing import Pair
from pagnet_ros.errors import ConfigError, MessageError, RecordingError, printable
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame, open_frames
from pagnet_ros.recordings.images import read_rgb
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.replay.bag_source import BagSource
from pagnet_ros.replay.frame import ReplayFrame, Source, SourceOptions
from pagnet_ros.replay.results import Recording
from pagnet_ros.system.units import NS_PER_S

FILES = "files"


class _Event(NamedTuple):
    """An image in order of stamps; colour (0) before depth (1) of the same stamp, as a player publishes them."""

    stamp_ns: int
    stream: int
    file: int


class FolderSource(Source):
    """Frames of a folder, as the stream of pairs that the node would make of it, if a player published it."""

    def __init__(self, frames: FrameFolder, options: SourceOptions) -> None:
        """Choose the frames.

        Raises:
            RecordingError: no frame lies in the time asked for.
        """
        super().__init__(options)
        self._frames, self._name = frames, printable(frames.path.name)
        self._reader = PairReader(f"{self._name}: depth", f"{self._name}: colour", self.stats.report)
        self._damage: list[str] = []
        for note in frames.notes:
            self.stats.report("folder", f"{self._name}: {note}", "info")
        self._events = self._choose()
        has_reference = options.use_reference and any(entry.reference for entry in frames.files)
        self.recording = Recording(
            paths=(self._name,),
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

    @property
    def damage(self) -> tuple[str, ...]:
        """Frames that could not be read so far."""
        return tuple(self._damage)

    def frames(
        self, tap: Callable[[BagMessage], None] | None = None, only: Collection[int] | None = None
    ) -> Iterator[ReplayFrame]:
        """Frames in order of stamps, those with a number in `only` if given; there are no messages for `tap` to see."""
        del tap
        for number, pair in enumerate(self._pairs()):
            self.stats.add_pair(pair.depth_stamp_ns, pair.color_stamp_ns)
            if not self._leaves_out(number, only) and (frame := self._read(number, pair)) is not None:
                yield frame

    def _pairs(self) -> Iterator[Pair[int, int]]:
        for event in self._events:
            stream, add = ("depth", self._pairing.add_depth) if event.stream else ("color", self._pairing.add_color)
            if self.stats.add_stamp(stream, f"{self._name}: {stream}", event.stamp_ns):
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
        except MessageError as error:
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


def open_source(paths: Sequence[str | Path], options: SourceOptions) -> Source:
    """Open bags, or one folder of frames.

    Args:
        paths: bag folders, .mcap or .db3 files; or one folder of frames.
        options: what to read of them.

    Returns:
        A context manager that hands out frames.

    Raises:
        RecordingError: nothing readable there, topics that are missing, ambiguous, empty or of another type.
        ConfigError: options that do not fit.
    """
    if not paths:
        raise ConfigError("nothing to replay; expected a bag or a folder of frames")
    first = Path(paths[0]).expanduser()
    if len(paths) == 1 and _is_frame_folder(first):
        named = [name for name in ("depth", "color", "reference", "result") if getattr(options, name)]
        if named:
            raise ConfigError(
                f"{first} is a folder of frames, which has no topics, but --{' and --'.join(named)} names one; leave "
                "it out, or name a bag"
            )
        return FolderSource(
            open_frames(first, hz=options.hz, only=options.only, depth_unit_m=options.depth_unit_m), options
        )
    frames = [str(path) for path in paths if _is_frame_folder(Path(path).expanduser())]
    if frames:
        raise RecordingError(
            f"{', '.join(frames)}: folders of frames are replayed one at a time; expected one, or bags"
        )
    return BagSource(paths, options)


def _is_frame_folder(path: Path) -> bool:
    """Whether a folder holds frames; a bag folder never does."""
    if not path.is_dir() or (path / "metadata.yaml").exists():
        return False
    return not any(f.suffix in (".mcap", ".db3") for f in path.iterdir()) and detect_layout(path) is not None
