"""The one call per frame: depth contract -> registration -> engine -> trust. The node and the replay both use it.

`DepthUpsampler` is also the API for notebooks. Which colour frame belongs to which depth frame is decided before,
by `pagnet_ros.core.pairing`; which rung a frame's time allows, by `pagnet_ros.core.degradation`; which network runs
there, by `pagnet_ros.runtime.engine_pool`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core import depth as depth_contract
from pagnet_ros.core import validity
from pagnet_ros.core.degradation import BICUBIC, NETWORK, SMALLER_SIZE
from pagnet_ros.core.registration.registrar import Registrar
from pagnet_ros.core.registration.shift import Shift
from pagnet_ros.errors import ConfigError
from pagnet_ros.model.network import Bicubic
from pagnet_ros.model.weights import WeightsHeader, load_weights
from pagnet_ros.model.zoo import smaller_network, zoo_members, zoo_path
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.runtime.engine import EngineOutput, FrameLimits, Network
from pagnet_ros.runtime.engine_pool import Loaders, RungEngines
from pagnet_ros.runtime.filter_engine import FALLBACKS
from pagnet_ros.runtime.onnx import OnnxNetwork

__all__ = ["DepthUpsampler", "UpsampledDepth", "UpsamplerOptions"]


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
        rung: which way of up-sampling gave it, of `pagnet_ros.core.degradation.RUNGS`.
        offset_px: ``(x, y)`` that the measurement was moved by to lie on the colour image, colour pixels.
    """

    depth: NDArray[np.float32]
    sigma: NDArray[np.float32] | None
    provenance: NDArray[np.uint8]
    stage_ms: Mapping[str, float]
    scale: int
    rung: str = NETWORK
    offset_px: tuple[float, float] = (0.0, 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all may be believed, as for a frame without a single measurement."""
        return not bool(self.provenance.any())


class DepthUpsampler:
    """Guided depth super-resolution, frame by frame. Use from one thread at a time, for one camera.

    Holds one network, or one per scale and picks the next fitting one for the frame's ratio of sizes. Where time or
    memory is short, set `rung` to a cheaper one of `rungs`.

    Attributes:
        name: what reports call it.
        options: what to believe; may be changed between frames.
        rungs: ways of up-sampling at hand, best first.
        registrar: how depth came to lie on the colour image in the latest frame, and why.
        rung_ms: what the same frame took on each rung that was tried by `warm_up`, milliseconds.
    """

    def __init__(
        self,
        name: str,
        loaders: Loaders,
        *,
        smaller: Loaders | None = None,
        rungs: tuple[str, ...] = (NETWORK, SMALLER_SIZE, *FALLBACKS),
        device: str = "auto",
        precision: str = "auto",
        options: UpsamplerOptions | None = None,
    ) -> None:
        """Use `from_zoo`, `from_file` or `bicubic`; this takes one way to load a network for each scale.

        Args:
            name: what reports call it.
            loaders: by scale.
            smaller: cheaper networks by scale; a rung of their own; not needed for each scale.
            rungs: those at hand beside it, best first; the first runs what `loaders` give.
            device: as of `from_zoo`.
            precision: as of `from_zoo`.
            options: what to believe.
        """
        self.name = name
        self.options = options or UpsamplerOptions()
        self._engines = RungEngines(loaders, smaller or {}, rungs, device, precision)
        self.rungs = self._engines.rungs
        self._rung = self.rungs[0]
        self.registrar = Registrar()
        self.rung_ms: dict[str, float] = {}
        self._prepared: set[Hashable] = set()

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
        members = zoo_members(name)
        loaders = {scale: _loader(zoo_path(member)) for scale, member in members.items()}
        cheaper = {scale: smaller_network(member) for scale, member in members.items()}
        smaller = {scale: _loader(zoo_path(member)) for scale, member in cheaper.items() if member is not None}
        return cls(name, loaders, smaller=smaller, device=device, precision=precision, options=options)

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
        return cls(header.name, loaders, device=device, precision=precision, options=options)

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
        return cls("bicubic", loaders, rungs=(BICUBIC,), device=device, precision=precision, options=options)

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
    def rung(self) -> str:
        """How the next frame will be up-sampled, one of `rungs`; the first unless set.

        Raises:
            ConfigError: set to one that is not at hand.
        """
        return self._rung

    @rung.setter
    def rung(self, value: str) -> None:
        if value not in self.rungs:
            raise ConfigError(f"rung {value!r} is not at hand; expected one of {', '.join(self.rungs)}")
        self._rung = value

    def rebuild(self) -> None:
        """Give up every engine, so that the next frame loads its network anew, as after a failure of the device."""
        self._engines.clear()
        self._prepared.clear()

    def scale_for(self, depth_size: tuple[int, int], rgb_size: tuple[int, int]) -> int:
        """The next fitting scale at hand on the present rung for one ratio of sizes; the largest if none reaches it."""
        ratio = ((rgb_size[0] * rgb_size[1]) / (depth_size[0] * depth_size[1])) ** 0.5
        scales = self._engines.scales_of(self._rung)
        return next((scale for scale in scales if scale >= 0.99 * ratio), max(scales))

    def __call__(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """Up-sample one frame to the size of its colour image.

        Args:
            depth: ``[h, w]`` uint16 millimetres (0 = no measurement) or float32 in any positive linear unit (zero,
                negative and non-finite = no measurement).
            rgb: ``[H, W, 3]`` uint8, red first, at least as large, with the field of view of depth; what is left of an
                offset between them is mended as `UpsamplerOptions.registration` says.

        Raises:
            InputError: arrays that break the depth contract.
            DeviceError: the device ran out of memory, or failed.
        """
        depth_contract.check_depth(depth)
        depth_contract.check_rgb(rgb)
        self.registrar.configure(self.options.registration, self.options.known_offset)
        limits = self._limits(depth)
        shift = self.registrar.shift(depth, rgb, limits.minimum, limits.maximum)
        if shift.is_none:
            return self._upsampled(depth, rgb, limits)
        result = self._upsampled(shift.moved_depth(depth), shift.moved_rgb(rgb), limits)
        return _placed(result, shift, self.registrar.offset_px, fills=self.options.fill != "none")

    def warm_up(
        self,
        depth_size: tuple[int, int],
        rgb_size: tuple[int, int],
        dtype: type[np.generic] = np.uint16,
        *,
        tries: int = 0,
    ) -> None:
        """Load and run the network that frames of these sizes will use, so that the first one is not late.

        Args:
            depth_size: height and width.
            rgb_size: height and width.
            dtype: of depth.
            tries: how many times to run it once more; the least time goes into `rung_ms`.
        """
        depth = np.full(depth_size, 1500 if dtype == np.uint16 else 1.5, dtype)
        depth[::4, ::4] = 0  # real frames have holes, and not every rung takes the same for them
        run = partial(self._upsampled, depth, np.zeros((*rgb_size, 3), np.uint8), self._limits(depth))
        run()
        if tries:
            self.rung_ms[self._rung] = min(_spent_ms(run) for _ in range(tries))

    def prepare(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8]) -> bool:
        """On a GPU, run frames of a new size once before the first of them counts.

        That takes seconds once per size: cuDNN measures its algorithms, and the frame's computation is recorded.

        Args:
            depth: as of a call.
            rgb: as of a call.

        Returns:
            Whether it took place.

        Raises:
            DeviceError: the device ran out of memory, or failed.
        """
        shape = (self._rung, depth.shape, depth.dtype, rgb.shape)
        if self._engines.device.type == "cpu" or shape in self._prepared:
            return False
        self.warm_up((depth.shape[0], depth.shape[1]), (rgb.shape[0], rgb.shape[1]), depth.dtype.type)
        self._prepared.add(shape)
        return True

    def _limits(self, depth: NDArray[np.generic]) -> FrameLimits:
        return self.options.limits(metric=self.options.metric or depth.dtype == np.uint16)

    def _upsampled(self, depth: NDArray[np.generic], rgb: NDArray[np.uint8], limits: FrameLimits) -> UpsampledDepth:
        """One checked frame whose depth lies on its colour image."""
        depth_size, rgb_size = depth.shape[:2], rgb.shape[:2]
        scale = self.scale_for((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]))
        size = depth_contract.working_size((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]), scale)
        if self._rung == SMALLER_SIZE:
            size = size.halved()
        out: EngineOutput = self._engines.get(self._rung, scale).infer(depth, rgb, size, limits, self.options)
        return UpsampledDepth(out.depth, out.sigma, out.provenance, out.stage_ms, scale, self._rung)


def _placed(result: UpsampledDepth, shift: Shift, offset_px: tuple[float, float], *, fills: bool) -> UpsampledDepth:
    """A result of moved images on the colour image as it came; what it lacks at the border is filled or unknown."""
    depth, provenance = shift.placed(result.depth), shift.placed(result.provenance)
    sigma = None if result.sigma is None else shift.placed(result.sigma)
    repeated = shift.repeated((depth.shape[0], depth.shape[1]))
    if fills:
        provenance[repeated & (provenance == validity.MEASURED)] = validity.FILLED
    else:
        provenance[repeated] = validity.NOTHING
        for image in (depth,) if sigma is None else (depth, sigma):
            image[repeated] = np.nan
    return replace(result, depth=depth, sigma=sigma, provenance=provenance, offset_px=offset_px)


def _spent_ms(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1e3


def _read(path: str | os.PathLike[str]) -> tuple[Network, WeightsHeader]:
    if os.fspath(path).endswith(".onnx"):
        network = OnnxNetwork(path)
        return network, network.header
    return load_weights(path)


def _loader(path: str | os.PathLike[str]) -> Callable[[], Network]:
    return lambda: load_weights(path)[0]
