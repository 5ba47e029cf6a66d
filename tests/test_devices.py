"""Which errors of torch become which of ours, and which ways to run a device has."""

import pytest
import torch

from pagnet_ros.devices import check_backend, named_device_errors
from pagnet_ros.errors import DeviceError, DeviceFailureError, OutOfMemoryError

CPU = torch.device("cpu")


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
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nmore"),
        RuntimeError("CUDA error: unspecified launch failure"),
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
