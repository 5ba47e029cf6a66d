"""From the node's parameters to a working up-sampler.

Owns what the parameter `weights` means, and that a bad choice fails here, with a reason, instead of at the first frame.
There is no silent fall-back to bicubic: it has to be asked for. No ROS import.
"""

from __future__ import annotations

import os
from typing import Any, Final

from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.parameters import NodeParameters

__all__ = ["load_upsampler"]

_WARM_UP_DEPTH: Final = (48, 64)
_WARM_UP_COLOR: Final = (192, 256)


def load_upsampler(parameters: NodeParameters) -> DepthUpsampler:
    """The up-sampler that the parameters ask for, run once on a small frame.

    Args:
        parameters: `weights` ("auto", "bicubic", a path or a name of the zoo), `device` and `precision`.

    Returns:
        A working up-sampler, its options at their defaults.

    Raises:
        WeightsError: Weights missing, unreadable or foreign.
        DeviceError: Device or precision not available.
    """
    weights = parameters.weights
    where: dict[str, Any] = {"device": parameters.device, "precision": parameters.precision}
    if weights == "bicubic":
        upsampler = DepthUpsampler.bicubic(**where)
    elif weights == "auto":
        upsampler = DepthUpsampler.from_zoo(**where)
    elif weights.endswith(".safetensors") or os.sep in weights:
        upsampler = DepthUpsampler.from_file(os.path.expanduser(weights), **where)
    else:
        upsampler = DepthUpsampler.from_zoo(weights, **where)
    upsampler.warm_up(_WARM_UP_DEPTH, _WARM_UP_COLOR)
    return upsampler
