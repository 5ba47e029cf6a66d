"""The one call per frame: depth contract -> engine -> trust. The node and the replay both use it.

`DepthUpsampler` is also the API for notebooks. Which colour frame belongs to which depth frame is decided before,
by `pagnet_ros.pairing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagnet_ros import depth as depth_contract
from pagnet_ros import trust
from pagnet_ros.engine import Engine, EngineOutput, FrameLimits, choose_device, choose_precision
from pagnet_ros.errors import ConfigError
from pagnet_ros.network import Bicubic, PagNet
from pagnet_ros.weights import load_weights
from pagnet_ros.zoo import zoo, zoo_path

__all__ = ["DepthUpsampler", "UpsampledDepth", "UpsamplerOptions"]

Network = PagNet | Bicubic


@dataclass(frozen=True)
class UpsamplerOptions(trust.TrustOptions):
    """What counts as measured, and what to believe of the result (`TrustOptions`).

    Range limits and noise apply to metric depth only: uint16 input, and float32 input where `metric` is set.

    Attributes:
        metric: float32 input is in metres.
        min_depth_m: nearer measurements count as missing, metres, 0 to 100.
        max_depth_m: farther measurements count as missing, metres, above `min_depth_m`, to 1000.
        noise_per_m: the sensor's standard deviation is ``noise_per_m * z**2`` metres, 0 to 0.1 per metre; where the
            measurement is finer than the network's input, the result is held to it within this. The default is the
            Kinect's (Khoshelham and Elberink 2012).
    """

    metric: bool = False
    min_depth_m: float = 0.1
    max_depth_m: float = 10.0
    noise_per_m: float = 0.001425

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        try:
            super().__post_init__()
        except ConfigError as error:
            problems.append(str(error))
        if not trust.is_flag(self.metric):
            problems.append(f"metric={self.metric!r}, expected true or false")
        if not trust.within(self.min_depth_m, 0, 100):
            problems.append(f"min_depth_m={self.min_depth_m!r}, expected 0 to 100")
        elif not trust.within(self.max_depth_m, self.min_depth_m, 1000) or self.max_depth_m == self.min_depth_m:
            problems.append(f"max_depth_m={self.max_depth_m!r}, expected above min_depth_m={self.min_depth_m} to 1000")
        if not trust.within(self.noise_per_m, 0, 0.1):
            problems.append(f"noise_per_m={self.noise_per_m!r}, expected 0 to 0.1")
        if problems:
            raise ConfigError("upsampler options: " + "; ".join(problems))

    def limits(self, metric: bool) -> FrameLimits:
        """The limits of a frame, metric or of an unknown unit."""
        if metric:
            return FrameLimits(self.min_depth_m, self.max_depth_m, self.noise_per_m)
        return FrameLimits(0.0, float("inf"), 0.0)


@dataclass(frozen=True)
class UpsampledDepth:
    """High-resolution depth.

    Attributes:
        depth: ``[H, W]`` float32, the size of the colour image, NaN where nothing may be believed; metres for uint16
            input, the input's own unit for float32.
        sigma: ``[H, W]`` float32, standard deviation in the same unit, or None where the network predicts none.
        provenance: ``[H, W]`` uint8: 0 not believed, 1 measured, 2 filled.
        stage_ms: milliseconds per stage.
        scale: factor of the network that ran.
    """

    depth: NDArray[np.float32]
    sigma: NDArray[np.float32] | None
    provenance: NDArray[np.uint8]
    stage_ms: Mapping[str, float]
    scale: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all may be believed, as for a frame without a single measurement."""
        return not bool(self.provenance.any())


class DepthUpsampler:
    """Guided depth super-resolution, frame by frame. Use from one thread at a time.

    Holds one network, or one per scale and picks the next fitting one for the frame's ratio of sizes.
    """

    def __init__(
        self,
        name: str,
        loaders: Mapping[int, Callable[[], Network]],
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> None:
        """Use `from_zoo`, `from_file` or `bicubic`; this takes one way to load a network for each scale."""
        self.name = name
        self.options = options or UpsamplerOptions()
        self._loaders = dict(sorted(loaders.items()))
        self._device = choose_device(device)
        self._precision = choose_precision(precision, self._device)
        self._engines: dict[int, Engine] = {}

    @classmethod
    def from_zoo(
        cls,
        name: str = "rt-sensor",
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """A shipped network.

        Args:
            name: one network (``rt-x4-clean``), or all scales of a family (``rt-sensor``), of which the next fitting
                one runs.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16``, ``fp16``.
            options: what to believe.

        Raises:
            WeightsError: no such network.
            DeviceError: no such device or precision.
        """
        family = {h.config.scale: n for n, h in zoo().items() if re.sub(r"-x\d+-", "-", n) == name}
        members = family or {0: zoo_path(name).stem}
        if not family:
            members = {zoo()[members[0]].config.scale: members[0]}
        loaders = {scale: _loader(zoo_path(member)) for scale, member in members.items()}
        return cls(name, loaders, device=device, precision=precision, options=options)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """A network from a weights file of this package.

        Raises:
            WeightsError: missing, unreadable or foreign file.
            DeviceError: no such device or precision.
        """
        network, header = load_weights(path)
        return cls(header.name, {network.scale: lambda: network}, device=device, precision=precision, options=options)

    @classmethod
    def bicubic(
        cls,
        scale: int = 4,
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """Bicubic up-sampling through the same path, without weights: the baseline beside any network."""
        network = Bicubic(scale)
        return cls("bicubic", {scale: lambda: network}, device=device, precision=precision, options=options)

    @property
    def device(self) -> str:
        """The device it runs on, for example ``cuda:0``."""
        return str(self._device)

    @property
    def precision(self) -> str:
        """What the network's features are computed in: fp32, bf16 or fp16."""
        return self._precision

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales at hand."""
        return tuple(self._loaders)

    def scale_for(self, depth_size: tuple[int, int], rgb_size: tuple[int, int]) -> int:
        """The next fitting scale at hand for one ratio of sizes; the largest where none reaches it."""
        ratio = ((rgb_size[0] * rgb_size[1]) / (depth_size[0] * depth_size[1])) ** 0.5
        return next((scale for scale in self._loaders if scale >= 0.99 * ratio), max(self._loaders))

    def __call__(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """Up-sample one frame to the size of its colour image.

        Args:
            depth: ``[h, w]`` uint16 millimetres (0 = no measurement) or float32 in any positive linear unit (zero,
                negative and non-finite = no measurement).
            rgb: ``[H, W, 3]`` uint8, red first, aligned with depth (same field of view), at least as large.

        Raises:
            InputError: arrays that break the depth contract.
            DeviceError: the device ran out of memory.
        """
        depth_contract.check_depth(depth)
        depth_contract.check_rgb(rgb)
        depth_size, rgb_size = depth.shape[:2], rgb.shape[:2]
        scale = self.scale_for((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]))
        size = depth_contract.working_size((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]), scale)
        limits = self.options.limits(metric=self.options.metric or depth.dtype == np.uint16)
        out: EngineOutput = self._engine(scale).infer(depth, rgb, size, limits, self.options)
        return UpsampledDepth(out.depth, out.sigma, out.provenance, out.stage_ms, scale)

    def warm_up(
        self, depth_size: tuple[int, int], rgb_size: tuple[int, int], dtype: type[np.generic] = np.uint16
    ) -> None:
        """Load and run the network that frames of these sizes will use, so that the first one is not late."""
        self(np.zeros(depth_size, dtype), np.zeros((*rgb_size, 3), np.uint8))

    def _engine(self, scale: int) -> Engine:
        if scale not in self._engines:
            self._engines[scale] = Engine(self._loaders[scale](), str(self._device), self._precision)
        return self._engines[scale]


def _loader(path: os.PathLike[str]) -> Callable[[], PagNet]:
    return lambda: load_weights(path)[0]
