"""One network on one device. NumPy in, NumPy out.

`Engine.infer` is the hot path: upload -> decode, fill, normalise -> forward -> mask -> download, and one wait for all
of it. Raw uint16 and uint8 images are uploaded as they come (`pagnet_ros.runtime.streams`); everything else happens on
the device.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pagnet_ros.core import validity
from pagnet_ros.core.depth import (
    Measurement,
    Normalisation,
    WorkingSize,
    back_project,
    decode_depth,
    fill_holes,
    pick_pixels,
    pool_valid,
)
from pagnet_ros.errors import DeviceError
from pagnet_ros.model.network import Bicubic, PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork, choose_surfaces
from pagnet_ros.model.surfaces import Choice
from pagnet_ros.runtime.cuda_graph import RECORDING, GraphCache, NotRecordableError, give_back
from pagnet_ros.runtime.devices import (
    PRECISIONS,
    check_backend,
    choose_device,
    choose_precision,
    compute_float32_exactly,
    named_device_errors,
)
from pagnet_ros.runtime.frame_settings import FrameLimits, FrameSettings, for_mask, for_network
from pagnet_ros.runtime.native import NativePagNet, NativeSurfaces, NativeUnavailableError, load_library
from pagnet_ros.runtime.onnx import OnnxNetwork
from pagnet_ros.runtime.padding import pad_for_tensor_cores
from pagnet_ros.runtime.streams import Buffers, CpuBuffers, CudaBuffers
from pagnet_ros.system.allocator import keep_freed_memory

_NATIVE: dict[type, Any] = {PagNet: NativePagNet, SurfaceNetwork: NativeSurfaces}

Network = PagNet | SurfaceNetwork | Bicubic | OnnxNetwork


@dataclass(frozen=True)
class EngineOutput:
    """One frame's result, as NumPy arrays the caller owns.

    Attributes:
        depth: ``[H, W]`` float32, the size of the colour image, NaN where unknown; metres for uint16 input, the input's
            own unit for float32.
        sigma: ``[H, W]`` float32, standard deviation in the same unit, or None where the network predicts none.
        provenance: ``[H, W]`` uint8: 0 nothing known, 1 measured, 2 refined (the surface of a measurement beside it), 3
            filled, 4 measured out of range, 5 contested (another surface is nearly as likely).
        stage_ms: milliseconds per stage: upload, network, mask, download.
        confidence: ``[H, W]`` uint8, how likely depth is right to within 2 %, per cent; None as `sigma`.
        disagreeing: how many measurements no output pixel of their footprint lies within three sigma of.
    """

    depth: NDArray[np.float32]
    sigma: NDArray[np.float32] | None
    provenance: NDArray[np.uint8]
    stage_ms: dict[str, float]
    confidence: NDArray[np.uint8] | None = None
    disagreeing: int = 0


class Engine:
    """One network on one device. Use from one thread at a time.

    Attributes:
        device: where it runs.
        precision: what the features are computed in.
        scale: the network's factor.
        backend: how it runs: ``native`` (C++, `pagnet_ros.runtime.native`), ``graph`` (CUDA graphs), ``compiled``
            (torch.compile), ``eager`` or ``onnx``.
        fallback_reason: why it is not the fastest way there is; empty where it is.
    """

    def __init__(self, network: Network, device: str = "auto", precision: str = "auto", backend: str = "auto") -> None:
        """Move the network to the device.

        Args:
            network: given over to the engine, which may change its precision.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16``, ``fp16``.
            backend: ``auto`` takes ``native`` on a CPU where it can be had, ``graph`` on a GPU, else ``eager``.

        Raises:
            DeviceError: device, precision or backend not available, or out of memory.
        """
        self.device = choose_device(device)
        self.precision = _precision_of(network, precision, self.device)
        check_backend(backend, self.device)
        self.scale = network.scale
        self._chooses, self._interpolates = getattr(network, "chooses", False), isinstance(network, Bicubic)
        self.fallback_reason = ""
        self._dtype = PRECISIONS[self.precision] if isinstance(network, nn.Module) else torch.float32
        on_gpu = self.device.type == "cuda"
        keep_freed_memory()  # on a GPU too: each frame's results are copied out of pinned memory
        if on_gpu:
            compute_float32_exactly()
        self._alone: AbstractContextManager[Any] = RECORDING if on_gpu else nullcontext()
        with named_device_errors(self.device):
            self._buffers: Buffers = CudaBuffers(self.device) if on_gpu else CpuBuffers()
            self.backend, self._forward = self._prepare(network, backend)
            if on_gpu:  # the weights were laid out on another stream than the frames'
                torch.cuda.current_stream(self.device).synchronize()
        self._graphs = GraphCache() if on_gpu and self.backend in ("graph", "compiled") else None

    def infer(
        self,
        depth: NDArray[np.generic],
        rgb: NDArray[np.uint8],
        size: WorkingSize,
        limits: FrameLimits,
        options: validity.ValidityOptions,
    ) -> EngineOutput:
        """Up-sample one checked frame: ``depth [h, w]`` uint16 or float32, ``rgb [H, W, 3]`` uint8.

        Raises:
            OutOfMemoryError: the device ran out of memory.
            DeviceFailureError: the device failed.
        """
        frame, buffers = FrameSettings(size, (rgb.shape[0], rgb.shape[1]), limits, options), self._buffers
        try:
            with named_device_errors(self.device), torch.inference_mode(), buffers.frame():
                uploaded = buffers.upload(depth, rgb)
                buffers.mark("upload")
                predicted = self._run(self._predict, for_network(frame), uploaded)
                buffers.mark("network")
                masked = self._run(self._mask, for_mask(frame), predicted)
                buffers.mark("mask")
                buffers.download(masked)
                buffers.mark("download")
                arrays, stage_ms = buffers.wait()
        except DeviceError as error:
            self._give_up_memory(error)
            raise
        masked_depth, origin, *extra = arrays
        sigma, confidence = (extra[at] if len(extra) > at else None for at in (0, 1))
        disagreeing = int(extra[2].item()) if extra[2:] else 0
        return EngineOutput(masked_depth, sigma, origin, stage_ms, confidence, disagreeing)

    def _predict(self, frame: FrameSettings, raw: Tensor, colour: Tensor) -> list[Tensor]:
        """Raw images ``[h, w]``, ``[H, W, 3]`` -> depth at colour size, the three parts of `Measurement`.

        A network that chooses surfaces adds the rest of its `Choice`.
        """
        measurement = decode_depth(raw[None, None], frame.limits.minimum, frame.limits.maximum)
        if self._chooses:
            return self._choose(frame, measurement, colour)
        size, (measured, valid, _) = frame.size, measurement
        low, low_valid = pool_valid(measured, valid, size.low) if size.pooled else (measured, valid)
        filled = fill_holes(low, low_valid)
        normal = Normalisation.of(filled)
        guide = self._guidance(colour.permute(2, 0, 1)[None], size.high)
        predicted = normal.undo(self._forward(normal.apply(filled), guide, low_valid))
        if self._interpolates:
            predicted = validity.within_neighbours(predicted, filled)
        return [_resample(predicted, frame.rgb_size), *measurement]

    def _choose(self, frame: FrameSettings, measurement: Measurement, colour: Tensor) -> list[Tensor]:
        """The chosen surface of every output pixel; nothing after the choice mixes two of them."""
        size, limits = frame.size, (frame.limits.minimum, frame.limits.maximum)
        depth, seen = measurement.depth, measurement.valid | measurement.beyond
        if size.pooled:
            depth, seen = pick_pixels(depth, size.low), pick_pixels(seen, size.low)
        image = colour.permute(2, 0, 1)[None]
        guide, mean = self._guidance(image, size.high), frame.options.estimate == "mean"
        choice = self._forward(depth, seen, guide, image, limits, mean=mean)
        return [choice.depth, *measurement, *choice[1:]]

    def _mask(
        self, frame: FrameSettings, result: Tensor, measured: Tensor, valid: Tensor, beyond: Tensor, *more: Tensor
    ) -> list[Tensor]:
        """What `_predict` returns -> masked depth and its provenance, ``[1, 1, H, W]`` each.

        Of a chosen surface, what else `pagnet_ros.core.validity.MaskedChoice` holds.
        """
        limits = frame.limits
        if self._chooses:
            own = more[-1]
            if frame.size.low == frame.rgb_size:  # a measured pixel stays itself, to within the sensor's noise
                noise = limits.noise_floor + limits.noise * measured.square()
                kept = torch.minimum(torch.maximum(result, measured - noise), measured + noise)
                result = torch.where(own & valid, kept, result)
            choice, state = Choice(result, *more), Measurement(measured, valid, beyond)
            chosen = validity.mask_choice(choice, state, (limits.minimum, limits.maximum), frame.options)
            return [chosen.depth, chosen.origin, *chosen.uncertainty]
        if frame.size.pooled:
            noise = limits.noise_floor + limits.noise * measured.square()
            result = back_project(result, measured, valid, noise)
        near, ends = beyond & (measured < limits.minimum), (limits.minimum, limits.maximum)
        return [*validity.mask_depth(result, valid, beyond, frame.options, near, ends)]

    def _run(
        self, function: Callable[..., list[Tensor]], frame: FrameSettings, tensors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        if self._graphs is not None:
            try:
                return self._graphs.run((function.__name__, frame), partial(function, frame), tensors)
            except NotRecordableError as error:
                self._stop_recording(error)
        with self._alone:
            return function(frame, *tensors)

    def _stop_recording(self, error: NotRecordableError) -> None:
        """Go on without graphs for good: torch keeps what a recording that failed has taken."""
        assert self._graphs is not None
        self._graphs.clear()
        self._graphs, self.backend = None, "eager" if self.backend == "graph" else self.backend
        self.fallback_reason = f"without CUDA graphs: {error}"
        if self.device.type == "cuda":
            give_back()

    def _guidance(self, colour: Tensor, size: tuple[int, int]) -> Tensor:
        """``[1, 3, H, W]`` uint8 -> the network's colour input at the working size, -0.5 to 0.5."""
        if tuple(colour.shape[-2:]) != size:
            wide = F.interpolate(colour.to(torch.float32), size=size, mode="bilinear", antialias=True)
            return (wide / 255.0 - 0.5).to(self._dtype)
        if isinstance(self._forward, NativePagNet | NativeSurfaces):
            return colour  # which converts by itself
        return (colour.to(torch.float32) / 255.0 - 0.5).to(self._dtype)

    def _prepare(self, network: Network, backend: str) -> tuple[str, Callable[..., Any]]:
        """The name of the way to run, and the network as a function."""
        if not isinstance(network, nn.Module):
            stream = self._buffers.stream.cuda_stream if isinstance(self._buffers, CudaBuffers) else 0
            placed = network.on(self.device, stream)
            self.fallback_reason = network.fallback_reason
            return network.backend, placed
        native = next((made for kind, made in _NATIVE.items() if isinstance(network, kind)), None)
        if backend in ("auto", "native") and self.device.type == "cpu" and native is not None:
            try:
                return "native", native(network.eval(), load_library(), bf16=self.precision == "bf16")
            except NativeUnavailableError as error:
                self.fallback_reason = f"torch instead of C++: {error}"
        if backend == "native":
            raise DeviceError(
                f"backend 'native' is not to be had: {self.fallback_reason or 'it takes a PagNet'}; set backend:=auto"
            )
        if self.device.type == "cuda" and self._dtype.itemsize == 2:
            pad_for_tensor_cores(network)
        network = network.eval().requires_grad_(False).cast_features(self._dtype)
        moved: Any = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        run: Callable[..., Any] = partial(choose_surfaces, moved) if self._chooses else moved
        if backend == "compiled":  # the choice too, most of whose time goes into reading and writing between operations
            run = torch.compile(run, dynamic=False)
        elif backend == "auto":
            backend = "graph" if self.device.type == "cuda" else "eager"
        return backend, run

    def _give_up_memory(self, error: BaseException | None) -> None:
        """Give up what the failed frame and the recordings hold; else it would stay as long as the error does."""
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
        if self._graphs is not None:
            self._graphs.clear()
        if self.device.type == "cuda":
            give_back()


def _precision_of(network: Network, asked: str, device: torch.device) -> str:
    """What a network's features are computed in on a device; one that places itself has its own."""
    if isinstance(network, nn.Module):
        return choose_precision(asked, device)
    if asked not in ("auto", network.precision):
        raise DeviceError(
            f"precision {asked!r} was asked for, and this network computes in {network.precision}, as its file says; "
            "set precision:=auto, or export the file anew with --precision"
        )
    return network.precision


def _resample(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``[1, 1, h, w]`` at exactly `size`; unchanged where it already is."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
