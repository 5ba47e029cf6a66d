"""Intervals from resampling the blocks of a recording."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "Resampled", "bootstrap_weights", "interval"]

Array = NDArray[np.float64]
DRAWS = 60
SEED = 5


class Resampled(NamedTuple):
    """A number with its 95 % interval; all NaN where the recording cannot tell it.

    Attributes:
        value: The number from the whole recording.
        low, high: Interval.
        draws: The number from every resampling, the recording itself first.
    """

    value: float
    low: float
    high: float
    draws: Array

    @classmethod
    def of(cls, draws: Array, floor: float, least: float = -math.inf) -> Resampled:
        """From draws, the recording itself first.

        Args:
            draws: ``[DRAWS + 1]``.
            floor: Half-width that an interval has at least, for what resampling does not show.
            least: Smallest value there is.
        """
        half = math.hypot(1.96 * float(np.std(draws[1:], ddof=1)), floor)
        value = float(draws[0])
        return cls(value, max(value - half, least), value + half, draws)

    @classmethod
    def unknown(cls, draws: int) -> Resampled:
        """What cannot be told."""
        return cls(math.nan, math.nan, math.nan, np.full(draws, math.nan))

    @property
    def known(self) -> bool:
        """Whether the recording tells it."""
        return math.isfinite(self.value)


def bootstrap_weights(used: NDArray[np.bool_]) -> Array:
    """How often each block counts, ``[DRAWS + 1, blocks]``; the first row is the recording itself.

    Args:
        used: ``[blocks]``, whether a block holds anything.
    """
    rng = np.random.default_rng(SEED)
    weights = np.zeros((DRAWS + 1, used.size))
    weights[0] = used
    count = int(used.sum())
    weights[1:, used] = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
    return weights


def interval(draws: Array) -> tuple[Array, Array]:
    """95 % interval of every column."""
    return np.quantile(draws, 0.025, 0), np.quantile(draws, 0.975, 0)
