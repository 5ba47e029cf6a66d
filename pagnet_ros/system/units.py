"""Units at the rim: nanoseconds of stamps, and depth as it is recorded in metres."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MILLIMETRES_PER_METRE", "NS_PER_MS", "NS_PER_S", "in_metres"]

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
MILLIMETRES_PER_METRE: Final = 1000.0


def in_metres(depth: NDArray[np.generic]) -> NDArray[np.float32]:
    """Depth as float32 metres, NaN where nothing was measured; a new array.

    Args:
        depth: uint16 millimetres with 0 = no measurement, or metres with anything non-finite or not positive = none.
    """
    metres = depth.astype(np.float32)
    if depth.dtype == np.uint16:
        metres /= np.float32(MILLIMETRES_PER_METRE)
    with np.errstate(invalid="ignore"):
        metres[~((metres > 0) & (metres < np.inf))] = np.nan
    return metres
