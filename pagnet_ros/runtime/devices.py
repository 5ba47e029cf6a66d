"""Which device, which precision, which way to run; and one way to say what a device's errors mean."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pagnet_ros.errors import DeviceError, DeviceFailureError, DeviceLostError, OutOfMemoryError, first_line

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BACKENDS = {"cpu": ("auto", "native", "eager", "compiled"), "cuda": ("auto", "graph", "eager", "compiled")}
"""Ways to run a network on each kind of device, see `pagnet_ros.runtime.engine.Engine`."""

_BF16_CAPABILITY = (8, 0)
"""NVIDIA's Ampere; cuDNN has no bfloat16 convolutions for older ones."""
_NO_MEMORY = (
    "allocate memory", "out of memory", "bad_alloc", "ALLOC_FAILED", "ALLOCATION_FAILED", "unable to find an engine",
)  # fmt: skip
"""cuDNN passes over every algorithm that has no room for its workspace, and then has none left."""
_DEVICES = ("CUDA error", "CUDA failure", "cuDNN", "CUDNN", "CUBLAS")
"""Torch's words, and those of ONNX Runtime: "CUDA failure 700: an illegal memory access was encountered"."""
_LOST = (
    "illegal memory access",
    "device-side assert",
    "misaligned address",
    "unspecified launch failure",
    "illegal instruction",
    "invalid program counter",
    "hardware stack error",
    "not supported on global/shared address space",
    "launch timed out",
    "uncorrectable ECC error",
    "context is destroyed",
)
"""After these a process gets the same error from every later call (CUDA runtime API, `cudaError_t`)."""


def choose_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` -> a device that is there.

    ``auto`` warns where it takes the CPU of a machine with an NVIDIA device.

    Raises:
        DeviceError: no such device here; the message lists those that are.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = ["cpu", *(f"cuda:{i}" for i in range(count))]
    if name == "auto":
        if not count and (problem := unusable_gpu()):
            warnings.warn(problem, stacklevel=2)
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


def unusable_gpu() -> str:
    """Why torch cannot use the NVIDIA device of this machine, and the mend; empty where it can, or there is none."""
    if torch.cuda.is_available() or not (found := next((path for path in _NVIDIA if Path(path).exists()), "")):
        return ""
    if torch.version.cuda is None:
        why = f"torch {torch.__version__} was built without CUDA"
        mend = "install a torch built for this machine's CUDA (make setup TORCH_INDEX=..., docs/jetson.md)"
    else:
        why = f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, finds no GPU ({_no_cuda_because()})"
        mend = (
            "install a driver that knows this CUDA, or a torch built for the driver's (docs/jetson.md); start a "
            "container with --runtime nvidia or --gpus all"
        )
    return (
        f"frames are computed on the CPU though this machine has an NVIDIA device ({found}): {why}; {mend}; "
        "device:=cpu takes the CPU without this warning"
    )


_NVIDIA = ("/dev/nvidia0", "/etc/nv_tegra_release", "/dev/nvhost-gpu", "/proc/driver/nvidia/version")
"""Of a desktop's GPU, of a Jetson (JetPack 5 and 6 have the device file), and of a driver seen from a container."""


def _no_cuda_because() -> str:
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return first_line(error)
    return "no reason given"


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
    refused = "fp16" if device.type == "cpu" else "" if name != "bf16" or _gpu_has_bf16(device) else "bf16"
    if name not in PRECISIONS or name == refused:
        offered = [each for each in PRECISIONS if each != refused]
        expected = f"auto, {', '.join(offered[:-1])} or {offered[-1]}"
        raise DeviceError(f"precision {name!r} is not supported on {device}; expected {expected}; set precision:=auto")
    return name


def _gpu_has_bf16(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= _BF16_CAPABILITY


def _cpu_has_fast_bf16() -> bool:
    capability = torch.backends.cpu.get_cpu_capability()
    flags = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(flags) and capability.startswith("AVX512")


def check_backend(name: str, device: torch.device) -> None:
    """Check that a way to run is one of this device's.

    Raises:
        DeviceError: it is not; the message lists those that are.
    """
    if name not in BACKENDS[device.type]:
        raise DeviceError(
            f"backend {name!r} does not run on {device}; expected one of {', '.join(BACKENDS[device.type])}; set "
            "backend:=auto"
        )


def compute_float32_exactly() -> None:
    """Keep float32 convolutions on a GPU out of TensorFloat-32, whose 10 bits would cost the bicubic base up to 2 mm.

    And let cuDNN measure its algorithms, once per shape. Both are settings of the process, set for good by the first
    engine on a GPU: two engines in two threads that set and restored them would undo each other's.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


@contextmanager
def named_device_errors(device: torch.device) -> Iterator[None]:
    """Turn torch's errors of memory and of a failing device into ones that say how to mend them."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemoryError(_out_of_memory(device, error)) from error
    except OSError as error:  # the native kernels' memory is mapped
        if error.errno != errno.ENOMEM:
            raise
        raise OutOfMemoryError(_out_of_memory(device, error)) from error
    except RuntimeError as error:
        named = _named(device, error)
        if named is None:
            raise
        raise named from error


def _named(device: torch.device, error: RuntimeError) -> DeviceError | None:
    """What an error of torch means; None where it is not the device's."""
    text = str(error)
    if any(words in text for words in _NO_MEMORY):
        return OutOfMemoryError(_out_of_memory(device, error))
    if "no kernel image" in text:
        built_for = ", ".join(torch.cuda.get_arch_list()) or "no GPU at all"
        return DeviceError(
            f"torch {torch.__version__} was not built for {device}; expected one of {built_for}; install a torch "
            "built for this GPU, or set device:=cpu"
        )
    is_devices = isinstance(error, getattr(torch, "AcceleratorError", ()))  # which torch has since 2.8
    if not is_devices and not any(name in text for name in _DEVICES):
        return None
    failed = f"{device} failed in the middle of a frame ({first_line(error)}); expected it to compute"
    if any(words in text for words in _LOST):
        return DeviceLostError(f"{failed}; restart the process, for this one can never use the device again")
    return DeviceFailureError(f"{failed}; build the engine anew, and if that fails too restart the process")


def _out_of_memory(device: torch.device, error: Exception) -> str:
    return (
        f"{device} ran out of memory ({first_line(error)}); expected room for one frame; use a smaller colour "
        "image, weights:=bicubic, or free memory on the device"
    )
