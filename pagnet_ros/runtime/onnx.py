"""A network exported to ONNX, run by ONNX Runtime: CUDA or TensorRT where its build has them, else the CPU.

``python -m pagnet_ros.runtime.export_onnx`` writes such files, in float32 or with features in half precision: the types
of the graph say which. A file of a network that chooses surfaces holds the choice too, for one size of depth and of
colour. ONNX Runtime is optional (the ``onnx`` extra).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pagnet_ros.errors import ConfigError, DeviceError, InputError, WeightsError, first_line, quoted
from pagnet_ros.model.surfaces import Choice, as_range_of_one
from pagnet_ros.model.weights import HEADER_KEY, WeightsHeader, checked_file
from pagnet_ros.runtime.native.library import NativeUnavailableError, cache_folder

INPUTS = {"depth": ("depth", "rgb", "valid"), "surfaces": ("depth", "seen", "rgb", "colour", "limits", "mean")}
"""What a file takes, by what its network gives: see `PagNet.forward` and `choose_surfaces`."""
PRECISION_KEY = "pagnet_precision"
"""Metadata that says what the features are computed in; a file without it is float32."""
TYPED_TENSORRT = 11
"""From this major version on TensorRT obeys the types of a graph."""
PROFILE = {"min": (2, 2), "opt": (480, 640), "max": (1080, 1920)}
"""Sizes that TensorRT builds an engine for where a file leaves them free: least input, best and largest output."""
_OF_THE_DEVICE = ("memory", "bad_alloc", "CUDA", "cuDNN", "CUDNN", "CUBLAS")
"""Words of the errors of ONNX Runtime that are not the file's fault."""
_MEND = "write one with `python -m pagnet_ros.runtime.export_onnx`"


class OnnxNetwork:
    """A file with the interface of a network, once `on` has put it on a device.

    Attributes:
        header: what the weights it was made of say of themselves.
        scale: up-sampling factor.
        backend: what the engine calls it.
        precision: what the features are computed in, as the file says: fp32 or fp16.
        fallback_reason: why it does not run the fastest way there is, once it is on a device; empty where it does.
        chooses: whether it chooses surfaces.
        fixed_sizes: of depth and of colour, height and width, where the file takes no other; None where it does.
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
        self._path = checked_file(path, "an ONNX file", _MEND)
        session = self._cpu_session()
        try:
            metadata = session.get_modelmeta().custom_metadata_map
            shapes = {each.name: tuple(each.shape) for each in session.get_inputs()}
        except UnicodeDecodeError as error:
            raise WeightsError(f"{self._path} is not a readable ONNX file ({error}); {_MEND}") from error
        text = metadata.get(HEADER_KEY)
        self.precision: str = metadata.get(PRECISION_KEY, "fp32")
        is_fixed = all(isinstance(side, int) for shape in shapes.values() for side in shape)
        self._fixed = shapes if is_fixed else {}
        try:
            self.header = WeightsHeader.from_json(text or "{}")
            expected = INPUTS[self.header.config.output]
        except ConfigError as error:
            came = error if text else f"it has no {HEADER_KEY!r} header of this package"
            raise WeightsError(f"{self._path}: {came}; {_MEND}") from error
        if tuple(shapes) != expected:
            raise WeightsError(f"{self._path} has inputs {quoted(tuple(shapes))}, expected {expected}; {_MEND}")
        self.scale = self.header.config.scale
        self.chooses = self.header.config.output == "surfaces"
        depth, colour = (self._fixed.get(name, ()) for name in ("depth", "colour" if self.chooses else "rgb"))
        self.fixed_sizes = ((depth[-2], depth[-1]), (colour[-2], colour[-1])) if depth and colour else None

    def on(self, device: torch.device, stream: int = 0) -> Callable[..., Any]:
        """The network as a function of tensors on a device: as `PagNet.forward`, or as `choose_surfaces` from depth on.

        Args:
            device: where the tensors are.
            stream: CUDA's pointer of the stream that is current when the function is called.

        Returns:
            A function that raises `InputError` for images of another size than the file is fixed to.

        Raises:
            DeviceError: this build of ONNX Runtime cannot use the device.
        """
        run: _Run
        if device.type == "cpu":
            run = partial(_run_on_cpu, self._cpu_session())
        else:
            present = self._runtime.get_available_providers()
            if "CUDAExecutionProvider" not in present:
                raise DeviceError(
                    f"this ONNX Runtime has {', '.join(present)}; expected CUDAExecutionProvider for {device}; install "
                    "onnxruntime-gpu, or set device:=cpu"
                )
            providers = self._gpu_providers(present, device.index or 0, stream)
            run = partial(_run_on_gpu, self._gpu_session(providers, device), device)
        return partial(self._choice if self.chooses else self._depth, partial(self._checked, run))

    def _checked(self, run: _Run, given: dict[str, Tensor], shape: tuple[int, ...]) -> list[Tensor]:
        """What a run gives; its errors are of the device, or say that the file is no network of ours."""
        try:
            outputs = run(given, shape)
        except Exception as error:  # ONNX Runtime's errors have no common base
            if any(word in str(error) for word in _OF_THE_DEVICE):
                raise RuntimeError(str(error)) from error  # which is named where torch's are
            if "TensorRT" in str(error):
                raise DeviceError(
                    f"TensorRT failed to run {self._path} ({first_line(error)}); expected images of at most "
                    f"{_size(PROFILE['max'])} where the file leaves their size free; export it with the --size of this "
                    "camera"
                ) from error
            raise WeightsError(f"{self._path} cannot be run ({first_line(error)}); {_MEND}") from error
        came = [(tuple(each.shape), str(each.dtype).removeprefix("torch.")) for each in outputs]
        count = len(Choice._fields) if self.chooses else 1
        if len(came) != count or any(size != shape or kind not in ("float32", "bool") for size, kind in came):
            raise WeightsError(
                f"{self._path} makes {quoted([f'{kind} {size}' for size, kind in came])}; expected {count} of "
                f"{shape}, as its header says; {_MEND}"
            )
        return outputs

    def _depth(self, run: _Run, depth: Tensor, rgb: Tensor, valid: Tensor) -> Tensor:
        given = {"depth": depth, "rgb": rgb, "valid": valid.to(torch.float32)}
        self._check_sizes(given)
        shape = (1, 1, depth.shape[-2] * self.scale, depth.shape[-1] * self.scale)
        return run(given, shape)[0]

    def _choice(
        self,
        run: _Run,
        depth: Tensor,
        seen: Tensor,
        rgb: Tensor,
        colour: Tensor,
        limits: tuple[float, float],
        *,
        mean: bool = False,
    ) -> Choice:
        given = {"depth": depth, "seen": seen, "rgb": rgb, "colour": as_range_of_one(colour)}
        self._check_sizes(given)
        given |= {"limits": torch.tensor(limits), "mean": torch.tensor(mean)}
        return Choice(*run(given, (1, 1, *colour.shape[-2:])))

    def _check_sizes(self, given: dict[str, Tensor]) -> None:
        wrong = [name for name in given if self._fixed and self._fixed[name] != tuple(given[name].shape)]
        if wrong:
            sizes = ", ".join(f"{name} of {_size(self._fixed[name])}, not {_size(given[name].shape)}" for name in wrong)
            raise InputError(f"{self._path} takes {sizes}; export one with --size and --depth-size of this camera")

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
        if not self._fixed:
            options |= {f"trt_profile_{kind}_shapes": self._shapes(kind) for kind in PROFILE}
        return [("TensorrtExecutionProvider", options), cuda]

    def _gpu_session(self, providers: list[tuple[str, dict[str, str]]], device: torch.device) -> Any:
        """A session that the first provider runs, or the next one where that does not start.

        ONNX Runtime itself would go on without it: with a note in its own log, or with another provider and none of the
        options, so on a stream of its own, beside the one that the tensors are computed in.
        """
        why = ""
        for at, (name, _) in enumerate(providers):
            if at:
                self.fallback_reason = f"CUDA instead of TensorRT: {why}"
            try:
                session = self._session(providers[at:])
            except Exception as error:
                if "memory" in str(error):
                    raise RuntimeError(str(error)) from error  # which is named where torch's are
                why = f"{name} does not start ({first_line(error)})"
                continue
            if name in session.get_providers():
                return session
            why = f"{name} does not start, though this ONNX Runtime has it; its log names the library that is missing"
        raise DeviceError(
            f"{why}; expected it for {device}; install the versions of CUDA and cuDNN that this onnxruntime-gpu was "
            "built for, or set device:=cpu"
        )

    def _shapes(self, kind: str) -> str:
        """Shapes of the three inputs, as TensorRT's provider wants them."""
        height, width = PROFILE[kind] if kind == "min" else (-(-side // self.scale) for side in PROFILE[kind])
        low, high = f"{height}x{width}", f"{self.scale * height}x{self.scale * width}"
        return f"depth:1x1x{low},rgb:1x3x{high},valid:1x1x{low}"

    def _cpu_session(self) -> Any:
        try:
            return self._session(["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise WeightsError(f"{self._path} is not a readable ONNX file ({first_line(error)}); {_MEND}") from error

    def _session(self, providers: list[Any]) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return self._runtime.InferenceSession(str(self._path), options, providers=providers, enable_fallback=0)


_Run = Callable[[dict[str, Tensor], tuple[int, ...]], list[Tensor]]
"""Inputs by name and the shape of every output -> the outputs."""


def _run_on_cpu(session: Any, given: dict[str, Tensor], shape: tuple[int, ...]) -> list[Tensor]:
    arrays = {name: tensor.contiguous().numpy() for name, tensor in given.items()}
    return [torch.from_numpy(array) for array in session.run(None, arrays)]


def _run_on_gpu(session: Any, device: torch.device, given: dict[str, Tensor], shape: tuple[int, ...]) -> list[Tensor]:
    binding, index = session.io_binding(), device.index or 0
    types = {torch.float32: np.float32, torch.bool: np.bool_}
    given = {name: tensor.contiguous() for name, tensor in given.items()}  # alive until the network has run
    for name, tensor in given.items():
        if tensor.device.type == "cpu":
            binding.bind_cpu_input(name, tensor.numpy())
        else:
            binding.bind_input(name, "cuda", index, types[tensor.dtype], tuple(tensor.shape), tensor.data_ptr())
    outputs: list[Tensor] = []
    for each in session.get_outputs():
        kind = torch.bool if each.type == "tensor(bool)" else torch.float32
        outputs.append(torch.empty(shape, dtype=kind, device=device))
        binding.bind_output(each.name, "cuda", index, types[kind], shape, outputs[-1].data_ptr())
    session.run_with_iobinding(binding)
    return outputs


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[-1]}x{shape[-2]}"


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
