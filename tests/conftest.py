"""Shared by all tests: threads, the hypothesis profile, devices with one tolerance table, and where real data lies."""

import os
from contextlib import suppress
from pathlib import Path

# Tests run side by side, where threads that wait for each other take whole cores: one thread, in their children too.
for _library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import cv2  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from pagnet_ros.runtime.native import NativeUnavailableError, load_library  # noqa: E402

cv2.setNumThreads(1)
# the same examples on every CI run; at a desk new ones each time
settings.register_profile("repository", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.load_profile("repository")

# Largest RMS difference to fp32 on the CPU, in metres, on a scene of 0.3 to 5 m. bf16 carries 8 bits of what a network
# adds to bicubic, so it costs about a hundredth of that where every layer's output is rounded to it, as on a GPU and on
# a CPU without instructions for it; fp16 has to stay within a millimetre.
TOLERANCE_M = {
    ("cpu", "fp32"): 1e-5,
    ("cpu", "bf16"): 3e-3,
    ("cuda", "fp32"): 5e-5,
    ("cuda", "bf16"): 3e-3,
    ("cuda", "fp16"): 1e-3,
}


def pytest_configure(config):
    """Build the kernels before several processes of tests would each do so."""
    if config.getoption("numprocesses", None):
        with suppress(NativeUnavailableError):
            load_library()


def pytest_runtest_setup(item):
    """One thread, whatever the test before has set; what is marked ``gpu`` needs one."""
    torch.set_num_threads(1)
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and this machine has none that torch can use")


@pytest.fixture(
    params=[pytest.param(key, marks=pytest.mark.gpu if key[0] == "cuda" else ()) for key in TOLERANCE_M], ids="-".join
)
def device_precision_tolerance(request):
    """``(device, precision, tolerance in metres)``; what this machine has no device for is skipped."""
    return *request.param, TOLERANCE_M[request.param]


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real development data, which is not part of the repository."""
    folder = Path(os.environ.get("PAGNET_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}; name its folder in PAGNET_DATA")
    return folder
