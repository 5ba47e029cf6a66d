"""Small frames and small networks, for the tests of what computes depth from them."""

import numpy as np
import torch
from torch import nn

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler

EVERYTHING = UpsamplerOptions(fill="all", remove_flying=False)


def slanted(size, near=1.0, far=3.0):
    """A plane that recedes to the lower right, metres."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    share = (y / (size[0] - 1) + x / (size[1] - 1)) / 2
    return (near + (far - near) * share).astype(np.float32)


def with_holes(depth, share=0.15, seed=0):
    """Holes in float depth as zeros; a frame keeps its extremes, and with them its range."""
    rng = np.random.default_rng(seed)
    holes = rng.random(depth.shape) < share
    holes[depth == depth.min()] = holes[depth == depth.max()] = False
    return np.where(holes, 0, depth).astype(np.float32)


def colour(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def small_network(scale=4, **switches):
    torch.manual_seed(0)
    shape = {"channels": 8, "growth": 4, "convolutions": 2} | switches
    network = PagNet(ModelConfig(scale=scale, residual=True, mask_channel=True, **shape))
    nn.init.normal_(network.head.weight, std=0.003)
    return network


def small_surfaces(scale=4, **switches):
    """A network that chooses surfaces, whose random heads say something."""
    torch.manual_seed(scale)
    shape = {"channels": 8, "blocks": 1, "feature_stride": 4, "output": "surfaces"} | switches
    network = SurfaceNetwork(ModelConfig(scale=scale, **shape)).eval()
    nn.init.normal_(network.head.weight, std=0.1)
    nn.init.normal_(network.tint.weight, std=0.1)
    return network


def upsampler(scale=4, options=EVERYTHING, **switches):
    network = small_network(scale, **switches)
    return DepthUpsampler("small", {scale: lambda: network}, device="cpu", precision="fp32", options=options)


def bicubic(scale=4, options=EVERYTHING):
    return DepthUpsampler.bicubic(scale, device="cpu", precision="fp32", options=options)


def surface_networks(*scales):
    """Loaders of small networks that choose surfaces, by scale."""
    return {scale: (lambda scale=scale: small_surfaces(scale)) for scale in scales}


def rms(ours, expected, kept=1.0):
    """Metres between two depths over the `kept` share of pixels that differ least."""
    difference = np.abs(ours - expected)
    difference = np.sort(difference[np.isfinite(difference)])
    return float(np.sqrt(np.mean(difference[: int(kept * difference.size)] ** 2)))
