"""Where features are computed in bfloat16, and which modules stay in float32 then.

bfloat16 keeps 8 bits: normalised depth near 1 would be rounded to steps of 1/256, more than a level of an 8-bit
image. So the bicubic base, the convolution that reads depth and the head that writes it run in float32; only
features, whose scale adapts, are bfloat16.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pagnet_ros.model.network import PagNet
from pagnet_ros.runtime.devices import choose_precision


def training_precision(asked: str, device: torch.device) -> str:
    """``auto`` -> ``bf16`` where the device computes it itself, else ``fp32``; anything else is what was asked for.

    On a CPU without instructions for bfloat16 it is emulated: a step then takes several times as long as in float32.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return choose_precision("auto", device)


def keep_depth_in_float32(net: PagNet) -> PagNet:
    """Exempt what depth passes through from autocast. In place; parameters and their names stay as they are."""
    for module in (net.bicubic_up, net.bicubic_down, net.enter_depth, net.head):
        _exempt(module)
    return net


def _exempt(module: nn.Module) -> None:
    """Give the module a forward pass without autocast, as a class of its own: what torch.compile sees through."""
    plain: Any = type(module)

    def forward(self: nn.Module, *args: Tensor) -> Any:
        with torch.autocast(args[0].device.type, enabled=False):
            return plain.forward(self, *(each.float() for each in args))

    module.__class__ = type(f"{plain.__name__}InFloat32", (plain,), {"forward": forward})
