"""Which frames of a recording the report shows: the worst, one at the median, the best; read again and drawn.

Only each frame's value is kept while the replay runs (24 bytes a frame). At the end the few chosen frames are read and
answered once more, and drawn by `pictures`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.metrics import METRICS, FrameTruth
from pagnet_ros.replay.pictures import Scene, draw_scene, picture_url
from pagnet_ros.replay.run import Given
from pagnet_ros.replay.run_options import MethodOutputs, Scores

WORST, APART_S = 3, 1.0
"""How many of the worst frames are shown, and how many seconds apart, so that they are not all of one moment."""


class Chosen(NamedTuple):
    """A frame to show: why, its number, seconds since the first frame, and the value by which it was chosen."""

    role: str
    number: int
    time_s: float
    value: float


class Picture(NamedTuple):
    """A drawn frame: heading, what to know of it, and its `data:` URL."""

    title: str
    text: str
    url: str


class Ranking:
    """Notes one metric of one method for every frame; an observer of the run."""

    def __init__(self, main: str, mode: str) -> None:
        """Begin without frames.

        Args:
            main: the method judged.
            mode: of the run, which says by which metric frames can be ranked.
        """
        self.main = main
        self.metric = METRICS["consistency_m" if mode == "none" else "rmse_m"]
        self._first_ns: int | None = None
        self._rows = array("d")

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: MethodOutputs, scores: Scores) -> None:
        """Note one frame."""
        if self._first_ns is None:
            self._first_ns = frame.recorded_ns
        value = scores.get(self.main, {}).get(self.metric.name, math.nan)
        self._rows.extend((frame.index, (frame.recorded_ns - self._first_ns) / 1e9, value))

    def chosen(self) -> list[Chosen]:
        """The frames to show: worst first, then the median, then the best, no frame twice.

        Returns:
            The first frame as a sample where none has a value; empty where no frame came.
        """
        rows = list(zip(self._rows[0::3], self._rows[1::3], self._rows[2::3], strict=True))
        ranked = sorted((row for row in rows if math.isfinite(row[2])), key=lambda row: (-row[2], row[0]))
        if not ranked:
            return [Chosen("A frame", int(index), time_s, math.nan) for index, time_s, _ in rows[:1]]
        worst: list[tuple[float, float, float]] = []
        for row in ranked:
            if len(worst) < WORST and all(abs(row[1] - other[1]) >= APART_S for other in worst):
                worst.append(row)
        roles = [*(("Worst frame", row) for row in worst)]
        roles += [("Median frame", ranked[len(ranked) // 2]), ("Best frame", ranked[-1])]
        found: dict[int, Chosen] = {}
        for role, (index, time_s, value) in roles:
            found.setdefault(int(index), Chosen(role, int(index), time_s, value))
        return list(found.values())


def draw_chosen(ranking: Ranking, again: Callable[[Collection[int]], Iterable[Given]]) -> list[Picture]:
    """Read the chosen frames again and draw them.

    Args:
        ranking: of a run that is over.
        again: answers of the same methods to the frames of these numbers.
    """
    chosen = ranking.chosen()
    urls: dict[int, Picture] = {}
    by_index = {entry.number: entry for entry in chosen}
    for given in again(by_index.keys()):
        entry = by_index[given.frame.index]
        metric, truth = ranking.metric, given.truth
        order = sorted(given.outputs, key=lambda name: name != ranking.main)
        if not order:
            continue
        scene = Scene(truth.rgb, truth.measured_m, truth.reference_m, {n: given.outputs[n].depth_m for n in order})
        value = f": {metric.label} of {ranking.main} {metric.shown(entry.value)} {metric.shown_unit}"
        name = f" ({given.frame.name})" if given.frame.name else ""
        urls[entry.number] = Picture(
            entry.role + (value if math.isfinite(entry.value) else ""),
            f"Frame {entry.number}{name} at {entry.time_s:.2f} s, depth stamp {given.frame.depth_stamp_ns} ns. "
            f"Grey: unknown; black: nothing given.",
            picture_url(draw_scene(scene)),
        )
    return [urls[entry.number] for entry in chosen if entry.number in urls]
