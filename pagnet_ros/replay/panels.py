"""Which frames of a recording are worth a picture: the worst, one at the median, the best. Bounded memory.

Owns the choice and small copies of the chosen frames. Every scored frame passes through `PanelCollector.add`; a frame
that may be shown is reduced to the size of a picture (whole, and the window where it fails most in its own pixels) and
kept until a better candidate comes. `panels` hands out what remained. Nothing here draws; `replay.report` does. Pure.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError

__all__ = ["FrameView", "Panel", "PanelCollector", "PanelSettings", "Snapshot", "View"]

Depth = NDArray[np.float32]


@dataclass(frozen=True)
class PanelSettings:
    """How much is kept.

    Attributes:
        worst: frames with the largest figure, 0 to 20.
        best: frames with the smallest figure, 0 to 20.
        apart_s: least time between two of the worst (or best) frames, so that they do not all show the same moment,
            seconds, 0 to 3600.
        side_px: longest side of a kept picture, pixels, 32 to 2048.
        methods: most methods kept of each frame, the first ones, 1 to 32.
    """

    worst: int = 3
    best: int = 1
    apart_s: float = 1.0
    side_px: int = 320
    methods: int = 8

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        limits = {"worst": (0, 20), "best": (0, 20), "apart_s": (0, 3600), "side_px": (32, 2048), "methods": (1, 32)}
        problems = [
            f"{name}={getattr(self, name)!r}, expected {low} to {high}"
            for name, (low, high) in limits.items()
            if not low <= getattr(self, name) <= high
        ]
        if problems:
            raise ConfigError("panels: " + "; ".join(problems))


@dataclass(frozen=True)
class FrameView:
    """One evaluated frame. Depths in metres, NaN where unknown.

    Attributes:
        index: number of the frame in the run.
        stamp_ns: of its depth image.
        time_s: since the first frame, seconds.
        rgb: `[H, W, 3]` uint8.
        measured_m: `[h, w]` float32, the network's input.
        reference_m: `[H, W]` float32, or None.
        depths_m: `[H, W]` float32 by method.
        figures: of this frame, by method and name.
    """

    index: int
    stamp_ns: int
    time_s: float
    rgb: NDArray[np.uint8]
    measured_m: Depth
    reference_m: Depth | None
    depths_m: Mapping[str, Depth]
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A part of a frame, small enough for a picture; all images show the same part.

    Attributes:
        rows: first and last-but-one row of the part, in colour pixels.
        columns: likewise.
        rgb: `[a, b, 3]` uint8.
        measured_m: `[c, d]` float32, its pixels as they are (blocks, where they are larger than those of colour).
        reference_m: `[a, b]` float32, or None.
        depths_m: `[a, b]` float32 by method.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    rgb: NDArray[np.uint8]
    measured_m: Depth
    reference_m: Depth | None
    depths_m: Mapping[str, Depth]


@dataclass(frozen=True)
class Snapshot:
    """What is kept of a frame: the whole of it, reduced, and its most telling window, in its own pixels."""

    index: int
    stamp_ns: int
    time_s: float
    whole: View
    window: View
    figures: Mapping[str, Mapping[str, float]]


class Panel(NamedTuple):
    """A frame to show.

    Attributes:
        role: "worst", "median", "best", or "sample" where no frame could be ranked.
        value: The figure it was ranked by; NaN for a sample.
        frame: What was kept of it.
    """

    role: str
    value: float
    frame: Snapshot


class _Ranked(NamedTuple):
    """A kept frame and its place: lower keys are kept rather than higher ones."""

    key: float
    value: float
    frame: Snapshot


class PanelCollector:
    """Chooses frames while they stream by.

    Keeps at most `worst + best + 9` reduced frames, and eight bytes of every frame's figure to know the median. The
    median's candidates are frames that lay near the median so far, and a sample spread evenly over the recording.
    """

    NEAR = 4
    SPREAD = 5

    def __init__(self, main: str, figure: str, settings: PanelSettings | None = None) -> None:
        """Begin without frames.

        Args:
            main: The method whose figure ranks the frames.
            figure: Name of that figure; the larger, the worse.
            settings: How much is kept.
        """
        self.main, self.figure = main, figure
        self._settings = settings or PanelSettings()
        self._values: list[float] = []
        self._worst: list[_Ranked] = []
        self._best: list[_Ranked] = []
        self._near: list[_Ranked] = []
        self._spread: list[_Ranked] = []
        self._stride, self._seen = 1, 0

    def add(self, view: FrameView) -> None:
        """Take a frame; the arrays are copied where they are kept."""
        value = float(view.figures.get(self.main, {}).get(self.figure, math.nan))
        kept: list[Snapshot] = []

        def snapshot() -> Snapshot:
            if not kept:
                kept.append(_reduce(view, self.main, self._settings))
            return kept[0]

        if self._seen % self._stride == 0:
            self._spread.append(_Ranked(float(self._seen), value, snapshot()))
            if len(self._spread) > self.SPREAD:
                self._stride *= 2
                self._spread = [r for r in self._spread if r.key % self._stride == 0]
        self._seen += 1
        if not math.isfinite(value):
            return
        bisect.insort(self._values, value)
        for ranked, key, size, apart_s in (
            (self._worst, -value, self._settings.worst, self._settings.apart_s),
            (self._best, value, self._settings.best, self._settings.apart_s),
            (self._near, abs(value - self._median()), self.NEAR, 0.0),
        ):
            if _has_place(ranked, key, view.time_s, size, apart_s):
                ranked[:] = [r for r in ranked if abs(r.frame.time_s - view.time_s) >= apart_s]
                bisect.insort(ranked, _Ranked(key, value, snapshot()), key=lambda r: r.key)
                del ranked[size:]

    def panels(self) -> list[Panel]:
        """The frames to show: worst first, then the median, then the best; no frame twice.

        Returns:
            Panels; one "sample" where no frame had a figure; empty where no frame came.
        """
        if not self._values:
            return [Panel("sample", math.nan, self._spread[0].frame)] if self._spread else []
        median = self._median()
        candidates = [r for r in (*self._near, *self._spread) if math.isfinite(r.value)]
        middle = sorted(candidates, key=lambda r: (abs(r.value - median), r.frame.index))[:1]
        shown: dict[int, Panel] = {}
        for role, ranked in (("worst", self._worst), ("median", middle), ("best", self._best)):
            for r in ranked:
                shown.setdefault(r.frame.index, Panel(role, r.value, r.frame))
        return list(shown.values())

    def _median(self) -> float:
        return self._values[(len(self._values) - 1) // 2]


def _has_place(ranked: list[_Ranked], key: float, time_s: float, size: int, apart_s: float) -> bool:
    """Whether a frame belongs among the lowest keys: beside frames of other moments, in place of those of its own."""
    if any(abs(r.frame.time_s - time_s) < apart_s and r.key <= key for r in ranked):
        return False
    others = [r for r in ranked if abs(r.frame.time_s - time_s) >= apart_s]
    return len(others) < size or (size > 0 and key < others[size - 1].key)


def _reduce(view: FrameView, main: str, settings: PanelSettings) -> Snapshot:
    names = [main, *(name for name in view.depths_m if name != main)][: settings.methods]
    depths = {name: view.depths_m[name] for name in view.depths_m if name in names}
    height, width = view.rgb.shape[:2]
    window = _telling_window(view, main)
    return Snapshot(
        view.index,
        view.stamp_ns,
        view.time_s,
        _part(view, depths, ((0, height), (0, width)), settings.side_px),
        _part(view, depths, window, settings.side_px),
        {name: dict(view.figures.get(name, {})) for name in depths},
    )


def _part(
    view: FrameView,
    depths: Mapping[str, Depth],
    area: tuple[tuple[int, int], tuple[int, int]],
    side_px: int,
) -> View:
    """Cut out a part and thin it to at most `side_px`; depths are sampled, so that no surfaces mix."""
    (top, bottom), (left, right) = area
    height, width = view.rgb.shape[:2]
    shrink = min(1.0, side_px / max(bottom - top, right - left))
    rows = _samples(top, bottom, max(1, round((bottom - top) * shrink)))
    columns = _samples(left, right, max(1, round((right - left) * shrink)))

    def pick(image: Depth) -> Depth:
        return np.array(image[rows[:, None], columns[None, :]], dtype=np.float32)

    rgb = cv2.resize(view.rgb[top:bottom, left:right], (columns.size, rows.size), interpolation=cv2.INTER_AREA)
    coarse_rows = rows * view.measured_m.shape[0] // height
    coarse_columns = columns * view.measured_m.shape[1] // width
    return View(
        rows=(top, bottom),
        columns=(left, right),
        rgb=np.asarray(rgb, dtype=np.uint8),
        measured_m=np.array(view.measured_m[coarse_rows[:, None], coarse_columns[None, :]], dtype=np.float32),
        reference_m=None if view.reference_m is None else pick(view.reference_m),
        depths_m={name: pick(depth) for name, depth in depths.items()},
    )


def _samples(first: int, end: int, count: int) -> NDArray[np.intp]:
    """`count` whole positions in [first, end), at the middles of equal parts."""
    return np.asarray(first + ((np.arange(count) + 0.5) * (end - first) / count).astype(np.intp))


def _telling_window(view: FrameView, main: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the window, a quarter of each side, where the method's error adds up to most.

    Without a reference the error is the difference from the measurement. Outliers are cut off at the 99.5th percentile,
    so that one pixel does not decide.
    """
    height, width = view.rgb.shape[:2]
    window = max(height // 4, 1), max(width // 4, 1)
    reference = view.reference_m
    if reference is None:
        reference = cv2.resize(view.measured_m, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    ours = view.depths_m.get(main)
    error = np.abs(reference - ours) if ours is not None else np.zeros((height, width), np.float32)
    known = error[np.isfinite(error)]
    if known.size:
        error = np.minimum(np.nan_to_num(error, nan=0.0, posinf=0.0), np.percentile(known, 99.5))
    else:
        error = np.zeros((height, width), np.float32)
    total = np.pad(error.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        total[window[0] :, window[1] :]
        - total[: -window[0], window[1] :]
        - total[window[0] :, : -window[1]]
        + total[: -window[0], : -window[1]]
    )
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return (int(top), int(top) + window[0]), (int(left), int(left) + window[1])
