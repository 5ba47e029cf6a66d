"""NumPy files from outside -> arrays: nothing is unpickled, and no small file may unfold into gigabytes."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError

MAX_FILE_BYTES = 256 * 2**20
MAX_ARRAY_BYTES = 2**30
_ERRORS = (OSError, ValueError, EOFError, KeyError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def read_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """Read a ``.npz`` file's arrays by name, or a ``.npy`` file's only one under the name "".

    Raises:
        RecordingError: missing, damaged, holding objects, larger than 256 MiB, or than 1 GiB once it is unpacked.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise RecordingError(f"{path}: {size} bytes; expected at most {MAX_FILE_BYTES}; cut it into smaller files")
        if path.suffix == ".npy":
            return {"": np.load(path, allow_pickle=False)}
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > MAX_ARRAY_BYTES:
            raise RecordingError(f"{path}: unpacks to {size} bytes; expected at most {MAX_ARRAY_BYTES}")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        if odd := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{', '.join(odd)} is no array")
        return arrays
    except _ERRORS as error:
        raise RecordingError(f"{path}: not a NumPy array file ({error}); save it with numpy.save") from error
