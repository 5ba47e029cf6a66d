"""What a network needs whoever runs it: operations, bytes, and from a machine's rates the least time they take."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import ENTERING
from pagnet_ros.model.weights import build_network


class Need(NamedTuple):
    """Of one frame.

    Attributes:
        gflop: operations of all convolutions, a multiplication and an addition counted as two, 1e9.
        values: values that must move at least: weights, and the images in and out.
    """

    gflop: float
    values: int

    def roofline_ms(self, matrix_gflops: float, copy_gbs: float, value_bytes: int) -> float:
        """The least time of any implementation: all operations at the full rate, or the unavoidable bytes."""
        return max(self.gflop / matrix_gflops, self.values * value_bytes / copy_gbs / 1e9) * 1e3


def need_of(config: ModelConfig, low_size: tuple[int, int]) -> Need:
    """Count by running the network without numbers (on torch's meta device).

    Args:
        config: shape of the network.
        low_size: ``(height, width)`` of its depth input.
    """
    with torch.device("meta"):
        network = build_network(config)
        depth = torch.empty(1, ENTERING if isinstance(network, SurfaceNetwork) else 1, *low_size)
        rgb = torch.empty(1, 3, *(config.scale * side for side in low_size))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(depth, rgb)
    weights = sum(parameter.numel() for parameter in network.parameters())
    images = low_size[0] * low_size[1] + rgb.numel() + rgb.numel() // 3
    return Need(counter.get_total_flops() / 1e9, weights + images)
