"""NumPy files from outside: what they hold comes back, and what would do harm is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_training.data import numpy_files
from pagnet_training.data.numpy_files import read_numpy


def test_arrays_come_back(tmp_path: Path) -> None:
    depth, size = np.arange(12, dtype=np.float32).reshape(3, 4), np.array(7.5)
    np.save(tmp_path / "a.npy", depth)
    np.savez_compressed(tmp_path / "b.npz", depth=depth, size=size)
    np.testing.assert_array_equal(read_numpy(tmp_path / "a.npy")[""], depth)
    both = read_numpy(tmp_path / "b.npz")
    np.testing.assert_array_equal(both["depth"], depth)
    assert both["size"] == size


def test_a_small_file_that_unfolds_into_a_large_one_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_files, "MAX_ARRAY_BYTES", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(2**18, np.float64))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**14
    with pytest.raises(RecordingError, match=r"unpacks to 2097[0-9]+ bytes; expected at most 1048576"):
        read_numpy(tmp_path / "bomb.npz")


def claims_an_exabyte(path: Path) -> None:
    head = {"descr": "<f8", "fortran_order": False, "shape": (2**30, 2**27)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)


def holds_an_object(path: Path) -> None:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def is_cut_off(path: Path) -> None:
    np.save(path, np.zeros((30, 40)))
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("write", [claims_an_exabyte, holds_an_object, is_cut_off, Path.touch])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_plain_array_is_refused_by_name(tmp_path: Path, write: Callable[[Path], None], packed: bool) -> None:
    path = tmp_path / "bad.npy"
    write(path)
    if packed:
        with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
            archive.write(path, "bad.npy")
        path = tmp_path / "bad.npz"
    with pytest.raises(RecordingError, match=f"{path.name}: not a NumPy array file"):
        read_numpy(path)


def test_a_missing_file_and_one_that_is_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read_numpy(tmp_path / "absent.npz")
    np.save(tmp_path / "a.npy", np.zeros(100))
    monkeypatch.setattr(numpy_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(RecordingError, match="expected at most 100"):
        read_numpy(tmp_path / "a.npy")
