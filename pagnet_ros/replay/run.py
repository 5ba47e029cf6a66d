"""The replay itself: each frame to every method, every answer to its scorer.

Data flows from the source through the mode (what is compared with what) to the methods, from there to the scorers and
the observers, and at the end into `results.Results`. Metrics depend on the recording only; times are kept apart.
Scoring runs in a thread of its own, one frame behind the methods.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from pagnet_ros.errors import ConfigError, InputError, RecordingError
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.replay.frame import ReplayFrame, Source
from pagnet_ros.replay.methods import Method, MethodOutput
from pagnet_ros.replay.metrics import METRICS, FrameContexts, FrameTruth, Scorer
from pagnet_ros.replay.results import MethodResult, Results, plain
from pagnet_ros.replay.run_options import Metres, Observer, RunOptions, Scores, downsampled
from pagnet_ros.replay.timeline import Timeline, Times, versions


def evaluate(
    source: Source,
    methods: Sequence[Method],
    options: RunOptions,
    observers: Sequence[Observer] = (),
    progress: Callable[[int], None] = lambda done: None,
    tap: Callable[[BagMessage], None] | None = None,
) -> Results:
    """Replay a recording.

    Args:
        source: the open recording; it is read to its end.
        methods: what to compare, with names that differ.
        options: how.
        observers: see every evaluated frame.
        progress: called after each frame with the number of evaluated frames.
        tap: sees every message of a bag before the frames it completes.

    Returns:
        Everything that was found out.

    Raises:
        ConfigError: no methods, equal names, or a mode that does not fit the recording.
        RecordingError: not a single frame could be evaluated; the message says why.
        DeviceError: the device ran out of memory.
    """
    names = [method.name for method in methods]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"methods {', '.join(names) or 'none'}; expected at least one, each name once")
    return _Run(source, methods, options, observers).results(progress, tap)


def answers(source: Source, methods: Sequence[Method], options: RunOptions, only: Collection[int]) -> Iterator[Given]:
    """The methods' answers to some frames of a recording, once more, as they stand after a run; nothing is scored."""
    run = _Run(source, methods, options, ())
    left = set(only)
    frames = source.frames(only=only)
    while left and (frame := next(frames, None)) is not None:
        left.discard(frame.index)
        given = run.answer(frame)
        if given is not None:
            yield given


def main_method(methods: Sequence[Method]) -> str:
    """Name of the method that is judged: the first network, else the first method."""
    return next((method.name for method in methods if method.kind == "network"), methods[0].name)


LEADING = tuple(metric.name for metric in METRICS.values() if metric.lead)
"""Metrics followed over time; all of them are in frames.csv."""


class Given(NamedTuple):
    """A frame with the methods' answers, on its way to the scorers."""

    frame: ReplayFrame
    truth: FrameTruth
    outputs: dict[str, MethodOutput]
    times_ms: dict[str, float]


class _Run:
    """State of one replay."""

    def __init__(
        self, source: Source, methods: Sequence[Method], options: RunOptions, observers: Sequence[Observer]
    ) -> None:
        self._source, self._methods, self._options, self._observers = source, methods, options, observers
        self._mode = options.resolved(source.recording.reference is not None)
        self._metres = Metres(options.pipeline.min_depth_m, options.pipeline.max_depth_m)
        self._contexts = FrameContexts(options.metrics)
        with_reference = self._mode != "none"
        self._scorers = {method.name: Scorer(options.metrics, with_reference) for method in methods}
        self._failed = {method.name: 0 for method in methods}
        self._answered = {method.name: 0 for method in methods}
        self._given: set[str] = set()
        self._timeline = Timeline()
        self._times = Times()
        self._first: ReplayFrame | None = None

    def results(self, progress: Callable[[int], None], tap: Callable[[BagMessage], None] | None) -> Results:
        """Read the source to its end."""
        started = time.perf_counter()
        done = 0
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring") as pool:
            waiting: tuple[Given, Future[Scores]] | None = None
            for frame in self._timed_frames(tap):
                given = self.answer(frame, first=self._first is None)
                if given is None:
                    continue
                if waiting is not None:
                    self._finish(waiting[0], waiting[1].result())
                waiting = given, pool.submit(self._score, given)
                done += 1
                progress(done)
            if waiting is not None:
                self._finish(waiting[0], waiting[1].result())
        if not done:
            raise RecordingError(self._why_nothing())
        return self._collect(done, time.perf_counter() - started)

    def _timed_frames(self, tap: Callable[[BagMessage], None] | None) -> Iterator[ReplayFrame]:
        """The source's frames; how long each took to read goes to the times."""
        frames = self._source.frames(tap)
        while True:
            began = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                return
            self._times.stages_ms["decode"] = frame.decode_ms
            self._times.stages_ms["read"] = max(0.0, (time.perf_counter() - began) * 1e3 - frame.decode_ms)
            yield frame

    def answer(self, recorded: ReplayFrame, first: bool = False) -> Given | None:
        """Every method's answer to one frame, the `first` after warming up; None if the frame is refused."""
        began = time.perf_counter()
        try:
            frame = self._prepared(recorded)
        except InputError as error:
            self._source.stats.count("refused")
            self._source.stats.report(getattr(error, "kind", "bad_frame"), str(error))
            return None
        truth = self._truth(frame)
        times_ms = {**self._times.stages_ms, "prepare": (time.perf_counter() - began) * 1e3}
        outputs: dict[str, MethodOutput] = {}
        for method in self._methods if first else ():
            with contextlib.suppress(InputError):  # said, and counted, when it answers
                method.warm_up(frame)
        for method in self._methods:
            began = time.perf_counter()
            try:
                outputs[method.name] = method(frame, truth.measured_m)
            except InputError as error:
                self._failed[method.name] += 1
                self._source.stats.report(f"{method.name}_failed", str(error))
            times_ms[f"{method.name}/ms"] = (time.perf_counter() - began) * 1e3
        self._source.stats.count("evaluated")
        limits = self._options.pipeline
        self._source.report_range(frame.depth, limits.min_depth_m, limits.max_depth_m)
        self._first = self._first or frame
        return Given(frame, truth, outputs, times_ms)

    def _prepared(self, frame: ReplayFrame) -> ReplayFrame:
        """What the methods get of a frame in this mode."""
        if self._mode == "self":
            return downsampled(frame, self._options.scale or 1)
        if frame.reference is None:
            return frame
        if self._mode == "none":
            return dataclasses.replace(frame, reference=None)
        if frame.reference.shape != frame.rgb.shape[:2]:
            (h, w), (height, width) = frame.reference.shape, frame.rgb.shape[:2]
            raise InputError(
                f"reference is {w} x {h} and colour {width} x {height}; expected a reference of the colour image's "
                "size, because results have it; name another --reference, or use --scale"
            )
        return frame

    def _truth(self, frame: ReplayFrame) -> FrameTruth:
        reference = None
        if frame.reference is not None:
            reference = self._metres(frame.reference)
        elif self._mode == "reference":
            self._source.stats.count("without_reference")
            reference = np.full(frame.rgb.shape[:2], np.nan, np.float32)
        return FrameTruth(reference, self._metres(frame.depth), frame.rgb, frame.intrinsics, frame.pose)

    def _score(self, given: Given) -> Scores:
        """Metrics of one frame; in the scoring thread."""
        if not self._options.score:
            return {}
        began = time.perf_counter()
        context = self._contexts.next(given.truth)
        pixels = {name: np.isfinite(output.depth_m) & (output.depth_m > 0) for name, output in given.outputs.items()}
        among = frozenset(name for name, where in pixels.items() if where.any())
        self._given |= among
        common = np.logical_and.reduce([pixels[name] for name in among]) if among else None
        scores = {
            name: self._scorers[name].add(context, output.depth_m, output.sigma_m, common, among)
            for name, output in given.outputs.items()
        }
        given.times_ms["score"] = (time.perf_counter() - began) * 1e3
        return scores

    def _finish(self, given: Given, scores: Scores) -> None:
        """Note what belongs to time, and show the frame to the observers."""
        assert self._first is not None
        frame = given.frame
        time_s = (frame.recorded_ns - self._first.recorded_ns) / 1e9
        values = {f"{name}/{key}": row[key] for name, row in scores.items() for key in LEADING if key in row}
        values["pairing/offset_ms"] = (frame.color_stamp_ns - frame.depth_stamp_ns) / 1e6
        self._timeline.add(time_s, values)
        for name in given.outputs:
            self._answered[name] += 1
        began = time.perf_counter()
        for observer in self._observers:
            observer.on_frame(frame, given.truth, given.outputs, scores)
        if self._observers:
            given.times_ms["observe"] = (time.perf_counter() - began) * 1e3
        self._times.add(time_s, given.times_ms)

    def _collect(self, done: int, wall_s: float) -> Results:
        first, source = self._first, self._source
        assert first is not None
        self._report_silent()
        seconds = self._times.last_s
        recording = dataclasses.replace(
            source.recording,
            depth_size=(first.depth.shape[0], first.depth.shape[1]),
            color_size=(first.rgb.shape[0], first.rgb.shape[1]),
            seconds=seconds,
        )
        settings = {
            "pipeline": plain(dataclasses.asdict(self._options.pipeline)),
            "metrics": plain(dataclasses.asdict(self._options.metrics)),
            "scored": self._options.score,
        }
        return Results(
            mode=self._mode,
            scale=self._options.scale if self._mode == "self" else None,
            recording=recording,
            settings=settings,
            counts=source.stats.counts,
            pairing=source.pairing,
            problems=source.stats.problems,
            damage=source.damage,
            main=main_method(self._methods),
            methods=tuple(self._method_result(method) for method in self._methods),
            timeline=tuple(self._timeline.series()),
            provenance=versions(),
            timings=self._times.summary(done, wall_s, seconds),
        )

    def _report_silent(self) -> None:
        """Name the methods that others cannot be compared with."""
        silent = [method.name for method in self._methods if method.name not in self._given]
        if self._options.score and self._mode != "none" and silent:
            self._source.stats.report(
                "no_depth",
                f"{', '.join(silent)} gives no depth in any frame: left out of the common pixels, on which the other "
                "methods are compared",
            )

    def _method_result(self, method: Method) -> MethodResult:
        summary = dict(self._scorers[method.name].summary(frozenset(self._given)))
        summary.pop("frames", None)
        return MethodResult(
            name=method.name,
            kind=method.kind,
            detail=plain(method.detail),
            frames=self._answered[method.name],
            failed=self._failed[method.name],
            metrics=summary.pop("metrics"),
            by_range=tuple(summary.pop("by_range", ())),
            calibration=tuple(summary.pop("calibration", ())),
            extra=summary,
        )

    def _why_nothing(self) -> str:
        """Why not a single frame could be evaluated."""
        counts, pairing, problems = self._source.stats.counts, self._source.pairing, self._source.stats.problems
        what = f"{', '.join(self._source.recording.paths)}: nothing to evaluate among {counts.depth} depth and "
        what += f"{counts.color} colour images"
        if counts.pairs:
            texts = "; ".join(f"{p.text} ({p.count} times)" for p in problems if p.level != "info")
            return f"{what}: {counts.pairs} pairs, {counts.refused} refused. {texts}"
        nearest = "" if pairing.last_offset_ms is None else f" (the last was off by {pairing.last_offset_ms:+.1f} ms)"
        texts = "".join(f" {p.text}." for p in problems)
        return (
            f"{what}: no stamps within {pairing.slop_ms:g} ms of each other{nearest}; expected depth and colour "
            f"stamped by one clock; --slop takes a larger difference.{texts}"
        )
