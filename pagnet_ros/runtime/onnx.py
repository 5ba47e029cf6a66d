"""A network exported to ONNX, run by ONNX Runtime: CUDA or TensorRT where its build has them, else the CPU.

``python -m pagnet_ros.runtime.export_onnx`` writes such files. ONNX Runtime is optional (the ``onnx`` extra).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pagnet_ros.errors import ConfigError, DeviceError, WeightsError
from pagnet_ros.model.network import PagNetOutput
from pagnet_ros.model.weights import HEADER_KEY, MAX_FILE_BYTES, WeightsHeader

__all__ = ["INPUTS", "OnnxNetwork"]

INPUTS = ("depth", "rgb", "valid")
_MEND = "write one with `python -m pagnet_ros.runtime.export_onnx`"


class OnnxNetwork:
    """A file with the interface of a network, once `on` has put it on a device.

    Attributes:
        header: what the weights it was made of say of themselves.
        scale: up-sampling factor.
        backend: what the engine calls it.
    """

    backend = "onnx"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file.

        Raises:
            WeightsError: missing, too large, not ONNX, or not of this package.
            DeviceError: ONNX Runtime is not installed.
        """
        self._runtime = _onnx_runtime()
        self._path = _checked_path(path)
        session = self._session(["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(HEADER_KEY)
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
        options = {"device_id": str(device.index or 0), "user_compute_stream": str(stream)}
        providers = [
            (name, options) for name in ("TensorrtExecutionProvider", "CUDAExecutionProvider") if name in present
        ]
        session = self._session(providers)
        return lambda depth, rgb, valid: _run_on_gpu(session, device, self.scale, depth, rgb, valid)

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
