"""A second sensor simulator that shares none of the first one's assumptions: it judges what the fit makes of strangers.

It is told only two things about a sensor, how large its noise is and how often a pixel is missing, and makes up the
rest differently from `pagnet_ros.sensors.simulate`: heavier noise, other correlation in space and time, holes that are
things (polygons, ellipses, scratches) thrown onto the image, which live for a while and go. Both hold exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

FAMILIES = ("laplace", "student", "mixture")
KERNELS = ("white", "box", "exponential")
SHAPES = ("polygon", "ellipse", "scratch")

STUDENT_DEGREES = 4
WIDE_SHARE, WIDE_TIMES = 0.1, 3.0
MAX_MISSING = 0.95
STAMPS = 48
QUANTILES = 4001

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Manner:
    """How the sensor goes about it.

    Attributes:
        family: distribution of the noise: ``laplace``, ``student`` (4 degrees of freedom) or ``mixture`` (a tenth of
            the pixels three times as noisy).
        kernel: its correlation in space: none, a 3 x 3 box, or falling exponentially (0.5 per pixel).
        frames_averaged: its correlation in time: each frame is the moving average of so many independent ones, >= 1.
        shape: what holes look like.
        hole_size_px: their typical extent, 2 to 40.
        hole_frames: for how many frames each one stays, >= 1.
        step_m: depth is rounded down to steps of this plus half a step, metres, > 0.
    """

    family: str = "laplace"
    kernel: str = "box"
    frames_averaged: int = 1
    shape: str = "polygon"
    hole_size_px: float = 6.0
    hole_frames: int = 4
    step_m: float = 0.001


class _Holes(NamedTuple):
    """Things on the image: their places, which stamp they are, how rare they are (0 to 1), frames left to live."""

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    stamp: NDArray[np.intp]
    mark: Image
    left: NDArray[np.intp]


@dataclass
class IndependentSensor:
    """Observes a sequence frame by frame; remembers noise and holes between frames.

    Attributes:
        manner: how.
        seed: decides everything.
    """

    manner: Manner
    seed: int
    _past: list[Image] = field(default_factory=list, repr=False)
    _holes: _Holes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Draw the stamps that holes are made with."""
        self._rng = np.random.default_rng([self.seed, 90001])
        self._stamps = [_stamp(self.manner, self._rng) for _ in range(STAMPS)]
        self._area = float(np.mean([len(rows) for rows, _ in self._stamps]))
        self._quantile = _quantile_function(self.manner.family)

    def observe(self, depth_m: Image, sigma_m: Image, missing: Image) -> Image:
        """One frame.

        Args:
            depth_m: ``[H, W]`` true depth, metres, NaN where unknown.
            sigma_m: ``[H, W]`` robust scale of the noise (1.4826 times the median absolute deviation), metres.
            missing: ``[H, W]`` probability that a pixel is missing, 0 to 1; held below 0.95 by the holes.

        Returns:
            ``[H, W]`` float32 metres, NaN where missing.
        """
        noise = self._noise((depth_m.shape[0], depth_m.shape[1]))
        step = self.manner.step_m
        seen = (np.floor((depth_m + sigma_m * noise) / step) + 0.5) * step
        seen[self._gone(missing) | ~np.isfinite(depth_m) | (seen <= 0)] = np.nan
        return np.asarray(seen, np.float32)

    def _noise(self, shape: tuple[int, int]) -> Image:
        """Noise of unit robust scale: a correlated Gaussian field, bent to the family's distribution."""
        self._past.append(_correlated(self._rng, shape, self.manner.kernel))
        while len(self._past) < self.manner.frames_averaged:
            self._past.append(_correlated(self._rng, shape, self.manner.kernel))
        self._past = self._past[-self.manner.frames_averaged :]
        gaussian = sum(self._past[1:], self._past[0]) / np.sqrt(len(self._past))
        return self._quantile(np.asarray(gaussian, np.float32))

    def _gone(self, missing: Image) -> Mask:
        """A pixel is missing where a hole that is common enough for its probability covers it.

        The holes on a pixel whose mark is below a threshold are Poisson in number, so their density times the
        threshold decides the probability exactly, however it varies over the image.
        """
        density = -np.log1p(-np.clip(missing, 0.0, MAX_MISSING))  # holes per pixel area that give the probability
        most = -float(np.log1p(-MAX_MISSING))
        reach = max(int(max(np.abs(rows).max(), np.abs(columns).max())) for rows, columns in self._stamps) + 1
        height, width = missing.shape
        self._age(most * (height + 2 * reach) * (width + 2 * reach) / self._area, (height, width), reach)
        rarest = np.full((height + 4 * reach, width + 4 * reach), np.inf, np.float32)
        assert self._holes is not None
        for number, (rows, columns) in enumerate(self._stamps):
            mine = self._holes.stamp == number
            row, column = self._holes.row[mine, None] + rows, self._holes.column[mine, None] + columns
            mark = np.broadcast_to(self._holes.mark[mine, None], row.shape)
            np.minimum.at(rarest, (row + 2 * reach, column + 2 * reach), mark)
        inner = rarest[2 * reach : -2 * reach, 2 * reach : -2 * reach]
        return np.asarray(inner * most < density, np.bool_)

    def _age(self, expected: float, shape: tuple[int, int], reach: int) -> None:
        """Holes whose time is up go, others come; their number stays Poisson with the expected mean."""
        lives = self.manner.hole_frames
        old = self._holes
        births = self._rng.poisson(expected / lives) if old is not None else self._rng.poisson(expected)
        born = _Holes(
            self._rng.integers(-reach, shape[0] + reach, births),
            self._rng.integers(-reach, shape[1] + reach, births),
            self._rng.integers(STAMPS, size=births),
            self._rng.random(births, np.float32),
            np.full(births, lives) if old is not None else self._rng.integers(1, lives + 1, births),
        )
        if old is None:
            self._holes = born
            return
        stays = old.left > 1
        self._holes = _Holes(
            np.concatenate([old.row[stays], born.row]),
            np.concatenate([old.column[stays], born.column]),
            np.concatenate([old.stamp[stays], born.stamp]),
            np.concatenate([old.mark[stays], born.mark]),
            np.concatenate([old.left[stays] - 1, born.left]),
        )


def _stamp(manner: Manner, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns, relative to its middle, of the pixels of one hole."""
    size = manner.hole_size_px * float(rng.uniform(0.6, 1.4))
    side = int(np.ceil(size)) * 2 + 3
    canvas, middle = np.zeros((side, side), np.uint8), side // 2
    turn = float(rng.uniform(0, np.pi))
    if manner.shape == "ellipse":
        axes = (max(1, round(size / 2)), max(1, round(size / 2 * float(rng.uniform(0.3, 1.0)))))
        cv2.ellipse(canvas, (middle, middle), axes, np.degrees(turn), 0, 360, 1, -1)
    elif manner.shape == "scratch":
        along = size * np.array([np.cos(turn), np.sin(turn)])
        first, last = (tuple(np.rint(middle + sign * along).astype(int).tolist()) for sign in (-1, 1))
        cv2.line(canvas, first, last, 1, 1)
    else:
        angles = turn + np.sort(rng.uniform(0, 2 * np.pi, 5))
        radii = size / 2 * rng.uniform(0.5, 1.3, 5)
        corners = middle + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], 1)
        canvas[middle, middle] = 1
    rows, columns = np.nonzero(canvas)
    return rows - middle, columns - middle


def _correlated(rng: np.random.Generator, shape: tuple[int, int], kernel: str) -> Image:
    """A Gaussian field of variance 1."""
    if kernel == "white":
        return rng.standard_normal(shape, np.float32)
    if kernel == "box":
        weights = np.full(3, 1 / np.sqrt(3))
    else:
        weights = 0.5 ** np.abs(np.arange(-4.0, 5.0))
        weights /= np.sqrt((weights**2).sum())
    margin = len(weights) // 2
    wide = rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin), np.float32)
    smooth = cv2.sepFilter2D(wide, cv2.CV_32F, weights, weights)
    return np.asarray(smooth[margin:-margin, margin:-margin], np.float32)


def _draws(family: str, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    if family == "laplace":
        return rng.laplace(size=count)
    if family == "student":
        return rng.standard_t(STUDENT_DEGREES, size=count)
    return rng.standard_normal(count) * np.where(rng.random(count) < WIDE_SHARE, WIDE_TIMES, 1.0)


def _quantile_function(family: str) -> Callable[[Image], Image]:
    """Standard normal -> the family at unit robust scale, by matching quantiles (symmetric about 0)."""
    draws = np.sort(np.abs(_draws(family, np.random.default_rng(7), 2_000_000)))
    draws /= 1.4826 * np.median(draws)
    normal = np.sort(np.abs(np.random.default_rng(8).standard_normal(2_000_000)))
    index = np.unique(np.round((1 - np.geomspace(1, 1e-6, QUANTILES)) * (len(draws) - 1)).astype(int))
    index = np.union1d(index, np.linspace(0, len(draws) - 1, QUANTILES).astype(int))
    knots, values = normal[index].astype(np.float32), draws[index].astype(np.float32)

    def bend(gaussian: Image) -> Image:
        return np.asarray(np.sign(gaussian) * np.interp(np.abs(gaussian), knots, values), np.float32)

    return bend
