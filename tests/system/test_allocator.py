"""The allocator is told to keep memory only where that works and nobody has decided otherwise."""

import subprocess
import sys

import pytest

from pagnet_ros.system import allocator
from pagnet_ros.system.allocator import keep_freed_memory


@pytest.fixture
def undecided(monkeypatch):
    for name in allocator.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", allocator.VARIABLES)
def test_what_the_user_has_set_stays(monkeypatch, undecided, name):
    monkeypatch.setenv(name, "1")
    assert keep_freed_memory() is False


def test_another_system_or_c_library_is_left_alone(monkeypatch, undecided):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_freed_blocks_are_taken_again_without_page_faults(undecided):
    code = """
import ctypes, resource
from pagnet_ros.system.allocator import keep_freed_memory
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
if not keep_freed_memory():
    raise SystemExit(77)
def use(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        block = c.malloc(64 << 20)
        ctypes.memset(block, 1, 64 << 20)
        c.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = use(1)
assert use(10) < first, (first, "faults each time")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
