"""A network exported to ONNX, run by ONNX Runtime: CUDA or TensorRT where its build has them, else the CPU.

``python -m pagnet_ros.runtime.export_onnx`` writes such files, in float32 or with features in half precision: the types
of the graph say which. ONNX Runtime is optional (the ``onnx`` extra).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pagnet_ros.errors import ConfigError, DeviceError, WeightsError
from pagnet_ros.model.network import PagNetOutput
from pagnet_ros.model.weights import HEADER_KEY, MAX_FILE_BYTES, WeightsHeader
from pagnet_ros.runtime.native.library import NativeUnavailableError, cache_folder

__all__ = ["INPUTS", "PRECISION_KEY", "OnnxNetwork"]

INPUTS = ("depth", "rgb", "valid")
PRECISION_KEY = "pagnet_precision"
"""Metadata that says what the features are computed in; a file without it is float32."""
TYPED_TENSORRT = 11
"""From this major version on TensorRT obeys the types of a graph."""
PROFILE = {"min": (2, 2), "opt": (480, 640), "max": (1080, 1920)}
"""Sizes that TensorRT builds an engine for where a file leaves them free: least input, best and largest output."""
_MEND = "write one with `python -m pagnet_ros.runtime.export_onnx`"


class OnnxNetwork:
    """A file with the interface of a network, once `on` has put it on a device.

    Attributes:
        header: what the weights it was made of say of themselves.
        scale: up-sampling factor.
        backend: what the engine calls it.
        precision: what the features are computed in, as the file says: fp32 or fp16.
        fallback_reason: why it does not run the fastest way there is, once it is on a device; empty where it does.
    """

    backend = "onnx"
    fallback_reason = ""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file.

        Raises:
            WeightsError: missing, too large, not ONNX, or not of this package.
            DeviceError: ONNX Runtime is not installed.
        """
        self._runtime = _onnx_runtime()
        self._path = _checked_path(path)
        session = self._session(["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        text = metadata.get(HEADER_KEY)
        self.precision: str = metadata.get(PRECISION_KEY, "fp32")
        self._is_fixed = all(isinstance(side, int) for each in session.get_inputs() for side in each.shape)
        names = tuple(each.name for each in session.get_inputs())
        if text is None or names != INPUTS:
            raise WeightsError(f"{self._path} has inputs {names} and no {HEADER_KEY!r} header of this package; {_MEND}")
        try:
            self.header = WeightsHeader.from_json(text)
        except ConfigError as error:
            raise WeightsError(f"{self._path}: {error}; {_MEND}") from error
        self.scale = self.header.config.scale

    def on(self, device: torch.device, stream: int = 0) -> Callable[[Tensor, Tensor, Tensor], PagNetOutput]:
        """The network as a function of tensors on a device, see `PagNet.forward`.

        Args:
            device: where the tensors are.
            stream: CUDA's pointer of the stream that is current when the function is called.

        Raises:
            DeviceError: this build of ONNX Runtime cannot use the device.
        """
        if device.type == "cpu":
            session = self._session(["CPUExecutionProvider"])
            return lambda depth, rgb, valid: _run_on_cpu(session, depth, rgb, valid)
        present = self._runtime.get_available_providers()
        if "CUDAExecutionProvider" not in present:
            raise DeviceError(
                f"this ONNX Runtime has {', '.join(present)}; expected CUDAExecutionProvider for {device}; install "
                "onnxruntime-gpu, or set device:=cpu"
            )
        session = self._session(self._gpu_providers(present, device.index or 0, stream))
        return lambda depth, rgb, valid: _run_on_gpu(session, device, self.scale, depth, rgb, valid)

    def _gpu_providers(self, present: list[str], index: int, stream: int) -> list[tuple[str, dict[str, str]]]:
        """The providers to try, best first, with options; sets `fallback_reason` where TensorRT is not among them."""
        where = {"device_id": str(index), "user_compute_stream": str(stream)}
        # TF32 would cost the bicubic base up to 2 mm
        cuda = ("CUDAExecutionProvider", {**where, "use_tf32": "0", "cudnn_conv_algo_search": "EXHAUSTIVE"})
        if "TensorrtExecutionProvider" not in present:
            return [cuda]
        found = _tensorrt_version()
        if self.precision == "fp16" and found < TYPED_TENSORRT:
            self.fallback_reason = (
                f"CUDA instead of TensorRT {found or 'of an unknown version'}, which may compute depth in half "
                f"precision too; from TensorRT {TYPED_TENSORRT} on it obeys the types of the file"
            )
            return [cuda]
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # its provider has no option of its own
        options = dict(where)
        try:
            folder = str(cache_folder())
        except NativeUnavailableError as error:
            self.fallback_reason = f"TensorRT builds its engine at every start: {error}"
        else:
            for cache in ("engine", "timing"):
                options |= {f"trt_{cache}_cache_enable": "1", f"trt_{cache}_cache_path": folder}
        if not self._is_fixed:
            options |= {f"trt_profile_{kind}_shapes": self._shapes(kind) for kind in PROFILE}
        return [("TensorrtExecutionProvider", options), cuda]

    def _shapes(self, kind: str) -> str:
        """Shapes of the three inputs, as TensorRT's provider wants them."""
        height, width = PROFILE[kind] if kind == "min" else (-(-side // self.scale) for side in PROFILE[kind])
        low, high = f"{height}x{width}", f"{self.scale * height}x{self.scale * width}"
        return f"depth:1x1x{low},rgb:1x3x{high},valid:1x1x{low}"

    def _session(self, providers: list[Any]) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            return self._runtime.InferenceSession(str(self._path), options, providers=providers)
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise WeightsError(f"{self._path} is not a readable ONNX file ({_first_line(error)}); {_MEND}") from error


def _run_on_cpu(session: Any, depth: Tensor, rgb: Tensor, valid: Tensor) -> PagNetOutput:
    arrays = (tensor.to(torch.float32).contiguous().numpy() for tensor in (depth, rgb, valid))
    outputs = session.run(None, dict(zip(INPUTS, arrays, strict=True)))
    return PagNetOutput(torch.from_numpy(outputs[0]), torch.from_numpy(outputs[1]) if len(outputs) > 1 else None)


def _run_on_gpu(
    session: Any, device: torch.device, scale: int, depth: Tensor, rgb: Tensor, valid: Tensor
) -> PagNetOutput:
    binding = session.io_binding()
    inputs = [tensor.to(torch.float32).contiguous() for tensor in (depth, rgb, valid)]
    shape = (1, 1, depth.shape[-2] * scale, depth.shape[-1] * scale)
    names = [each.name for each in session.get_outputs()]
    outputs = [torch.empty(shape, device=device) for _ in names]
    index = device.index or 0
    for name, tensor in zip(INPUTS, inputs, strict=True):
        binding.bind_input(name, "cuda", index, np.float32, tuple(tensor.shape), tensor.data_ptr())
    for name, tensor in zip(names, outputs, strict=True):
        binding.bind_output(name, "cuda", index, np.float32, shape, tensor.data_ptr())
    session.run_with_iobinding(binding)
    return PagNetOutput(outputs[0], outputs[1] if len(outputs) > 1 else None)


def _tensorrt_version() -> int:
    """The major version of TensorRT here; 0 where nothing tells it."""
    for name in ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"):
        try:
            return int(version(name).split(".")[0])
        except (PackageNotFoundError, ValueError):
            continue
    return 0


def _onnx_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            "ONNX Runtime is not installed; expected it for an .onnx file; pip install onnxruntime (on a GPU "
            "onnxruntime-gpu), or use the weights file with torch"
        ) from error
    return onnxruntime


def _checked_path(path: str | os.PathLike[str]) -> Path:
    checked = Path(path)
    try:
        size = checked.stat().st_size if checked.is_file() else -1
    except OSError as error:
        raise WeightsError(f"{checked} cannot be read ({error.strerror}), expected an ONNX file; {_MEND}") from error
    if not 0 <= size <= MAX_FILE_BYTES:
        came = "missing or not a file" if size < 0 else f"{size} bytes large"
        raise WeightsError(f"{checked} is {came}, expected an ONNX file of at most {MAX_FILE_BYTES} bytes; {_MEND}")
    return checked


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
