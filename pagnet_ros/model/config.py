"""The shape of a PAG-Net, as it stands in a recipe and in the header of a weights file. Plain values, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from pagnet_ros.errors import ConfigError, did_you_mean

SCALES = (2, 4, 8, 16)
SURFACE_SCALES = (1, *SCALES)
SURFACE_STRIDES = (2, 4)
OUTPUTS = ("depth", "surfaces")
_RANGES = {
    "channels": (4, 256),
    "growth": (1, 128),
    "convolutions": (1, 8),
    "blocks": (1, 8),
    "back_projections": (0, 8),
}
_DEPTH_ONLY = (
    "growth", "convolutions", "attention", "residual", "mask_channel", "back_projections", "planar_gate", "progressive",
)  # fmt: skip


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
        feature_stride: addition (real-time family): the finest features live at 1/stride of the output, 1 or 2; colour
            enters by pixel-unshuffle and depth leaves by pixel-shuffle, so no dense block runs at full size.
        back_projections: addition: back-projection steps, 0 to 8, that make the output agree with the measured
            input once it is down-sampled again.
        planar_gate: addition, needs `residual`: where the measured depth is planar, nothing is added to bicubic (which
            is exact there), whatever colour shows; see `pagnet_ros.model.planarity`. For noise-free depth.
        output: what the head gives: ``depth`` (the paper), or ``surfaces``: addition, logits over the measured surfaces
            around each pixel (`pagnet_ros.model.surfaces`), in one stage of residual `blocks` at 1/`feature_stride` of
            the output; then `growth`, `convolutions` and the other switches have no meaning and keep their defaults.
        progressive: double the resolution stage by stage (the paper). False, to compare with: all stages but the last
            work at the low resolution, which the last one multiplies at once.
    """

    scale: int = 4
    channels: int = 64
    growth: int = 32
    convolutions: int = 4
    blocks: int = 3
    attention: bool = True
    residual: bool = False
    mask_channel: bool = False
    feature_stride: int = 1
    back_projections: int = 0
    planar_gate: bool = False
    progressive: bool = True
    output: str = "depth"

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        surfaces = self.output == "surfaces"
        scales, strides = (SURFACE_SCALES, SURFACE_STRIDES) if surfaces else (SCALES, (1, 2))
        if self.output not in OUTPUTS:
            problems.append(f"output={self.output!r}, expected one of {OUTPUTS}")
        if type(self.scale) is not int or self.scale not in scales:
            problems.append(f"scale={self.scale!r}, expected one of {scales}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                problems.append(f"{name}={value!r}, expected an integer from {low} to {high}")
        if isinstance(self.channels, int) and self.channels % 2:
            problems.append(f"channels={self.channels}, expected an even number (attention halves it)")
        if type(self.feature_stride) is not int or self.feature_stride not in strides:
            problems.append(f"feature_stride={self.feature_stride!r}, expected one of {strides}")
        for name in ("attention", "residual", "mask_channel", "planar_gate", "progressive"):
            if type(getattr(self, name)) is not bool:
                problems.append(f"{name}={getattr(self, name)!r}, expected true or false")
        if self.planar_gate is True and self.residual is False:
            problems.append("planar_gate=True with residual=False, expected residual=True (there is nothing to gate)")
        if surfaces:
            problems += [
                f"{name}={getattr(self, name)!r} with output='surfaces', where it has no meaning; leave it out"
                for name in _DEPTH_ONLY
                if getattr(self, name) != type(self).__dataclass_fields__[name].default
            ]
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
    def mid(cls, scale: int = 4) -> ModelConfig:
        """Twice as wide as `rt`, and started from it; the widest family that was trained without a GPU."""
        return replace(cls.rt(scale), channels=48, growth=24, planar_gate=True)

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
    def fast(cls, scale: int = 4) -> ModelConfig:
        """For real sensors on a CPU: chooses surfaces, every convolution at a quarter of the output's resolution."""
        return cls(scale=scale, channels=32, blocks=3, feature_stride=4, output="surfaces")

    @classmethod
    def wide(cls, scale: int = 4) -> ModelConfig:
        """For real sensors on a GPU: twice as wide and more than twice as deep as `fast`."""
        return cls(scale=scale, channels=64, blocks=8, feature_stride=4, output="surfaces")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build from a mapping, refusing unknown keys with the nearest known name.

        Raises:
            ConfigError: unknown key or value out of range.
        """
        values, problems = dict(values), []
        if values.pop("log_sigma", False) is not False:  # files of 0.1.0 hold it as false
            problems.append("log_sigma is no longer an output, expected false or nothing; output='surfaces' has sigma")
        known = {field.name for field in fields(cls)}
        for key in values:
            if key not in known:
                problems.append(f"unknown key {key!r}, {did_you_mean(key, known, 'known: ' + ', '.join(known))}")
        if problems:
            raise ConfigError("model configuration: " + "; ".join(problems))
        return cls(**values)

    def to_dict(self) -> dict[str, int | bool | str]:
        """Plain values, for a weights file's header."""
        return asdict(self)
