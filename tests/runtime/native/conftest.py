"""The compiled kernels, where there is a compiler."""

import pytest

from pagnet_ros.runtime.native import NativeUnavailableError, load_library


@pytest.fixture(scope="module")
def kernels():
    try:
        return load_library()
    except NativeUnavailableError as error:
        pytest.skip(str(error))
