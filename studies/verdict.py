"""A fitted profile against the known one, on the pixels that were recorded: where it is right, and whether it knew.

What is compared is what a profile says of actual pixels (noise and missing rate, by range, brightness and distance to
an edge), not its parameters: two sets of parameters may say the same. Single parameters are compared where both sides
mean the same by them, and to see whether their intervals hold what they promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.sensors import SensorProfile
from pagnet_training.sensors.fit import Curves
from pagnet_training.sensors.images import edge_mask
from studies.known_sensors import Recording, in_range, missing_map, sigma_map
from studies.regions import distance_to
from studies.sequences import TrueFrame, true_frames

SIGMA_RELATIVE = 0.10
MISSING_ABSOLUTE = 0.03
MISSING_RELATIVE = 0.15
SCALARS = (
    "noise_correlation_px", "noise_persistence", "noise_tail", "hole_size_px", "hole_persistence", "flying",
    "disparity_step_px", "depth_step_m",
)  # fmt: skip

WHITE_PX = 0.2  # the simulator's white noise: narrower kernels are none
FRAMES = 6
DRAWS = 6
STRIDE = 3
LEAST_SHARE = 0.01
CLEAR_PX = 8.0
RANGE_BIN_M = 0.5
BRIGHTNESS_BINS = 8
EDGE_BINS_PX = (0.0, 0.5, 1.5, 2.5, 3.5, 5.5, 8.5)

Values = NDArray[np.float64]


class Check(NamedTuple):
    """One comparison.

    Attributes:
        quantity: ``sigma``, ``missing`` or a parameter's name.
        where: ``range``, ``brightness``, ``edge`` or ``parameter``.
        at: middle of the bin (metres, 0 to 1, pixels); 0 for parameters.
        truth: of the known sensor.
        fitted: of the fitted profile.
        low: lower end of the fitted 95 % interval, None without one.
        high: upper end.
        within: whether the aim is met; None for parameters, which have none.
    """

    quantity: str
    where: str
    at: float
    truth: float
    fitted: float
    low: float | None
    high: float | None
    within: bool | None

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the truth; None without one."""
        return None if self.low is None or self.high is None else self.low <= self.truth <= self.high


def judge(recording: Recording, fitted: SensorProfile, curves: Curves | None = None) -> list[Check]:
    """Compare a profile fitted to a recording with the recording's own, over the range the fit says it covered.

    Args:
        recording: what was fitted.
        fitted: the profile that came out.
        curves: the intervals that came with it; None judges the profile alone.
    """
    pixels = [_pixels(recording, fitted, frame) for frame in _sampled(recording)]
    z, bright, edge_px, *sides = np.concatenate(pixels, axis=1)
    sigma, missing = sides[:2], sides[2:]
    low, high = fitted.covered.get("range_m", (0.0, np.inf))
    covered = (z >= low) & (z <= high)
    clear = covered & (edge_px > CLEAR_PX)
    range_bins = np.arange(0.0, 12.0, RANGE_BIN_M)
    checks = []
    for at, chosen in _bins(z, range_bins, clear):
        truth, found = (float(np.median(side[chosen])) for side in sigma)
        within = abs(found - truth) <= SIGMA_RELATIVE * truth
        checks.append(Check("sigma", "range", at, truth, found, *_interval(curves, "sigma", at, found), within))
    levels = np.linspace(0, 1, BRIGHTNESS_BINS + 1)
    for where, values, edges, base in (
        ("range", z, range_bins, clear),
        ("brightness", bright, levels, clear),
        ("edge", edge_px, np.array(EDGE_BINS_PX), covered),
    ):
        for at, chosen in _bins(values, edges, base):
            truth, found = (float(side[chosen].mean()) for side in missing)
            within = abs(found - truth) <= max(MISSING_ABSOLUTE, MISSING_RELATIVE * truth)
            interval = _interval(curves, "missing", at, found) if where == "range" else (None, None)
            checks.append(Check("missing", where, at, truth, found, *interval, within))
    if recording.manner is None:
        checks.extend(_parameters(recording.profile, fitted))
    return checks


def _sampled(recording: Recording) -> Iterator[TrueFrame]:
    step = max(1, recording.plan.frames // FRAMES)
    return islice(true_frames(recording.plan), 0, None, step)


def _pixels(recording: Recording, fitted: SensorProfile, frame: TrueFrame) -> Values:
    """``[7, n]``: range, brightness, distance to an edge; sigma, missing rate of the known sensor and the fitted."""
    known = recording.profile
    chosen = np.zeros(frame.depth_m.shape, np.bool_)
    chosen[::STRIDE, ::STRIDE] = True
    chosen &= in_range(known, frame)
    truth = missing_map(known, frame) if recording.manner else _expected_missing(known, frame)
    maps = (
        frame.depth_m, frame.brightness, distance_to(edge_mask(frame.depth_m, known.edge_jump)),
        sigma_map(known, frame), sigma_map(fitted, frame), truth, _expected_missing(fitted, frame),
    )  # fmt: skip
    return np.stack([values[chosen].astype(np.float64) for values in maps])


def _expected_missing(profile: SensorProfile, frame: TrueFrame) -> NDArray[np.float32]:
    """Share of independent draws in which a pixel is missing: with edges, shadows and all."""
    seeds = ((frame.stamp_ns // 1000 + 7919 * draw) % 2**31 for draw in range(DRAWS))
    return np.asarray(np.mean([np.isnan(frame.seen(profile, seed)) for seed in seeds], axis=0), np.float32)


def _bins(values: Values, edges: Values, base: NDArray[np.bool_]) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Middle and pixels of every bin that holds at least a hundredth of the pixels."""
    for low, high in pairwise(edges):
        chosen = base & (values >= low) & (values < high)
        if chosen.sum() >= LEAST_SHARE * len(values):
            yield float(np.median(values[chosen])), chosen


def _interval(curves: Curves | None, quantity: str, at: float, found: float) -> tuple[float | None, float | None]:
    """The fit's interval at a range around what its profile says of the pixels: of sigma as shares, else as sums."""
    if curves is None:
        return None, None
    where = np.array([at])
    value, ends = getattr(curves, quantity)(where)[0], getattr(curves, f"{quantity}_interval")(where)
    low, high = float(ends[0][0]), float(ends[1][0])
    if not np.isfinite([value, low, high]).all():
        return None, None
    return (
        (found * low / value, found * high / value)
        if quantity == "sigma"
        else (found + low - value, found + high - value)
    )


def _parameters(known: SensorProfile, fitted: SensorProfile) -> Iterator[Check]:
    for name in SCALARS:
        evidence = fitted.evidence.get(name)
        if evidence is None or not isinstance(evidence.low, float) or not isinstance(evidence.high, float):
            continue
        least = WHITE_PX if name == "noise_correlation_px" else 0.0
        truth, found = (max(float(getattr(profile, name)), least) for profile in (known, fitted))
        low, high = max(evidence.low, least), max(evidence.high, least)
        yield Check(name, "parameter", 0.0, truth, found, low, high, None)
