"""Start one scale's network from another's weights.

Stages are matched from the end, because the last stage writes the depth and works at the same relation to the
output at every scale; a longer network repeats the other's stages. Tensors that match in name and shape are copied,
all others keep their initial values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from pagnet_ros.network import PagNet

__all__ = ["warm_start"]


def warm_start(net: PagNet, tensors: Mapping[str, Tensor]) -> int:
    """Copy what fits from `tensors` (a `PagNet.state_dict` of any scale) into `net`, in place.

    Returns:
        Number of tensors copied.
    """
    theirs = 1 + max((int(found[1]) for name in tensors if (found := re.match(r"stages\.(\d+)\.", name))), default=-1)
    ours = net.config.stages
    own = net.state_dict()
    copied = 0
    for name, target in own.items():
        source = tensors.get(_their_name(name, ours, theirs))
        if source is not None and source.shape == target.shape:
            target.copy_(source)
            copied += 1
    return copied


def _their_name(name: str, ours: int, theirs: int) -> str:
    found = re.match(r"stages\.(\d+)\.(.*)", name)
    if found is None or theirs == 0:
        return name
    index = int(found[1])
    match = theirs - 1 if index == ours - 1 else min(index, max(0, theirs - 2))
    return f"stages.{match}.{found[2]}"
