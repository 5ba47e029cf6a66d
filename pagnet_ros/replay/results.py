"""What a replay found out, as plain data: the schema of `results.json`.

Everything but `timings` is the same, byte for byte, in two runs
over one recording on one machine. Undefined metrics are None, never NaN, so any JSON reader takes the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError, quoted
from pagnet_ros.system.files import TextFileError, read_text

FORMAT = 2
"""Version of the schema. A reader refuses any other: metrics whose meaning changed must not be compared."""

MAX_BYTES = 256 * 1024 * 1024

Size = tuple[int, int]


@dataclass(frozen=True)
class Recording:
    """What was replayed.

    Attributes:
        paths: names of the bags or of the folder, without the way to them.
        kind: "bag" or "frames".
        depth: depth topic, or "files".
        color: colour topic, or "files".
        reference: topic of the reference, "files", or None.
        camera_info: topic of the calibration, "files", or None.
        start_s: how much of the beginning was left out, seconds.
        duration_s: how much was replayed, seconds; None for all.
        every: each how-many-th pair was evaluated.
        depth_size: ``(h, w)`` of the methods' input in the first evaluated frame, None if there was none.
        color_size: ``(H, W)`` of their output, likewise.
        seconds: from the first to the last evaluated pair, by the time of recording.
    """

    paths: tuple[str, ...]
    kind: str
    depth: str
    color: str
    reference: str | None
    camera_info: str | None
    start_s: float = 0.0
    duration_s: float | None = None
    every: int = 1
    depth_size: Size | None = None
    color_size: Size | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Counts:
    """How many of what.

    Attributes:
        depth: depth images read.
        color: colour images read.
        reference: reference images read.
        pairs: depth images that found their colour image.
        evaluated: pairs given to the methods.
        refused: pairs that could not be evaluated; `Results.problems` says why.
        skipped: pairs left out by ``--every``.
        without_reference: evaluated pairs for which there was no reference.
    """

    depth: int = 0
    color: int = 0
    reference: int = 0
    pairs: int = 0
    evaluated: int = 0
    refused: int = 0
    skipped: int = 0
    without_reference: int = 0


@dataclass(frozen=True)
class Pairing:
    """How depth and colour came together.

    Attributes:
        slop_ms: largest stamp difference of a pair, milliseconds.
        queue_size: most images that waited for a partner; None for any number.
        paired: depth images that found their colour image.
        depth_unmatched: depth images without one.
        color_unmatched: colour images that served no depth image.
        duplicate: images with the stamp of the one before.
        backward_jumps: times a stamp went backwards.
        forward_jumps: times a stamp went ahead by more than a second and ten periods.
        zero_stamps: images without a stamp, which the node refuses.
        last_offset_ms: colour minus depth stamp of the last decision, matched or not, milliseconds; None before any.
        offset_ms: colour minus depth stamp of the pairs, milliseconds: "p5", "p50", "p95", "max_abs"; None without
            pairs.
    """

    slop_ms: float
    queue_size: int | None
    paired: int = 0
    depth_unmatched: int = 0
    color_unmatched: int = 0
    duplicate: int = 0
    backward_jumps: int = 0
    forward_jumps: int = 0
    zero_stamps: int = 0
    last_offset_ms: float | None = None
    offset_ms: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Problem:
    """One kind of trouble.

    Attributes:
        kind: short name, the node's where it reports the same.
        level: "error", "warn" or "info".
        count: how often.
        text: the message of the first time.
    """

    kind: str
    level: str
    count: int
    text: str


@dataclass(frozen=True)
class MethodResult:
    """One method's metrics over all frames.

    Attributes:
        name: as given on the command line.
        kind: "network", "baseline" or "identity".
        detail: what exactly ran: scales, digests of weights, options.
        frames: frames it answered.
        failed: frames it could not answer.
        metrics: pooled over all frames, by the names in `metrics.METRICS`; None where undefined.
        by_range: rows of error by distance.
        calibration: rows of expected against observed error.
        extra: whatever else the scorer says.
    """

    name: str
    kind: str
    detail: Mapping[str, Any]
    frames: int
    failed: int
    metrics: Mapping[str, float | None]
    by_range: tuple[Mapping[str, Any], ...] = ()
    calibration: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Everything a replay found out.

    Attributes:
        mode: "reference" (against a recorded one), "self" (against the recorded depth, `scale` times finer than the
            methods' input) or "none".
        scale: factor of mode "self", else None.
        recording: what was replayed.
        settings: everything that can change a metric: options of pipeline and metrics.
        counts: how many of what.
        pairing: how depth and colour came together.
        problems: what went wrong, by kind.
        damage: what could not be read, one sentence each; empty for a whole recording.
        main: name of the method that is judged: the first network.
        methods: in the order given.
        timeline: metrics over time, as `timeline.Timeline.series` gives them.
        provenance: versions of what computed this.
        timings: all that differs between two runs.
        format: version of this schema.
    """

    mode: str
    scale: int | None
    recording: Recording
    settings: Mapping[str, Any]
    counts: Counts
    pairing: Pairing
    problems: tuple[Problem, ...]
    damage: tuple[str, ...]
    main: str
    methods: tuple[MethodResult, ...]
    timeline: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    timings: Mapping[str, Any]
    format: int = FORMAT

    def method(self, name: str) -> MethodResult | None:
        """The method of that name, if it ran."""
        return next((method for method in self.methods if method.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `format` first, `timings` last."""
        values = plain(dataclasses.asdict(self))
        return {"format": values.pop("format"), **values}

    def to_json(self) -> str:
        """The text of `results.json`."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: str = "results") -> Results:
        """Read what `to_json` wrote.

        Args:
            text: JSON.
            origin: what to call it in an error.

        Raises:
            ConfigError: not JSON, another format, or fields missing.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{origin} is no JSON ({error}); expected a results.json of the replay") from error
        found = values.get("format") if isinstance(values, dict) else None
        if found != FORMAT:
            raise ConfigError(
                f"{origin} has format {quoted(found)}; expected {FORMAT}: a results.json of this version of the "
                "replay. Replay the old recording again to compare"
            )
        try:
            return _from_dict(values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{origin} lacks or has unknown fields ({error}); replay again to make it anew"
            ) from error


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a `results.json`.

    Raises:
        ConfigError: no such file, too large, not JSON, or another format.
    """
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            file = file / "results.json"
        text = read_text(file, MAX_BYTES)
    except (OSError, TextFileError) as error:
        raise ConfigError(f"{file} cannot be read ({error}); expected the results.json of an earlier replay") from error
    return Results.from_json(text, str(file))


def plain(value: Any) -> Any:
    """The same in JSON's own types: NumPy numbers as Python's, tuples as lists, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    number = float(value)
    return number if math.isfinite(number) else None


def _from_dict(values: dict[str, Any]) -> Results:
    def sizes(recording: dict[str, Any]) -> dict[str, Any]:
        names = ("paths", "depth_size", "color_size")
        return {**recording, **{n: tuple(recording[n]) for n in names if recording.get(n) is not None}}

    def rows(method: dict[str, Any]) -> dict[str, Any]:
        return {**method, **{name: tuple(method[name]) for name in ("by_range", "calibration")}}

    parts: dict[str, Any] = {
        "recording": Recording(**sizes(values["recording"])),
        "counts": Counts(**values["counts"]),
        "pairing": Pairing(**values["pairing"]),
        "problems": tuple(Problem(**problem) for problem in values["problems"]),
        "damage": tuple(values["damage"]),
        "methods": tuple(MethodResult(**rows(method)) for method in values["methods"]),
        "timeline": tuple(values["timeline"]),
    }
    return Results(**{**values, **parts})
