"""Which devices and precisions there are, which ways to run, and which errors of torch become which of ours."""

import pytest
import torch

from pagnet_ros.errors import DeviceError, DeviceFailureError, DeviceLostError, OutOfMemoryError
from pagnet_ros.runtime import devices
from pagnet_ros.runtime.devices import check_backend, choose_device, choose_precision, named_device_errors
from pagnet_ros.runtime.engine_pool import EnginePool

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:99", "tpu", "", "CPU"])
def test_a_device_that_is_not_here_is_named_with_those_that_are(name, no_gpu):
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)
    assert "expected one of cpu" in str(caught.value)
    assert "device:=auto" in str(caught.value)
    assert ("CUDA" in str(caught.value) or "GPU or driver" in str(caught.value)) == name.startswith("cuda")


def test_a_gpu_beyond_those_present_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="expected one of cpu, cuda:0, cuda:1"):
        choose_device("cuda:2")
    assert [str(choose_device(name)) for name in ("auto", "cuda", "cuda:1")] == ["cuda:0", "cuda:0", "cuda:1"]


def test_auto_takes_the_cpu_where_there_is_no_gpu(no_gpu):
    assert str(choose_device("auto")) == "cpu"


@pytest.fixture
def nvidia(no_gpu, tmp_path, monkeypatch):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "_NVIDIA", (str(tmp_path / "nothing"), str(tmp_path / "nvidia0")))


def test_auto_warns_where_torch_without_cuda_leaves_an_nvidia_device_unused(nvidia, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.warns(UserWarning, match=r"on the CPU though this machine has an NVIDIA device .*/nvidia0\)") as told:
        assert str(choose_device("auto")) == "cpu"
    text = str(told[0].message)
    assert "was built without CUDA; install a torch built for this machine's CUDA" in text
    assert "device:=cpu takes the CPU without this warning" in text


def test_auto_warns_with_the_driver_s_words_where_torch_finds_no_gpu(nvidia, monkeypatch):
    def fail():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12060).\nmore")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", fail)
    with pytest.warns(
        UserWarning, match="built for CUDA 13.0, finds no GPU .*driver on your system is too old"
    ) as told:
        choose_device("auto")
    assert "with --runtime nvidia" in str(told[0].message)
    assert "more" not in str(told[0].message)


@pytest.mark.filterwarnings("error")
def test_who_asks_for_the_cpu_or_has_no_nvidia_device_is_not_warned(nvidia, monkeypatch):
    choose_device("cpu")
    assert EnginePool({}, ("bicubic",), "cpu").gpu_problem == ""
    monkeypatch.setattr(devices, "_NVIDIA", ())
    choose_device("auto")


def test_the_up_sampler_keeps_the_warning_for_the_node_s_log(nvidia):
    with pytest.warns(UserWarning, match="NVIDIA device"):
        engines = EnginePool({}, ("bicubic",))
    assert "device:=cpu" in engines.gpu_problem


@pytest.mark.parametrize("name", ["fp16", "fp64", "half", ""])
def test_a_precision_the_cpu_has_not_is_refused(name):
    with pytest.raises(DeviceError, match=rf"precision '{name}' is not supported on cpu; expected auto, fp32 or bf16"):
        choose_precision(name, CPU)


def test_auto_precision_follows_the_device(monkeypatch):
    assert choose_precision("auto", torch.device("cuda:0")) == "fp16"
    for fast, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(devices, "_cpu_has_fast_bf16", lambda fast=fast: fast)
        assert choose_precision("auto", CPU) == expected


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
)
def test_memory_that_ran_out(error):
    with pytest.raises(OutOfMemoryError, match="cpu ran out of memory"), named_device_errors(CPU):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: too many resources requested for launch\nmore"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling ..."),
    ],
)
def test_a_device_that_fails(error):
    named = named_device_errors(CPU)
    with pytest.raises(DeviceFailureError, match="cpu failed in the middle of a frame") as caught, named:
        raise error
    assert "more" not in str(caught.value)
    assert "build the engine anew" in str(caught.value)
    assert not isinstance(caught.value, DeviceLostError)


@pytest.mark.parametrize(
    "words",
    [
        "an illegal memory access was encountered",
        "device-side assert triggered",
        "misaligned address",
        "unspecified launch failure",
        "an illegal instruction was encountered",
        "the launch timed out and was terminated",
        "uncorrectable ECC error encountered",
    ],
)
@pytest.mark.parametrize("kind", [torch.AcceleratorError, RuntimeError])
def test_a_device_that_this_process_has_lost_asks_for_a_new_process(words, kind):
    named = named_device_errors(torch.device("cuda:0"))
    with pytest.raises(DeviceLostError, match=f"cuda:0 failed in the middle of a frame .*{words}") as caught, named:
        raise kind(f"CUDA error: {words}\nmore")
    assert "restart the process" in str(caught.value)
    assert "build the engine anew" not in str(caught.value)


def test_torch_before_2_8_names_its_devices_errors_by_their_words_only(monkeypatch):
    monkeypatch.delattr(torch, "AcceleratorError")
    named = named_device_errors(torch.device("cuda:0"))
    with pytest.raises(DeviceFailureError), named:
        raise RuntimeError("CUDA error: too many resources requested for launch")
    with pytest.raises(RuntimeError, match="shapes"), named_device_errors(torch.device("cuda:0")):
        raise RuntimeError("shapes cannot be multiplied")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes") as caught, named_device_errors(CPU):
        raise RuntimeError("shapes cannot be multiplied")
    assert not isinstance(caught.value, DeviceError)


def test_a_way_to_run_that_this_device_lacks_is_named_with_those_it_has():
    check_backend("native", CPU)
    with pytest.raises(DeviceError, match="'graph' does not run on cpu; expected one of auto, native, eager, compiled"):
        check_backend("graph", CPU)
    with pytest.raises(DeviceError, match="'native' does not run on cuda"):
        check_backend("native", torch.device("cuda"))


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 7), (9, 0)])
def test_a_gpu_without_bfloat16_convolutions_refuses_bf16(monkeypatch, capability):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda:1")
    assert [choose_precision(name, gpu) for name in ("auto", "fp16", "fp32")] == ["fp16", "fp16", "fp32"]
    if capability >= (8, 0):
        assert choose_precision("bf16", gpu) == "bf16"
    else:
        with pytest.raises(
            DeviceError, match="precision 'bf16' is not supported on cuda:1; expected auto, fp32 or fp16"
        ):
            choose_precision("bf16", gpu)


@pytest.mark.parametrize(
    "words",
    [
        "FIND was unable to find an engine to execute this computation",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ],
)
def test_a_library_without_room_counts_as_no_memory(words):
    with pytest.raises(OutOfMemoryError, match="cuda:0 ran out of memory"), named_device_errors(torch.device("cuda:0")):
        raise RuntimeError(words)


def test_a_torch_that_was_not_built_for_the_gpu_says_so_and_is_not_tried_again():
    with pytest.raises(DeviceError) as caught, named_device_errors(torch.device("cuda:0")):
        raise torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device")
    assert not isinstance(caught.value, DeviceFailureError)
    for part in ("was not built for cuda:0", "install a torch built for this GPU", "device:=cpu"):
        assert part in str(caught.value)
