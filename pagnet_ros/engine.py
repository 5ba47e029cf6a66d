"""Owns the device: its stream, its buffers, the network on it. NumPy in, NumPy out.

`Engine.infer` is the hot path: upload -> decode, fill, normalise -> forward -> trust -> download, with one
synchronisation. Raw uint16 and uint8 images are uploaded as they come; everything else happens on the device.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pagnet_ros import trust
from pagnet_ros.depth import Normalisation, WorkingSize, back_project, decode_depth, fill_holes, pool_valid
from pagnet_ros.errors import DeviceError
from pagnet_ros.network import Bicubic, PagNet

__all__ = ["Engine", "EngineOutput", "FrameLimits", "choose_device", "choose_precision"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class FrameLimits(NamedTuple):
    """What bounds one frame's depth, in its unit.

    Attributes:
        minimum: smallest depth that counts as measured.
        maximum: largest depth that counts as measured.
        noise: the sensor's standard deviation is ``noise * depth**2`` (triangulation; Khoshelham and Elberink 2012).
    """

    minimum: float
    maximum: float
    noise: float


@dataclass(frozen=True)
class EngineOutput:
    """One frame's result, as NumPy arrays the caller owns.

    Attributes:
        depth: ``[H, W]`` float32, NaN where not believed, unit of the input (metres for uint16).
        sigma: ``[H, W]`` float32, same unit, or None where the network predicts none.
        provenance: ``[H, W]`` uint8, see `pagnet_ros.trust`.
        stage_ms: milliseconds per stage: upload, network, trust, download.
    """

    depth: NDArray[np.float32]
    sigma: NDArray[np.float32] | None
    provenance: NDArray[np.uint8]
    stage_ms: dict[str, float]


def choose_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` -> a device that is there.

    Raises:
        DeviceError: no such device here; the message lists those that are.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = ["cpu", *(f"cuda:{i}" for i in range(count))]
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        why = (
            ""
            if count or not wanted.startswith("cuda")
            else (
                "; this torch has no CUDA support" if torch.version.cuda is None else "; no usable NVIDIA GPU or driver"
            )
        )
        raise DeviceError(
            f"device {name!r} is not here{why}; expected one of {', '.join(present)}, or auto; set device:=auto to "
            "take a GPU where there is one"
        )
    return torch.device(wanted)


def choose_precision(name: str, device: torch.device) -> str:
    """``auto``, ``fp32``, ``bf16`` or ``fp16`` -> what the features are computed in on this device.

    ``auto`` is fp16 on a GPU, bf16 on a CPU with matrix instructions for it, else fp32.

    Raises:
        DeviceError: unknown, or not supported there.
    """
    if name == "auto":
        if device.type == "cuda":
            return "fp16"
        return "bf16" if _cpu_has_fast_bf16() else "fp32"
    if name not in PRECISIONS or (name == "fp16" and device.type == "cpu"):
        expected = "auto, fp32 or bf16" if device.type == "cpu" else "auto, fp32, bf16 or fp16"
        raise DeviceError(f"precision {name!r} is not supported on {device}; expected {expected}; set precision:=auto")
    return name


def _cpu_has_fast_bf16() -> bool:
    capability = torch.backends.cpu.get_cpu_capability()
    flags = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(flags) and capability.startswith("AVX512")


class Engine:
    """One network on one device. Use from one thread at a time."""

    def __init__(self, network: PagNet | Bicubic, device: str = "auto", precision: str = "auto") -> None:
        """Move the network to the device.

        Raises:
            DeviceError: device or precision not available, or out of memory.
        """
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.scale = network.scale
        self._dtype = PRECISIONS[self.precision]
        with _named_memory_errors(self.device):
            network = network.eval().requires_grad_(False).cast_features(self._dtype)
            self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        if self._stream is not None:  # the weights were laid out on the stream that is current here
            self._stream.wait_stream(torch.cuda.current_stream(self.device))
        self._pinned: dict[tuple[str, tuple[int, ...], torch.dtype], Tensor] = {}

    def infer(
        self,
        depth: NDArray[np.generic],
        rgb: NDArray[np.uint8],
        size: WorkingSize,
        limits: FrameLimits,
        options: trust.TrustOptions,
    ) -> EngineOutput:
        """Up-sample one checked frame: ``depth [h, w]`` uint16 or float32, ``rgb [H, W, 3]`` uint8.

        Raises:
            DeviceError: the device ran out of memory.
        """
        rgb_size = (rgb.shape[0], rgb.shape[1])
        with (
            _named_memory_errors(self.device),
            torch.inference_mode(),
            torch.cuda.stream(self._stream),
            _exact_float32(),
        ):
            timer = _StageTimer(self._stream)
            raw = self._upload("depth", depth)[None, None]
            colour = self._upload("rgb", rgb).permute(2, 0, 1)[None]
            timer.mark("upload")

            measured, valid = decode_depth(raw, limits.minimum, limits.maximum)
            low, low_valid = pool_valid(measured, valid, size.low) if size.pooled else (measured, valid)
            filled = fill_holes(low, low_valid)
            normal = Normalisation.of(filled)
            guide = _guidance(colour, size.high, self._dtype)
            predicted = self._network(normal.apply(filled), guide, low_valid)
            result = _resample(normal.undo(predicted.depth), rgb_size)
            timer.mark("network")

            if size.pooled:
                result = back_project(result, measured, valid, limits.noise * measured.square())
            origin = trust.provenance(valid, rgb_size, options)
            doubtful = (origin == trust.NOTHING) | ~((result > 0) & torch.isfinite(result))
            if options.remove_flying:
                doubtful |= trust.flying_pixels(result, options.flying_gap)
            result = result.masked_fill(doubtful, float("nan"))
            origin = origin.masked_fill(doubtful, trust.NOTHING)
            timer.mark("trust")

            tensors = [result, origin]
            if predicted.log_sigma is not None:
                sigma = _resample(predicted.log_sigma.exp() * normal.span, rgb_size)
                tensors.append(sigma.masked_fill(doubtful, float("nan")))
            arrays = self._download(tensors)  # the one synchronisation of the frame
            timer.mark("download")
        sigma_hr = arrays[2] if len(arrays) > 2 else None
        return EngineOutput(arrays[0], sigma_hr, arrays[1], timer.read())

    def _upload(self, name: str, array: NDArray[np.generic]) -> Tensor:
        """An array on the device, of its own type; through a pinned buffer and without waiting on a GPU."""
        host = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        if self._stream is None:
            return host
        pinned = self._pinned_like(name, host)
        pinned.copy_(host)
        return pinned.to(self.device, non_blocking=True)

    def _download(self, tensors: list[Tensor]) -> list[NDArray[Any]]:
        """Images ``[1, 1, H, W]`` as ``[H, W]`` arrays of the caller's own; waits for the stream."""
        if self._stream is None:
            return [tensor[0, 0].contiguous().numpy() for tensor in tensors]
        hosts = []
        for i, tensor in enumerate(tensors):
            image = tensor[0, 0].contiguous()
            pinned = self._pinned_like(f"out{i}", image)
            pinned.copy_(image, non_blocking=True)
            hosts.append(pinned)
        self._stream.synchronize()
        return [host.numpy().copy() for host in hosts]

    def _pinned_like(self, name: str, like: Tensor) -> Tensor:
        key = (name, tuple(like.shape), like.dtype)
        if key not in self._pinned:
            self._pinned = {k: v for k, v in self._pinned.items() if k[0] != name}
            self._pinned[key] = torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
        return self._pinned[key]


def _guidance(colour: Tensor, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """``[1, 3, H, W]`` uint8 -> the network's colour input at the working size, -0.5 to 0.5."""
    if tuple(colour.shape[-2:]) != size:
        wide = F.interpolate(colour.to(torch.float32), size=size, mode="bilinear", antialias=True)
        return (wide / 255.0 - 0.5).to(dtype)
    return (colour.to(torch.float32) / 255.0 - 0.5).to(dtype)


def _resample(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``[1, 1, h, w]`` at exactly `size`; unchanged where it already is."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


class _StageTimer:
    """Times stages without adding a synchronisation: events on a GPU, the clock on a CPU."""

    def __init__(self, stream: torch.cuda.Stream | None) -> None:
        self._stream = stream
        self._names: list[str] = []
        self._marks: list[float | torch.cuda.Event] = [self._now()]

    def _now(self) -> float | torch.cuda.Event:
        if self._stream is None:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self._stream)
        return event

    def mark(self, name: str) -> None:
        """The stage `name` ends here."""
        self._names.append(name)
        self._marks.append(self._now())

    def read(self) -> dict[str, float]:
        """Milliseconds per stage; to be called once the stream is done."""
        spans = {}
        for name, before, after in zip(self._names, self._marks, self._marks[1:], strict=False):
            if isinstance(before, float) and isinstance(after, float):
                spans[name] = (after - before) * 1e3
            elif isinstance(before, torch.cuda.Event) and isinstance(after, torch.cuda.Event):
                after.synchronize()
                spans[name] = before.elapsed_time(after)
        return spans


def _exact_float32() -> AbstractContextManager[None]:
    """Keep float32 convolutions out of TensorFloat-32, whose 10 bits would cost the bicubic base up to 2 mm."""
    exact: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return exact


@contextmanager
def _named_memory_errors(device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory errors into one that says how to mend it."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise DeviceError(_out_of_memory(device, error)) from error
    except RuntimeError as error:
        if not any(text in str(error) for text in ("allocate memory", "out of memory")):
            raise
        raise DeviceError(_out_of_memory(device, error)) from error


def _out_of_memory(device: torch.device, error: Exception) -> str:
    first_line = str(error).splitlines()[0]
    return (
        f"{device} ran out of memory ({first_line}); expected room for one frame; use a smaller network (rt), a "
        "smaller colour image, or free memory on the device"
    )
