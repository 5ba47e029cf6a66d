"""PAG-Net's attention-guided fusion with a head that chooses a surface. Mathematics only.

One progressive stage, computed at a quarter of the output's resolution whatever the scale: features of the local depth
(`pagnet_ros.model.surfaces.entering_features`) decide by attention which guidance passes (AGFE, paper Fig. 2b), the two
are fused, refined by residual blocks, and leave by pixel shuffle as one logit per candidate and output pixel.

The paper's dense blocks have given way to plain residual ones: they reached the same likelihood after as many steps at
half the time of a step.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import (
    AttentionGuidance,
    cast_all_but,
    conv3x3,
    generic_conv,
    initialise_convolutions,
)
from pagnet_ros.model.surfaces import (
    CANDIDATES,
    ENTERING,
    LEAVING,
    Choice,
    Placement,
    as_range_of_one,
    candidates,
    choose,
    entering_features,
    footprint_colour,
    nearest_measured,
)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between them, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = generic_conv(channels, channels)
        self.second = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, h, w] -> [B, C, h, w]``."""
        added: Tensor = self.second(self.first(x))
        return x + added


class SurfaceNetwork(nn.Module):
    """Logits over the surfaces that each output pixel may lie on. Weights of the features may be half precision."""

    chooses = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.output != "surfaces":
            raise ConfigError(f"output={config.output!r}, expected 'surfaces' for a SurfaceNetwork")
        self.config = config
        channels, stride = config.channels, config.feature_stride
        self.gather = max(1, stride // config.scale)  # measured pixels that share one place of the features, per axis
        self.spread = max(1, config.scale // stride)  # places of the features per measured pixel, per axis
        self.enter_depth = generic_conv(ENTERING * self.gather**2, channels)
        self.enter_colour = generic_conv(3 * stride**2, channels)
        self.upsample = (
            nn.Sequential(conv3x3(channels, channels * self.spread**2), nn.PixelShuffle(self.spread))
            if self.spread > 1
            else nn.Identity()
        )
        self.attend = AttentionGuidance(channels)
        self.fuse = nn.Conv2d(2 * channels, channels, 1)
        self.refine = nn.Sequential(*(ResidualBlock(channels) for _ in range(config.blocks)))
        self.head = nn.Conv2d(channels, (CANDIDATES + 1) * stride**2, 1)
        self.tint = nn.Conv2d(channels, LEAVING - CANDIDATES - 1, 1)
        self.initialise()

    @property
    def scale(self) -> int:
        """Up-sampling factor s."""
        return self.config.scale

    @property
    def reach(self) -> int:
        """How far a missing pixel looks for measurements, in measured pixels."""
        return 64 if self.scale == 1 else 32

    def initialise(self) -> None:
        """Gaussian weights (variance by fan-in), zero biases; heads of zeros: at first distance and colour decide."""
        if self.head.weight.is_meta:  # only shapes are asked for: torch would load its compiler to draw numbers
            return
        initialise_convolutions(self)
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.normal_(module.second.weight, std=0.3 / math.sqrt(9 * module.second.in_channels))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.tint.weight)

    def cast_features(self, dtype: torch.dtype) -> SurfaceNetwork:
        """Compute the features in `dtype`; where depth enters and leaves stays float32. In place."""
        cast_all_but((self.enter_depth, self.head, self.tint), self, dtype)
        return self

    def gathered(self, entering: Tensor) -> Tensor:
        """``[B, 18, h, w]`` as the first convolution takes it: measured pixels that share a place of the features."""
        below, beside = -entering.shape[-2] % self.gather, -entering.shape[-1] % self.gather
        if below or beside:
            entering = F.pad(entering, (0, beside, 0, below), mode="replicate")
        return F.pixel_unshuffle(entering, self.gather) if self.gather > 1 else entering

    def forward(self, entering: Tensor, rgb: Tensor) -> Tensor:
        """Say which surface each output pixel lies on.

        ========== =========================== ==================================================================
        entering   [B, 18, h, w]               float32, of `pagnet_ros.model.surfaces.entering_features`
        rgb        [B, 3, s*h, s*w]            any float type, centred on zero, about -0.5 to 0.5
        features   [B, C, ~s*h/t, ~s*w/t]      t = feature_stride; sizes rounded up
        returns    [B, 20, s*h, s*w]           float32: ten logits, then logarithms over the usual value: of the width,
                                               and of what a difference of colour counts for each of nine measurements
        ========== =========================== ==================================================================
        """
        height, width = rgb.shape[-2:]
        stride = self.config.feature_stride
        bottom, right = -height % stride, -width % stride
        if bottom or right:
            rgb = F.pad(rgb, (0, right, 0, bottom), mode="replicate")
        dtype = self.fuse.weight.dtype
        depth = self.upsample(self.enter_depth(self.gathered(entering)).to(dtype))
        guidance = self.enter_colour(F.pixel_unshuffle(rgb.to(dtype), stride))
        features = self.refine(self.fuse(torch.cat((depth, self.attend(depth, guidance)), dim=1))).float()
        logits = F.pixel_shuffle(self.head(features), stride)
        tint = F.interpolate(self.tint(features), scale_factor=stride, mode="nearest")
        return torch.cat((logits, tint), dim=1)[..., :height, :width]


def choose_surfaces(
    network: SurfaceNetwork,
    depth: Tensor,
    seen: Tensor,
    rgb: Tensor,
    colour: Tensor,
    limits: tuple[float, float] | Tensor,
    *,
    mean: bool | Tensor = False,
) -> Choice:
    """From measurements to the chosen surface of every output pixel, by a network and the choice after it.

    Nothing waits for a value and no shape depends on one, so a CUDA graph or an ONNX file can hold it.

    Args:
        network: says which surface each pixel lies on.
        depth: ``[1, 1, h, w]`` float32.
        seen: ``[1, 1, h, w]`` bool, True where something was measured.
        rgb: ``[1, 3, s*h, s*w]``, what the network sees: floats of any precision, -0.5 to 0.5.
        colour: ``[1, 3, H, W]`` uint8, or floats of a range of 1: the image itself, whose size the output has.
        limits: smallest and largest depth in range.
        mean: the expectation instead of the most probable surface.
    """
    low, grid, high = ((each.shape[-2], each.shape[-1]) for each in (depth, rgb, colour))
    rays = nearest_measured(depth, seen, footprint_colour(as_range_of_one(rgb), low), network.reach)
    logits = network(entering_features(rays), rgb)
    if grid != high:
        places = Placement.of(grid, high, depth.device)
        logits = logits.index_select(-2, places.rows).index_select(-1, places.columns)
    found = candidates(rays, Placement.of(low, high, depth.device), as_range_of_one(colour), limits)
    return choose(found, logits, mean=mean, limits=limits)
