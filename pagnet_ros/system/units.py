"""Units at the rim: nanoseconds of stamps, and depth as it is recorded in metres."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
MILLIMETRES_PER_METRE: Final = 1000.0
MILLIMETRE: Final = 0.001


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


def from_counts(depth: NDArray[Any], depth_unit_m: float) -> NDArray[Any]:
    """Depth of a camera whose 16-bit counts are no millimetres, as metres.

    Args:
        depth: [h, w] uint16 (0 = no measurement) or float32.
        depth_unit_m: Metres per count of uint16; 0.001 for REP 118's millimetres.

    Returns:
        [h, w] float32 metres, NaN where nothing was measured; counts of millimetres, and what is float32 already, as
        they are.
    """
    if depth.dtype != np.uint16 or depth_unit_m == MILLIMETRE:
        return depth
    metres = (depth * np.float64(depth_unit_m)).astype(np.float32)
    metres[depth == 0] = np.nan
    return np.asarray(metres)
