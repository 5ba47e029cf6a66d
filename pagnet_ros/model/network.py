"""PAG-Net: progressive attention-guided depth super-resolution. Mathematics only.

Source: PAG-Net, progressive attention guided depth super-resolution (ICASSP 2020), "the paper" below. A network of
scale ``2**l`` has ``l`` stages. Each stage refines depth features with a residual dense network, doubles their
resolution, and fuses the colour features of that size after weighing them with an attention map computed from the
depth features, so that texture without a depth edge is not copied into the depth.

Nothing here reads files, chooses devices, or knows about metres: depth comes in normalised, leaves normalised.
From small to large: convolution helpers, `ResidualDenseBlock`, `ResidualDenseNetwork`, `AttentionGuidance`,
`GuidanceStream`, `Stage`, `PagNet`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SCALES, ModelConfig
from pagnet_ros.model.planarity import planarity_gate
from pagnet_ros.model.resize import BicubicDownsample, BicubicUpsample


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A size-keeping 3x3 convolution."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def generic_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """The paper's "generic convolution layer": 3x3 and ReLU."""
    return nn.Sequential(conv3x3(in_channels, out_channels), nn.ReLU(inplace=True))


def initialise_convolutions(network: nn.Module) -> None:
    """Gaussian weights (variance by fan-in, He et al. 2015) and zero biases for every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def cast_all_but(exact: Iterable[nn.Module], network: nn.Module, dtype: torch.dtype) -> None:
    """Store a network's weights in `dtype` but for those of some modules. In place."""
    kept = {parameter for module in exact for parameter in module.parameters()}
    for parameter in network.parameters():
        if parameter not in kept:
            parameter.data = parameter.data.to(dtype)


class ResidualDenseBlock(nn.Module):
    """RDB: each convolution sees all earlier features; 1x1 fusion; local residual (RDN, Zhang et al. 2018)."""

    def __init__(self, channels: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(generic_conv(channels + i * growth, growth) for i in range(convolutions))
        self.fuse = nn.Conv2d(channels + convolutions * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, h, w] -> [B, C, h, w]``."""
        features = x
        for layer in self.layers:
            features = torch.cat((features, layer(features)), dim=1)
        fused: Tensor = self.fuse(features)
        return x + fused


class ResidualDenseNetwork(nn.Module):
    """RDN: blocks in a row, all their outputs fused by 1x1, a 3x3 convolution, global residual (paper Fig. 2a)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.channels
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(channels, config.growth, config.convolutions) for _ in range(config.blocks)
        )
        self.fuse = nn.Conv2d(config.blocks * channels, channels, 1)
        self.smooth = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, h, w] -> [B, C, h, w]``."""
        outputs = []
        features = x
        for block in self.blocks:
            features = block(features)
            outputs.append(features)
        fused: Tensor = self.smooth(self.fuse(torch.cat(outputs, dim=1)))
        return x + fused


class AttentionGuidance(nn.Module):
    """AGFE: attention from depth features decides which guidance features pass (paper Fig. 2b).

    Two branches of separable 9-tap convolutions, vertical then horizontal and the reverse, C -> C/2 -> 1 each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.vertical_first = nn.Sequential(
            nn.Conv2d(channels, half, (9, 1), padding=(4, 0)), nn.Conv2d(half, 1, (1, 9), padding=(0, 4))
        )
        self.horizontal_first = nn.Sequential(
            nn.Conv2d(channels, half, (1, 9), padding=(0, 4)), nn.Conv2d(half, 1, (9, 1), padding=(4, 0))
        )

    def attention(self, depth_features: Tensor) -> Tensor:
        """Attention map ``[B, 1, h, w]`` in (0, 1) from depth features ``[B, C, h, w]``."""
        return torch.sigmoid(self.vertical_first(depth_features) + self.horizontal_first(depth_features))

    def forward(self, depth_features: Tensor, guidance: Tensor) -> Tensor:
        """Guidance features ``[B, C, h, w]`` weighed by the attention map."""
        return guidance * self.attention(depth_features)


class GuidanceStream(nn.Module):
    """Colour -> guidance features, one per size the stages need (paper section 2).

    The finest comes straight from the colour image; each coarser one from a generic convolution and a
    convolution of kernel 2 and stride 2.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stride = config.feature_stride
        channels = config.channels
        sizes = stage_sizes(config)
        levels = 1 + int(math.log2(sizes[-1] // sizes[0]))
        self.enter = generic_conv(3 * self.stride**2, channels)
        self.down = nn.ModuleList(
            nn.Sequential(generic_conv(channels, channels), nn.Conv2d(channels, channels, 2, stride=2))
            for _ in range(levels - 1)
        )

    @property
    def dtype(self) -> torch.dtype:
        """What the features are computed in."""
        return next(self.parameters()).dtype

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """``[B, 3, H, W]`` -> features from fine to coarse, ``[B, C, H/t, W/t]`` down to the first stage's size."""
        features = self.enter(F.pixel_unshuffle(rgb, self.stride) if self.stride > 1 else rgb)
        pyramid = [features]
        for down in self.down:
            pyramid.append(down(pyramid[-1]))
        return pyramid


def stage_sizes(config: ModelConfig) -> list[int]:
    """Size of each stage's fused features, as a multiple of the low-resolution size."""
    finest = config.scale // config.feature_stride
    if not config.progressive:
        return [1] * (config.stages - 1) + [finest]
    return [min(2 ** (i + 1), finest) for i in range(config.stages)]


class Stage(nn.Module):
    """One progressive stage: RDN on depth features, up-sampling by `factor`, attention-guided fusion, RDN."""

    def __init__(self, config: ModelConfig, factor: int) -> None:
        super().__init__()
        channels = config.channels
        self.refine_depth = ResidualDenseNetwork(config)
        self.upsample = (
            nn.Sequential(conv3x3(channels, factor**2 * channels), nn.PixelShuffle(factor))
            if factor > 1
            else nn.Identity()
        )
        self.enter_guidance = generic_conv(channels, channels)
        self.attend = AttentionGuidance(channels) if config.attention else None
        self.fuse = conv3x3(2 * channels, channels)
        self.refine_fused = ResidualDenseNetwork(config)

    def forward(self, depth_features: Tensor, guidance: Tensor) -> Tensor:
        """``[B, C, h, w], [B, C, 2h, 2w] -> [B, C, 2h, 2w]`` (h, w kept where the stage does not up-sample)."""
        up = self.upsample(self.refine_depth(depth_features))
        guide = self.enter_guidance(guidance)
        if self.attend is not None:
            guide = self.attend(up, guide)
        fused: Tensor = self.refine_fused(self.fuse(torch.cat((up, guide), dim=1)))
        return fused


class PagNet(nn.Module):
    """The network. Weights may be half precision; the bicubic base and all sums with it stay float32.

    Half precision is safe for the features because the depth that enters is normalised, and the predicted difference
    is added to the base in float32. On a frame that spans 2 m, float16 features cost 0.07 mm RMS and 1.1 mm at most,
    bfloat16 ones 0.6 mm and 13 mm.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        sizes = stage_sizes(config)
        self.guidance = GuidanceStream(config)
        self.enter_depth = generic_conv(2 if config.mask_channel else 1, channels)
        self.stages = nn.ModuleList(
            Stage(config, size // before) for before, size in zip([1, *sizes], sizes, strict=False)
        )
        self.guidance_level = [int(math.log2(sizes[-1] // size)) for size in sizes]
        self.head = conv3x3(channels, config.feature_stride**2)
        self.bicubic_up = BicubicUpsample(config.scale)
        self.bicubic_down = BicubicDownsample(config.scale)
        self.initialise()

    @property
    def scale(self) -> int:
        """Up-sampling factor s."""
        return self.config.scale

    def initialise(self) -> None:
        """Gaussian weights (variance by fan-in, He et al. 2015), zero biases; a residual head starts at zero."""
        if self.head.weight.is_meta:  # only shapes are asked for: torch would load its compiler to draw numbers
            return
        initialise_convolutions(self)
        for module in self.modules():
            if isinstance(module, ResidualDenseBlock):
                nn.init.normal_(module.fuse.weight, std=0.1 / math.sqrt(module.fuse.in_channels))
            elif isinstance(module, ResidualDenseNetwork):
                nn.init.normal_(module.smooth.weight, std=0.1 / math.sqrt(9 * module.smooth.in_channels))
        if self.config.residual:
            nn.init.zeros_(self.head.weight)

    def cast_features(self, dtype: torch.dtype) -> PagNet:
        """Store the weights of the features, hence compute them, in `dtype`. In place.

        Where depth itself enters and leaves (first convolution, head, bicubic) stays float32: bfloat16 would round
        normalised depth to 1/256.
        """
        cast_all_but((self.enter_depth, self.head), self, dtype)
        return self

    def forward(self, depth: Tensor, rgb: Tensor, valid: Tensor | None = None) -> Tensor:
        """Up-sample normalised depth by the configuration's scale s, guided by colour.

        ========== ======================= ==========================================================
        depth      [B, 1, h, w]            float32, normalised, holes already filled
        rgb        [B, 3, s*h, s*w]        any float type, centred on zero, about -0.5 to 0.5
        valid      [B, 1, h, w]            1 where measured, 0 where filled; None means all measured
        features   [B, C, h, w]            after the entering convolution
        stage i    [B, C, 2^i h, 2^i w]    at most s/t times the input size, t = feature_stride
        returns    [B, 1, s*h, s*w]        float32, same normalised unit as the input
        ========== ======================= ==========================================================
        """
        dtype = self.guidance.dtype
        entering = depth
        if self.config.mask_channel:
            mask = torch.ones_like(depth) if valid is None else valid.to(depth.dtype)
            entering = torch.cat((depth, mask), dim=1)
        pyramid = self.guidance(rgb.to(dtype))
        features = self.enter_depth(entering).to(dtype)
        for stage, level in zip(self.stages, self.guidance_level, strict=True):
            features = stage(features, pyramid[level])
        predicted: Tensor = self.head(features.float())
        if self.config.feature_stride > 1:
            predicted = F.pixel_shuffle(predicted, self.config.feature_stride)
        if self.config.planar_gate:
            predicted = predicted * planarity_gate(depth, valid, self.scale)
        if self.config.residual:
            predicted = predicted + self.bicubic_up(depth)
        return self.back_project(predicted, depth, valid)

    def back_project(self, predicted: Tensor, depth: Tensor, valid: Tensor | None) -> Tensor:
        """Iterative back-projection (Irani and Peleg 1991) towards agreement with the measured pixels."""
        for _ in range(self.config.back_projections):
            difference = depth - self.bicubic_down(predicted)
            if valid is not None:
                difference = difference * valid
            predicted = predicted + self.bicubic_up(difference)
        return predicted


class Bicubic(nn.Module):
    """Bicubic up-sampling with the interface of `PagNet`: the baseline, and what an untrained network computes."""

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ConfigError(f"scale={scale!r}, expected one of {SCALES}")
        self.scale = scale
        self.up = BicubicUpsample(scale)

    def cast_features(self, dtype: torch.dtype) -> Bicubic:
        """Nothing to cast: bicubic stays float32."""
        return self

    def forward(self, depth: Tensor, rgb: Tensor, valid: Tensor | None = None) -> Tensor:
        """``[B, 1, h, w] -> [B, 1, s*h, s*w]``; colour and validity are not used."""
        result: Tensor = self.up(depth)
        return result
