"""Which modules stay in float32 when features are computed in bfloat16.

bfloat16 keeps 8 bits: normalised depth near 1 would be rounded to steps of 1/256, more than a level of an 8-bit
image. So the bicubic base, the convolution that reads depth and the head that writes it run in float32; only
features, whose scale adapts, are bfloat16.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pagnet_ros.network import PagNet

__all__ = ["keep_depth_in_float32"]


def keep_depth_in_float32(net: PagNet) -> PagNet:
    """Exempt what depth passes through from autocast. In place; parameters and their names stay as they are."""
    for module in (net.bicubic_up, net.bicubic_down, net.enter_depth, net.head):
        _exempt(module)
    return net


def _exempt(module: nn.Module) -> None:
    entered: list[torch.autocast] = []

    def before(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = torch.autocast(args[0].device.type, enabled=False)
        context.__enter__()  # type: ignore[no-untyped-call]
        entered.append(context)
        return tuple(each.float() for each in args)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        entered.pop().__exit__(None, None, None)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after, always_call=True)
