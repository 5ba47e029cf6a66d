"""Builds `kernels.cpp`, `rays.cpp` and `surfaces.cpp` with the machine's C++ compiler, once per machine, and loads it.

The built file lies in the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``, below ``pagnet_ros``) under a name that
holds source, compiler and CPU; ``PAGNET_CACHE`` names another folder. It ends in its own checksum, and is loaded only
where that is right and nobody else can have written it; else it is built anew. Whatever fails here is a
`NativeUnavailableError`, and the package works as before, with torch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pagnet_ros.errors import PagnetError

SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernels.cpp", "rays.cpp", "surfaces.cpp"))
HEADER = Path(__file__).with_name("lanes.hpp")
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-O3", "-march=native", "-std=c++20", "-shared", "-fPIC", "-pthread", "-Wno-psabi")
BUILD_SECONDS = 120
VERSION_SECONDS = 10
_MARK = b"pagnet_ros sha256 "
_SUM_BYTES = len(_MARK) + hashlib.sha256().digest_size
_FAILURES = (OSError, subprocess.SubprocessError, ValueError, MemoryError)


class NativeUnavailableError(PagnetError):
    """The network cannot run as C++ here; the message says why."""


class Library:
    """The loaded kernels."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Load what a built file held when it was checked; what happens to the file afterwards is of no account.

        Raises:
            NativeUnavailableError: it does not load.
        """
        try:
            self._library = _loaded(content)
            self._run = self._library.pagnet_run
            self._rays, self._choose = self._library.pagnet_rays, self._library.pagnet_choose
            self._run.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
            self._run.restype = None
            self._rays.argtypes = self._choose.argtypes = (ctypes.c_void_p, ctypes.c_int)
            self._rays.restype = self._choose.restype = None
            self.structure_bytes = self._library.pagnet_measured_bytes(), self._library.pagnet_choice_bytes()
            self.has_bf16 = bool(self._library.pagnet_has_bf16())
            self.op_bytes = int(self._library.pagnet_op_bytes())
        except (OSError, AttributeError) as error:
            raise NativeUnavailableError(f"{path} does not load ({error}); delete it") from error

    def block_size(self, channels: int, done: int) -> int:
        """How many output channels run together, after `done` of `channels`; weights are packed so."""
        return int(self._library.pagnet_block_size(channels, done))

    def run(self, ops: ctypes.Array[Any], count: int, threads: int) -> None:
        """Run operations on some threads, without the GIL."""
        self._run(ctypes.addressof(ops), count, threads)

    def rays(self, measured: ctypes.Structure, threads: int) -> None:
        """`pagnet_ros.model.surfaces.nearest_measured` and what enters the network, without the GIL."""
        self._rays(ctypes.addressof(measured), threads)

    def choose(self, frame: ctypes.Structure, threads: int) -> None:
        """`pagnet_ros.model.surfaces.choose` for what `frame` describes, without the GIL."""
        self._choose(ctypes.addressof(frame), threads)


def load_library() -> Library:
    """The kernels for this machine, built first where they are not yet.

    Raises:
        NativeUnavailableError: no compiler, or it fails, or the cache cannot be used.
    """
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise NativeUnavailableError(f"no C++ compiler on PATH (looked for {', '.join(COMPILERS)})")
    folder = cache_folder()
    try:
        target = folder / f"kernels-{_fingerprint(compiler)}.so"
        content = _intact(target)
        if content is None:
            _build(compiler, target)
            content = target.read_bytes()
    except _FAILURES as error:
        raise NativeUnavailableError(f"{compiler} could not build the kernels ({error})") from error
    return Library(target, content)


@functools.cache
def _loaded(content: bytes) -> ctypes.CDLL:
    """A library from memory of its own: a file that is cut off while it is mapped ends the process with a bus error."""
    handle = os.memfd_create("pagnet_kernels")  # stays open: the loader takes an equal name for the same library
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(content)
    return ctypes.CDLL(f"/proc/self/fd/{handle}")


def _intact(path: Path) -> bytes | None:
    """The content of a built file that is whole, and this user's alone; none of any other."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_own(status):
                return None
            content = file.read()
    except OSError:
        return None
    return content if content[-_SUM_BYTES:] == _checksum(content[:-_SUM_BYTES]) else None


def _is_own(status: os.stat_result) -> bool:
    """Whether only this user can have written a file or folder."""
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _checksum(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).digest()


def cache_folder() -> Path:
    """A folder that only this user can write to: what lies in it is run."""
    folder = Path("~/.cache/pagnet_ros")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(os.environ.get("PAGNET_CACHE") or Path(base, "pagnet_ros"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError) as error:
        raise NativeUnavailableError(
            f"cache folder {folder} cannot be made ({error}); name one in PAGNET_CACHE"
        ) from error
    if not _is_own(status):
        raise NativeUnavailableError(
            f"cache folder {folder} can be written by others; expected one of this user's alone (chmod 700)"
        )
    return folder


def _fingerprint(compiler: str) -> str:
    """What a built file depends on."""
    version = _output(_run([compiler, "--version"], VERSION_SECONDS).stdout)
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        cpu = "\n".join(
            sorted({line for line in info.splitlines() if line.startswith(("flags", "Features", "model name"))})
        )
    except OSError:
        cpu = platform.processor()
    parts = (
        *(source.read_text(encoding="utf-8") for source in (*SOURCES, HEADER)),
        " ".join(FLAGS),
        compiler,
        version,
        platform.machine(),
        cpu,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _run(words: list[str], seconds: float) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds)


def _output(said: bytes) -> str:
    """What a compiler wrote, in whatever encoding."""
    return said.decode("utf-8", errors="replace")


def _build(compiler: str, target: Path) -> None:
    """Compile in a folder of its own, then rename: a second process never loads half a file.

    The folder goes at the end of the process too, where that does not wait for the compiler.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        built = Path(folder, target.name)
        done = _run([compiler, *FLAGS, "-o", str(built), *map(str, SOURCES)], BUILD_SECONDS)
        if done.returncode != 0:
            said = _output(done.stderr).splitlines()
            lines = [line for line in said if "error" in line] or said
            raise NativeUnavailableError(f"{compiler} failed ({(lines or ['no message'])[0].strip()[:300]})")
        with built.open("r+b") as file:
            content = file.read()
            file.write(_checksum(content))
            file.flush()
            os.fchmod(file.fileno(), 0o700)
            os.fsync(file.fileno())  # the name must not be there before the content, after a power cut
        built.replace(target)
