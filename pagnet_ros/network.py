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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pagnet_ros.bicubic import BicubicDownsample, BicubicUpsample
from pagnet_ros.errors import ConfigError

__all__ = ["Bicubic", "ModelConfig", "PagNet", "PagNetOutput"]

SCALES = (2, 4, 8, 16)
PLANAR_BEND = 0.002
_RANGES = {
    "channels": (4, 256),
    "growth": (1, 128),
    "convolutions": (1, 8),
    "blocks": (1, 8),
    "back_projections": (0, 8),
}


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a PAG-Net. The defaults are the paper's network; every switch beyond it is named as such.

    Attributes:
        scale: up-sampling factor, 2, 4, 8 or 16 (specific weights per scale, paper section 2).
        channels: feature channels C, 4 to 256, even. The paper leaves it open; 64.
        growth: channels added by each convolution of a dense block, 1 to 128. Open in the paper; 32.
        convolutions: convolutions per dense block, 1 to 8. Open in the paper; 4.
        blocks: dense blocks per residual dense network, 1 to 8. The paper: 3.
        attention: weigh the guidance by attention from the depth features (AGFE, paper Fig. 2b).
        residual: addition: predict the difference to bicubic up-sampling instead of depth itself. The head starts at
            zero, so an untrained network is exactly bicubic.
        mask_channel: addition: a second input channel, 1 where depth was measured and 0 where it was filled.
        log_sigma: addition: a second output channel, the logarithm of the standard deviation of the depth.
        feature_stride: addition (real-time family): the finest features live at 1/stride of the output, 1 or 2; colour
            enters by pixel-unshuffle and depth leaves by pixel-shuffle, so no dense block runs at full size.
        back_projections: addition: back-projection steps, 0 to 8, that make the output agree with the measured
            input once it is down-sampled again.
        planar_gate: addition, needs `residual`: where the measured depth is planar, nothing is added to bicubic (which
            is exact there), whatever colour shows; see `planarity_gate`. For noise-free depth.
    """

    scale: int = 4
    channels: int = 64
    growth: int = 32
    convolutions: int = 4
    blocks: int = 3
    attention: bool = True
    residual: bool = False
    mask_channel: bool = False
    log_sigma: bool = False
    feature_stride: int = 1
    back_projections: int = 0
    planar_gate: bool = False

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        if type(self.scale) is not int or self.scale not in SCALES:
            problems.append(f"scale={self.scale!r}, expected one of {SCALES}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                problems.append(f"{name}={value!r}, expected an integer from {low} to {high}")
        if isinstance(self.channels, int) and self.channels % 2:
            problems.append(f"channels={self.channels}, expected an even number (attention halves it)")
        if type(self.feature_stride) is not int or self.feature_stride not in (1, 2):
            problems.append(f"feature_stride={self.feature_stride!r}, expected 1 or 2")
        for name in ("attention", "residual", "mask_channel", "log_sigma", "planar_gate"):
            if type(getattr(self, name)) is not bool:
                problems.append(f"{name}={getattr(self, name)!r}, expected true or false")
        if self.planar_gate is True and self.residual is False:
            problems.append("planar_gate=True with residual=False, expected residual=True (there is nothing to gate)")
        if problems:
            raise ConfigError("model configuration: " + "; ".join(problems))

    @property
    def stages(self) -> int:
        """Number of stages l, where scale = 2**l."""
        return int(math.log2(self.scale))

    @classmethod
    def paper(cls, scale: int = 4) -> ModelConfig:
        """The paper's network, without any addition of ours."""
        return cls(scale=scale)

    @classmethod
    def full(cls, scale: int = 4) -> ModelConfig:
        """The paper's width with our additions: residual over bicubic and the mask channel."""
        return cls(scale=scale, residual=True, mask_channel=True)

    @classmethod
    def rt(cls, scale: int = 4) -> ModelConfig:
        """The real-time family: narrow, and no dense block at full size."""
        return cls(
            scale=scale,
            channels=24,
            growth=12,
            convolutions=3,
            residual=True,
            mask_channel=True,
            feature_stride=2,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build from a mapping, refusing unknown keys with the nearest known name.

        Raises:
            ConfigError: unknown key or value out of range.
        """
        known = {field.name for field in fields(cls)}
        problems = []
        for key in values:
            if key not in known:
                near = get_close_matches(str(key), known, n=1)
                problems.append(f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))
        if problems:
            raise ConfigError("model configuration: " + "; ".join(problems))
        return cls(**dict(values))

    def to_dict(self) -> dict[str, int | bool]:
        """Plain values, for a weights file's header."""
        return asdict(self)

    def at_scale(self, scale: int) -> ModelConfig:
        """The same shape for another scale."""
        return replace(self, scale=scale)


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A size-keeping 3x3 convolution."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def generic_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """The paper's "generic convolution layer": 3x3 and ReLU."""
    return nn.Sequential(conv3x3(in_channels, out_channels), nn.ReLU(inplace=True))


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
        levels = len({*stage_sizes(config)})
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
    return [min(2 ** (i + 1), finest) for i in range(config.stages)]


class Stage(nn.Module):
    """One progressive stage: RDN on depth features, up-sampling by 2, attention-guided fusion, RDN."""

    def __init__(self, config: ModelConfig, upsample: bool) -> None:
        super().__init__()
        channels = config.channels
        self.refine_depth = ResidualDenseNetwork(config)
        self.upsample = (
            nn.Sequential(conv3x3(channels, 4 * channels), nn.PixelShuffle(2)) if upsample else nn.Identity()
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


def planarity_gate(depth: Tensor, valid: Tensor | None, scale: int) -> Tensor:
    """How much structure the measured depth has around a pixel: 0 on a plane, towards 1 at edges and curves.

    ``b^2 / (b^2 + c^2)`` of the largest second difference b within two low-resolution pixels, c being half a level of
    an 8-bit image; 1 around pixels that were filled, and everywhere in an image of a single row or column.

    Args:
        depth: ``[B, 1, h, w]``, normalised.
        valid: ``[B, 1, h, w]``, 1 where measured, 0 where filled; None means all measured.
        scale: s.

    Returns:
        ``[B, 1, s*h, s*w]`` in 0 to 1.
    """
    if min(depth.shape[-2:]) < 2:
        return torch.ones((*depth.shape[:2], *(scale * side for side in depth.shape[-2:])), device=depth.device)
    inner = depth[..., 1:-1, 1:-1]
    pairs = (
        (depth[..., 1:-1, 2:], depth[..., 1:-1, :-2]),
        (depth[..., 2:, 1:-1], depth[..., :-2, 1:-1]),
        (depth[..., 2:, 2:], depth[..., :-2, :-2]),
        (depth[..., 2:, :-2], depth[..., :-2, 2:]),
    )
    bend = torch.stack([(one - 2 * inner + other).abs() for one, other in pairs]).amax(0)
    bend = F.pad(bend, (1, 1, 1, 1))  # the border has no second differences; pooling gives it its neighbours'
    if valid is not None:
        bend = bend + (1 - valid.to(bend.dtype))
    power = F.max_pool2d(bend, 5, 1, 2).square()
    return F.interpolate(power / (power + PLANAR_BEND**2), scale_factor=scale, mode="bilinear")


class PagNetOutput(NamedTuple):
    """What the network returns.

    Attributes:
        depth: ``[B, 1, s*h, s*w]`` float32, in the normalised unit of the input.
        log_sigma: ``[B, 1, s*h, s*w]`` float32, natural logarithm of the standard deviation in the same unit, or
            None where the configuration has no such output.
    """

    depth: Tensor
    log_sigma: Tensor | None


class PagNet(nn.Module):
    """The network. Weights may be half precision; the bicubic base and all sums with it stay float32.

    Half precision is safe for the features because the depth that enters is normalised; adding the predicted
    difference to the base in float32 keeps the steps of the result below a tenth of a millimetre.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        sizes = stage_sizes(config)
        self.guidance = GuidanceStream(config)
        self.enter_depth = generic_conv(2 if config.mask_channel else 1, channels)
        self.stages = nn.ModuleList(
            Stage(config, upsample=size > before) for before, size in zip([1, *sizes], sizes, strict=False)
        )
        self.guidance_level = [int(math.log2(sizes[-1] // size)) for size in sizes]
        outputs = 2 if config.log_sigma else 1
        self.head = conv3x3(channels, outputs * config.feature_stride**2)
        self.bicubic_up = BicubicUpsample(config.scale)
        self.bicubic_down = BicubicDownsample(config.scale)
        self.initialise()

    @property
    def scale(self) -> int:
        """Up-sampling factor s."""
        return self.config.scale

    def initialise(self) -> None:
        """Gaussian weights (variance by fan-in, He et al. 2015), zero biases; a residual head starts at zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
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
        precise = {*self.enter_depth.parameters(), *self.head.parameters()}
        for parameter in self.parameters():
            if parameter not in precise:
                parameter.data = parameter.data.to(dtype)
        return self

    def forward(self, depth: Tensor, rgb: Tensor, valid: Tensor | None = None) -> PagNetOutput:
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
        out = self.head(features.float())
        if self.config.feature_stride > 1:
            out = F.pixel_shuffle(out, self.config.feature_stride)
        predicted = out[:, :1]
        if self.config.planar_gate:
            predicted = predicted * planarity_gate(depth, valid, self.scale)
        if self.config.residual:
            predicted = predicted + self.bicubic_up(depth)
        predicted = self.back_project(predicted, depth, valid)
        return PagNetOutput(predicted, out[:, 1:] if self.config.log_sigma else None)

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

    def forward(self, depth: Tensor, rgb: Tensor, valid: Tensor | None = None) -> PagNetOutput:
        """``[B, 1, h, w] -> [B, 1, s*h, s*w]``; colour and validity are not used."""
        return PagNetOutput(self.up(depth), None)
