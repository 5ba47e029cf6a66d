"""Bags as the stream of pairs that the node would make of them, if a player published them.

Messages come in order of recording, are paired undecoded, and only what is evaluated is decoded. A reference image
belongs to the depth image whose stamp is nearest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pagnet_ros.core.pairing import Pair
from pagnet_ros.errors import ConfigError, MessageError, RecordingError, printable
from pagnet_ros.messages.image import CdrCompressedImage, CdrImage, image_from_cdr
from pagnet_ros.messages.pair import PairReader, read_depth
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.recordings.joined import JoinedBags
from pagnet_ros.recordings.prefetch import Prefetch
from pagnet_ros.recordings.rgbd_topics import CAMERA_INFO, COMPRESSED, IMAGE, RgbdTopics, find_rgbd_topics
from pagnet_ros.replay.bag_calibrations import BagCalibrations
from pagnet_ros.replay.companions import Companions
from pagnet_ros.replay.frame import ReplayFrame, Source, SourceOptions
from pagnet_ros.replay.results import Recording
from pagnet_ros.system.units import MILLIMETRE, NS_PER_S, from_counts

MAX_LATE_NS = 10 * NS_PER_S
"""How much later than its partner an image may come: it bounds the memory where one stream is silent for long."""
WAITING = 100
"""Pairs that may wait for their reference or result, and images kept of those."""
_TRANSPORT = re.compile(r"/(compressedDepth|compressed)$")
_MESSAGE_OVERHEAD = 256


class _Job(NamedTuple):
    """A pair, and what else was recorded for it."""

    pair: Pair[BagMessage, BagMessage]
    reference: BagMessage | None = None
    result: BagMessage | None = None

    @property
    def depth_stamp_ns(self) -> int:
        return self.pair.depth_stamp_ns

    def with_image(self, stream: str, image: BagMessage | None) -> _Job:
        return self._replace(reference=image) if stream == "reference" else self._replace(result=image)


class BagSource(Source):
    """Frames of bags."""

    def __init__(self, paths: Sequence[str | Path], options: SourceOptions) -> None:
        """Open the bags and find the topics.

        Raises:
            RecordingError: nothing readable, topics that are missing, ambiguous, empty or of another type, or nothing
                in the time asked for.
        """
        super().__init__(options, MAX_LATE_NS)
        self.bag = JoinedBags(paths)
        try:
            self._topics = _checked(self.bag, find_rgbd_topics(self.bag, options.depth, options.color))
            self._reference = self._find_reference()
            self._result = _other_image(self.bag, "result", options.result, self._topics)
            self._start_ns, self._stop_ns = self._span()
        except BaseException:
            self.bag.__exit__()
            raise
        others = (("reference", self._reference, round(options.slop_ms * 1e6)), ("result", self._result, 0))
        self._companions: list[tuple[str, Companions[_Job, BagMessage]]] = [
            (stream, Companions(slop_ns, WAITING)) for stream, topic, slop_ns in others if topic
        ]
        self._unit_m = options.depth_unit_m or MILLIMETRE
        self._calibrations = BagCalibrations(
            self.bag, self._topics, self.stats, reproject=options.reproject, pose=options.depth_pose
        )
        self._reader = PairReader(
            self._topics.depth, self._topics.color, self.stats.report, self._unit_m, self._calibrations.align
        )
        self.recording = Recording(
            paths=tuple(printable(Path(path).name) for path in paths),
            kind="bag",
            depth=self._topics.depth,
            color=self._topics.color,
            reference=self._reference,
            camera_info=self._topics.camera_info,
            start_s=options.start_s,
            duration_s=options.duration_s,
            every=options.every,
        )
        share = (self._stop_ns - self._start_ns) / max(1, self.bag.end_ns - self.bag.start_ns)
        self.expected = max(1, round(share * self.bag.topics[self._topics.depth].count / options.every))

    def __exit__(self, *exc: object) -> None:
        self.bag.__exit__()

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far."""
        return tuple(self.bag.damage)

    def frames(
        self, tap: Callable[[BagMessage], None] | None = None, only: Collection[int] | None = None
    ) -> Iterator[ReplayFrame]:
        """Frames in the order in which the node would get them; see `Source`."""
        for number, (job, recorded_ns) in enumerate(self._jobs(tap)):
            if self._leaves_out(number, only):
                continue
            if self._result and job.result is None:
                self.stats.count("skipped")
                self.stats.report(
                    "no_result",
                    f"{self._result}: no result with the depth stamp {job.depth_stamp_ns} ns; expected one for each "
                    "pair, though the node skips frames when it is busy",
                )
                continue
            frame = self._read(number, job, recorded_ns)
            if frame is not None:
                yield frame

    def _jobs(self, tap: Callable[[BagMessage], None] | None) -> Iterator[tuple[_Job, int]]:
        """Pairs with what belongs to them, and the time of recording that completed them."""
        streams = {self._topics.depth: "depth", self._topics.color: "color"}
        if self._reference:
            streams[self._reference] = "reference"
        if self._result:
            streams[self._result] = "result"
        streams |= dict.fromkeys(self._calibrations.start(), "camera_info")
        wanted = () if tap else tuple(streams)
        recorded_ns = self._start_ns
        with Prefetch(self.bag.messages(wanted, self._start_ns, self._stop_ns), size=_size) as messages:
            for message in messages:
                if tap:
                    tap(message)
                recorded_ns = message.stamp_ns
                for job in self._add(streams.get(message.topic.name, ""), message):
                    yield job, recorded_ns
        for job in self._decided(self._paired(self._pairing.flush()), flush=True):
            yield job, recorded_ns

    def _add(self, stream: str, message: BagMessage) -> list[_Job]:
        """The pairs that one message completes."""
        if stream == "camera_info":
            self._calibrations.add(message)
        if stream in ("", "camera_info"):
            return []
        stamp_ns = message.header_stamp_ns
        if stamp_ns is None:
            self.stats.count(stream)
            self.stats.report(
                "no_header",
                f"{message.topic.name}: a message too short for a header, or whose stamp has a billion nanoseconds or "
                "more; it is left out",
            )
            return []
        if not self.stats.add_stamp(stream, message.topic.name, stamp_ns):
            return []
        for place, (name, images) in enumerate(self._companions):
            if name == stream:
                jobs = [job.with_image(name, image) for job, image in images.add(stamp_ns, message)]
                return self._decided(jobs, place + 1)
        add = self._pairing.add_depth if stream == "depth" else self._pairing.add_color
        return self._decided(self._paired(add(stamp_ns, message)))

    def _paired(self, pairs: list[Pair[BagMessage, BagMessage]]) -> list[_Job]:
        for pair in pairs:
            self.stats.add_pair(pair.depth_stamp_ns, pair.color_stamp_ns)
        return [_Job(pair) for pair in pairs]

    def _decided(self, jobs: list[_Job], first: int = 0, *, flush: bool = False) -> list[_Job]:
        """The jobs whose reference and result are decided, those of the streams before the `first` being known."""
        for name, images in self._companions[first:]:
            decided = images.add_pairs(jobs) + (images.flush() if flush else [])
            jobs = [job.with_image(name, image) for job, image in decided]
        return jobs

    def _read(self, number: int, job: _Job, recorded_ns: int) -> ReplayFrame | None:
        """Decode and check a pair; None if it is refused."""
        started = time.perf_counter_ns()
        pair = job.pair
        try:
            color = _image(pair.color)
            depth, rgb = self._reader.read(_image(pair.depth), color)
            reference, result = (
                None if image is None else read_depth(_image(image), image.topic.name)
                for image in (job.reference, job.result)
            )
            reference = None if reference is None else from_counts(reference, self._unit_m)
        except (MessageError, RecordingError) as error:
            self._refuse(getattr(error, "kind", "undecodable"), str(error))
            return None
        info, intrinsics = self._calibrations.color(rgb.shape[0], rgb.shape[1])
        return ReplayFrame(
            index=number,
            depth_stamp_ns=pair.depth_stamp_ns,
            color_stamp_ns=pair.color_stamp_ns,
            depth=depth,
            rgb=rgb,
            reference=reference,
            result=result,
            intrinsics=intrinsics,
            camera_info=info,
            frame_id=color.header.frame_id.lstrip("/"),
            recorded_ns=recorded_ns,
            decode_ms=(time.perf_counter_ns() - started) / 1e6,
        )

    def _find_reference(self) -> str | None:
        """The topic asked for, or the one that our own tools write beside the depth topic."""
        if not self._options.use_reference:
            return None
        if self._options.reference:
            return _other_image(self.bag, "reference", self._options.reference, self._topics)
        base = _TRANSPORT.sub("", self._topics.depth)
        guesses = (f"{base}_reference", f"{base}_truth")
        return next((g for g in guesses if g in self.bag.topics and self.bag.topics[g].count), None)

    def _span(self) -> tuple[int, int]:
        """Recording times to read between."""
        start_ns = self.bag.start_ns + round(self._options.start_s * NS_PER_S)
        stop_ns = self.bag.end_ns
        if self._options.duration_s is not None:
            stop_ns = min(stop_ns, start_ns + round(self._options.duration_s * NS_PER_S))
        if start_ns >= stop_ns:
            length_s = (self.bag.end_ns - self.bag.start_ns) / NS_PER_S
            raise RecordingError(
                f"{self.bag.path}: nothing to replay from {self._options.start_s:g} s on; it is {length_s:.3f} s long"
            )
        return start_ns, stop_ns


def _checked(bag: JoinedBags, topics: RgbdTopics) -> RgbdTopics:
    """The same topics, if both are image topics with messages, and not one and the same."""
    if topics.depth == topics.color:
        raise ConfigError(f"{topics.depth} is named as depth and as colour; expected two topics")
    for name in (topics.depth, topics.color):
        _check_image(bag, name)
    info = topics.camera_info
    if info and not (bag.topics[info].msgtype == CAMERA_INFO and bag.topics[info].count):
        return replace(topics, camera_info=None)
    return topics


def _other_image(bag: JoinedBags, what: str, name: str, topics: RgbdTopics) -> str | None:
    """A topic of depth images beside the inputs; None where none is named."""
    if not name:
        return None
    (found,) = bag.check_topics([name])
    if found in (topics.depth, topics.color):
        raise ConfigError(f"{what} {found} is the depth or colour topic itself; expected another depth topic")
    _check_image(bag, found)
    return found


def _check_image(bag: JoinedBags, name: str) -> None:
    topic = bag.topics[name]
    images = ", ".join(sorted(n for n, t in bag.topics.items() if t.msgtype in (IMAGE, COMPRESSED)))
    if topic.msgtype not in (IMAGE, COMPRESSED):
        raise RecordingError(
            f"{bag.path}: {name} is {topic.msgtype}; expected {IMAGE} or {COMPRESSED}. Image topics: {images or 'none'}"
        )
    if not topic.count:
        raise RecordingError(f"{bag.path}: {name} has no messages; expected some. Topics:\n{bag.describe()}")


def _image(message: BagMessage) -> CdrImage | CdrCompressedImage:
    """The message's fields; a failure names the topic."""
    try:
        return image_from_cdr(message.raw, message.topic.msgtype)
    except RecordingError as error:
        raise RecordingError(f"{message.topic.name}: {error}") from error


def _size(message: BagMessage) -> int:
    return _MESSAGE_OVERHEAD + len(message.raw)
