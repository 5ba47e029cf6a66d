"""What the tests of the engine share: a scene, a network that changes it, and one frame through an engine."""

import numpy as np
import pytest
import torch
from torch import nn

from pagnet_ros.core.depth import working_size
from pagnet_ros.core.validity import ValidityOptions
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import Bicubic, PagNet
from pagnet_ros.runtime.frame_settings import FrameLimits
from tests.builders import small_surfaces

LIMITS = FrameLimits(0.1, 10.0, 0.001425)
EVERYTHING = ValidityOptions(fill="all", remove_flying=False)
CLOSE_M = {"fp32": 5e-5, "bf16": 2e-3}  # RMS, metres, on a scene of 0.6 to 5.3 m


def scene(size=(24, 32), holes=0.1, seed=0):
    """A slanted floor from 1 to 5 m with a near and a far box, uint16 mm, and a colour image four times as large."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / np.array(size)[:, None, None]
    depth = 1000 + 2500 * y + 1500 * x
    depth[: size[0] // 4, : size[1] // 4] = 600
    depth[size[0] // 2 :, : size[1] // 4] = 5300
    depth[rng.random(size) < holes] = 0
    return depth.astype(np.uint16), rng.integers(0, 256, (4 * size[0], 4 * size[1], 3), np.uint8)


def random_network(residual_rms=0.02, seed=0, **switches):
    """A small network that changes bicubic by about a fiftieth of the frame's range, so 0.1 m of 4.7 m."""
    torch.manual_seed(seed)
    shape = {"channels": 16, "growth": 8, "convolutions": 3} | switches
    network = PagNet(ModelConfig(scale=4, residual=True, mask_channel=True, **shape)).eval()
    depth, rgb = torch.rand(1, 1, 12, 16), torch.rand(1, 3, 48, 64) - 0.5
    nn.init.normal_(network.head.weight)
    with torch.no_grad():
        change = network(depth, rgb) - network.bicubic_up(depth)
        network.head.weight.mul_(residual_rms / change.square().mean().sqrt())
    return network


def infer(engine, depth, rgb, options=EVERYTHING, limits=LIMITS):
    return engine.infer(depth, rgb, working_size(depth.shape, rgb.shape[:2], engine.scale), limits, options)


EITHER = pytest.mark.parametrize(("make", "kept"), [(random_network, 1.0), (small_surfaces, 0.998)])
"""Both kinds of network; where two surfaces are equally likely the last bits choose, so a few pixels may differ."""


class Stub(nn.Module):
    """A network of scale 4 that returns bicubic after doing something else first."""

    scale = 4

    def __init__(self, act):
        super().__init__()
        self.act = act

    def cast_features(self, dtype):
        return self

    def forward(self, depth, rgb, valid=None):
        return self.act(Bicubic(4)(depth, rgb))
