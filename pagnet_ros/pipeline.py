"""The one call per frame: depth contract -> alignment offset -> engine. The node and the replay both use it.

`DepthUpsampler` is also the API for notebooks. Which colour frame belongs to which depth frame is decided before,
by `pagnet_ros.core.pairing`; which quality level a frame's time allows, by `pagnet_ros.core.degradation`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import depth as depth_contract
from pagnet_ros.core import validity
from pagnet_ros.core.alignment.offset import Shift, offset_px
from pagnet_ros.core.degradation import BICUBIC, LEVELS, NETWORK
from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.shapes import differ_in_shape
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.network import Bicubic
from pagnet_ros.model.weights import WeightsHeader, load_weights
from pagnet_ros.model.zoo import DEFAULT_WEIGHTS, current_name, resolve_weights, zoo_members, zoo_path
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.runtime.engine import EngineOutput, Network
from pagnet_ros.runtime.engine_pool import EnginePool, Loaders
from pagnet_ros.runtime.frame_settings import FrameLimits
from pagnet_ros.runtime.onnx import OnnxNetwork
from pagnet_ros.system.units import from_counts


@dataclass(frozen=True)
class UpsampledDepth(EngineOutput):
    """High-resolution depth of one frame, and how it came about.

    Attributes:
        scale: factor of the network that ran.
        level: which quality level gave it, of `pagnet_ros.core.degradation.LEVELS`.
        offset_px: ``(x, y)`` that the measurement was moved by to lie on the colour image, colour pixels.
    """

    scale: int = 1
    level: str = NETWORK
    offset_px: tuple[float, float] = (0.0, 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether every pixel is unknown, as for a frame without a single measurement."""
        return not bool(np.isfinite(self.depth).any())


class DepthUpsampler:
    """Guided depth super-resolution, frame by frame. Use from one thread at a time, for one camera.

    Holds one network, or one per scale and picks the next fitting one for the frame's ratio of sizes. Where time or
    memory is short, set `level` to a lower one of `levels`.

    Attributes:
        name: what reports call it.
        options: what counts as measured and what is published; may be changed between frames.
        levels: quality levels at hand, best first.
        fixed_sizes: of depth and of colour, height and width, where the network takes no other; None where it does.
    """

    fixed_sizes: tuple[tuple[int, int], tuple[int, int]] | None = None

    def __init__(
        self,
        name: str,
        loaders: Loaders,
        *,
        levels: tuple[str, ...] = LEVELS,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> None:
        """Use `from_zoo`, `from_file` or `bicubic`; this takes one way to load a network for each scale.

        Args:
            name: what reports call it.
            loaders: by scale.
            levels: quality levels at hand, best first; the first runs what `loaders` give.
            device: as of `from_zoo`.
            precision: as of `from_zoo`.
            options: what counts as measured and what is published.
        """
        self.name = name
        self.options = options or UpsamplerOptions()
        self.levels = levels
        self._level = levels[0]
        self._engines = EnginePool(loaders, levels, device, precision)
        self._prepared: set[Hashable] = set()
        self._sizes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @classmethod
    def from_weights(
        cls,
        weights: str | os.PathLike[str] = "auto",
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """Whatever the node's parameter `weights` may name: see `pagnet_ros.model.zoo.resolve_weights`.

        Raises:
            WeightsError: no such network, or a missing, unreadable or foreign file.
            DeviceError: no such device or precision, or ONNX Runtime is not installed.
        """
        choice = resolve_weights(weights)
        if choice.kind == "bicubic":
            return cls.bicubic(device=device, precision=precision, options=options)
        make = cls.from_file if choice.kind == "file" else cls.from_zoo
        return make(choice.name, device=device, precision=precision, options=options)

    @classmethod
    def from_zoo(
        cls,
        name: str = DEFAULT_WEIGHTS,
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """A shipped network.

        Args:
            name: one network (``rt-x4-clean``), or all scales of a family (``fast-sensor``), of which the next fitting
                one runs.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16``, ``fp16``.
            options: what counts as measured and what is published.

        Raises:
            WeightsError: no such network.
            DeviceError: no such device or precision.
        """
        members = zoo_members(name)
        loaders = {scale: _loader(zoo_path(member)) for scale, member in members.items()}
        return cls(current_name(name), loaders, device=device, precision=precision, options=options)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> DepthUpsampler:
        """A network from a weights file of this package, or from what it exported to ONNX (``NAME.onnx``).

        Raises:
            WeightsError: missing, unreadable or foreign file.
            DeviceError: no such device or precision, or ONNX Runtime is not installed.
        """
        network, header = _read(path)
        read = [network]
        loaders = {network.scale: lambda: read.pop() if read else _read(path)[0]}
        made = cls(header.name, loaders, device=device, precision=precision, options=options)
        made.fixed_sizes = network.fixed_sizes if isinstance(network, OnnxNetwork) else None
        return made

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
        loaders = {Bicubic(scale).scale: lambda: Bicubic(scale)}
        return cls("bicubic", loaders, levels=(BICUBIC,), device=device, precision=precision, options=options)

    @property
    def device(self) -> str:
        """The device it runs on, for example ``cuda:0``."""
        return str(self._engines.device)

    @property
    def precision(self) -> str:
        """What the network's features are computed in: fp32, bf16 or fp16."""
        return self._engines.precision

    @property
    def backend(self) -> str:
        """How the network runs, see `pagnet_ros.runtime.engine.Engine`; empty until it has run."""
        return self._engines.backend

    @property
    def gpu_problem(self) -> str:
        """Why ``auto`` took the CPU of a machine with an NVIDIA device, and the mend; empty where it did not."""
        return self._engines.gpu_problem

    @property
    def fallback_reason(self) -> str:
        """Why it does not run the fastest way there is; empty where it does."""
        return self._engines.fallback_reason

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales at hand."""
        return self._engines.scales

    @property
    def level(self) -> str:
        """The quality level of the next frame, one of `levels`; the first unless set.

        Raises:
            ConfigError: set to one that is not at hand.
        """
        return self._level

    @level.setter
    def level(self, value: str) -> None:
        if value not in self.levels:
            raise ConfigError(f"quality level {value!r} is not at hand; expected one of {', '.join(self.levels)}")
        self._level = value

    def rebuild(self) -> None:
        """Give up every engine, so that the next frame loads its network anew, as after a failure of the device."""
        self._engines.clear()
        self._prepared.clear()

    def scale_for(self, depth_size: tuple[int, int], rgb_size: tuple[int, int]) -> int:
        """The next fitting scale at hand for one ratio of sizes; the largest if none reaches it."""
        ratio = ((rgb_size[0] * rgb_size[1]) / (depth_size[0] * depth_size[1])) ** 0.5
        return next((scale for scale in self.scales if scale >= 0.99 * ratio), max(self.scales))

    def __call__(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """Up-sample one frame to the size of its colour image.

        Args:
            depth: ``[h, w]`` uint16 millimetres (or `UpsamplerOptions.depth_unit_m`; 0 = no measurement) or float32 in
                any positive linear unit (zero, negative and non-finite = no measurement); what a masked array masks is
                no measurement either.
            rgb: ``[H, W, 3]`` uint8, red first, at least as large, with the field of view of depth; depth is moved
                first where `UpsamplerOptions.registration` says so.

        Raises:
            InputError: arrays that break the depth contract.
            DeviceError: the device ran out of memory, or failed.
        """
        depth = depth_contract.unmasked(depth)
        depth_contract.check_depth(depth)
        depth_contract.check_rgb(rgb)
        self._warn_of_shape(depth.shape, rgb.shape[:2])
        limits = self._limits(depth)
        depth = from_counts(depth, self.options.depth_unit_m)
        offset = offset_px(self.options.registration, self.options.known_offset, rgb.shape[1])
        shift = Shift.of(offset, (depth.shape[0], depth.shape[1]), (rgb.shape[0], rgb.shape[1]))
        if shift.is_none:
            return self._upsampled(depth, rgb, limits)
        result = self._upsampled(shift.moved_depth(depth), shift.moved_rgb(rgb), limits)
        fills = self.options.fill != "none" and self.options.publish_filled == "value"
        return _placed(result, shift, offset, fills=fills)

    def warm_up(
        self, depth_size: tuple[int, int], rgb_size: tuple[int, int], dtype: type[np.generic] = np.uint16
    ) -> None:
        """Load and run the network that frames of these sizes will use, so that the first one is not late.

        Args:
            depth_size: height and width.
            rgb_size: height and width.
            dtype: of depth.
        """
        depth = np.full(depth_size, 1500 if dtype == np.uint16 else 1.5, dtype)
        metres = from_counts(depth, self.options.depth_unit_m)
        self._upsampled(metres, np.zeros((*rgb_size, 3), np.uint8), self._limits(depth))

    def prepare(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8]) -> bool:
        """On a GPU, run the first frame of a new size once before it counts.

        That takes seconds once per size: cuDNN measures its algorithms, and the frame's computation is recorded.

        Args:
            depth: as of a call.
            rgb: as of a call.

        Returns:
            Whether it took place.

        Raises:
            InputError: arrays that break the depth contract.
            DeviceError: the device ran out of memory, or failed.
        """
        shape = (self._level, depth.shape, depth.dtype, rgb.shape, self.options.depth_unit_m)
        if self._engines.device.type == "cpu" or shape in self._prepared:
            return False
        self(depth, rgb)
        self._prepared.add(shape)
        return True

    def _warn_of_shape(self, depth_size: tuple[int, ...], rgb_size: tuple[int, ...]) -> None:
        """Say once per pair of sizes that images of different shape cannot show the same."""
        if (depth_size, rgb_size) == self._sizes:
            return
        self._sizes = depth_size, rgb_size
        if differ_in_shape(depth_size, rgb_size):
            warnings.warn(
                f"depth is {depth_size[1]} x {depth_size[0]}, colour {rgb_size[1]} x {rgb_size[0]}; expected one shape "
                "of image, as depth registered to colour has. Depth is stretched to the colour image; crop one of them",
                stacklevel=3,
            )

    def _limits(self, depth: NDArray[np.generic]) -> FrameLimits:
        return self.options.limits(metric=self.options.metric or depth.dtype == np.uint16)

    def _upsampled(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8], limits: FrameLimits) -> UpsampledDepth:
        """One checked frame whose depth lies on its colour image."""
        depth_size, rgb_size = depth.shape[:2], rgb.shape[:2]
        scale = self.scale_for((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]))
        if self._level == BICUBIC:
            scale = max(scale, SCALES[0])  # at equal sizes depth is pooled first, and the measurement projected back
        size = depth_contract.working_size((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]), scale)
        out = self._engines.get(self._level, scale).infer(depth, rgb, size, limits, self.options)
        return UpsampledDepth(**vars(out), scale=scale, level=self._level)


def _placed(result: UpsampledDepth, shift: Shift, offset: tuple[float, float], *, fills: bool) -> UpsampledDepth:
    """A result of moved images on the colour image as it came; what it lacks at the border is filled or unknown."""
    depth, provenance = shift.placed(result.depth), shift.placed(result.provenance)
    sigma = None if result.sigma is None else shift.placed(result.sigma)
    confidence = None if result.confidence is None else shift.placed(result.confidence)
    repeated = shift.repeated((depth.shape[0], depth.shape[1]))
    if fills:
        own = (provenance == validity.MEASURED) | (provenance == validity.REFINED)
        provenance[repeated & own] = validity.FILLED
    else:
        provenance[repeated] = validity.NOTHING
        for image in (depth,) if sigma is None else (depth, sigma):
            image[repeated] = np.nan
        if confidence is not None:
            confidence[repeated] = 0
    return replace(result, depth=depth, sigma=sigma, provenance=provenance, offset_px=offset, confidence=confidence)


def _read(path: str | os.PathLike[str]) -> tuple[Network, WeightsHeader]:
    if os.fspath(path).endswith(".onnx"):
        network = OnnxNetwork(path)
        return network, network.header
    return load_weights(path)


def _loader(path: str | os.PathLike[str]) -> Callable[[], Network]:
    return lambda: load_weights(path)[0]
