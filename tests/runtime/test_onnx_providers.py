"""Which provider of ONNX Runtime runs a file on a GPU, and whose fault an error of it is; no GPU is needed."""

from types import SimpleNamespace

import pytest
import torch

from pagnet_ros.errors import DeviceError, DeviceFailureError, DeviceLostError, OutOfMemoryError, WeightsError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.weights import HEADER_KEY, WeightsHeader
from pagnet_ros.runtime import onnx as onnx_network
from pagnet_ros.runtime.devices import named_device_errors
from pagnet_ros.runtime.onnx import OnnxNetwork

onnx = pytest.importorskip("onnx", reason="onnx is not installed here (the onnx extra)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here (the onnx extra)")

TENSORRT, CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"
GPU = torch.device("cuda:1")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file with the inputs and the header of ours, whose network passes depth on."""
    path, make = tmp_path_factory.mktemp("onnx") / "passes.onnx", onnx.helper
    values = {
        name: make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, f"{name}_h", f"{name}_w"])
        for name, channels in (("depth", 1), ("rgb", 3), ("valid", 1), ("depth_hr", 1))
    }
    node = make.make_node("Identity", ["depth"], ["depth_hr"])
    graph = make.make_graph([node], "passes", list(values.values())[:3], [values["depth_hr"]])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    make.set_model_props(model, {HEADER_KEY: WeightsHeader("passes", ModelConfig(scale=4)).to_json()})
    onnx.save(model, path)
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_provider_that_is_listed_and_does_not_start_is_said_and_the_cpu_does_not_take_its_place(file, monkeypatch):
    """What ONNX Runtime does where CUDA's libraries are missing."""
    network = OnnxNetwork(file)
    monkeypatch.setattr(network._runtime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"CUDAExecutionProvider does not start, though.*expected it for cuda:1"):
        network.on(GPU, 7)


class Sessions:
    """An ONNX Runtime for a GPU that is none: `starts` says which of its providers start, and how the others fail."""

    SessionOptions = SimpleNamespace

    def __init__(self, starts):
        self.starts, self.made = starts, []

    def get_available_providers(self):
        return list(self.starts)

    def InferenceSession(self, path, options, providers, **more):
        try:
            for name, _ in providers:
                if isinstance(self.starts[name], Exception):
                    raise self.starts[name]
        except RuntimeError:
            if not more.get("enable_fallback", 1):
                raise
            providers = [(CUDA, {})]  # as ONNX Runtime begins again by default
        self.made.append(dict(providers))
        started = [name for name, _ in providers if self.starts[name] is True]
        return SimpleNamespace(get_providers=lambda: started)


def on_gpu(file, monkeypatch, starts):
    """The network on a GPU, and the options of the session that was made last."""
    monkeypatch.setattr(onnx_network, "_tensorrt_version", lambda: 10)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    network = OnnxNetwork(file)
    network._runtime = runtime = Sessions(starts)
    with named_device_errors(GPU):
        network.on(GPU, 7)
    return network, runtime.made[-1]


def test_all_providers_that_start_are_taken(file, monkeypatch):
    network, options = on_gpu(file, monkeypatch, {TENSORRT: True, CUDA: True})
    assert (list(options), network.fallback_reason) == ([TENSORRT, CUDA], "")


@pytest.mark.parametrize(
    "tensorrt", [False, RuntimeError("Please install TensorRT libraries\nmore")], ids=["said in a log", "raised"]
)
def test_where_tensorrt_does_not_start_cuda_runs_with_its_own_options_and_that_is_said(file, monkeypatch, tensorrt):
    network, options = on_gpu(file, monkeypatch, {TENSORRT: tensorrt, CUDA: True})
    own = options[CUDA]
    assert (own["device_id"], own["user_compute_stream"], own["use_tf32"]) == ("1", "7", "0")
    assert network.fallback_reason.startswith("CUDA instead of TensorRT: TensorrtExecutionProvider does not start")
    assert ("Please install TensorRT libraries" in network.fallback_reason) == bool(tensorrt)
    assert "more" not in network.fallback_reason


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("CUDA failure 2: out of memory ; GPU=1", OutOfMemoryError),
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", DeviceError),
    ],
)
def test_a_session_that_cannot_be_made_on_a_gpu_is_no_fault_of_the_file(file, monkeypatch, said, named):
    with pytest.raises(DeviceError, match=said) as caught:
        on_gpu(file, monkeypatch, {CUDA: RuntimeError(said)})
    assert type(caught.value) is named


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (MemoryError("std::bad_alloc"), OutOfMemoryError),
        (RuntimeError("Failed to allocate memory for requested buffer of size 4585490524328388608"), OutOfMemoryError),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; hostname=robot"), OutOfMemoryError),
        (RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0"), DeviceLostError),
        (RuntimeError("CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0"), DeviceFailureError),
        (RuntimeError("Status Message: TensorRT EP execution context enqueue failed."), DeviceError),
        (RuntimeError("Got invalid dimensions for input: rgb"), WeightsError),
    ],
    ids=str,
)
def test_an_error_in_a_frame_is_the_device_s_where_the_file_is_not_to_blame(file, error, named):
    def run(given, shape):
        raise error

    with pytest.raises((DeviceError, WeightsError)) as caught, named_device_errors(GPU):
        OnnxNetwork(file)._checked(run, {}, ())
    assert type(caught.value) is named
